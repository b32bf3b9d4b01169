"""Arrow IPC files and streams, shared out over ranks; pyarrow and pandas as oracles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
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
