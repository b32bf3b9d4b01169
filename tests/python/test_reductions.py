"""Whole columns to one value each: distributed = local = pandas."""

from __future__ import annotations

import datetime as dt
import math

import pyarrow as pa
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, same_as_pandas

INTEGERS = ["bool", "int8", "int16", "int32", "uint8", "uint16", "uint32"]
REALS = ["float", "double", "half"]
NUMBERS = [*INTEGERS, "int64", "uint64", "wide", *REALS]
TIMES = ["timestamp", "duration", "near_times"]

#: More values than the keys have: those that sums and moments are right about, whatever their offset.
VALUES = {
    **tables.KEYS,
    "int64": (pa.int64(), [-(2**40), -3, 0, 1, 2, 7, 2**40 + 1]),
    "uint64": (pa.uint64(), [0, 1, 2, 5, 2**40]),
    "half": (pa.float16(), [0.0, -0.0, 1.5, -2.0, 3.25, math.nan]),
    "float": (pa.float32(), [0.0, -0.0, 1.5, -2.25, 1024.125, 3.5, math.nan]),
    "double": (pa.float64(), [0.0, -0.0, 0.1, -1e3, 5e-324, 7.75, 1e5, math.nan]),
    "wide": (pa.float64(), [1e9 + 0.25, 1e9, 1e9 + 1, 1e9 - 3.5, 1e9 + 2.125, math.nan]),
    "near_times": (
        pa.timestamp("ms", "UTC"),
        [dt.datetime(2020, 1, 1, second=i, tzinfo=dt.UTC) for i in (0, 4, 12, 40)],
    ),
}


@st.composite
def numbers(draw: st.DrawFn, kinds: list[str], max_rows: int = 40, columns: int = 3) -> pa.Table:
    """A table of columns c0, c1 ... of the kinds."""
    rows = draw(st.integers(0, max_rows))
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=columns))
    table = pa.table({f"c{i}": draw(tables.columns(rows, VALUES, kind)) for i, kind in enumerate(chosen)})
    if rows > 2 and draw(st.booleans()):
        cut = draw(st.integers(0, rows))
        table = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    return table


def as_double(table: pa.Table):
    """pandas' frame with its floats in double, as Weft computes; and bool with nulls as numbers."""
    columns = []
    for column in table.columns:
        narrow = pa.types.is_floating(column.type) or (pa.types.is_boolean(column.type) and column.null_count)
        columns.append(column.cast(pa.float64()) if narrow else column)
    return pa.table(columns, names=table.column_names).to_pandas()


@covers("DataFrame.count", axis="different: the values of a row are counted by no method", numeric_only="same")
@given(data=st.data())
def test_count(servers, data):
    table = data.draw(tables.tables([], payloads=3))
    only = data.draw(st.booleans())
    if only:
        # pandas' objects are no numbers: decimals, bool with nulls.
        table = table.select([i for i, t in enumerate(table.schema.types) if not pa.types.is_decimal(t)])
        table = table.select([i for i, c in enumerate(table.columns) if not pa.types.is_boolean(c.type)])
    same_as_pandas(data, servers, "df.count(numeric_only=only)", [table], only=only)


@covers("Series.count")
@given(data=st.data())
def test_series_count(servers, data):
    table = data.draw(tables.tables([], payloads=1))
    same_as_pandas(data, servers, "df['p0'].count()", [table])


@covers("DataFrame.sum", "different: floats are summed in double; text is not joined", skipna="same", min_count="same")
@covers("DataFrame.mean", "different: floats are summed in double", skipna="same")
@covers("DataFrame.var", "different: floats are taken as doubles", skipna="same", ddof="same")
@covers("DataFrame.std", "different: floats are taken as doubles", skipna="same", ddof="same")
@covers("DataFrame.sem", "different: floats are taken as doubles", skipna="same", ddof="same")
@covers("DataFrame.skew", "different: floats are taken as doubles", skipna="same")
@covers("DataFrame.kurt", "different: floats are taken as doubles", skipna="same")
@covers("DataFrame.kurtosis", "different: floats are taken as doubles", skipna="same")
@given(data=st.data())
def test_moments(servers, data):
    table = data.draw(numbers(NUMBERS))
    skipna = data.draw(st.booleans())
    code = data.draw(
        st.sampled_from(
            [
                "df.sum(skipna=skipna, min_count=n)",
                "df.mean(skipna=skipna)",
                "df.var(skipna=skipna, ddof=n)",
                "df.std(skipna=skipna, ddof=n)",
                "df.sem(skipna=skipna, ddof=n)",
                "df.skew(skipna=skipna)",
                "df.kurt(skipna=skipna)",
                "df.kurtosis(skipna=skipna)",
            ]
        )
    )
    n = data.draw(st.sampled_from([0, 1, 3]))
    same_as_pandas(data, servers, code, [table], convert=as_double, tolerance=1e-9, skipna=skipna, n=n)
