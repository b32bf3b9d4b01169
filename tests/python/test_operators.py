"""Distributed = local = pandas, on generated tables."""

from __future__ import annotations

from typing import Any

import operations
import pandas as pd
import pyarrow as pa
import pytest
import tables
from hypothesis import assume, given
from hypothesis import strategies as st
from oracle import SOAK, WORLDS
from servers import Servers

import weft


def local(spec: dict[str, Any], inputs: list[pa.Table]) -> weft.DataFrame:
    return operations.apply(dict(spec), [weft.DataFrame(table) for table in inputs])


def check(
    data, servers: Servers, spec: dict[str, Any], inputs: list[pa.Table], ordered: bool = False
) -> weft.DataFrame:
    """Runs it here and on the ranks of one world (all, when soaking); the rows must be the same. Returns the local
    result; where that is an error, every rank must have that error, and it is raised."""
    error: Exception | None = None
    expected: weft.DataFrame | None = None
    try:
        expected = local(spec, inputs)
    except (ValueError, KeyError, TypeError) as problem:
        error = problem
    for ranks in WORLDS if SOAK else [data.draw(st.sampled_from(WORLDS))]:
        cut = [data.draw(tables.cuts(table.num_rows, ranks)) for table in inputs]
        outcome = servers[ranks].run(spec, inputs, cut)
        if error is not None:
            for found in outcome.errors:
                assert found is not None and found[0] == type(error).__name__, (found, error)
            continue
        assert outcome.errors == [None] * ranks
        assert expected is not None and outcome.table is not None
        whole = expected.to_arrow()
        assert outcome.table.schema.names == whole.schema.names
        assert outcome.table.schema.types == whole.schema.types
        if ordered:
            assert tables.rows_of(outcome.table) == tables.rows_of(whole)
        else:
            tables.same_rows(tables.rows_of(outcome.table), tables.rows_of(whole))
    if error is not None:
        raise error
    assert expected is not None
    return expected


kinds = st.sampled_from(sorted(tables.KEYS))


# -- merge -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["hash", "sort"])
@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
@given(data=st.data())
def test_merge(servers, how, algorithm, data):
    keys = data.draw(st.lists(kinds, min_size=1, max_size=2))
    left = data.draw(tables.tables(keys, prefix="p"))
    right = data.draw(tables.tables(keys, prefix=data.draw(st.sampled_from(["p", "q"]))))
    on = [f"k{i}" for i in range(len(keys))]
    made = check(data, servers, {"op": "merge", "how": how, "algorithm": algorithm, "on": on}, [left, right])
    expected = tables.to_pandas(left).merge(tables.to_pandas(right), how=how, on=on)
    assert made.columns == list(expected.columns)
    tables.same_rows(tables.rows_of(made.to_arrow()), tables.rows_of_pandas(expected))
    if algorithm == "sort":
        found = made.select(*on)
        assert tables.rows_of(found.to_arrow()) == tables.rows_of(found.sort_values(on).to_arrow())


@given(data=st.data())
def test_merge_on_different_names(servers, data):
    kind = data.draw(kinds)
    left = data.draw(tables.tables([kind]))
    right = data.draw(tables.tables([kind])).rename_columns(["other", "p0", "prow"])
    how = data.draw(st.sampled_from(["inner", "left", "right", "outer"]))
    suffixes = data.draw(st.sampled_from([("_x", "_y"), ("", "_right"), ("_left", None)]))
    spec = {"op": "merge", "how": how, "left_on": "k0", "right_on": "other", "suffixes": suffixes}
    made = check(data, servers, spec, [left, right])
    expected = tables.to_pandas(left).merge(
        tables.to_pandas(right), how=how, left_on="k0", right_on="other", suffixes=suffixes
    )
    assert made.columns == list(expected.columns)
    tables.same_rows(tables.rows_of(made.to_arrow()), tables.rows_of_pandas(expected))


# -- groupby ---------------------------------------------------------------------------------------------------------


def exact(column: pa.ChunkedArray) -> bool:
    """Whether sums of it are the same in any order, and pandas' sums of objects are the same."""
    return pa.types.is_integer(column.type) and column.type.bit_width <= 16


