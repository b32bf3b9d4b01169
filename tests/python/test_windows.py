"""Windows along the rows: distributed = local = pandas."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pyarrow as pa
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, run, same_as_pandas
from test_reductions import as_double

import weft

#: Numbers that pandas' windows, which add and take away, are exact enough about.
VALUES = {
    "int8": (pa.int8(), [-128, -1, 0, 1, 127, 3, 5]),
    "uint8": (pa.uint8(), [0, 1, 128, 255, 7]),
    "bool": (pa.bool_(), [True, False]),
    "float": (pa.float32(), [0.0, 1.5, -2.25, 3.5, math.nan, 8.0]),
    "double": (pa.float64(), [0.0, -0.0, 0.125, -100.5, 7.75, 64.0, math.nan, math.inf, -math.inf]),
}
#: For what only compares or adds.
WIDE = {
    **VALUES,
    "int64": (pa.int64(), [-(2**40), -3, 0, 1, 2, 7, 2**40 + 1]),
    "wide": (pa.float64(), [1e9 + 0.25, 1e9, 1e9 + 1, 1e9 - 3.5, math.nan]),
}
BASE = dt.datetime(2024, 2, 27, 22, 30)


@st.composite
def frames(draw: st.DrawFn, kinds: dict[str, Any], max_rows: int = 30, max_columns: int = 2) -> pa.Table:
    """Columns "row", "k" (a key of few values, some missing), "t" (rising times, some equal), c0, c1 ..."""
    rows = draw(st.integers(0, max_rows))
    chosen = draw(st.lists(st.sampled_from(sorted(kinds)), min_size=1, max_size=max_columns))
    steps = draw(st.lists(st.sampled_from([0, 1, 60, 3600, 90000]), min_size=rows, max_size=rows))
    times, now = [], BASE
    for step in steps:
        now += dt.timedelta(seconds=step)
        times.append(now)
    table = pa.table(
        {
            "row": pa.array(range(rows), pa.int64()),
            "k": pa.array(draw(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=rows, max_size=rows))),
            "t": pa.array(times, pa.timestamp(draw(st.sampled_from(["s", "us", "ns"])))),
            **{f"c{i}": draw(tables.columns(rows, kinds, kind)) for i, kind in enumerate(chosen)},
        }
    )
    table = table.set_column(1, "k", table["k"].cast(pa.string()))
    if rows > 2 and draw(st.booleans()):
        cut = draw(st.integers(0, rows))
        table = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    return table


def convert(table: pa.Table):
    return as_double(table)


ROLLINGS = [
    "rolling(3)",
    "rolling(1)",
    "rolling(0)",
    "rolling(4, min_periods=1)",
    "rolling(4, min_periods=0, center=True)",
    "rolling(3, center=True, min_periods=1)",
    "rolling(2, closed='left', min_periods=1)",
    "rolling(2, closed='both', min_periods=1)",
    "rolling(3, closed='neither', min_periods=1)",
    "rolling(1000, min_periods=2)",
    "rolling(9, 2, False)",
    "rolling(window=3, min_periods=1, step=2)",
    "rolling(5, min_periods=1, step=3)",
    "expanding()",
    "expanding(3)",
    "expanding(min_periods=0)",
]
BY_TIME = [
    "rolling('90s')",
    "rolling('1h', min_periods=2)",
    "rolling('2D', closed='both')",
    "rolling('1h', closed='left')",
    "rolling('1h1min', closed='neither')",
    "rolling('2h', center=True)",
    "rolling('3D', min_periods=0)",
    "rolling(pd.Timedelta('1min'))",
]

OF_ORDER = ["count()", "min()", "max()", "median()", "sum()", "mean()", "first()", "last()", "nunique()"]
OF_MOMENTS = ["var()", "std()", "sem()", "var(ddof=0)", "std(2)", "sem(ddof=0)", "skew()", "kurt()"]
QUANTILES = [f"quantile({q}, interpolation='{how}')" for q in (0, 0.3, 0.5, 0.9, 1)
             for how in ("linear", "lower", "higher", "nearest", "midpoint")]  # fmt: skip


def covers_windows(test: Any) -> Any:
    for owner in ("Rolling", "Expanding"):
        for name in ("count", "sum", "mean", "min", "max", "median", "var", "std", "sem", "skew", "kurt", "first",
                     "last", "nunique", "quantile"):  # fmt: skip
            covers(f"{owner}.{name}", numeric_only="same")(test)
        for name in ("sum", "mean", "min", "max", "median", "var", "std", "apply"):
            covers(f"{owner}.{name}", engine="refused", engine_kwargs="refused")(test)
        for name in ("var", "std", "sem"):
            covers(f"{owner}.{name}", ddof="same")(test)
        covers(f"{owner}.quantile", q="same", interpolation="same")(test)
    for owner in ("DataFrame", "Series"):
        covers(f"{owner}.rolling", "different: results have no index of positions", center="same",
               window="different: a number of rows or a fixed length of time; no indexer", min_periods="same",
               win_type="refused", on="same", closed="same", step="same", method="refused")(test)  # fmt: skip
        covers(f"{owner}.expanding", min_periods="same", method="refused")(test)
    return test


@covers_windows
@pytest.mark.parametrize("functions", [OF_ORDER, QUANTILES, OF_MOMENTS], ids=["order", "quantiles", "moments"])
@given(data=st.data())
def test_windows(servers, functions, data):
    table = data.draw(frames(VALUES if functions is OF_MOMENTS else WIDE))
    table = table.drop_columns(["k", "t"])
    window = data.draw(st.sampled_from(ROLLINGS))
    function = data.draw(st.sampled_from(functions))
    start = data.draw(st.sampled_from(["df.set_index('row')", "df.set_index('row')['c0']", "df[['c0']]"]))
    same_as_pandas(data, servers, f"{start}.{window}.{function}", [table], convert=convert, tolerance=1e-7)


@given(data=st.data())
def test_windows_by_time(servers, data):
    functions = data.draw(st.sampled_from([OF_ORDER, QUANTILES, OF_MOMENTS]))
    table = data.draw(frames(VALUES if functions is OF_MOMENTS else WIDE))
    window = data.draw(st.sampled_from(BY_TIME))
    function = data.draw(st.sampled_from(functions))
    if "first" in function or "last" in function:
        window = "rolling('2D')"
    falls = data.draw(st.booleans())
    if falls:
        table = table.take(pa.array(range(table.num_rows)[::-1], pa.int64()))
    start = data.draw(
        st.sampled_from(
            [
                "df.drop(columns=['k', 'row']).set_index('t')",
                "df.set_index('t')['c0']",
                "df.drop(columns=['k']).set_index('row')",
            ]
        )
    )
    if "row" in start.split("set_index")[1]:
        window = window.replace(")", ", on='t')", 1) if "pd." not in window else "rolling('1min', on='t')"
    if "on=" in window and "sem" in function:
        # pandas takes the root of the times.
        function = "var()"
    same_as_pandas(data, servers, f"{start}.{window}.{function}", [table], convert=convert, tolerance=1e-7)


@given(data=st.data())
def test_windows_of_picked_columns(servers, data):
    table = data.draw(frames(VALUES, max_columns=3))
    table = table.append_column("d", pa.array([1.5] * table.num_rows, pa.float64()))
    code = data.draw(
        st.sampled_from(
            [
                "df.set_index('row').rolling(2)['c0'].sum()",
                "df.set_index('row').rolling(2)[['d', 'c0']].mean()",
                "df.set_index('row').rolling(2, min_periods=1).d.sum()",
                "df.set_index('row').rolling('1h', on='t')['c0'].sum()",
                "df.set_index('row').rolling('1h', on='t')[['d', 'c0']].sum()",
                "df.set_index('row').rolling('1h', on='t')[['d', 't', 'c0']].max()",
                "df.set_index('row').rolling(3, on='t')[['c0']].max()",
                "df.set_index('row').expanding()[['c0', 'd']].var()",
                "df.set_index('row').rolling(2).sum(numeric_only=True)",
                "df.set_index('row').expanding(1).max(numeric_only=True)",
                "df.set_index('row').ewm(com=1).mean(numeric_only=True)",
                "df.set_index('row').rolling(2).count()",
                "df.set_index('row').rolling(2)['k'].count()",
            ]
        )
    )
    same_as_pandas(data, servers, code, [table], convert=convert, tolerance=1e-9)


@covers("Rolling.agg", func="same")
@covers("Rolling.aggregate", func="same")
@covers("Rolling.pipe", func="same")
@covers("Expanding.agg", func="same")
@covers("Expanding.aggregate", func="same")
@covers("Expanding.pipe", func="same")
@given(data=st.data())
def test_several_functions(servers, data):
    table = data.draw(frames(VALUES)).select(["row", "c0"])
    table = table.append_column("d", pa.array([1.5] * table.num_rows, pa.float64()))
    window = data.draw(st.sampled_from(["rolling(2)", "expanding(2)"]))
    agg = data.draw(st.sampled_from(["agg", "aggregate"]))
    start = f"df.set_index('row').{window}"
    flat = "WIN.set_axis(['_'.join(c) for c in WIN.columns], axis=1)"
    several = {
        f"{start}.{agg}('sum')": None,
        f"{start}['c0'].{agg}(['sum', 'mean'])": None,
        f"{start}.{agg}({{'d': 'sum', 'c0': 'max'}})": None,
        f"{start}.{agg}({{'d': ['sum', 'min'], 'c0': ['max']}})": flat,
        f"{start}.{agg}(['sum', 'count'])": flat,
        f"{start}.pipe(lambda w: w.sum())": None,
        f"{start}['d'].{agg}(lambda values: values.max() + 1)": None,
    }
    code = data.draw(st.sampled_from(sorted(several)))
    expected = several[code]
    same_as_pandas(data, servers, code, [table], convert=convert, tolerance=1e-9,
                   pandas=None if expected is None else f"(lambda WIN: {expected})({code})")  # fmt: skip


@covers("Rolling.apply", func="different: the Series has no index", raw="same", args="same", kwargs="same")
@covers("Expanding.apply", func="different: the Series has no index", raw="same", args="same", kwargs="same")
@given(data=st.data())
def test_python_functions(servers, data):
    table = data.draw(frames(VALUES, max_rows=15))
    window = data.draw(
        st.sampled_from(
            [
                "df.drop(columns=['k', 't']).set_index('row').rolling(3)",
                "df.drop(columns=['k', 't']).set_index('row').rolling(4, min_periods=0, center=True)",
                "df.drop(columns=['k', 't']).set_index('row').rolling(2, min_periods=1, step=2)",
                "df.drop(columns=['k', 't']).set_index('row').expanding(2)",
                "df.drop(columns=['k']).set_index('row').rolling('1h', on='t')",
                "df.set_index('t')['c0'].rolling('1D', min_periods=2)",
            ]
        )
    )
    function = data.draw(
        st.sampled_from(
            [
                "apply(lambda v: np.nansum(v) + len(v), raw=True)",
                "apply(lambda v: v.max(), raw=False)",
                "apply(lambda v, by, plus=0: len(v) * by + plus, args=(2,), kwargs={'plus': 1})",
            ]
        )
    )
    same_as_pandas(data, servers, f"{window}.{function}", [table], convert=convert, tolerance=1e-9)


#: With alpha=0.5 and no other, pandas takes the weights of its `times` for gaps.
AS_DOCUMENTED = "different: as documented also where alpha is 0.5"


@covers("DataFrame.ewm", com="same", span="same", halflife="different: a number", alpha="same", min_periods="same",
        adjust=AS_DOCUMENTED, ignore_na="same", times="refused", method="refused")  # fmt: skip
@covers("Series.ewm", com="same", span="same", halflife="different: a number", alpha="same", min_periods="same",
        adjust=AS_DOCUMENTED, ignore_na="same", times="refused", method="refused")  # fmt: skip
@covers("ExponentialMovingWindow.mean", numeric_only="same", engine="refused", engine_kwargs="refused")
@covers("ExponentialMovingWindow.agg", func="same")
@covers("ExponentialMovingWindow.aggregate", func="same")
@given(data=st.data())
def test_exponential(servers, data):
    table = data.draw(frames(VALUES)).drop_columns(["k", "t"])
    weight = data.draw(st.sampled_from(["com=2", "span=4", "halflife=1.5", "alpha=0.3", "alpha=1", "com=0", "1.5"]))
    more = data.draw(st.sampled_from(["", ", min_periods=3", ", min_periods=None"]))
    names = {"adjust": data.draw(st.booleans()), "ignore": data.draw(st.booleans())}
    window = f"ewm({weight}{more}, adjust=adjust, ignore_na=ignore)"
    end = data.draw(st.sampled_from(["mean()", "agg('mean')", "aggregate('mean')"]))
    start = data.draw(st.sampled_from(["df.set_index('row')", "df.set_index('row')['c0']"]))
    same_as_pandas(data, servers, f"{start}.{window}.{end}", [table], convert=convert, tolerance=1e-9, **names)


def covers_groups(test: Any) -> Any:
    for owner in ("DataFrameGroupBy", "SeriesGroupBy"):
        covers(f"{owner}.rolling", "different: results have no index of positions", center="same",
               window="different: a number of rows or a fixed length of time; no indexer", min_periods="same",
               win_type="refused", on="same", closed="same", method="refused")(test)  # fmt: skip
        covers(f"{owner}.expanding", min_periods="same", method="refused")(test)
        covers(f"{owner}.ewm", com="same", span="same", halflife="different: a number", alpha="same",
               min_periods="same", adjust=AS_DOCUMENTED, ignore_na="same", times="refused", method="refused")(test)  # fmt: skip
    return test


@covers_groups
@given(data=st.data())
def test_within_groups(servers, data):
    functions = data.draw(st.sampled_from([OF_ORDER, QUANTILES, OF_MOMENTS]))
    table = data.draw(frames(VALUES if functions is OF_MOMENTS else WIDE))
    window = data.draw(
        st.sampled_from(
            [
                "rolling(2)",
                "rolling(3, min_periods=1)",
                "rolling(3, center=True, min_periods=0)",
                "rolling(2, closed='both', min_periods=1)",
                "rolling('1h', on='t')",
                "rolling('2D', on='t', closed='left')",
                "expanding()",
                "expanding(2)",
                "ewm(alpha=0.5)",
                "ewm(span=4, adjust=False)",
            ]
        )
    )
    function = "mean()" if "ewm" in window else data.draw(st.sampled_from(functions))
    dropna = data.draw(st.booleans())
    kept = "" if "on=" in window else "[['c0']]"
    if kept == "" and "sem" in function:
        # pandas takes the root of the times.
        function = "std()"
    code = f"df.set_index('row').groupby('k', dropna=dropna){kept}.{window}.{function}"
    if "on=" not in window and data.draw(st.booleans()):
        code = code.replace("[['c0']]", "['c0']")
    same_as_pandas(data, servers, code, [table], convert=convert, tolerance=1e-7, dropna=dropna)


@given(data=st.data())
def test_forms_within_groups(servers, data):
    table = data.draw(frames(VALUES, max_rows=15))
    # pandas' apply within groups cannot have rows of none.
    table = table.set_column(1, "k", table["k"].fill_null("d"))
    code = data.draw(
        st.sampled_from(
            [
                "df.set_index('row').groupby('k').rolling(2)['c0'].sum()",
                "df.set_index('row').groupby('k').rolling(2)[['c0']].sum()",
                "df.set_index('row').groupby('k').rolling('1h', on='t')['c0'].sum()",
                "df.set_index('row').groupby('k').rolling('1h', on='t')[['c0']].sum()",
                "df.set_index('row').groupby('k', as_index=False)[['c0']].rolling(2).sum()",
                "df.set_index('row').groupby(['k', 't'])['c0'].expanding().sum()",
                "df.set_index('row').groupby('k')['c0'].rolling(2).apply(lambda v: v.sum() * 2, raw=True)",
                "df.set_index('row').groupby('k')[['c0']].expanding(2).apply(lambda v: v.max())",
                "df.set_index('row').groupby('k')['c0'].rolling(2).agg(['sum', 'max'])",
                "df.set_index('t').groupby('k')['c0'].rolling('2D').max()",
            ]
        )
    )
    same_as_pandas(data, servers, code, [table], convert=convert, tolerance=1e-9)


@given(data=st.data())
def test_groups_by_first_appearance(servers, data):
    table = data.draw(frames(VALUES))
    code = "df.set_index('row').groupby('k', sort=False)['c0'].rolling(2).sum()"
    same_as_pandas(data, servers, code, [table], convert=convert, tolerance=1e-9, worlds=[1, 3])


@given(data=st.data())
def test_decimals_and_dictionaries(servers, data):
    rows = data.draw(st.integers(0, 12))
    kinds = {"decimal": tables.KEYS["decimal"], "few": (pa.dictionary(pa.int8(), pa.int64()), [3, 0, 7])}
    table = pa.table({kind: data.draw(tables.columns(rows, kinds, kind)) for kind in kinds})
    found = run(data, servers, "df.rolling(2, min_periods=1).sum()", [table], tolerance=1e-9).to_arrow()
    for name in kinds:
        values = [None if value is None else float(value) for value in table[name].to_pylist()]
        for i, made in enumerate(found[name].to_pylist()):
            window = [value for value in values[max(0, i - 1) : i + 1] if value is not None]
            assert made == (pytest.approx(sum(window), abs=1e-6) if window else None)


def test_what_large_values_leave_behind(servers):
    """Values that have left a window leave nothing: pandas subtracts them."""
    table = pa.table({"x": [1e300, 1.0, 2.0, 4.0, 1e16, 1.0, 1.0, 1.0]})
    frame = weft.DataFrame(table)
    assert frame["x"].rolling(2).sum().to_list()[2:4] == [3.0, 6.0]
    assert frame["x"].rolling(3).sum().to_list()[-1] == 3.0
    assert frame["x"].rolling(3).var().to_list()[-1] == 0.0


SMALL = pa.table(
    {
        "s": ["a", "b", "c"],
        "n": [1, 2, 3],
        "t": pa.array([dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 3), dt.datetime(2020, 1, 2)]),
        "u": pa.array([dt.datetime(2020, 1, 1), None, dt.datetime(2020, 1, 2)]),
    }
)


def test_wrong_arguments(servers):
    def wrong(kind: type[Exception], code: str, *says: str) -> None:
        refused(servers, kind, code, [SMALL], *says)

    wrong(TypeError, "df[['s']].rolling(2).sum()", "'s'", "sum")
    wrong(TypeError, "df[['t']].expanding().max()", "'t'")
    wrong(TypeError, "df['s'].ewm(com=1).mean()", "'s'")
    wrong(TypeError, "df['s'].rolling(2).apply(len)", "'s'")
    wrong(TypeError, "df['s'].rolling(2).sum(numeric_only=True)", "numeric_only")
    wrong(ValueError, "df['n'].rolling(-1)", "window")
    wrong(ValueError, "df['n'].rolling(1.5)", "window")
    wrong(ValueError, "df['n'].rolling('month')", "window")
    wrong(ValueError, "df['n'].rolling(2, min_periods=3)", "min_periods")
    wrong(ValueError, "df['n'].rolling(2, min_periods=-1)", "min_periods")
    wrong(ValueError, "df['n'].rolling(2, center=1)", "center")
    wrong(ValueError, "df['n'].rolling(2, win_type='hann')", "win_type")
    wrong(ValueError, "df['n'].rolling(2, method='table')", "method")
    wrong(ValueError, "df['n'].rolling(2, closed='up')", "closed")
    wrong(ValueError, "df['n'].rolling(2, step=-1)", "step")
    wrong(ValueError, "df['n'].rolling(2, on='n')", "on")
    wrong(ValueError, "df['n'].rolling('2D')", "on=")
    wrong(ValueError, "df.set_index('n').rolling('2D')", "'n'")
    wrong(ValueError, "df[['n', 't']].rolling('2D', on='t', step=2)", "step")
    wrong(ValueError, "df[['n', 't']].rolling('2D', on='t').sum()", "'t'", "up and down")
    wrong(ValueError, "df[['n', 'u']].rolling('2D', on='u').sum()", "'u'", "missing")
    wrong(ValueError, "df[['n', 't']].rolling('2D', on='t').apply(len)", "'t'")
    wrong(KeyError, "df.rolling('2D', on='x')", "'x'")
    wrong(KeyError, "df.rolling(2)['x']", "'x'")
    wrong(ValueError, "df['n'].expanding(-1)", "min_periods")
    wrong(ValueError, "df['n'].expanding(method='table')", "method")
    wrong(ValueError, "df['n'].rolling(2).quantile(2)", "q=2")
    wrong(ValueError, "df['n'].rolling(2).quantile(0.5, 'nowhere')", "interpolation")
    wrong(ValueError, "df['n'].rolling(2).var(ddof=0.5)", "ddof")
    wrong(ValueError, "df['n'].rolling(2).agg('mode')", "mode")
    wrong(TypeError, "df['n'].rolling(2).agg()", "agg")
    wrong(TypeError, "df['n'].rolling(2).apply('len')", "function")
    wrong(TypeError, "df['n'].rolling(2).apply(lambda v: 'x')", "'x'")
    wrong(ValueError, "df['n'].rolling(2).apply(lambda v: int('x'))", "int")


def test_wrong_engines_weights_and_groups(servers):
    def wrong(kind: type[Exception], code: str, *says: str) -> None:
        refused(servers, kind, code, [SMALL], *says)

    for name in ("sum", "mean", "min", "max", "median", "var", "std"):
        for window in ("rolling(2)", "expanding()"):
            wrong(ValueError, f"df['n'].{window}.{name}(engine='numba')", "engine")
            wrong(ValueError, f"df['n'].{window}.{name}(engine_kwargs={{}})", "engine_kwargs")
    wrong(ValueError, "df['n'].rolling(2).apply(len, engine='numba')", "engine")
    wrong(ValueError, "df['n'].expanding(2).apply(len, engine_kwargs={})", "engine_kwargs")
    wrong(ValueError, "df['n'].ewm(com=1).mean(engine='numba')", "engine")
    wrong(ValueError, "df['n'].ewm(com=1).mean(engine_kwargs={})", "engine_kwargs")
    wrong(ValueError, "df['n'].ewm()", "com")
    wrong(ValueError, "df['n'].ewm(com=1, span=2)", "com")
    wrong(ValueError, "df['n'].ewm(alpha=0)", "alpha")
    wrong(ValueError, "df['n'].ewm(span=0.5)", "span")
    wrong(ValueError, "df['n'].ewm(halflife='2D')", "halflife")
    wrong(ValueError, "df['n'].ewm(com=1, times=[1, 2, 3])", "times")
    wrong(ValueError, "df['n'].ewm(com=1, method='table')", "method")
    wrong(ValueError, "df['n'].ewm(com=1, adjust=1)", "adjust")
    wrong(TypeError, "df['n'].ewm(com=1).agg(len)", "function")
    wrong(ValueError, "df.groupby('s')['n'].rolling('2D', on='t')", "on")
    wrong(ValueError, "df.groupby('s')[['n']].rolling('2D', on='t')", "on")
    wrong(ValueError, "df.groupby('s')['n'].rolling(2, win_type='hann')", "win_type")
    wrong(ValueError, "df.groupby('s')['n'].rolling(2, method='table')", "method")
    wrong(ValueError, "df.groupby('s')['n'].expanding(method='table')", "method")
    wrong(ValueError, "df.groupby('s')['n'].ewm(com=1, times=[1])", "times")
    wrong(ValueError, "df.groupby('s')['n'].ewm(com=1, method='table')", "method")
