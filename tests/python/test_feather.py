"""Arrow IPC files and streams, shared out over ranks; pyarrow and pandas as oracles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, run
from pyarrow import feather
from servers import Servers

import weft

NOTHING = [pa.table({"unused": [0]})]


def write(path: Path, table: pa.Table, stream: bool, rows: int, compression: str | None) -> None:
    options = pa.ipc.IpcWriteOptions(compression=compression, unify_dictionaries=True)
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with pa.OSFile(str(path), "wb") as sink, make(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)


@covers("read_feather", path="same", columns="same")
@given(data=st.data())
def test_any_file_over_any_ranks(servers: Servers, tmp_path_factory: Any, data: Any) -> None:
    folder = tmp_path_factory.mktemp("ipc")
    table = data.draw(tables.tables(["string", "double"], payloads=2))
    pieces = data.draw(st.integers(1, 3))
    for number in range(pieces):
        begin, end = (table.num_rows * edge // pieces for edge in (number, number + 1))
        write(
            folder / f"{number}.feather", table.slice(begin, end - begin), data.draw(st.booleans()),
            data.draw(st.sampled_from([1, 3, 1000])), data.draw(st.sampled_from([None, "lz4", "zstd"])),
        )  # fmt: skip
    found = run(data, servers, "weft.read_ipc(path, env=env)", NOTHING, path=str(folder)).to_arrow()
    assert found.schema.types == table.schema.types
    assert tables.rows_of(found) == tables.rows_of(table)
    some = run(
        data, servers, "weft.read_feather(path, columns=['prow', 'k0'], filters=[('prow', '>', 5)], env=env)", NOTHING,
        path=str(folder),
    )  # fmt: skip
    assert some.columns == ["prow", "k0"]
    assert some.to_pydict()["prow"] == [row for row in table["prow"].to_pylist() if row > 5]


@covers("DataFrame.to_feather", "different: the index is kept; a bound frame is a directory of parts", path="same")
@pytest.mark.parametrize("compression", ["lz4", "zstd", "uncompressed", None])
def test_pandas_reads_what_weft_writes(servers: Servers, tmp_path: Path, compression: str | None) -> None:
    table = pa.table({"i": range(100), "s": ["é"] * 100, "d": pa.array(["x", "y"] * 50).dictionary_encode()})
    weft.DataFrame(table).to_feather(tmp_path / "a.feather", compression=compression, chunksize=30)
    assert feather.read_table(tmp_path / "a.feather").to_pylist() == table.to_pylist()
    with pa.ipc.open_file(tmp_path / "a.feather") as file:
        assert file.num_record_batches == 4
    frame = pd.DataFrame({"k": [1, 2], "v": ["a", "b"]}).set_index("k")
    weft.DataFrame(frame).to_feather(tmp_path / "b.feather")
    assert weft.read_feather(tmp_path / "b.feather").index_names == ("k",)
    for format in ("file", "stream"):
        weft.DataFrame(table).to_ipc(tmp_path / "c", format=format, compression=compression)
        assert weft.read_ipc(tmp_path / "c").to_arrow().to_pylist() == table.to_pylist()
    for kind in ("df.to_feather(path)", "df.to_ipc(path, format='stream')"):
        path = tmp_path / f"parts-{len(kind)}"
        outcome = servers[3].run({"op": "eval", "code": kind, "names": {"path": str(path)}}, [table], [[0, 0, 40, 100]])
        assert outcome.errors == [None] * 3
        assert weft.read_ipc(path).to_arrow().to_pylist() == table.to_pylist()


def test_dictionaries_of_views_and_of_half_floats(servers: Servers, tmp_path: Path) -> None:
    """Polars writes categories as dictionaries of string_view, which operators do not know; and Arrow makes wrong values
    of the dictionaries of half floats that two files have."""
    chance = np.random.default_rng(5)
    for number in range(2):
        texts = pa.array([f"text {number}", "short", "a text that is longer than a view holds"], pa.string_view())
        halves = pa.array(chance.integers(0, 31000, 20).astype(np.uint16).view(np.float16))
        columns = {"text": (texts, pa.uint32()), "half": (halves, pa.int8())}
        arrays = [
            pa.DictionaryArray.from_arrays(
                pa.array(chance.integers(0, len(values), 60), index, mask=chance.random(60) < 0.1), values
            )
            for values, index in columns.values()
        ]
        table = pa.Table.from_arrays([*arrays, pa.array(range(60))], names=[*columns, "v"])
        write(tmp_path / f"{number}.feather", table, bool(number), 25, None)
    both = [pa.ipc.open_file(tmp_path / "0.feather").read_all(), pa.ipc.open_stream(tmp_path / "1.feather").read_all()]
    rows = [row for table in both for row in table.to_pylist()]
    assert weft.DataFrame(both[1]).to_arrow().to_pylist() == rows[60:]
    code = "weft.read_ipc(path, env=env).sort_values('v', kind='stable')"
    for ranks in (1, 3):
        names = {"path": str(tmp_path)}
        outcome = servers[ranks].run({"op": "eval", "code": code, "names": names}, NOTHING, [[0] * ranks + [1]])
        found = outcome.table
        assert found is not None and outcome.errors == [None] * ranks
        assert found.schema.field("text").type == pa.dictionary(pa.uint32(), pa.string())
        assert found.schema.field("half").type == pa.float16()
        assert found.to_pylist() == sorted(rows, key=lambda row: row["v"])
    frame = weft.read_ipc(tmp_path)
    expected = pd.DataFrame(rows).groupby("text")["v"].sum()
    sums = frame.groupby("text")["v"].sum().to_pandas()
    assert dict(zip(sums.index, sums, strict=True)) == dict(expected)


@pytest.mark.parametrize("format", ["feather", "parquet"])
def test_extensions_are_read_as_their_storage(tmp_path: Path, format: str) -> None:
    """As by `weft.DataFrame`: no operator knows extensions."""
    texts = ['{"a":1}', None, "2", '{"a":1}']
    uuids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"a" * 16, None, b"b" * 16, b"a" * 16], pa.binary(16)))
    columns = {
        "uuid": uuids,
        "json": pa.ExtensionArray.from_storage(pa.json_(pa.string_view()), pa.array(texts, pa.string_view())),
        "flag": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None, 0, 1], pa.int8())),
        "list": pa.ListArray.from_arrays(pa.array([0, 1, 2, 3, 4], pa.int32()), uuids),
        "v": pa.array([1, 2, 3, 4]),
    }
    path = tmp_path / "a"
    table = pa.table(columns)
    if format == "feather":
        write(path, table, False, 3, None)
    else:
        pq.write_table(table, path, row_group_size=3)
    frame = weft.read_feather(path) if format == "feather" else weft.read_parquet(path)
    for found in (frame.to_arrow(), weft.DataFrame(table).to_arrow()):
        types = [pa.binary(16), pa.string(), pa.bool_(), pa.list_(pa.binary(16)), pa.int64()]
        assert [found.schema.field(name).type for name in columns] == types
        assert found["flag"].to_pylist() == [True, None, False, True]
        assert found["list"].to_pylist() == [[b"a" * 16], [None], [b"b" * 16], [b"a" * 16]]
    assert frame.groupby("uuid")["v"].sum().to_list() == [5, 3]
    assert frame.groupby("json")["v"].sum().to_list() == [3, 5]
    assert frame.sort_values("v", ascending=False)["json"].to_list() == texts[::-1]


def test_views_of_lists_and_dictionaries_of_nested_values(tmp_path: Path) -> None:
    """Arrow's own casts of the former read beyond their offsets; of the latter it makes none."""
    views = pa.ListViewArray.from_arrays(
        pa.array([3, 0, 1, 0], pa.int32()),
        pa.array([1, 2, 2, 0], pa.int32()),
        pa.array(["a", None, "a text that is longer than a view holds", "d"], pa.string_view()),
        mask=pa.array([False, False, False, True]),
    )
    indices = pa.array([1, None, 0, 1], pa.int8())
    columns = {
        "views": views,
        "large": pa.array([[1], None, [2, 3], []], pa.large_list_view(pa.int64())),
        "deep": pa.StructArray.from_arrays([views.take(pa.array([2, 1, 0, 3]))], ["s"]),
        "map": pa.array([[("a", 1)], None, [], [("b", None)]], pa.map_(pa.string_view(), pa.int64())),
        "of structs": pa.DictionaryArray.from_arrays(indices, pa.array([{"l": 1.0}, {"l": None}])),
        "of lists": pa.DictionaryArray.from_arrays(indices, pa.array([[1], [2, 3]])),
        "of nulls": pa.DictionaryArray.from_arrays(indices, pa.nulls(2)),
    }
    table = pa.table(columns)
    write(tmp_path / "a", table, False, 3, None)
    for frame in (weft.read_feather(tmp_path / "a"), weft.DataFrame(table)):
        for name in columns:
            expected = table[name].to_pylist()
            assert frame[name].to_list() == expected
            assert frame.iloc[[3, 0]][name].to_list() == [expected[3], expected[0]]
            assert frame[name].isna().to_list() == [one is None for one in expected]
        frame.to_arrow().validate(full=True)
        types = [str(kind) for kind in frame.schema.types]
        assert types[:2] == ["list<item: string>", "large_list<item: int64>"]
        assert types[4:] == ["struct<l: double>", "list<item: int64>", "null"]
        frame.to_pandas()
        frame.to_parquet(tmp_path / "b")