@given(data=st.data())
def test_groupby(servers, data):
    keys = data.draw(st.lists(kinds, min_size=1, max_size=2))
    value = data.draw(st.sampled_from(["int8", "int16", "uint8", "uint16", "eighths"]))
    table = data.draw(tables.tables(keys, payloads=0))
    rows = table.num_rows
    if value == "eighths":
        numbers = data.draw(st.lists(st.one_of(st.none(), st.integers(-1000, 1000)), min_size=rows, max_size=rows))
        values = pa.array([None if number is None else number / 8 for number in numbers], pa.float64())
    else:
        values = data.draw(tables.columns(rows, tables.KEYS, value))
    table = table.append_column("v", values)
    by = [f"k{i}" for i in range(len(keys))]
    spec = {
        "op": "groupby",
        "by": by,
        "sort": data.draw(st.booleans()),
        "dropna": data.draw(st.booleans()),
        "as_index": data.draw(st.booleans()),
        "agg": {name: ["v", name] for name in ("sum", "count", "size", "mean", "min", "max")},
    }
    made = check(data, servers, spec, [table], ordered=spec["sort"])
    assert list(made.index_names) == (by if spec["as_index"] else [])
    frame = tables.to_pandas(table)
    frame["v"] = frame["v"].astype("Float64" if value == "eighths" else "Int64")
    expected = frame.groupby(by, sort=spec["sort"], dropna=spec["dropna"], as_index=False).agg(
        **{name: ("v", name) for name in ("sum", "count", "size", "mean", "min", "max")}
    )
    tables.same_rows(tables.rows_of(made.to_arrow()), tables.rows_of_pandas(expected))


@given(data=st.data())
def test_groupby_min_max_of_any_type(servers, data):
    table = data.draw(tables.tables(["int8"], payloads=0))
    kind = data.draw(st.sampled_from(sorted(set(tables.KEYS) - {"null", "binary", "large_binary", "fixed_binary"})))
    table = table.append_column("v", data.draw(tables.columns(table.num_rows, tables.KEYS, kind)))
    spec = {"op": "groupby", "by": "k0", "agg": {"least": ["v", "min"], "most": ["v", "max"], "n": ["v", "count"]}}
    made = check(data, servers, spec, [table], ordered=True)
    expected: dict[Any, list[Any]] = {}
    for key, value in tables.rows_of(pa.table({"k": table["k0"], "v": table["v"]})):
        if key is not None:
            expected.setdefault(key, []).extend([] if value is None else [value])
    rows = [
        (key, min(values, default=None), max(values, default=None), len(values)) for key, values in expected.items()
    ]
    # Timestamps and durations are compared in their plain form, which orders as they do but for signs of years.
    assume(not kind.startswith("timestamp"))
    assert tables.rows_of(made.to_arrow()) == sorted(rows)


# -- order -----------------------------------------------------------------------------------------------------------


@given(data=st.data())
def test_sort_values(servers, data):
    keys = data.draw(st.lists(kinds, min_size=1, max_size=3))
    table = data.draw(tables.tables(keys, max_rows=80))
    by = [f"k{i}" for i in range(len(keys))]
    ascending = [data.draw(st.booleans()) for _ in by]
    position = data.draw(st.sampled_from(["first", "last"]))
    spec = {"op": "sort_values", "by": by, "ascending": ascending, "na_position": position}
    made = check(data, servers, spec, [table], ordered=True)
    frame = tables.to_pandas(table)
    # pandas sorts each key with its nulls in place, from the last key to the first, stably: that is what it promises.
    for key, direction in reversed(list(zip(by, ascending, strict=True))):
        frame = frame.sort_values(key, ascending=direction, na_position=position, kind="stable")
    assert tables.rows_of(made.to_arrow()) == tables.rows_of_pandas(frame)


@given(data=st.data())
def test_sort_spreads_rows_evenly(servers, data):
    rows = data.draw(st.integers(0, 300))
    few = data.draw(st.sampled_from([1, 2, 1000]))
    table = pa.table({"k": pa.array([i * 7919 % few for i in range(rows)], pa.int64())})
    ranks = data.draw(st.sampled_from(WORLDS))
    outcome = servers[ranks].run({"op": "sort_values", "by": "k"}, [table], [data.draw(tables.cuts(rows, ranks))])
    assert outcome.errors == [None] * ranks
    assert sum(outcome.rows) == rows
    assert max(outcome.rows) <= 2 * rows / ranks + 8


@given(data=st.data())
def test_drop_duplicates(servers, data):
    keys = data.draw(st.lists(kinds, min_size=1, max_size=2))
    table = data.draw(tables.tables(keys, payloads=0))
    subset = data.draw(st.sampled_from([[f"k{i}" for i in range(len(keys))], ["k0"], None]))
    if subset is None:
        table = table.select([f"k{i}" for i in range(len(keys))])
    made = check(data, servers, {"op": "drop_duplicates", "subset": subset}, [table])
    expected = tables.to_pandas(table).drop_duplicates(subset)
    tables.same_rows(tables.rows_of(made.to_arrow()), tables.rows_of_pandas(expected))


