"""A value for every row, rows chosen within groups, functions of groups: distributed = local = pandas."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, run, same_as_pandas
from test_groupby import CLOSE, check, frames

import weft

#: Not 0: there pandas leaves rows with a missing key as they are, and Weft makes them missing as for any other number.
STEPS = st.integers(-3, 3).filter(lambda number: number != 0)

ROW_COLUMNS = "df[['k0', 'k1', 'x', 'i', 'u']]"


@covers("DataFrameGroupBy.cumsum", numeric_only="same", skipna="same")
@covers("DataFrameGroupBy.cumprod", numeric_only="same", skipna="same")
@covers("DataFrameGroupBy.cummin", numeric_only="same", skipna="same")
@covers("DataFrameGroupBy.cummax", numeric_only="same", skipna="same")
@pytest.mark.parametrize("call", ["cumsum", "cumprod", "cummin", "cummax"])
@given(data=st.data())
def test_running(servers, call, data):
    table = data.draw(frames(offset=0.0, max_rows=20))
    skipna = data.draw(st.booleans())
    dropna = data.draw(st.booleans())
    code = f"{ROW_COLUMNS}.groupby(BY, dropna={dropna}).{call}(skipna={skipna})"
    if call == "cumprod":
        # Eight values of 5 at most: no product of integers leaves 64 bits.
        table = table.slice(0, 8)
    check(data, servers, code, table, tolerance=CLOSE)
    code = f"df.set_index('s').groupby('k0')['i'].{call}(numeric_only=True)"
    same_as_pandas(data, servers, code, [table], tolerance=CLOSE)


@covers("SeriesGroupBy.cumsum", numeric_only="same", skipna="same")
@covers("SeriesGroupBy.cumprod", numeric_only="same", skipna="same")
@covers("SeriesGroupBy.cummin", numeric_only="same", skipna="same")
@covers("SeriesGroupBy.cummax", numeric_only="same", skipna="same")
@covers("SeriesGroupBy.shift", periods="same", fill_value="same", freq="refused", suffix="refused")
@covers("SeriesGroupBy.rank", method="same", ascending="same", na_option="same", pct="same")
@covers("SeriesGroupBy.diff", periods="same")
@covers("SeriesGroupBy.pct_change", periods="same", fill_method="refused", freq="refused")
@covers("SeriesGroupBy.ffill", limit="same")
@covers("SeriesGroupBy.bfill", limit="same")
@covers("SeriesGroupBy.head", n="same")
@covers("SeriesGroupBy.tail", n="same")
@covers("SeriesGroupBy.cumcount", ascending="same")
@covers("SeriesGroupBy.ngroup", ascending="same")
@covers("SeriesGroupBy.transform", func="same")
@given(data=st.data())
def test_of_one_column(servers, data):
    table = data.draw(frames(offset=0.0, max_rows=12))
    for call in (
        *("cumsum()", "cumprod()", "cummin()", "cummax()", "shift()", "rank()", "diff()", "ffill()", "bfill()"),
        *("head(2)", "tail(1)", "cumcount()", "ngroup()", "transform('mean')", "shift(2, fill_value=7)"),
    ):
        same_as_pandas(data, servers, f"df.groupby('k0')['x'].{call}", [table], tolerance=CLOSE)


def test_running_sums_that_do_not_fit(servers):
    table = pa.table({"k": [1, 1, 2], "v": [2**62, 2**62, 5]})
    refused(servers, ValueError, "df.groupby('k').cumsum()", [table], "'v'", "running sum")
    refused(servers, TypeError, "df.groupby('k').cumsum()", [pa.table({"k": [1], "v": ["a"]})], "'v'")


@covers("DataFrameGroupBy.cumcount", ascending="same")
@covers("DataFrameGroupBy.ngroup", ascending="same")
@given(data=st.data())
def test_counts(servers, data):
    table = data.draw(frames())
    ascending, dropna, sort = (data.draw(st.booleans()) for _ in range(3))
    check(data, servers, f"df.groupby(BY, dropna={dropna}).cumcount(ascending={ascending})", table)
    check(data, servers, f"df.groupby(BY, dropna={dropna}, sort={sort}).ngroup(ascending={ascending})", table)


@covers(
    "DataFrameGroupBy.shift",
    periods="different: one number; rows with a missing key are missing for 0, too",
    fill_value="same",
    freq="refused",
    suffix="refused",
)
@covers("DataFrameGroupBy.ffill", limit="same")
@covers("DataFrameGroupBy.bfill", limit="same")
@pytest.mark.parametrize("call", ["shift", "ffill", "bfill"])
@given(data=st.data())
def test_moved(servers, call, data):
    table = data.draw(frames())
    number = data.draw(STEPS) if call == "shift" else data.draw(st.sampled_from([None, 1, 2]))
    check(data, servers, f"df.groupby(BY).{call}({number})", table)
    if call == "shift":
        code = f"df[['k0', 'i', 'u']].groupby('k0').shift({number}, fill_value=3)"
        same_as_pandas(data, servers, code, [table])
        refused(servers, ValueError, "df.groupby('k0').shift(freq='D')", [table], "freq")
        refused(servers, ValueError, "df.groupby('k0').shift(suffix='_s')", [table], "suffix")


@covers("DataFrameGroupBy.diff", periods="different: rows with a missing key are missing for 0, too")
@covers("DataFrameGroupBy.pct_change", periods="same", fill_method="refused", freq="refused")
@pytest.mark.parametrize("call", ["diff", "pct_change"])
@given(data=st.data())
def test_changes(servers, call, data):
    table = data.draw(frames(offset=0.0))
    number = data.draw(STEPS)
    check(data, servers, f"{ROW_COLUMNS}.groupby(BY)[['x', 'i', 'u']].{call}({number})", table, tolerance=CLOSE)


@covers("DataFrameGroupBy.rank", method="same", ascending="same", na_option="same", pct="same")
@given(data=st.data())
def test_rank(servers, data):
    table = data.draw(frames())
    method = data.draw(st.sampled_from(["average", "min", "max", "first", "dense"]))
    option = data.draw(st.sampled_from(["keep", "top", "bottom"]))
    ascending, pct = data.draw(st.booleans()), data.draw(st.booleans())
    code = f".rank(method='{method}', ascending={ascending}, na_option='{option}', pct={pct})"
    check(data, servers, f"{ROW_COLUMNS}.groupby(BY){code}", table, tolerance=CLOSE)
    refused(servers, ValueError, "df.groupby('k0').rank('middle')", [table], "middle")
    refused(servers, ValueError, "df.groupby('k0').rank(na_option='drop')", [table], "na_option")


@covers("DataFrameGroupBy.head", n="same")
@covers("DataFrameGroupBy.tail", n="same")
@given(data=st.data())
def test_head_and_tail(servers, data):
    table = data.draw(frames())
    n = data.draw(st.integers(-4, 4))
    for call in ("head", "tail"):
        check(data, servers, f"df.groupby(BY).{call}({n})", table)
        same_as_pandas(data, servers, f"df.groupby('k0')[['x', 's']].{call}({n})", [table])


@given(data=st.data())
def test_nth(servers, data):
    table = data.draw(frames())
    n = data.draw(
        st.sampled_from(["0", "-1", "2", "[0, -1]", "[1, 3]", "slice(1, 3)", "slice(-2, None)", "slice(0, -1)"])
    )
    check(data, servers, f"df.groupby(BY).nth({n})", table)
    refused(servers, ValueError, "df.groupby('k0').nth(0, dropna='any')", [table], "dropna")


@covers("DataFrameGroupBy.transform", func="same")
@given(data=st.data())
def test_transform(servers, data):
    table = data.draw(frames(offset=0.0))
    for name in ("sum", "mean", "count", "median", "first", "nunique", "max", "cumsum", "rank", "std"):
        if data.draw(st.booleans()):
            check(data, servers, f"{ROW_COLUMNS}.groupby(BY)[['x', 'i']].transform('{name}')", table, tolerance=CLOSE)
    if table.num_rows == table["k0"].null_count:
        # pandas has no answer where there are no groups.
        run(data, servers, "df.groupby('k0')[['i', 'u']].transform(lambda v: v.to_list())", [table])
        return
    check(data, servers, "df.groupby(BY)['i'].transform(lambda v: len(v))", table)
    check(data, servers, "df.groupby(BY)[['i', 'u']].transform(lambda v: v.to_list()[::-1])", table)
    check(data, servers, "df.groupby(BY)['x'].transform('size')", table)


@covers("DataFrameGroupBy.filter", func="same", dropna="refused")
@covers("SeriesGroupBy.filter", func="same", dropna="refused")
@given(data=st.data())
def test_filter(servers, data):
    table = data.draw(frames())
    check(data, servers, "df.groupby(BY).filter(lambda g: len(g) > 2)", table)
    check(data, servers, "df.groupby(BY)['i'].filter(lambda g: sum(g.to_list()) > 0)", table)
    refused(servers, ValueError, "df.groupby('k0').filter(len, dropna=False)", [table], "dropna")


@covers("DataFrameGroupBy.apply", func="same", include_groups="refused")
@covers("SeriesGroupBy.apply", func="same")
@given(data=st.data())
def test_apply(servers, data):
    table = data.draw(frames(key="int8"))
    if table.num_rows == table["k0"].null_count:
        run(data, servers, "df.groupby('k0').apply(lambda g: len(g))", [table])
        return
    same_as_pandas(data, servers, "df.groupby('k0').apply(lambda g: len(g))", [table])
    same_as_pandas(data, servers, "df.groupby('k0')['i'].apply(lambda v: sum(v.to_list()) / 2)", [table])
    as_texts = ".map(lambda values: str(list(values)))"
    for call in ("df.groupby('k0')['i'].agg(list)", "df.groupby('k0')['i'].apply(list)"):
        same_as_pandas(data, servers, f"{call}{as_texts}", [table], pandas=f"{call}{as_texts}")
    same_as_pandas(
        data,
        servers,
        "df.groupby('k0').apply(lambda g: {'n': len(g), 'top': max(g['i'].to_list())})",
        [table],
        pandas="df.groupby('k0').apply(lambda g: pd.Series({'n': len(g), 'top': max(g['i'].to_list())}))",
    )
    same_as_pandas(
        data,
        servers,
        "df.groupby('k0').apply(lambda g: g.head(2))",
        [table],
        pandas="df.groupby('k0').apply(lambda g: g.head(2)).droplevel(1)",
    )
    refused(servers, ValueError, "df.groupby('k0').apply(len, include_groups=True)", [table], "include_groups")


@covers("DataFrameGroupBy.get_group", name="same")
@covers("SeriesGroupBy.get_group", name="same")
@covers("DataFrameGroupBy.ngroups")
@covers("SeriesGroupBy.ngroups")
@covers("DataFrameGroupBy.pipe", func="same")
@covers("SeriesGroupBy.pipe", func="same")
@given(data=st.data())
def test_groups(servers, data):
    table = data.draw(frames(key="int8"))
    same_as_pandas(data, servers, "df.groupby('k0').ngroups", [table])
    same_as_pandas(data, servers, "df.groupby('k0')['i'].ngroups", [table])
    same_as_pandas(data, servers, "df.groupby('k0').pipe(lambda g: g.size())", [table])
    same_as_pandas(data, servers, "df.groupby('k0')['i'].pipe(lambda g: g.sum())", [table])
    there = [key for key in table["k0"].to_pylist() if key is not None]
    if there:
        same_as_pandas(data, servers, f"df.groupby('k0').get_group({there[0]})", [table])
        same_as_pandas(data, servers, f"df.groupby('k0')['s'].get_group({there[-1]})", [table])
    refused(servers, KeyError, "df.groupby('k0').get_group(99)", [table], "99")


@covers("DataFrameGroupBy.groups")
@covers("SeriesGroupBy.groups")
@covers("DataFrameGroupBy.indices")
@covers("SeriesGroupBy.indices")
def test_groups_of_this_process():
    frame = pd.DataFrame({"k": ["b", "a", "b"], "n": [1, 1, 2], "v": [5, 9, 7]})
    made = weft.DataFrame(frame)
    assert made.groupby("k").groups == {key: list(rows) for key, rows in frame.groupby("k").groups.items()}
    ours, theirs = made.groupby(["k", "n"])["v"].indices, frame.groupby(["k", "n"])["v"].indices
    assert {key: list(rows) for key, rows in ours.items()} == {key: list(rows) for key, rows in theirs.items()}
    indexed = frame.set_index("v")
    assert weft.DataFrame(indexed).groupby("k")["n"].groups == {
        key: list(rows) for key, rows in indexed.groupby("k")["n"].groups.items()
    }
    for (key, group), (expected, rows) in zip(made.groupby("k"), frame.groupby("k"), strict=True):
        assert key == expected
        pd.testing.assert_frame_equal(group.to_pandas(), rows.reset_index(drop=True))
    assert [key for key, _ in made.groupby(["k"])] == [("a",), ("b",)]
    assert len(made.groupby("k")) == 2
    assert made.groupby("k").v.sum().to_list() == [9, 12]


@covers("Series.value_counts", normalize="same", sort="same", ascending="same", dropna="same", bins="refused")
@covers("DataFrame.value_counts", subset="same", normalize="same", sort="same", ascending="same", dropna="same")
@given(data=st.data())
def test_value_counts(servers, data):
    table = data.draw(frames())
    normalize, ascending, dropna = (data.draw(st.booleans()) for _ in range(3))
    options = f"normalize={normalize}, ascending={ascending}, dropna={dropna}"
    column = data.draw(st.sampled_from(["k0", "i", "s", "b"]))
    same_as_pandas(data, servers, f"df['{column}'].value_counts({options})", [table], ordered=False, tolerance=CLOSE)
    for subset in ("['k0']", "['i', 'k0']"):
        code = f"df.value_counts({subset}, {options})"
        same_as_pandas(data, servers, code, [table], ordered=False, tolerance=CLOSE)
    same_as_pandas(data, servers, "df['i'].value_counts(sort=False)", [table], ordered=False)
    same_as_pandas(data, servers, "df[['k1', 'i']].value_counts(sort=False)", [table], ordered=False)
    counts = weft.DataFrame(table)["i"].value_counts(ascending=ascending).to_list()
    assert counts == sorted(counts, reverse=not ascending)
    refused(servers, ValueError, "df['i'].value_counts(bins=3)", [table], "bins")


@covers("DataFrameGroupBy.value_counts", subset="same", normalize="same", sort="same", ascending="same", dropna="same")
@covers("SeriesGroupBy.value_counts", normalize="same", sort="same", ascending="same", dropna="same", bins="refused")
@given(data=st.data())
def test_value_counts_of_groups(servers, data):
    table = data.draw(frames(key="int8"))
    normalize, ascending, dropna, sort = (data.draw(st.booleans()) for _ in range(4))
    options = f"normalize={normalize}, ascending={ascending}, dropna={dropna}, sort={sort}"
    same_as_pandas(
        data, servers, f"df.groupby('k0')['s'].value_counts({options})", [table], ordered=False, tolerance=CLOSE
    )
    code = f"df[['k0', 'i', 'b']].groupby('k0').value_counts({options})"
    same_as_pandas(data, servers, code, [table], ordered=False, tolerance=CLOSE)
    code = f"df[['k0', 'i', 'b']].groupby('k0').value_counts(subset=['i'], {options})"
    same_as_pandas(data, servers, code, [table], ordered=False, tolerance=CLOSE)


def test_every_type_travels(servers):
    """Shifts, fills, first and last of any type, at the rows' own places."""
    rows = 9
    made = {
        name: tables.column(kind, values, [i % 3 - 1 for i in range(rows)])
        for name, (kind, values) in tables.PAYLOADS.items()
    }
    table = pa.table({"key": [1, 2, 3] * 3, **made})
    frame = weft.DataFrame(table)
    shifted = frame.groupby("key").shift(1).to_arrow()
    assert shifted.schema.types == table.schema.types[1:]
    for name in made:
        values = table[name].to_pylist()
        expected = [None] * 3 + values[:6]
        assert tables.plain(shifted[name].to_pylist()) == tables.plain(expected), name
    for code in ("df.groupby('key').shift(-1)", "df.groupby('key').ffill()", "df.groupby('key').last()"):
        spec = {"op": "eval", "code": code, "names": {}}
        outcome = servers[3].run(spec, [table], [[0, 4, 4, rows]])
        assert outcome.errors == [None] * 3
        expected = eval(code, {"df": frame}).to_arrow()
        assert tables.rows_of(outcome.table) == tables.rows_of(expected)


