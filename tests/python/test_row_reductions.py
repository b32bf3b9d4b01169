"""The values of each row to one value, ``axis=1``: distributed = local = pandas."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, run, same_as_pandas

import weft

VALUES = {
    **tables.KEYS,
    "int64": (pa.int64(), [-(2**40), -3, 0, 1, 2, 7, 2**40 + 1]),
    "uint64": (pa.uint64(), [0, 1, 2, 5, 2**40]),
    "half": (pa.float16(), [0.0, -0.0, 1.5, -2.0, 3.25, math.nan]),
    "float": (pa.float32(), [0.0, -0.0, 1.5, -2.25, 1024.125, math.nan]),
    "double": (pa.float64(), [0.0, -0.0, 0.1, -1e3, 5e-324, 7.75, 1e9 + 0.25, math.nan]),
}
NUMBERS = st.sampled_from(["int8", "uint8", "int32", "uint32", "int64", "uint64", "half", "float", "double"])
FUNCTIONS = ("sum", "prod", "product", "mean", "var", "std", "sem", "skew", "kurt", "kurtosis", "median", "min", "max")
AXIS = st.sampled_from([1, "columns"])


@st.composite
def drawn(draw, kinds, rows=None, columns=4):
    """A table of columns of the kinds, in chunks that are slices."""
    count = draw(st.integers(0, 40)) if rows is None else rows
    chosen = draw(st.lists(kinds, min_size=1, max_size=columns))
    table = pa.table({f"c{i}": draw(tables.columns(count, VALUES, kind)) for i, kind in enumerate(chosen)})
    cut = draw(st.integers(0, count))
    return pa.concat_tables([table.slice(0, cut), table.slice(cut)])


def as_double(table: pa.Table) -> pd.DataFrame:
    """Floats in double, as Weft computes; integers with nulls as pandas' own kind, which is exact."""
    columns = [column.cast(pa.float64()) if pa.types.is_floating(column.type) else column for column in table.columns]
    return pa.table(columns, names=table.column_names).to_pandas()


@covers("DataFrame.sum", axis="same")
@covers("DataFrame.prod", axis="same")
@covers("DataFrame.product", axis="same")
@covers("DataFrame.mean", axis="same")
@covers("DataFrame.var", axis="same")
@covers("DataFrame.std", axis="same")
@covers("DataFrame.sem", axis="same")
@covers("DataFrame.skew", axis="same")
@covers("DataFrame.kurt", axis="same")
@covers("DataFrame.kurtosis", axis="same")
@covers("DataFrame.median", axis="same")
@covers("DataFrame.min", axis="same")
@covers("DataFrame.max", axis="same")
@covers("DataFrame.agg", axis="same")
@covers("DataFrame.aggregate", axis="same")
@given(data=st.data())
def test_numbers(servers, data):
    table = data.draw(drawn(NUMBERS))
    skipna, axis = data.draw(st.booleans()), data.draw(AXIS)
    n = data.draw(st.sampled_from([0, 1, 2]))
    name = data.draw(st.sampled_from(FUNCTIONS))
    more = (
        ", min_count=n" if name in ("sum", "prod", "product") else ", ddof=n" if name in ("var", "std", "sem") else ""
    )
    code = f"df.{name}(axis=axis, skipna=skipna{more})"
    # pandas computes moments of large offsets with fewer digits.
    same_as_pandas(data, servers, code, [table], convert=as_double, tolerance=1e-6, skipna=skipna, n=n, axis=axis)
    same_as_pandas(data, servers, "df.agg('sum', axis=1)", [table], convert=as_double, tolerance=1e-9)


@covers("DataFrame.quantile", axis="different: along rows one q")
@given(data=st.data())
def test_quantile(servers, data):
    table = data.draw(drawn(NUMBERS))
    q = data.draw(st.sampled_from([0, 0.3, 0.5, 1.0]))
    how = data.draw(st.sampled_from(["linear", "lower", "higher", "midpoint", "nearest"]))
    code = "df.quantile(q, 1, interpolation=how)"
    same_as_pandas(data, servers, code, [table], convert=as_double, tolerance=1e-9, q=q, how=how)


@covers("DataFrame.count", axis="same")
@covers("DataFrame.nunique", axis="same")
@given(data=st.data())
def test_counts(servers, data):
    """Of any type; different values of any type that has an order, beside Python's sets."""
    table = data.draw(tables.tables([], payloads=3))
    same_as_pandas(data, servers, "df.count(axis=1)", [table], convert=tables.to_pandas)
    kind = st.sampled_from(sorted(tables.KEYS))
    one = data.draw(kind)
    keys = data.draw(drawn(st.just(one)))
    dropna = data.draw(st.booleans())
    found = run(data, servers, "df.nunique(axis=1, dropna=dropna)", [keys], dropna=dropna)
    rows = [[value for value in row if value is not None or not dropna] for row in tables.rows_of(keys)]
    assert found.to_list() == [len(set(row)) for row in rows]


@covers("DataFrame.any", axis="same")
@covers("DataFrame.all", axis="same")
@given(data=st.data())
def test_truth(servers, data):
    table = data.draw(drawn(st.sampled_from(["bool", "int8", "double", "string", "decimal"])))
    name, skipna = data.draw(st.sampled_from(["any", "all"])), data.draw(st.booleans())
    found = run(data, servers, f"df.{name}(axis=1, skipna=skipna)", [table], skipna=skipna)
    decide = any if name == "any" else all
    rows = [[True if value is None else bool(value) for value in row if not (skipna and value is None)]
            for row in tables.rows_of(table)]  # fmt: skip
    assert found.to_list() == [decide(row) for row in rows]
    whole = data.draw(drawn(st.sampled_from(["int8", "uint8"]))).combine_chunks()
    whole = pa.table([column.fill_null(0) for column in whole.columns], names=whole.column_names)
    same_as_pandas(data, servers, f"df.{name}(axis=1)", [whole])