@given(data=st.data())
def test_rows_by_position(servers, data):
    table = data.draw(tables.tables([data.draw(kinds)]))
    bound = st.one_of(st.none(), st.integers(-50, 50))
    start, stop = data.draw(bound), data.draw(bound)
    made = check(data, servers, {"op": "rows", "start": start, "stop": stop}, [table], ordered=True)
    assert tables.rows_of(made.to_arrow()) == tables.rows_of(table)[start:stop]


@pytest.mark.parametrize("op", ["head", "tail"])
@given(data=st.data())
def test_head_and_tail(servers, op, data):
    table = data.draw(tables.tables(["string"]))
    n = data.draw(st.integers(-50, 50))
    made = check(data, servers, {"op": op, "n": n}, [table], ordered=True)
    expected = getattr(tables.to_pandas(table), op)(n)
    assert tables.rows_of(made.to_arrow()) == tables.rows_of_pandas(expected)


@given(data=st.data())
def test_repartition(servers, data):
    table = data.draw(tables.tables([data.draw(kinds)], payloads=3))
    ranks = data.draw(st.sampled_from(WORLDS))
    outcome = servers[ranks].run({"op": "repartition"}, [table], [data.draw(tables.cuts(table.num_rows, ranks))])
    assert outcome.errors == [None] * ranks
    assert tables.rows_of(outcome.table) == tables.rows_of(table)
    assert max(outcome.rows) - min(outcome.rows) <= 1


# -- rows and columns ------------------------------------------------------------------------------------------------

CONDITIONS = [
    "col('n') > 1",
    "col('n') <= col('m')",
    "col('n') == 2",
    "col('n') != 2",
    "~(col('n') == 2)",
    "~(col('x') > 0.5) & (col('s') != 'a')",
    "(col('x') < 1) | (col('n') >= 0)",
    "col('s').isin(['a', 'Größe'])",
    "col('s').isin(['a', None])",
    "col('x').isin([0.5, float('nan')])",
    "col('x').isna()",
    "~col('s').isna() & (col('s') > '')",
    "(col('n') + col('m') * 2 - 1) > 3",
    "(col('n') / col('m')) > 0.5",
    "-col('n') < 0",
    "col('n') == None",
    "(1 < col('n')) & (2.5 > col('x'))",
]


@given(data=st.data())
def test_filter(servers, data):
    rows = data.draw(st.integers(0, 40))

    def column(values, type):
        chosen = data.draw(st.lists(st.sampled_from([*values, None]), min_size=rows, max_size=rows))
        return pa.array(chosen, type)

    table = pa.table(
        {
            "n": column([-1, 0, 1, 2, 3], pa.int64()),
            "m": column([-2, 0, 1, 2], pa.int32()),
            "x": column([0.5, -0.0, 0.0, 7.25, float("nan")], pa.float64()),
            "s": column(["", "a", "b", "Größe"], pa.string()),
        }
    )
    condition = data.draw(st.sampled_from(CONDITIONS))
    made = check(data, servers, {"op": "filter", "condition": condition}, [table], ordered=True)
    # pandas' own columns, where a missing number is NaN.
    frame = table.to_pandas().astype({"s": object})
    frame["s"] = frame["s"].where(frame["s"].notna(), None)
    if condition == "col('n') == None":
        expected = frame[frame["n"] == float("nan")]
    elif "'s') > ''" in condition:
        expected = frame[[isinstance(text, str) and text > "" for text in frame["s"]]]
    else:
        expected = frame[eval(condition, {"col": frame.__getitem__})]
    kept = [row for number, row in enumerate(tables.rows_of(table)) if number in set(expected.index)]
    assert tables.rows_of(made.to_arrow()) == kept


@given(data=st.data())
def test_assign(servers, data):
    rows = data.draw(st.integers(0, 30))
    numbers = data.draw(st.lists(st.one_of(st.none(), st.integers(-9, 9)), min_size=rows, max_size=rows))
    table = pa.table({"n": pa.array(numbers, pa.int64()), "x": pa.array([i / 4 for i in range(rows)], pa.float64())})
    spec = {
        "op": "assign",
        "columns": {"n": "col('n') * 2", "y": "col('n') / 4 + col('x')", "big": "col('n') > 3", "c": "'text'"},
    }
    made = check(data, servers, spec, [table], ordered=True)
    frame = table.to_pandas()
    expected = frame.assign(n=frame["n"] * 2, y=frame["n"] * 2 / 4 + frame["x"], big=frame["n"] * 2 > 3, c="text")
    assert made.columns == list(expected.columns)
    assert tables.rows_of(made.to_arrow()) == tables.rows_of_pandas(expected)