@st.composite
def priced(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(0, 25))
    keys = draw(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=rows, max_size=rows))
    prices = draw(st.lists(st.sampled_from([1.5, -2.0, None, 7.0, 0.25]), min_size=rows, max_size=rows))
    counts = draw(st.lists(st.integers(-5, 5), min_size=rows, max_size=rows))
    return pa.table(
        {
            "k": pa.array(keys, pa.string()),
            "row": pa.array(range(rows), pa.int64()),
            "x": pa.array(prices, pa.float64()),
            "i": pa.array(counts, pa.int64()),
        }
    )


@covers("DataFrameGroupBy.ohlc", "different: columns are v_open and so on")
@covers("SeriesGroupBy.ohlc")
@given(data=st.data())
def test_ohlc(servers, data):
    table = data.draw(priced())
    flat = "(lambda made: made.set_axis(['_'.join(c) for c in made.columns], axis=1))"
    forms = {
        "df.groupby('k')['x'].ohlc()": "",
        "df.groupby('k', as_index=False)['i'].ohlc()": "",
        "df.groupby('k')[['x', 'i']].ohlc()": flat,
    }
    code = data.draw(st.sampled_from(sorted(forms)))
    if table["k"].null_count == table.num_rows:
        return  # pandas has no columns then
    same_as_pandas(data, servers, code, [table], pandas=f"{forms[code]}({code})" if forms[code] else code)


