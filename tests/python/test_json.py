"""JSON lines: nested types, cut over ranks, types that agree; beside pandas."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, run, same_as_pandas
from servers import Servers

import weft

NOTHING = [pa.table({"unused": [0]})]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(-(2**53), 2**53),
    "number": st.one_of(st.integers(-1000, 1000), st.floats(allow_nan=False, allow_infinity=False)),
    "text": st.sampled_from(["", "a", 'q"\\', "two\nlines", "2013-01-01", "2013-01-01 05:00:00", "\u00e9北\U0001f600"]),
    "bool": st.booleans(),
}
NESTED: dict[str, st.SearchStrategy[Any]] = {
    **VALUES,
    "list": st.lists(st.integers(-5, 5), max_size=3),
    "struct": st.fixed_dictionaries({"x": st.integers(0, 9)}, optional={"y": st.sampled_from(["a", "2013-01-01"])}),
    "deep": st.lists(
        st.fixed_dictionaries({"z": st.lists(st.sampled_from(["p", "2013-01-01"]), max_size=2)}), max_size=2
    ),
}


@st.composite
def json_rows(draw: st.DrawFn, kinds: dict[str, st.SearchStrategy[Any]], missing: bool = True) -> list[dict[str, Any]]:
    columns = {f"c{i}": kinds[draw(st.sampled_from(sorted(kinds)))] for i in range(3)}
    rows = []
    for number in range(draw(st.integers(1, 15))):
        row: dict[str, Any] = {"row": number}
        for name, values in columns.items():
            choice = draw(st.integers(0, 5)) if missing else 5
            if choice > 0:
                row[name] = None if choice == 1 else draw(values)
        rows.append(row)
    return rows


def as_lines(rows: list[dict[str, Any]], end: str = "\n") -> str:
    return end.join(json.dumps(row, ensure_ascii=False) for row in rows)


@covers("read_json", lines="different: must be True", path_or_buf="same")
@given(data=st.data())
def test_any_file_over_any_ranks_is_what_pandas_reads(servers: Servers, tmp_path_factory: Any, data: Any) -> None:
    path = tmp_path_factory.mktemp("json") / "a.jsonl"
    rows = data.draw(json_rows(VALUES))
    path.write_text(
        as_lines(rows, data.draw(st.sampled_from(["\n", "\r\n", "\n\n"]))) + data.draw(st.sampled_from(["", "\n"]))
    )
    same_as_pandas(
        data,
        servers,
        "weft.read_json(path, lines=True, split_bytes=1, env=env)",
        NOTHING,
        pandas="pd.read_json(path, lines=True, dtype=False, convert_dates=False, precise_float=True)",
        path=str(path),
    )


@given(data=st.data())
def test_nested_types_over_any_ranks(servers: Servers, tmp_path_factory: Any, data: Any) -> None:
    path = tmp_path_factory.mktemp("json") / "a.jsonl"
    rows = data.draw(json_rows(NESTED))
    path.write_text(as_lines(rows))
    found = run(data, servers, "weft.read_json(path, lines=True, split_bytes=1, env=env)", NOTHING, path=str(path))

    def fits(value: Any, given: Any) -> bool:
        if isinstance(value, dict):
            return all(fits(item, (given or {}).get(name)) for name, item in value.items())
        if isinstance(value, list):
            return len(value) == len(given) and all(fits(a, b) for a, b in zip(value, given, strict=True))
        return bool(value == given)

    for made, row in zip(found.to_arrow().to_pylist(), rows, strict=True):
        for name, value in made.items():
            assert fits(value, row.get(name)), (made, row)


@covers("DataFrame.to_json", "different: floats have all digits, times are ISO 8601; a bound frame is a directory of parts",
        orient="different: records alone", lines="different: must be True", path_or_buf="different: None is refused",
        force_ascii="same", index="same", compression="different: zip, xz and tar are refused")  # fmt: skip
@given(data=st.data())
def test_what_is_written_is_what_pandas_writes(tmp_path_factory: Any, data: Any) -> None:
    folder = tmp_path_factory.mktemp("json")
    rows = data.draw(json_rows(NESTED))
    (folder / "a.jsonl").write_text(as_lines(rows))
    frame = weft.read_json(folder / "a.jsonl", lines=True)
    ascii = data.draw(st.booleans())
    frame.to_json(folder / "b.jsonl", orient="records", lines=True, force_ascii=ascii)
    text = (folder / "b.jsonl").read_text()
    assert not ascii or text.isascii()
    assert [json.loads(line) for line in text.splitlines() if line] == frame.to_arrow().to_pylist()
    assert weft.read_json(folder / "b.jsonl", lines=True).to_arrow().to_pylist() == frame.to_arrow().to_pylist()


def test_the_text_of_each_type(tmp_path: Path) -> None:
    import datetime as dt
    import decimal

    table = pa.table(
        {
            "f": [0.1, math.nan, math.inf],
            "t": pa.array([dt.datetime(2013, 1, 1, 5), None, dt.datetime(2014, 1, 1, 0, 0, 0, 5)], pa.timestamp("us")),
            "z": pa.array([dt.datetime(2013, 1, 1, 5)] * 3, pa.timestamp("s", "Europe/Berlin")),
            "d": pa.array([dt.date(2013, 1, 1)] * 3),
            "c": pa.array([decimal.Decimal("1.50")] * 3),
            "k": pa.array(["a", "b", "a"]).dictionary_encode(),
            "m": pa.array([[("x", 1)], [], None], pa.map_(pa.string(), pa.int64())),
        }
    )
    weft.DataFrame(table).to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    assert (tmp_path / "a.jsonl").read_text().splitlines() == [
        '{"f":0.1,"t":"2013-01-01T05:00:00","z":"2013-01-01T05:00:00+00:00","d":"2013-01-01","c":1.50,"k":"a","m":{"x":1}}',
        '{"f":null,"t":null,"z":"2013-01-01T05:00:00+00:00","d":"2013-01-01","c":1.50,"k":"b","m":{}}',
        '{"f":null,"t":"2014-01-01T00:00:00.000005","z":"2013-01-01T05:00:00+00:00","d":"2013-01-01","c":1.50,"k":"a","m":null}',
    ]
    with pytest.raises(TypeError, match="'b'"):
        weft.DataFrame(pa.table({"b": [b"x"]})).to_json(tmp_path / "b.jsonl", orient="records", lines=True)
    again = weft.read_json(tmp_path / "a.jsonl", lines=True, dtype={"t": pa.timestamp("us")})
    assert again.to_arrow()["t"].to_pylist() == table["t"].to_pylist()


@pytest.mark.parametrize("ranks", [1, 3])
def test_written_by_ranks_and_read_back(servers: Servers, tmp_path: Path, ranks: int) -> None:
    table = pa.table({"i": range(50), "s": [f"é{i}" for i in range(50)]})
    for compression, ending in (
        ("none", ".jsonl"),
        ("gzip", ".jsonl.gz"),
        ("zstd", ".jsonl.zst"),
        ("bz2", ".jsonl.bz2"),
    ):
        path = tmp_path / f"{compression}-{ranks}"
        code = "df.to_json(path, orient='records', lines=True, compression=compression)"
        cuts = [[50 * rank // ranks for rank in range(ranks + 1)]]
        outcome = servers[ranks].run(
            {"op": "eval", "code": code, "names": {"path": str(path), "compression": compression}}, [table], cuts
        )
        assert outcome.errors == [None] * ranks
        assert sorted(entry.name for entry in path.iterdir()) == [f"part-{rank:05}{ending}" for rank in range(ranks)]
        assert weft.read_json(path, lines=True).to_arrow().equals(table)


def test_types_of_parts_are_made_to_agree(servers: Servers, tmp_path: Path) -> None:
    (tmp_path / "0.jsonl").write_text('{"a": 1, "l": [], "s": {"x": 1}}\n')
    (tmp_path / "1.jsonl").write_text('{"a": 1.5, "l": [1], "s": {"y": "2013-01-01"}, "n": true}\n')
    (tmp_path / "2.jsonl").write_text('{"a": null, "s": null}\n\n')
    for ranks in (1, 2, 3, 5):
        outcome = servers[ranks].run(
            {"op": "eval", "code": "weft.read_json(path, lines=True, env=env)", "names": {"path": str(tmp_path)}},
            NOTHING,
            [[0] * ranks + [1]],
        )
        assert outcome.errors == [None] * ranks
        assert outcome.table is not None and outcome.table.to_pylist() == [
            {"a": 1.0, "l": [], "s": {"x": 1, "y": None}, "n": None},
            {"a": 1.5, "l": [1], "s": {"x": None, "y": "2013-01-01"}, "n": True},
            {"a": None, "l": None, "s": None, "n": None},
        ]
    (tmp_path / "3.jsonl").write_text('{"a": "text"}\n')
    for ranks in (1, 3):
        outcome = servers[ranks].run(
            {"op": "eval", "code": "weft.read_json(path, lines=True, env=env)", "names": {"path": str(tmp_path)}},
            NOTHING,
            [[0] * ranks + [1]],
        )
        for found in outcome.errors:
            assert found is not None and found[0] == "TypeError" and "'a'" in found[1] and "3.jsonl" in found[1]


@covers(
    "read_json", orient="different: records alone", typ="refused", dtype="different: a dict of some columns' types",
    convert_axes="refused", convert_dates="refused", keep_default_dates="refused", precise_float="refused",
    date_unit="refused", encoding="different: UTF-8 alone", encoding_errors="refused", chunksize="refused",
    compression="different: zip, xz and tar are refused", nrows="refused", storage_options="refused",
    dtype_backend="refused", engine="refused",
)  # fmt: skip
@pytest.mark.parametrize(
    "argument",
    [
        "orient='split'", "typ='series'", "dtype=True", "convert_axes=True", "convert_dates=True", "date_unit='s'",
        "keep_default_dates=True", "precise_float=True", "encoding='latin-1'", "encoding_errors='ignore'", "chunksize=3",
        "compression='zip'", "nrows=3", "storage_options={}", "dtype_backend='pyarrow'", "engine='pyarrow'",
    ],
)  # fmt: skip
def test_arguments_that_are_not_taken(servers: Servers, argument: str) -> None:
    refused(
        servers,
        ValueError,
        f"weft.read_json('a.jsonl', lines=True, {argument}, env=env)",
        NOTHING,
        argument.split("=", maxsplit=1)[0],
    )


@covers(
    "DataFrame.to_json", date_format="different: iso alone", double_precision="refused", date_unit="refused",
    default_handler="refused", indent="refused", storage_options="refused", mode="refused",
)  # fmt: skip
@pytest.mark.parametrize(
    "argument",
    [
        "date_format='epoch'",
        "double_precision=3",
        "date_unit='s'",
        "default_handler=str",
        "indent=2",
        "storage_options={}",
        "mode='a'",
    ],
)
def test_arguments_of_to_json_that_are_not_taken(servers: Servers, argument: str) -> None:
    refused(
        servers,
        ValueError,
        f"df.to_json('a', orient='records', lines=True, {argument})",
        NOTHING,
        argument.split("=", maxsplit=1)[0],
    )
    refused(servers, ValueError, "df.to_json('a')", NOTHING, "orient")
    refused(servers, ValueError, "df.to_json(None, orient='records', lines=True)", NOTHING, "path")


@pytest.mark.parametrize(
    "text", ['{"a": 1}\n{"a": \n', '{"a": 1}\n[1]\n', '{"a": 1}\n{"a": "x"}\n', "nothing\n", '{"a": 1} trailing\n']
)
def test_broken_lines_are_errors_on_every_rank(servers: Servers, tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    for ranks in (1, 3):
        outcome = servers[ranks].run(
            {"op": "eval", "code": "weft.read_json(path, lines=True, env=env)", "names": {"path": str(path)}},
            NOTHING,
            [[0] * ranks + [1]],
        )
        for found in outcome.errors:
            assert found is not None and found[0] in ("ValueError", "TypeError") and "a.jsonl" in found[1], found


def test_packed_files(tmp_path: Path) -> None:
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b'{"a": 1}\n{"a": 2}\n'))
    assert weft.read_json(tmp_path / "a.json.gz", lines=True).to_pydict() == {"a": [1, 2]}
    weft.DataFrame({"a": [1, 2]}).to_json(tmp_path / "b.json.gz", orient="records", lines=True)
    assert pd.read_json(tmp_path / "b.json.gz", lines=True).to_dict("list") == {"a": [1, 2]}


def test_lists_that_begin_with_a_missing_value(servers: Servers, tmp_path: Path) -> None:
    """Arrow's reader loses the missing values that come before it knows a list's type."""
    values: list[Any] = [[None, 1], [2], None, [None, None, 3], [None]]
    rows = [{"n": i, "x": value, "y": {"z": [None, f"t{i}"]}} for i, value in enumerate(values)]
    path = tmp_path / "a.jsonl"
    path.write_text(as_lines(rows))
    for ranks in (1, 3):
        names = {"path": str(path)}
        code = "weft.read_json(path, lines=True, split_bytes=1, env=env).sort_values('n')"
        outcome = servers[ranks].run({"op": "eval", "code": code, "names": names}, NOTHING, [[0] * ranks + [1]])
        assert outcome.errors == [None] * ranks
        assert outcome.table is not None and outcome.table.to_pylist() == rows
