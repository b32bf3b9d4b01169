"""Columns of runs (Arrow's run-end encoding): operators do with them what they do with plain ones, and where rows move
between ranks the runs are sent."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import run, same_as_pandas

import weft

#: `df` and `other` have the columns prow and qrow, and k0 and k1 of runs each.
OPERATORS = {
    "join by hash": "df.merge(other[['k0', 'qrow']], on='k0', how={how!r})",
    "join by both": "df.merge(other, on=['k0', 'k1'], how={how!r})",
    "join by a plain key": "df.merge(other.rename(columns={{'qrow': 'prow'}}), on='prow', how={how!r})",
    "sort": "df.sort_values(['k1', 'prow'])",
    "sort by another": "df.sort_values('prow', ascending=False)",
    "group": "df.groupby('k0', dropna=False).agg(n=('prow', 'sum'), m=('k1', 'count'))",
    "group by two": "df.groupby(['k0', 'k1'], dropna=False).size()",
    "unique": "df[['k0', 'k1']].drop_duplicates()",
    "filter": "df[df['prow'] % 3 == 0]",
    "null": "df[df['k0'].isna()]",
    "head": "df.head(7)",
    "slice": "df.iloc[3:11]",
    "concat": "{concat}([df, other.rename(columns={{'qrow': 'prow'}})])",
    "assign": "df.assign(z=df['prow'] * 2, k1=df['k0'])",
    "counts": "df['k0'].value_counts(dropna=False)",
    "shift": "df.shift(2)",
    "fill": "df[['k1']].ffill()",
    "running": "df.groupby('k0', dropna=False)['prow'].cumsum()",
    "membership": "df[df['k0'].isin(other['k0'])]",
    "rank": "df['k1'].rank()",
}


def runs(table: pa.Table, *columns: str) -> pa.Table:
    for name in columns:
        plain = table.column(name).combine_chunks()
        encoded = pc.run_end_encode(plain if isinstance(plain, pa.Array) else plain.chunk(0))
        table = table.set_column(table.column_names.index(name), name, encoded)
    return table


def decoded(table: pa.Table) -> pd.DataFrame:
    for name in table.column_names:
        if pa.types.is_run_end_encoded(table.field(name).type):
            chunks = [pc.run_end_decode(chunk) for chunk in table.column(name).chunks]
            column = pa.chunked_array(chunks, table.field(name).type.value_type)
            table = table.set_column(table.column_names.index(name), name, column)
    return table.to_pandas()


@pytest.mark.parametrize("operator", OPERATORS)
@given(data=st.data())
def test_what_operators_make_of_runs(servers, operator, data):
    inputs = []
    for prefix in ("p", "q"):
        table = data.draw(tables.tables(["string", "int16"], 0, 40, prefix))
        inputs.append(runs(table.sort_by("k0"), "k0", "k1"))
    names = {"how": data.draw(st.sampled_from(["inner", "left", "outer"]))}
    code = OPERATORS[operator].format(concat="weft.concat", **names)
    ordered = operator in ("sort", "sort by another", "head", "slice", "shift", "fill", "running", "rank")
    spelled = code.replace("weft.concat", "pd.concat") if "concat" in code else code
    same_as_pandas(data, servers, code, inputs, pandas=spelled, convert=decoded, ordered=ordered, tolerance=1e-12)


@given(data=st.data())
def test_rows_that_only_move(servers, data):
    inputs = [runs(data.draw(tables.tables(["string", "int16"], 0, 60)), "k0", "k1")]
    for code in ("df.repartition()", "df.repartition(by='k0')", "df.gather()", "df.repartition().tail(5)"):
        local = run(data, servers, code, inputs, ordered="by" not in code)
        assert local.to_pandas() is not None


def test_any_kind_of_runs_is_taken():
    values = pa.array(["a", None, "b"])
    for ends_type in (pa.int16(), pa.int32(), pa.int64()):
        column = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3, 6], ends_type), values)
        for array in (column, column.slice(1, 4), pa.chunked_array([column, column.slice(3)])):
            frame = weft.DataFrame({"c": array})
            assert frame.to_arrow().schema.types == [pa.string()]
            assert frame["c"].to_list() == array.to_pylist()
            assert frame.dtypes["c"] == weft.DataFrame({"c": values}).dtypes["c"]
    lists = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([[1], None]))
    assert weft.DataFrame({"c": lists})["c"].to_list() == [[1], [1], None]
    words = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["x", "y"]).dictionary_encode())
    assert weft.DataFrame({"c": words})["c"].to_list() == ["x", "x", "y"]
    views = pa.array(["a", None, "a text that a view does not hold"], pa.string_view())
    column = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3, 6], pa.int32()), views)
    for array in (column, column.slice(1, 4), pa.chunked_array([column, column.slice(3)])):
        frame = weft.DataFrame({"c": array})
        assert frame.to_arrow().schema.types == [pa.string()]
        assert frame["c"].to_list() == array.to_pylist()


def test_a_file_with_runs(tmp_path):
    column = pc.run_end_encode(pa.array(["a", "a", None, "b"] * 5))
    views = pa.RunEndEncodedArray.from_arrays(column.run_ends, column.values.cast(pa.string_view()))
    path = tmp_path / "runs.arrow"
    table = pa.table({"c": column, "v": views, "n": range(20)})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    read = weft.read_feather(str(path))
    assert read["c"].to_list() == column.to_pylist()
    assert read["v"].to_list() == column.to_pylist()
    assert read.dtypes["v"] == read.dtypes["c"]
    assert read.to_arrow().schema.types == [pa.string(), pa.string(), pa.int64()]


def test_runs_are_sent_as_they_are(servers):
    """Texts of 1,000 bytes in runs of 1,000 rows: what is sent is the runs, not 20 MB; and the numbers beside them."""
    texts = pa.array([chr(97 + run) * 1000 for run in range(20)])
    ends = pa.array(range(1000, 20001, 1000), pa.int32())
    table = pa.table({"k": range(20000), "r": pa.RunEndEncodedArray.from_arrays(ends, texts)})
    counted = "[env.stats(), {}, env.stats()][::2]"
    joined = "df.merge(df[['k']].rename(columns={'k': 'j'}), left_on='k', right_on='j', algorithm='hash')"
    for code, least, most in (
        ("df.repartition(by='k')", 5000 * 8, 5000 * 8 + 100_000),
        ("df.repartition([20000, 0])", 0, 10000 * 8 + 100_000),
        (joined, 10000 * 8, 10000 * 8 + 200_000),
    ):
        outcome = servers[2].run(
            {"op": "eval", "code": counted.format(code), "names": {}}, [table], [[0, 10000, 20000]]
        )
        assert outcome.errors == [None, None]
        for before, after in outcome.values:
            assert least <= after["bytes_sent"] - before["bytes_sent"] < most, code
            assert after["choices"]["shuffle.runs"] > before["choices"].get("shuffle.runs", 0)
