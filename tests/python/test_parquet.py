"""Parquet: hive partitions in and out, filters that keep files and row groups unread, metadata files, the index."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, run
from servers import Servers

import weft

NOTHING = [pa.table({"unused": [0]})]


def on_ranks(servers: Servers, ranks: int, code: str, inputs: list[pa.Table] | None = None, **names: Any) -> Any:
    """The outcome of `code` over ranks, the rows of `inputs` dealt out evenly."""
    inputs = inputs or NOTHING
    cuts = [[table.num_rows * rank // ranks for rank in range(ranks + 1)] for table in inputs]
    outcome = servers[ranks].run({"op": "eval", "code": code, "names": names}, inputs, cuts)
    assert outcome.errors == [None] * ranks, outcome.errors
    return outcome


def hive_table(rows: int = 60) -> pa.Table:
    return pa.table(
        {
            "year": pa.array([None if i % 13 == 5 else 2000 + i % 3 for i in range(rows)], pa.int64()),
            "name": pa.array([["a", "b c", "d/e=f", "ä%"][i % 4] for i in range(rows)]),
            "v": pa.array(range(rows), pa.int64()),
        }
    )


def sorted_rows(table: pa.Table, names: list[str]) -> list[tuple[Any, ...]]:
    return sorted(tables.rows_of(table.select(names)), key=lambda row: row[names.index("v")])


@covers("read_parquet", "different: columns of directories are int64 or text, not categories", path="same")
@pytest.mark.parametrize("ranks", [1, 2, 5])
def test_hive_directories_that_pyarrow_wrote(servers: Servers, tmp_path: Path, ranks: int) -> None:
    table = hive_table()
    pq.write_to_dataset(table, tmp_path / "d", partition_cols=["year", "name"])
    outcome = on_ranks(servers, ranks, "weft.read_parquet(path, env=env)", path=str(tmp_path / "d"))
    assert outcome.table.schema.names == ["v", "year", "name"]
    assert outcome.table.schema.field("year").type == pa.int64()
    names = ["year", "name", "v"]
    assert sorted_rows(outcome.table, names) == sorted_rows(table, names)


@pytest.mark.parametrize("reader", ["parquet", "feather"])
def test_columns_of_views_become_plain(servers: Servers, tmp_path: Path, reader: str) -> None:
    """Generators and other engines write text as string_view, which operators do not know."""
    texts = ["a", None, "a text of more than twelve bytes", "a"]
    table = pa.table({"t": pa.array(texts, pa.string_view()), "b": pa.array([b"x", b"", None, b"y"], pa.binary_view())})
    path = str(tmp_path / "views")
    if reader == "parquet":
        table = table.append_column("l", pa.array([["a", None], [], None, texts], pa.list_(pa.string_view())))
        pq.write_table(table, path)
    else:
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    plain = {"t": pa.string(), "b": pa.binary(), "l": pa.list_(pa.string())}
    read = "weft.read_parquet(path, env=env)" if reader == "parquet" else "weft.read_ipc(path, env=env)"
    for ranks in (1, 3):
        outcome = on_ranks(servers, ranks, read, path=path)
        assert outcome.table.schema.types == [plain[name] for name in table.column_names]
        assert outcome.table.to_pylist() == table.to_pylist()
        code = f"{read}.filter(col('t') == 'a').groupby('t', as_index=False).agg(n=('t', 'size'))"
        assert on_ranks(servers, ranks, code, path=path).table.to_pylist() == [{"t": "a", "n": 2}]
        code = read.replace("env=env", "filters=col('t') == 'a', env=env")
        assert on_ranks(servers, ranks, code, path=path).table.num_rows == 2


@covers("DataFrame.to_parquet", "different: a bound frame is a directory of parts", partition_cols="same")
@pytest.mark.parametrize("ranks", [None, 1, 3])
@pytest.mark.parametrize("metadata_file", [False, True])
def test_hive_directories_that_pyarrow_reads(
    servers: Servers, tmp_path: Path, ranks: int | None, metadata_file: bool
) -> None:
    table = hive_table()
    path = tmp_path / "out"
    code = "df.to_parquet(path, partition_cols=['year', 'name'], metadata_file=metadata_file)"
    if ranks is None:
        eval(code, {"df": weft.DataFrame(table), "path": path, "metadata_file": metadata_file})
    else:
        on_ranks(servers, ranks, code, [table], path=str(path), metadata_file=metadata_file)
    assert {entry.name for entry in tmp_path.iterdir()} == {"out"}
    names = ["year", "name", "v"]
    found = ds.dataset(path, partitioning="hive").to_table()
    assert sorted_rows(found, names) == sorted_rows(table, names)
    again = weft.read_parquet(path)
    assert sorted_rows(again.to_arrow(), names) == sorted_rows(table, names)
    assert (path / "_metadata").exists() is metadata_file
    if metadata_file:
        listed = weft.read_parquet(path / "_metadata").to_arrow()
        assert sorted_rows(listed, names) == sorted_rows(table, names)
        fragments = ds.parquet_dataset(path / "_metadata", partitioning="hive").to_table()
        assert sorted_rows(fragments, names) == sorted_rows(table, names)
        assert pq.read_schema(path / "_common_metadata").names == ["v"]
        outcome = on_ranks(servers, 2, "weft.read_parquet(path, env=env)", path=str(path / "_metadata"))
        assert sorted_rows(outcome.table, names) == sorted_rows(table, names)


@given(data=st.data())
def test_partitions_of_every_type_come_back(servers: Servers, tmp_path_factory: Any, data: Any) -> None:
    kind = data.draw(
        st.sampled_from(["int8", "int64", "uint32", "bool", "string", "large_string", "date32", "dictionary"])
    )
    table = data.draw(tables.tables([kind], payloads=0, max_rows=12))
    # No file system has names of 300 letters.
    short = [row for row, (key, _) in enumerate(tables.rows_of(table)) if len(str(key)) < 200]
    table = table.take(pa.array(short, pa.int64()))
    folder = tmp_path_factory.mktemp("hive")
    ranks = data.draw(st.sampled_from([1, 2, 4]))
    on_ranks(servers, ranks, "df.to_parquet(path, partition_cols=['k0'])", [table], path=str(folder / "d"))
    if table.num_rows == 0:
        return
    # Texts such as "1" would come back as integers; the generator has none.
    found = weft.read_parquet(folder / "d").to_arrow()
    expected = [(str(key), row) for key, row in tables.rows_of(table)]
    if kind == "bool":
        expected = [(key.lower() if key != "None" else key, row) for key, row in expected]
    rows = [(str(key), row) for row, key in tables.rows_of(found)]
    if kind in ("string", "large_string", "dictionary"):
        # An empty text is an empty name.
        assert sorted(row for _, row in rows) == sorted(row for _, row in expected)
    tables.same_rows(rows, expected)


def test_what_the_filter_rules_out_is_not_opened(servers: Servers, tmp_path: Path) -> None:
    table = hive_table()
    weft.DataFrame(table).to_parquet(tmp_path / "d", partition_cols=["year"])
    # Any look at these files would be an error.
    for broken in (tmp_path / "d" / "year=2001").iterdir():
        broken.write_bytes(b"nothing of Parquet")
    for filters in ("weft.col('year') == 2000", "[('year', '=', 2000)]", "[[('year', 'in', [2000]), ('v', '>=', 0)]]"):
        outcome = on_ranks(servers, 2, f"weft.read_parquet(path, filters={filters}, env=env)", path=str(tmp_path / "d"))
        expected = [
            v for year, v in zip(table["year"].to_pylist(), table["v"].to_pylist(), strict=True) if year == 2000
        ]
        assert outcome.table["v"].to_pylist() == expected
    with pytest.raises(OSError, match=r"year=2001"):
        weft.read_parquet(tmp_path / "d", filters=[("v", ">", 3)])
    nothing = weft.read_parquet(tmp_path / "d", filters=[("year", ">", 3000)])
    assert (len(nothing) == 0 and nothing.columns == ["v", "year", "name"]) or nothing.columns == ["name", "v", "year"]


def test_row_groups_that_the_filter_rules_out_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"v": range(1000), "s": ["x" * 50] * 1000}),
        path,
        row_group_size=100,
        compression="none",
        use_dictionary=False,
    )
    raw = bytearray(path.read_bytes())
    group = pq.ParquetFile(path).metadata.row_group(3)
    for number in range(2):
        column = group.column(number)
        at = column.data_page_offset
        raw[at : at + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(raw)
    assert len(weft.read_parquet(path, filters=[("v", ">=", 400)])) == 600
    assert len(weft.read_parquet(path, filters=weft.col("v") < 300)) == 300
    with pytest.raises(OSError, match=r"a\.parquet', row group 3"):
        weft.read_parquet(path, filters=[("v", ">=", 399)])


@covers("read_parquet", columns="same", filters="same")
@pytest.mark.parametrize(
    "filters",
    [
        [("v", ">", 10)],
        [("v", ">=", 10), ("name", "=", "a")],
        [("name", "==", "a")],
        [("name", "!=", "a")],
        [[("v", "<", 3)], [("v", ">", 55)]],
        [("v", "in", [1, 2, 3])],
        [("name", "not in", ["a", "b c"])],
        [("year", "=", 2001), ("v", "<=", 30)],
    ],
)
def test_filters_in_pandas_form(tmp_path: Path, filters: Any) -> None:
    hive_table().to_pandas().to_parquet(tmp_path / "a.parquet")
    found = weft.read_parquet(tmp_path / "a.parquet", columns=["v", "name"], filters=filters)
    expected = pd.read_parquet(tmp_path / "a.parquet", columns=["v", "name"], filters=filters)
    assert found.to_pydict() == expected.to_dict("list")


@covers(
    "read_parquet", engine="different: auto and pyarrow mean Weft's own", storage_options="refused",
    dtype_backend="refused", filesystem="refused", to_pandas_kwargs="refused",
)  # fmt: skip
@pytest.mark.parametrize(
    ("kind", "argument"),
    [
        (ValueError, "engine='fastparquet'"),
        (ValueError, "storage_options={}"),
        (ValueError, "dtype_backend='pyarrow'"),
        (ValueError, "filesystem=3"),
        (ValueError, "to_pandas_kwargs={}"),
        (ValueError, "partitioning='directory'"),
        (TypeError, "filters='v > 3'"),
        (ValueError, "filters=[('v', '~', 3)]"),
        (ValueError, "filters=[('v', '>')]"),
        (TypeError, "columns='v'"),
    ],
)
def test_arguments_that_are_not_taken(servers: Servers, kind: type, argument: str) -> None:
    refused(
        servers,
        kind,
        f"weft.read_parquet('a.parquet', {argument}, env=env)",
        NOTHING,
        argument.split("=", maxsplit=1)[0],
    )


@covers("DataFrame.to_parquet", path="different: None is refused", engine="different: auto and pyarrow mean Weft's own",
        storage_options="refused", filesystem="refused", compression="same", index="same")  # fmt: skip
@pytest.mark.parametrize(
    ("kind", "code", "says"),
    [
        (ValueError, "df.to_parquet()", "path"),
        (ValueError, "df.to_parquet('a', engine='fastparquet')", "engine"),
        (ValueError, "df.to_parquet('a', storage_options={})", "storage_options"),
        (ValueError, "df.to_parquet('a', filesystem=1)", "filesystem"),
        (ValueError, "df.to_parquet('a', compression='lz77')", "lz77"),
        (ValueError, "df.to_parquet('a', row_group_rows=0)", "row_group_rows"),
        (KeyError, "df.to_parquet('/nonexistent/a', partition_cols=['z'])", "'z'"),
        (ValueError, "df.to_parquet('/nonexistent/a', partition_cols=[])", "empty"),
        (ValueError, "df.set_index('unused').assign(b=1).to_parquet('a', partition_cols=['unused'])", "index"),
    ],
)
def test_arguments_of_to_parquet_that_are_not_taken(servers: Servers, kind: type, code: str, says: str) -> None:
    refused(servers, kind, code, NOTHING, says)


def test_what_no_directory_can_hold(servers: Servers, tmp_path: Path) -> None:
    path = str(tmp_path / "d")
    table = pa.table({"l": [[1], [2]], "v": [1, 2]})
    for ranks in (1, 3):
        for code, kind, says in (
            ("df.to_parquet(path, partition_cols=['l'])", "TypeError", "'l'"),
            ("df.to_parquet(path, partition_cols=['l', 'v'])", "ValueError", "no column is left"),
        ):
            outcome = servers[ranks].run(
                {"op": "eval", "code": code, "names": {"path": path}}, [table], [[0] * ranks + [2]]
            )
            for found in outcome.errors:
                assert found is not None and found[0] in (kind, "TypeError") and (says in found[1] or "'l'" in found[1])
        assert list(tmp_path.iterdir()) == []


def test_directories_of_other_columns_are_named(tmp_path: Path) -> None:
    for name in ("d/year=1/a.parquet", "d/month=1/b.parquet"):
        (tmp_path / name).parent.mkdir(parents=True)
        pq.write_table(pa.table({"v": [1]}), tmp_path / name)
    with pytest.raises(ValueError, match="do not hold the same columns"):
        weft.read_parquet(tmp_path / "d")
    assert weft.read_parquet(tmp_path / "d", partitioning=None).to_pydict() == {"v": [1, 1]}
    (tmp_path / "e" / "v=1").mkdir(parents=True)
    pq.write_table(pa.table({"v": [1]}), tmp_path / "e" / "v=1" / "a.parquet")
    with pytest.raises(ValueError, match=r"partitioning=None"):
        weft.read_parquet(tmp_path / "e")
    assert weft.read_parquet(tmp_path / "d" / "year=*" / "*.parquet").to_pydict() == {"v": [1], "year": [1]}


@pytest.mark.parametrize("index", [["k"], ["k", "s"]])
def test_the_index_is_kept_for_pandas_and_back(servers: Servers, tmp_path: Path, index: list[str]) -> None:
    frame = pd.DataFrame({"k": [3, 1, 2], "s": ["a", "b", "c"], "t": pd.to_datetime(["2013-01-01"] * 3)}).set_index(
        index
    )
    weft.DataFrame(frame).to_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "a.parquet"), frame)
    frame.to_parquet(tmp_path / "b.parquet")
    again = weft.read_parquet(tmp_path / "b.parquet")
    assert list(again.index_names) == index
    pd.testing.assert_frame_equal(again.to_pandas(), frame)
    on_ranks(
        servers, 3, "weft.read_parquet(path, env=env).to_parquet(out, metadata_file=True)",
        path=str(tmp_path / "b.parquet"), out=str(tmp_path / "c.parquet"),
    )  # fmt: skip
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "c.parquet"), frame)
    weft.DataFrame(frame).to_parquet(tmp_path / "d.parquet", index=False)
    assert list(pd.read_parquet(tmp_path / "d.parquet").columns) == list(frame.columns)
    # An index without a name.
    frame.reset_index(drop=True).set_axis([5, 6, 7]).to_parquet(tmp_path / "e.parquet")
    unnamed = weft.read_parquet(tmp_path / "e.parquet").to_pandas()
    assert unnamed.index.tolist() == [5, 6, 7] and unnamed.index.name is None


def test_overwriting_partitions(tmp_path: Path) -> None:
    frame = weft.DataFrame(hive_table())
    frame.to_parquet(tmp_path / "d", partition_cols=["year"])
    with pytest.raises(FileExistsError):
        frame.to_parquet(tmp_path / "d", partition_cols=["year"])
    frame.to_parquet(tmp_path / "d", partition_cols=["name"], overwrite=True)
    assert len(weft.read_parquet(tmp_path / "d")) == 60
    (tmp_path / "d" / "mine").mkdir()
    with pytest.raises(OSError, match="mine"):
        frame.to_parquet(tmp_path / "d", partition_cols=["name"], overwrite=True)


@given(data=st.data())
def test_a_dict_of_ranks_to_paths(servers: Servers, tmp_path_factory: Any, data: Any) -> None:
    folder = tmp_path_factory.mktemp("parquet")
    ranks = data.draw(st.sampled_from([1, 2, 3, 5]))
    table = data.draw(tables.tables(["int64"], max_rows=20))
    mine: dict[int, list[str]] = {}
    for number, rank in enumerate(data.draw(st.lists(st.integers(0, ranks - 1), min_size=1, max_size=4))):
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=3)
        mine.setdefault(rank, []).append(str(folder / f"{number}.parquet"))
    outcome = on_ranks(servers, ranks, f"weft.read_parquet({mine!r}, filters=[('prow', '>', 3)], env=env)")
    rows = max(table.num_rows - 4, 0)
    assert outcome.rows == [rows * len(mine.get(rank, [])) for rank in range(ranks)]


def test_a_file_broken_on_one_rank_is_one_error_on_all(servers: Servers, tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "0.parquet")
    (tmp_path / "1.parquet").write_bytes(b"PAR1 and no more PAR1")
    code = f"weft.read_parquet({{0: {str(tmp_path / '0.parquet')!r}, 2: {str(tmp_path / '1.parquet')!r}}}, env=env)"
    outcome = servers[3].run({"op": "eval", "code": code, "names": {}}, NOTHING, [[0, 0, 0, 1]])
    for rank, found in enumerate(outcome.errors):
        assert found is not None and found[0] == "OSError" and "1.parquet" in found[1], found
        assert rank == 2 or "rank 2" in found[1]


@given(data=st.data())
def test_columns_and_rows_over_any_ranks(servers: Servers, tmp_path_factory: Any, data: Any) -> None:
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"
    table = data.draw(tables.tables(["string", "double"], payloads=1, max_rows=40))
    weft.DataFrame(table).to_parquet(path, row_group_rows=data.draw(st.sampled_from([1, 7, 100])))
    found = run(
        data, servers, "weft.read_parquet(path, columns=['prow', 'k1'], filters=weft.col('k1') >= 0, env=env)", NOTHING,
        path=str(path),
    )  # fmt: skip
    expected = [
        row
        for row, k in zip(table["prow"].to_pylist(), table["k1"].to_pylist(), strict=True)
        if k is not None and k >= 0
    ]
    assert found.to_pydict()["prow"] == expected


def test_timestamps_as_constants(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"t": pa.array([dt.datetime(2013, 1, day) for day in range(1, 9)])}), tmp_path / "a.parquet"
    )
    assert len(weft.read_parquet(tmp_path / "a.parquet", filters=[("t", ">", dt.datetime(2013, 1, 5))])) == 3


def test_categories_of_durations(tmp_path: Path) -> None:
    """Of a dictionary of durations Parquet has the integers alone."""
    values = [dt.timedelta(1), None, dt.timedelta(0, 5), dt.timedelta(1)]
    weft.DataFrame({"x": pa.array(values).dictionary_encode(), "v": range(4)}).to_parquet(tmp_path / "a")
    for found in (weft.read_parquet(tmp_path / "a").to_arrow(), pq.read_table(tmp_path / "a")):
        assert found.schema.field("x").type == pa.duration("us") and found["x"].to_pylist() == values