@covers("DataFrame.idxmin", axis="same")
@covers("DataFrame.idxmax", axis="same")
@given(data=st.data())
def test_places(servers, data):
    table = data.draw(drawn(NUMBERS, rows=data.draw(st.integers(1, 30))))
    name = data.draw(st.sampled_from(["idxmin", "idxmax"]))
    kept = [i for i, row in enumerate(tables.rows_of(table)) if any(value is not None for value in row)]
    if len(kept) < table.num_rows:
        with pytest.raises(ValueError, match="no value"):
            run(data, servers, f"df.{name}(axis=1)", [table])
        table = table.take(pa.array(kept, pa.int64()))
    same_as_pandas(data, servers, f"df.{name}(axis=1)", [table], convert=as_double)


@given(data=st.data())
def test_extremes_of_any_type(servers, data):
    kind = data.draw(st.sampled_from(sorted(set(tables.KEYS) - {"null", "timestamp", "timestamp_tz", "duration"})))
    table = data.draw(drawn(st.just(kind)))
    skipna = data.draw(st.booleans())
    for name, choose in (("min", min), ("max", max)):
        found = run(data, servers, f"df.{name}(axis=1, skipna=skipna)", [table], skipna=skipna)
        expected = []
        for row in tables.rows_of(table):
            there = [value for value in row if value is not None]
            expected.append(choose(there) if there and (skipna or len(there) == len(row)) else None)
        assert [tables.plain(value) for value in found.to_list()] == expected


@given(data=st.data())
def test_times(servers, data):
    rows = data.draw(st.integers(0, 20))
    moments = (pa.timestamp("us"), [dt.datetime(2020, 1, 1, second=i) for i in (0, 4, 13, 40)])
    spans = (pa.duration("us"), [dt.timedelta(seconds=i) for i in (0, -4, 13, 40)])
    values = data.draw(st.sampled_from([moments, spans]))
    columns = {f"c{i}": data.draw(tables.columns(rows, {"t": values}, "t")) for i in range(3)}
    name = data.draw(st.sampled_from(["min", "max", "mean", "median", "count"]))
    same_as_pandas(data, servers, f"df.{name}(axis=1)", [pa.table(columns)])


@given(data=st.data())
def test_decimals(servers, data):
    table = data.draw(drawn(st.just("decimal")))
    rows = [[value for value in row if value is not None] for row in zip(*table.to_pydict().values(), strict=True)]
    found = run(data, servers, "df.sum(axis=1)", [table])
    assert found.to_list() == [sum(row, Decimal(0)) for row in rows]
    found = run(data, servers, "df.prod(axis=1)", [table])
    assert all(
        math.isclose(value, float(math.prod(row)), rel_tol=1e-12)
        for value, row in zip(found.to_list(), rows, strict=True)
    )
    run(data, servers, "df.mean(axis=1)", [table])
    run(data, servers, "df.median(axis=1)", [table])


def test_what_does_not_fit(servers):
    big = pa.table({"a": [2**63 - 1, 1, None], "b": [1, 2, None]})
    refused(servers, ValueError, "df.sum(axis=1)", [big], "int64", "sum")
    refused(servers, ValueError, "df.assign(c=3).prod(axis=1)", [big], "int64", "prod")
    assert weft.DataFrame(big)[1:].sum(axis=1, min_count=1).to_list() == [3, None]
    # Back in range at the end of a row.
    assert weft.DataFrame({"a": [2**63 - 1], "b": [1], "c": [-1]}).sum(axis=1).to_list() == [2**63 - 1]
    table = pa.table({"s": ["a", "b"], "t": pa.array([1, 2], pa.timestamp("us")), "l": [[1], [2]], "n": [1, 2]})
    for name in FUNCTIONS:
        refused(servers, TypeError, f"df[['n', 's']].{name}(axis=1)", [table], "'s'")
    for name in ("sum", "var", "any"):
        refused(servers, TypeError, f"df[['t']].{name}(axis=1)", [table], name)
    for name in ("min", "nunique", "idxmin"):
        refused(servers, TypeError, f"df[['l']].{name}(axis=1)", [table], name)
    for name in (*FUNCTIONS, "count", "nunique", "any", "all", "idxmin", "quantile"):
        refused(servers, ValueError, f"df[['n']].{name}(axis='depth')", [table], "axis")
        refused(servers, ValueError, f"df[[]].{name}(axis=1)", [table], "no columns")
    refused(servers, ValueError, "df[['n']].quantile([0.5], axis=1)", [table], "q=")
    refused(servers, ValueError, "df[['n']].quantile(0.5, 1, approximate=True)", [table], "approximate")
    refused(servers, ValueError, "df[['n']].median(axis=1, approximate=True)", [table], "approximate")
    refused(servers, ValueError, "df[['n']].quantile(0.5, 1, interpolation='middle')", [table], "interpolation")
    refused(servers, ValueError, "df[['n']].agg(['sum'], axis=1)", [table], "one function")
    refused(servers, ValueError, "df[['n']].var(axis=1, ddof='1')", [table], "ddof")
    refused(servers, ValueError, "df[['n']].sum(axis=1, skipna=None)", [table], "skipna")