@pytest.mark.parametrize("join", ["outer", "inner"])
@given(data=st.data())
def test_concat(servers, join, data):
    kind = data.draw(kinds)
    inputs = [
        data.draw(tables.tables([kind], payloads=0, prefix=data.draw(st.sampled_from(["p", "q"]))))
        for _ in range(data.draw(st.integers(1, 3)))
    ]
    made = check(data, servers, {"op": "concat", "join": join}, inputs, ordered=True)
    expected = pd.concat([tables.to_pandas(table) for table in inputs], join=join, ignore_index=True)
    assert made.columns == list(expected.columns)
    assert tables.rows_of(made.to_arrow()) == tables.rows_of_pandas(expected)


# -- wrong arguments -------------------------------------------------------------------------------------------------

WRONG: list[tuple[type[Exception], dict[str, Any]]] = [
    (KeyError, {"op": "merge", "on": "missing"}),
    (KeyError, {"op": "merge", "on": [7]}),
    (ValueError, {"op": "merge", "on": "k0", "how": "sideways"}),
    (ValueError, {"op": "merge", "on": "k0", "algorithm": "magic"}),
    (ValueError, {"op": "merge", "on": "k0", "validate": "1:1"}),
    (ValueError, {"op": "merge", "on": "k0", "suffixes": ["", ""]}),
    (ValueError, {"op": "merge", "left_on": ["k0"], "right_on": ["k0", "prow"]}),
    (ValueError, {"op": "merge", "left_on": "k0"}),
    (TypeError, {"op": "merge", "on": "p0"}),
    (TypeError, {"op": "merge", "left_on": "k0", "right_on": "prow"}),
    (KeyError, {"op": "sort_values", "by": "missing"}),
    (TypeError, {"op": "sort_values", "by": "p0"}),
    (ValueError, {"op": "sort_values", "by": "k0", "kind": "heapsort"}),
    (ValueError, {"op": "sort_values", "by": "k0", "na_position": "middle"}),
    (ValueError, {"op": "sort_values", "by": "k0", "ascending": [True, False]}),
    (ValueError, {"op": "sort_values", "by": "k0", "inplace": True}),
    (KeyError, {"op": "groupby", "by": "missing", "agg": {"n": ["prow", "sum"]}}),
    (KeyError, {"op": "groupby", "by": "k0", "agg": {"n": ["missing", "sum"]}}),
    (ValueError, {"op": "groupby", "by": "k0", "agg": {"n": ["prow", "mad"]}}),
    (TypeError, {"op": "groupby", "by": "p0", "agg": {"n": ["prow", "sum"]}}),
    (TypeError, {"op": "groupby", "by": "prow", "agg": {"n": ["k0", "sum"]}}),
    (ValueError, {"op": "groupby", "by": "k0", "level": 0, "agg": {"n": ["prow", "sum"]}}),
    (ValueError, {"op": "drop_duplicates", "keep": "last"}),
    (KeyError, {"op": "drop_duplicates", "subset": ["missing"]}),
    (KeyError, {"op": "filter", "condition": "col('missing') > 1"}),
    (TypeError, {"op": "filter", "condition": "col('k0') > 1"}),
    (TypeError, {"op": "filter", "condition": "col('prow') + 1"}),
    (ValueError, {"op": "concat", "axis": 1}),
    (ValueError, {"op": "concat", "join": "left"}),
]


@pytest.mark.parametrize(("kind", "spec"), WRONG, ids=lambda value: str(value) if isinstance(value, dict) else "")
@pytest.mark.parametrize("ranks", [1, 3])
def test_wrong_arguments(servers, kind, spec, ranks):
    table = pa.table(
        {
            "k0": pa.array(["a", "b", None], pa.string()),
            "p0": pa.array([[1], [], None], pa.list_(pa.int64())),
            "prow": pa.array([0, 1, 2], pa.int64()),
        }
    )
    inputs = [table, table] if spec["op"] in ("merge", "concat") else [table]
    with pytest.raises(kind):
        local(spec, inputs)
    # All rows on one rank: those with an empty part must err like the others.
    cut = [[0] + [3] * ranks for _ in inputs]
    outcome = servers[ranks].run(spec, inputs, cut)
    for rank, found in enumerate(outcome.errors):
        assert found is not None and found[0] == kind.__name__, found
        if ranks > 1 and found[1].split(": ")[0] not in (
            "merge",
            "sort_values",
            "groupby",
            "drop_duplicates",
            "concat",
        ):
            assert f"rank {rank}" in found[1] or "rank 0" in found[1], found
