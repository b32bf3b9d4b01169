"""Groups' largest values, correlations and covariances: distributed = local = pandas."""

from __future__ import annotations

import math

import pyarrow as pa
import tables
from hypothesis import assume, given
from hypothesis import strategies as st
from oracle import covers, refused, same_as_pandas


@st.composite
def frames(draw):
    """At least one group: of none pandas forgets the keys. Keys k (with missing ones), s; columns x, y of doubles, i of integers; an index column row."""
    rows = draw(st.integers(0, 40))
    values = {
        "k": (pa.int32(), [0, 1, 5]),
        "s": (pa.string(), ["", "a", "Größe"]),
        "x": (pa.float64(), [0.5, -1.25, 1e3, 2.0, math.nan]),
        "i": (pa.int16(), [1, 5, -7]),
    }
    kinds = {"k": "k", "s": "s", "x": "x", "y": "x", "i": "i"}
    made = {name: draw(tables.columns(rows, values, kind)) for name, kind in kinds.items()}
    table = pa.table({**made, "row": pa.array(range(rows), pa.int64())})
    assume(any(None not in pair for pair in zip(table["k"].to_pylist(), table["s"].to_pylist(), strict=True)))
    return table


@covers(
    "DataFrameGroupBy.corr", min_periods="same", numeric_only="same", method="different: pearson; others are refused"
)
@covers(
    "DataFrameGroupBy.cov", min_periods="same", numeric_only="same", ddof="different: taken with missing values too"
)
@given(data=st.data())
def test_corr_and_cov(servers, data):
    table = data.draw(frames())
    code = data.draw(
        st.sampled_from(
            [
                "df.groupby('k')[['x', 'y', 'i']].corr(min_periods=n)",
                "df[['k', 's', 'x', 'i']].groupby(['k', 's'], dropna=False).corr()",
                "df.dropna().groupby('k')[['x', 'y', 'i']].cov(ddof=n)",
                "df.groupby('k')[['x', 'y', 's']].cov(min_periods=3, numeric_only=True)",
                "df.groupby('k', sort=False)[['x']].corr().sort_index()",
            ]
        )
    )
    n = data.draw(st.sampled_from([0, 1, 2]))
    # The index with the columns' names has no name.
    same_as_pandas(data, servers, code, [table], tolerance=1e-6, n=n, ordered="sort=False" not in code)


@covers("SeriesGroupBy.nlargest", n="same", keep="same")
@covers("SeriesGroupBy.nsmallest", n="same", keep="same")
@given(data=st.data())
def test_top(servers, data):
    table = data.draw(frames())
    name = data.draw(st.sampled_from(["nlargest", "nsmallest"]))
    keep = data.draw(st.sampled_from(["first", "last", "all"]))
    n = data.draw(st.sampled_from([0, 1, 3, 50]))
    by = data.draw(st.sampled_from(["'k'", "['s', 'k']", "'k', dropna=False"]))
    code = f"df.set_index('row').groupby({by})[c].{name}(n, keep)"
    # Where a group has no more than n rows, pandas sorts them and forgets about keep.
    column = data.draw(st.sampled_from(["x", "i"]))
    same_as_pandas(data, servers, code, [table], n=n, keep=keep, c=column, ordered=keep != "last")


def test_refusals(servers):
    table = pa.table({"k": [1, 1], "s": ["a", "b"], "n": [1, 2]})
    refused(servers, ValueError, "df.groupby('k')[['n']].corr('spearman')", [table], "method")
    refused(servers, ValueError, "df.groupby('k')[['n']].corr('x')", [table], "method")
    refused(servers, ValueError, "df.groupby('k', as_index=False)[['n']].cov()", [table], "as_index")
    refused(servers, TypeError, "df.groupby('k').cov()", [table], "'s'")
    refused(servers, ValueError, "df.groupby('k')[['n']].cov(ddof=0.5)", [table], "ddof")
    refused(servers, ValueError, "df.groupby('k')['n'].nlargest(2, 'best')", [table], "keep")
    refused(servers, TypeError, "df.groupby('k')['n'].nlargest('2')", [table], "n=")
    refused(servers, TypeError, "df.groupby('k')['s'].nsmallest()", [table], "'s'")
