"""Files written by one library and read by another: pyarrow and pandas as oracles."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import random
import string
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import weft


def parquet_types() -> list[pa.DataType]:
    """Every type that Parquet holds as it is."""
    return [
        pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(),
        pa.float16(), pa.float32(), pa.float64(), pa.decimal128(20, 3), pa.decimal256(50, 5), pa.date32(),
        pa.time32("ms"), pa.time64("us"), pa.time64("ns"), pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("ns"),
        pa.timestamp("us", "Europe/Berlin"), pa.duration("us"), pa.duration("s"), pa.string(), pa.large_string(),
        pa.binary(), pa.large_binary(), pa.binary(5), pa.dictionary(pa.int32(), pa.string()), pa.null(),
        pa.list_(pa.int32()), pa.large_list(pa.float64()), pa.list_(pa.int16(), 2), pa.list_(pa.list_(pa.string())),
        pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))]), pa.map_(pa.string(), pa.int32()),
    ]  # fmt: skip


def value(kind: pa.DataType, number: int) -> object:
    """Some Python value of a type, different for different numbers."""
    t = pa.types
    if t.is_null(kind):
        return None
    if t.is_boolean(kind):
        return number % 2 == 0
    if t.is_integer(kind):
        return number % 120
    if t.is_floating(kind):
        return number / 4
    if t.is_decimal(kind):
        return decimal.Decimal(number).scaleb(-kind.scale)
    if t.is_date(kind):
        return dt.date(2013, 1, 1) + dt.timedelta(days=number)
    if t.is_time(kind):
        return dt.time(number % 24, 30, 5, 1000)
    if t.is_timestamp(kind):
        zone = dt.UTC if kind.tz else None
        return dt.datetime(2013, 1, 1, 5, 0, 0, 1000, tzinfo=zone) + dt.timedelta(hours=number)
    if t.is_duration(kind):
        return dt.timedelta(seconds=number)
    if t.is_fixed_size_binary(kind):
        return str(number).zfill(kind.byte_width)[-kind.byte_width :].encode()
    if t.is_binary(kind) or t.is_large_binary(kind):
        return f"b{number}".encode()
    if t.is_string(kind) or t.is_large_string(kind):
        return f"text {number} ä"
    if t.is_dictionary(kind):
        return value(kind.value_type, number % 7)
    if t.is_map(kind):
        return [(value(kind.key_type, number), value(kind.item_type, number))]
    if t.is_fixed_size_list(kind):
        return [value(kind.value_type, number + i) for i in range(kind.list_size)]
    if t.is_list(kind) or t.is_large_list(kind):
        return [value(kind.value_type, number + i) for i in range(number % 4)]
    if t.is_struct(kind):
        return {field.name: value(field.type, number) for field in kind}
    raise AssertionError(kind)


def every_type(rows: int) -> pa.Table:
    columns = {}
    for place, kind in enumerate(parquet_types()):
        values = [None if (row + place) % 5 == 0 else value(kind, row) for row in range(rows)]
        columns[f"c{place}"] = pa.array(values, type=kind)
    return pa.table(columns)


@pytest.mark.parametrize("compression", ["snappy", "zstd", "gzip", "none"])
def test_pyarrow_reads_what_weft_writes(tmp_path: Path, compression: str) -> None:
    table = every_type(200)
    weft.DataFrame(table).to_parquet(tmp_path / "a.parquet", compression=compression, row_group_rows=70)
    read = pq.read_table(tmp_path / "a.parquet")
    assert read.to_pylist() == table.to_pylist()
    assert [f.type for f in read.schema] == [f.type for f in table.schema]
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3


@pytest.mark.parametrize(
    "options", [{}, {"compression": "zstd", "use_dictionary": False}, {"data_page_version": "2.0"}]
)
def test_weft_reads_what_pyarrow_writes(tmp_path: Path, options: dict[str, object]) -> None:
    table = every_type(200)
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=70, **options)
    read = weft.read_parquet(tmp_path / "a.parquet").to_arrow()
    assert read.to_pylist() == table.to_pylist()
    assert [f.type for f in read.schema] == [f.type for f in table.schema]


def test_a_frame_of_pandas_keeps_its_values(tmp_path: Path) -> None:
    frame = pd.DataFrame({"i": [1, 2, 3], "s": ["a", None, "c"], "f": [0.5, None, 2.0], "b": [True, False, True]})
    frame.to_parquet(tmp_path / "a.parquet")
    read = weft.read_parquet(tmp_path / "a.parquet").to_pandas()
    assert read.astype(object).where(read.notna(), None).to_dict("list") == frame.astype(object).where(
        frame.notna(), None
    ).to_dict("list")


def csv_text(rng: random.Random, rows: int) -> str:
    """Numbers, floats, texts with every nasty character, missing values of every spelling."""
    missing = ["", "NA", "NaN", "null", "N/A", "#N/A", "None", "nan", "<NA>"]
    alphabet = string.ascii_letters + " ,;\t'\"\näß"

    def text() -> str:
        plain = "x" + "".join(rng.choice(alphabet) for _ in range(rng.randrange(12)))
        return '"' + plain.replace('"', '""') + '"'

    lines = ["i,f,s,m,k"]
    for row in range(rows):
        cells = [
            str(rng.randrange(-(10**12), 10**12)),
            repr(rng.uniform(-1e6, 1e6)) if rng.random() < 0.9 else f"{rng.uniform(1, 9):.3e}",
            text(),
            str(row) if rng.random() < 0.7 else rng.choice(missing),
            rng.choice(["true-ish", "007", "1e5", "x y"]),
        ]
        lines.append(",".join(cells))
        if rng.random() < 0.05:
            lines.append("")
    return rng.choice(["\n", "\r\n"]).join(lines) + ("\n" if rng.random() < 0.5 else "")


def rows_of(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    return [tuple(None if pd.isna(cell) else cell for cell in row) for row in frame.itertuples(index=False)]


@pytest.mark.parametrize("seed", range(20))
def test_csv_as_pandas_reads_it(tmp_path: Path, seed: int) -> None:
    text = csv_text(random.Random(seed), 200)
    (tmp_path / "a.csv").write_bytes(text.encode())
    expected = pd.read_csv(io.BytesIO(text.encode()), dtype_backend="pyarrow")
    read = weft.read_csv(tmp_path / "a.csv").to_arrow()
    assert read.column_names == list(expected.columns)
    assert list(zip(*(column.to_pylist() for column in read.columns), strict=True)) == rows_of(expected)


@pytest.mark.parametrize(
    "options",
    [
        {"sep": ";"},
        {"usecols": ["s", "i"]},
        {"header": None, "names": ["p", "q", "r"]},
        {"header": 0, "names": ["p", "q", "r"]},
        {"na_values": ["-"]},
        {"na_values": ["-"], "keep_default_na": False},
    ],
)
def test_csv_options_as_in_pandas(tmp_path: Path, options: dict[str, object]) -> None:
    text = "i,s,x\n1,NA,0.5\n2,-,1.5\n3,c,\n"
    if "keep_default_na" in options:
        # An empty text is missing for Weft always.
        text = text.replace("c,", "c,2")
    if options.get("sep"):
        text = text.replace(",", ";")
    if options.get("header", "") is None:
        text = text.partition("\n")[2]
    (tmp_path / "a.csv").write_text(text)
    expected = pd.read_csv(io.StringIO(text), **options)
    read = weft.read_csv(tmp_path / "a.csv", **options).to_arrow()
    assert read.column_names == list(expected.columns)
    got = [
        tuple(None if pd.isna(cell) else cell for cell in row) for row in zip(*read.to_pydict().values(), strict=True)
    ]
    assert got == rows_of(expected)


def test_pandas_reads_what_weft_writes_as_csv(tmp_path: Path) -> None:
    table = pa.table(
        {
            "i": [1, None, 3],
            "s": ['a,"b"', "line\nend", None],
            "f": [0.1, 1e300, None],
            "t": pa.array([dt.datetime(2013, 1, 1, 5), None, dt.datetime(2014, 1, 1)], pa.timestamp("s")),
            "d": pa.array(["x", "y", "x"]).dictionary_encode(),
        }
    )
    weft.DataFrame(table).to_csv(tmp_path / "a.csv")
    read = pd.read_csv(tmp_path / "a.csv", parse_dates=["t"], dtype_backend="pyarrow")
    assert rows_of(read) == [tuple(row.values()) for row in table.to_pylist()]
    back = weft.read_csv(tmp_path / "a.csv", parse_dates=["t"]).to_arrow()
    assert back.to_pylist() == table.to_pylist()


def test_errors_have_their_class_and_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.parquet"):
        weft.read_parquet(tmp_path / "none.parquet")
    with pytest.raises(FileNotFoundError, match=r"none-\*\.csv"):
        weft.read_csv(tmp_path / "none-*.csv")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 is how it begins, and no more")
    with pytest.raises(OSError, match=r"broken\.parquet"):
        weft.read_parquet(tmp_path / "broken.parquet")
    (tmp_path / "broken.csv").write_text("a,b\n1,2\n\n1,2,3\n")
    with pytest.raises(ValueError, match=r"broken\.csv', line 4"):
        weft.read_csv(tmp_path / "broken.csv")
    frame = weft.DataFrame(pa.table({"a": [1]}))
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(FileExistsError, match=r"a\.parquet"):
        frame.to_parquet(tmp_path / "a.parquet", overwrite=False)
    frame.to_parquet(tmp_path / "a.parquet", overwrite=True)
    with pytest.raises(TypeError, match="'l'"):
        weft.DataFrame(pa.table({"l": [[1]]})).to_csv(tmp_path / "l.csv")
    assert not (tmp_path / "l.csv").exists()