@covers("DataFrameGroupBy.sample", "different: its own random rows", n="same", frac="same", replace="refused",
        weights="refused", random_state="different: an integer")  # fmt: skip
@covers("SeriesGroupBy.sample", "different: its own random rows", n="same", frac="same", replace="refused",
        weights="refused", random_state="different: an integer")  # fmt: skip
@given(data=st.data())
def test_sample(servers, data):
    table = data.draw(priced())
    seed = data.draw(st.integers(0, 5))
    more = data.draw(st.sampled_from(["", "1, ", "n=1, ", "frac=0.5, ", "frac=0.3, ", "0, "]))
    call = f".sample({more}random_state={seed})"
    # The same rows for any number of ranks.
    run(data, servers, f"df.set_index('row').groupby('k'){call}", [table])
    run(data, servers, f"df.groupby('k')['x']{call}", [table])
    code = data.draw(
        st.sampled_from(
            ["df.groupby('k')CALL['k'].value_counts()", "df.groupby('k')[['k', 'i']]CALL.groupby('k').size()"]
        )
    )
    # As many of each group as of pandas', and all rows where all are asked for.
    code = f"{code.replace('CALL', call)}.sort_index()"
    same_as_pandas(data, servers, code, [table])
    whole = "df.groupby('k').sample(frac=1, random_state=1).sort_values('row')"
    same_as_pandas(data, servers, whole, [table], pandas="df.dropna(subset='k')")


def test_a_sample_is_random():
    table = pa.table({"k": ["a"] * 50, "row": range(50)})
    grouped = weft.DataFrame(table).groupby("k")["row"]
    assert len({tuple(grouped.sample(5, random_state=seed).to_list()) for seed in range(20)}) > 15
    assert {row for seed in range(200) for row in grouped.sample(5, random_state=seed).to_list()} == set(range(50))
    assert len({tuple(grouped.sample(5).to_list()) for _ in range(10)}) > 5
