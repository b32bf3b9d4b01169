"""Columns as a level of the index and back: distributed = local = pandas."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, same_as_pandas

import weft

KEYS = {
    "s": (pa.string(), ["a", "b", "Größe", ""]),
    "n": (pa.int64(), [3, -1, 20]),
    "f": (pa.float64(), [0.5, -2.0, math.nan]),
}
#: pandas' two levels of names as one.
FLAT = "(lambda made: made.set_axis(['_'.join(map(str, c)) for c in made.columns], axis=1))"
ORDERED = (
    "(lambda made: made[sorted(made.columns, key=lambda c: tuple((x == x, x) for x in c))]"
    ".set_axis(['_'.join(map(str, c)) for c in sorted(made.columns, key=lambda c: tuple((x == x, x) for x in c))], axis=1))"
)


@st.composite
def frames(draw: st.DrawFn, *, nulls: bool = True, max_rows: int = 20, least: int = 0) -> pa.Table:
    """Keys "s", "n" and "f", of which each combination is there once; values "i" (whole), "x" (some missing), "b" and
    "w" (texts)."""
    rows = draw(st.integers(least, max_rows))

    def picked(count: int, missing: bool = True) -> list[int]:
        return draw(st.lists(st.integers(-1 if nulls and missing else 0, count - 1), min_size=rows, max_size=rows))

    made = {name: tables.column(type, values, picked(len(values))) for name, (type, values) in KEYS.items()}
    made["i"] = tables.column(pa.int64(), [0, 1, -7, 100], picked(4, False))
    made["x"] = tables.column(pa.float64(), [0.0, 0.5, -2.25, math.nan], picked(4))
    made["b"] = pa.array(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), pa.bool_())
    made["w"] = tables.column(pa.string(), ["p", "q"], picked(2))
    table = pa.table(made)
    once = {tuple(map(repr, map(tables.plain, (row["s"], row["n"], row["f"])))): row for row in table.to_pylist()}
    return pa.Table.from_pylist(list(once.values()), table.schema)


def once(table: pa.Table, *keys: str) -> pa.Table:
    """One row of each combination of the keys."""
    rows = {tuple(repr(tables.plain(row[key])) for key in keys): row for row in table.to_pylist()}
    return pa.Table.from_pylist(list(rows.values()), table.schema)


@covers("DataFrame.stack", "different: texts beside numbers are refused; named 0", level="different: there is but one",
        dropna="refused", sort="refused", future_stack="different: True alone")  # fmt: skip
@given(data=st.data())
def test_stack(servers, data):
    table = data.draw(frames())
    code = data.draw(
        st.sampled_from(
            [
                "df.set_index('s')[['i', 'x']].stack()",
                "df.set_index(['s', 'n'])[['x', 'i']].stack(level=-1)",
                "df.set_index(['n', 'f', 's'])[['i']].stack(0, future_stack=True)",
                "df[['i', 'x']].stack()",
                "df[['w', 's']].stack()",
                "df.set_index('n')[['w', 's']].stack()",
                "df.set_index('n')[['b']].stack()",
                "df[['x', 'i']].stack().to_frame().stack()",
            ]
        )
    )
    same_as_pandas(data, servers, code, [table])


def test_stack_keeps_types():
    frame = weft.DataFrame({"k": ["a"], "i": [1], "j": [2]}).set_index("k")
    assert frame.stack().dtype == pa.int64()
    assert frame.assign(j=0.5).stack().dtype == pa.float64()
    assert frame[[]].stack().to_list() == []
    assert frame.stack().index.names == ["k", None]


@covers("DataFrame.unstack", "different: columns are called column_label, in order; of one level labels may be there twice",
        level="different: one index column stays", fill_value="same", sort="refused")  # fmt: skip
@covers("Series.unstack", "different: columns are called after labels, in order",
        level="different: one index column stays", fill_value="same", sort="refused")  # fmt: skip
@given(data=st.data())
def test_unstack(servers, data):
    table = data.draw(frames(least=1))
    two, three = "df.set_index(['s', 'n'])", "df.set_index(['s', 'n', 'f'])"
    forms = {
        f"{two}['x'].unstack()": "",
        f"{two}['i'].unstack(0)": "",
        f"{two}['i'].unstack('s', fill_value=0)": "",
        f"{two}['x'].unstack(fill_value=-1.5)": "",
        f"{two}['w'].unstack(fill_value='none')": "",
        f"{two}[['i', 'x']].unstack()": FLAT,
        f"{two}[['i', 'x']].unstack('s', 9)": FLAT,
        f"{two}[['w']].unstack(-2)": FLAT,
        f"{three}['i'].unstack()": "",
        f"{three}['i'].unstack('s')": "",
        f"{three}[['x', 'i']].unstack(level=1)": FLAT,
        f"{three}['i'].unstack(['n', 's'])": ORDERED,
        f"{three}['i'].unstack([0, 1], fill_value=0)": ORDERED,
    }
    code = data.draw(st.sampled_from(sorted(forms)))
    if code.startswith(two):
        table = once(table, "s", "n")
    # pandas gives labels of whole numbers a point where one is missing, and names are made of that.
    if table["n"].null_count and ("n'" in code.split("unstack")[1] or "unstack(" in code):
        table = table.set_column(1, "n", table["n"].cast(pa.float64()))
    same_as_pandas(data, servers, code, [table], pandas=f"{forms[code]}({code})" if forms[code] else code)


@given(data=st.data())
def test_unstack_one_level(servers, data):
    # pandas takes no label twice here, and none that is missing.
    table = once(once(data.draw(frames(nulls=False)), "n"), "s")
    code = data.draw(
        st.sampled_from(
            [
                "df.set_index('n')[['i', 'x']].unstack()",
                "df.set_index('s')[['w']].unstack(0)",
                "df[['x', 'i']].unstack()",
                "df[['b']].unstack(level=-1)",
            ]
        )
    )
    same_as_pandas(data, servers, code, [table])


@given(data=st.data())
def test_there_and_back(servers, data):
    table = once(data.draw(frames(nulls=False, least=1)), "s")
    code = "(lambda made: made[['i', 'x']])(df.set_index('s')[['i', 'x']].stack().unstack())"
    same_as_pandas(data, servers, code, [table], pandas="df.set_index('s')[['i', 'x']].astype('float64').sort_index()")


def test_unstack_is_refused(servers):
    table = pa.table({"s": ["a", "a", "b"], "n": [1, 1, 2], "x": [0.5, 1.0, None], "w": ["p", "q", None]})
    refused(servers, ValueError, "df.set_index(['s', 'n'])['x'].unstack()", [table], "unstack", "same index")
    refused(servers, ValueError, "df.set_index(['s', 'n'])['x'].unstack([0, 1])", [table], "must stay")
    refused(servers, ValueError, "df.set_index(['s', 'n'])['x'].unstack([0, 0])", [table], "names no level")
    refused(servers, KeyError, "df.set_index(['s', 'n'])['x'].unstack('z')", [table], "'z'")
    refused(servers, ValueError, "df.set_index('s')['x'].unstack()", [table], "several")
    refused(servers, TypeError, "df.set_index(['s', 'n']).unstack(fill_value=0)", [table], "column 'w'")
    refused(servers, TypeError, "df.set_index('s').stack()", [table], "'w' (string)")
    refused(servers, ValueError, "df.rename(columns={'s': '0'}).set_index('0')[['x']].stack()", [table], "rename_axis")


def test_more_columns_than_there_may_be():
    table = pa.table({"s": ["a"] * 10_001, "n": range(10_001), "x": range(10_001)})
    with pytest.raises(ValueError, match="10001 different values"):
        weft.DataFrame(table).set_index(["s", "n"])["x"].unstack()


def test_pivot_with_missing_labels(servers):
    frame = weft.DataFrame(pa.table({"k": [1.0, math.nan, None], "r": [1, 2, 3], "v": [1, 2, 3]}))
    made = frame.pivot(columns="k", index="r", values="v")
    assert made.columns == ["nan", "1.0"]
    assert made.to_pydict() == {"r": [1, 2, 3], "nan": [None, 2, 3], "1.0": [1, None, None]}