def test_unions_are_refused(tmp_path: Path) -> None:
    union = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])])
    table = pa.table({"u": union, "v": [1, 2]})
    write(tmp_path / "a", table, False, 2, None)
    says = r"column 'u'.* unions are not taken; make it a struct or text first"
    with pytest.raises(TypeError, match=rf"read_ipc: file .*{says}"):
        weft.read_feather(tmp_path / "a")
    with pytest.raises(TypeError, match=rf"weft.DataFrame: {says}"):
        weft.DataFrame(table)


@covers("read_feather", use_threads="refused", storage_options="refused", dtype_backend="refused")
@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("weft.read_feather('a', use_threads=False, env=env)", "use_threads"),
        ("weft.read_feather('a', storage_options={}, env=env)", "storage_options"),
        ("weft.read_feather('a', dtype_backend='pyarrow', env=env)", "dtype_backend"),
        ("df.to_feather('a', compression='gzip')", "compression"),
        ("df.to_feather('a', chunksize=0)", "chunksize"),
        ("df.to_ipc('a', format='x')", "format"),
        ("df.to_feather(None)", "path"),
    ],
)
def test_arguments_that_are_not_taken(servers: Servers, code: str, says: str) -> None:
    refused(servers, ValueError, code, NOTHING, says)


def test_files_that_differ_and_broken_ones(servers: Servers, tmp_path: Path) -> None:
    write(tmp_path / "0.feather", pa.table({"a": [1]}), False, 10, None)
    write(tmp_path / "1.feather", pa.table({"a": ["x"]}), False, 10, None)
    (tmp_path / "2.arrow").write_bytes(b"ARROW1 and no more")
    code = "weft.read_ipc(path, env=env)"
    for name, kind, says in (("*.feather", "TypeError", "1.feather"), ("2.arrow", "OSError", "2.arrow")):
        for ranks in (1, 3):
            names = {"path": str(tmp_path / name)}
            outcome = servers[ranks].run({"op": "eval", "code": code, "names": names}, NOTHING, [[0] * ranks + [1]])
            for found in outcome.errors:
                assert found is not None and found[0] == kind and says in found[1], found
    with pytest.raises(KeyError, match="zz"):
        weft.read_feather(tmp_path / "0.feather", columns=["zz"])
