"""Groups to one row each: distributed = local = pandas."""

from __future__ import annotations

import math

import numpy
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import tables
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import covers, refused, run, same_as_pandas

import weft

CLOSE = 1e-8

#: No bool: pandas makes objects of bools with nulls, and does not order those.
KINDS = st.sampled_from(["int8", "int32", "string", "double"])


@st.composite
def numbers(draw, rows, missing=True, offset=0.0):
    """Doubles that are sums of eighths, far from zero or not, with nulls and NaN."""
    value = st.integers(-1000, 1000).map(lambda number: offset + number / 8)
    if missing:
        value = st.one_of(value, st.sampled_from([None, math.nan]))
    return pa.array(draw(st.lists(value, min_size=rows, max_size=rows)), pa.float64())


@st.composite
def frames(draw, missing=True, offset=None, key=None, max_rows=40):
    """Keys k0 and k1; x double, i int16, u uint8, b bool, s string. Skewed, or of one key, or of many."""
    rows = draw(st.integers(0, max_rows))
    kind = key or draw(KINDS)
    far = draw(st.sampled_from([0.0, 1e9])) if offset is None else offset
    small = draw(st.lists(st.integers(-3, 3), min_size=rows, max_size=rows))
    table = pa.table(
        {
            "k0": draw(tables.columns(rows, tables.KEYS, kind)),
            "k1": pa.array([abs(number) % 2 for number in small], pa.int64()),
            "x": draw(numbers(rows, missing, far)),
            "i": pa.array(small, pa.int16()),
            "u": pa.array(draw(st.lists(st.integers(0, 5), min_size=rows, max_size=rows)), pa.uint8()),
            "b": pa.array(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), pa.bool_()),
            "s": draw(tables.columns(rows, {"string": (pa.string(), ["", "a", "Größe", "zz"])}, "string")),
        }
    )
    if rows > 2 and draw(st.booleans()):
        cut = draw(st.integers(0, rows))
        table = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    return table


BY = st.sampled_from(["'k0'", "['k0', 'k1']", "[0]", "['k1', 'k0']"])


def by_name(by):
    """pandas has no keys by position."""
    return by.replace("[0]", "['k0']")


def check(data, servers, code, table, **options):
    """`code` has a hole for the keys' expression."""
    by = data.draw(BY)
    text = code.replace("BY", by)
    return same_as_pandas(data, servers, text, [table], pandas=code.replace("BY", by_name(by)), **options)


# The keys' options, and every function that needs numbers.


@covers("DataFrameGroupBy.sum", numeric_only="same", min_count="same", skipna="same")
@covers("DataFrameGroupBy.prod", numeric_only="same", min_count="same", skipna="same")
@covers("DataFrameGroupBy.mean", numeric_only="same", skipna="same")
@covers("DataFrameGroupBy.median", numeric_only="same", skipna="same")
@covers("DataFrameGroupBy.var", numeric_only="same", skipna="same", ddof="same")
@covers("DataFrameGroupBy.std", numeric_only="same", skipna="same", ddof="same")
@covers("DataFrameGroupBy.sem", numeric_only="same", skipna="same", ddof="same")
@covers("DataFrame.groupby", by="same", sort="same", dropna="same", as_index="same")
@pytest.mark.parametrize(
    "call",
    [
        *("sum()", "sum(min_count=2)", "sum(skipna=False)", "mean()", "mean(skipna=False)"),
        *("median()", "median(skipna=False)"),
        *("var()", "var(ddof=0)", "var(skipna=False)", "std()", "std(ddof=2)", "sem()", "sem(ddof=0)"),
    ],
)
@given(data=st.data())
def test_numbers(servers, call, data):
    table = data.draw(frames())
    head, tail = call.split("(")
    comma = "" if tail == ")" else ", "
    dropna = data.draw(st.booleans())
    as_index = data.draw(st.booleans())
    check(
        data,
        servers,
        f"df[['k0', 'k1', 'x', 'i', 'u', 'b', 's']].groupby(BY, dropna={dropna}, as_index={as_index})"
        f".{head}(numeric_only=True{comma}{tail}",
        table,
        tolerance=CLOSE,
    )


@covers("DataFrameGroupBy.skew", skipna="same", numeric_only="same")
@covers("DataFrameGroupBy.kurt", skipna="same", numeric_only="same")
@pytest.mark.parametrize("call", ["skew", "kurt"])
@given(data=st.data())
def test_higher_moments(servers, call, data):
    table = data.draw(frames(key="int8"))
    skipna = data.draw(st.booleans())
    code = f"df[['k0', 'x', 'i']].groupby('k0').{call}(numeric_only=True, skipna={skipna})"
    same_as_pandas(data, servers, code, [table], tolerance=1e-6)


def test_moments_far_from_zero():
    import numpy as np

    random = np.random.default_rng(3)
    values = random.normal(size=20_000) ** 3 + 1e6
    frame = pd.DataFrame({"k": random.integers(0, 7, 20_000), "v": values})
    made = weft.DataFrame(frame).groupby("k").agg({"v": ["var", "std", "skew", "kurt"]}).to_pandas()
    from fractions import Fraction

    for key, group in frame.groupby("k"):
        exact = [Fraction(value) for value in group["v"]]
        count = len(exact)
        mean = sum(exact) / count
        m2, m3, m4 = (sum((value - mean) ** power for value in exact) for power in (2, 3, 4))
        var = m2 / (count - 1)
        m2, m3, m4 = float(m2), float(m3), float(m4)
        n = float(count)
        skew = n * math.sqrt(n - 1) / (n - 2) * m3 / m2**1.5
        kurt = n * (n + 1) * (n - 1) * m4 / ((n - 2) * (n - 3) * m2**2) - 3 * (n - 1) ** 2 / ((n - 2) * (n - 3))
        expected = [float(var), math.sqrt(var), skew, kurt]
        for found, value in zip(made.loc[key], expected, strict=True):
            assert math.isclose(found, value, rel_tol=1e-11), (key, found, value)


@given(data=st.data())
def test_products(servers, data):
    rows = data.draw(st.integers(0, 30))
    table = pa.table(
        {
            "k0": pa.array(data.draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows)), pa.int64()),
            "n": pa.array(data.draw(st.lists(st.integers(-2, 2), min_size=rows, max_size=rows)), pa.int64()),
            "x": data.draw(tables.columns(rows, {"x": (pa.float64(), [0.5, -2.0, math.nan, 1.5])}, "x")),
        }
    )
    same_as_pandas(data, servers, "df.groupby('k0').prod()", [table], tolerance=CLOSE)
    same_as_pandas(data, servers, "df.groupby('k0').x.prod(min_count=2)", [table], tolerance=CLOSE)


def test_products_that_do_not_fit(servers):
    table = pa.table({"k": [1, 1, 1, 2], "v": [2**62, 2, -1, 5]})
    assert weft.DataFrame(table).groupby("k").prod().to_pydict() == {"k": [1, 2], "v": [-(2**63), 5]}
    refused(servers, ValueError, "df.groupby('k').prod()", [pa.table({"k": [1, 1], "v": [2**62, 4]})], "product", "'v'")
    zero = pa.table({"k": [1, 1, 1], "v": [2**62, 4, 0]})
    assert weft.DataFrame(zero).groupby("k").prod().to_pydict() == {"k": [1], "v": [0]}
    refused(servers, ValueError, "df.groupby('k').sum()", [pa.table({"k": [1, 1], "v": [2**62, 2**62]})], "sum", "'v'")


@covers("DataFrameGroupBy.min", numeric_only="same", min_count="same", skipna="same")
@covers("DataFrameGroupBy.max", numeric_only="same", min_count="same", skipna="same")
@covers("DataFrameGroupBy.first", numeric_only="same", min_count="same", skipna="same")
@covers("DataFrameGroupBy.last", numeric_only="same", min_count="same", skipna="same")
@covers("DataFrameGroupBy.count")
@covers("DataFrameGroupBy.nunique", dropna="same")
@pytest.mark.parametrize(
    "call",
    [
        *("min()", "max()", "min(min_count=2)", "max(numeric_only=True)", "first()", "last()", "first(min_count=2)"),
        *("first(skipna=False)", "last(skipna=False)", "last(numeric_only=True)", "count()", "nunique()"),
        *("nunique(dropna=False)", "min(numeric_only=True, skipna=False)", "max(numeric_only=True, skipna=False)"),
    ],
)
@given(data=st.data())
def test_any_type(servers, call, data):
    table = data.draw(frames())
    sort = "min" not in call and data.draw(st.booleans())
    check(data, servers, f"df.groupby(BY, sort={sort}).{call}", table, ordered=sort)


@covers("DataFrameGroupBy.any", skipna="same")
@covers("DataFrameGroupBy.all", skipna="same")
@pytest.mark.parametrize("call", ["any()", "all()", "any(skipna=False)", "all(skipna=False)"])
@given(data=st.data())
def test_truth(servers, call, data):
    table = data.draw(frames(offset=0.0))
    code = f"df[['k0', 'x', 'i', 'b']].groupby('k0').{call}"
    same_as_pandas(data, servers, code, [table])


@covers("DataFrameGroupBy.idxmin", skipna="same", numeric_only="same")
@covers("DataFrameGroupBy.idxmax", skipna="same", numeric_only="same")
@pytest.mark.parametrize("call", ["idxmin", "idxmax"])
@given(data=st.data())
def test_labels_of_extremes(servers, call, data):
    table = data.draw(frames(missing=False, key="int8"))
    same_as_pandas(data, servers, f"df.groupby('k0').{call}(numeric_only=True)", [table])
    labelled = table.append_column("label", pa.array([f"r{i}" for i in range(table.num_rows)], pa.string()))
    code = f"df[['k0', 'i', 'u', 'label']].set_index('label').groupby('k0').{call}(skipna=False)"
    same_as_pandas(data, servers, code, [labelled])


def test_label_of_nothing(servers):
    table = pa.table({"k": [1, 1, 2], "v": [1.0, None, None]})
    refused(servers, ValueError, "df.groupby('k').idxmin()", [table], "'v'")
    refused(servers, ValueError, "df[:2].groupby('k').idxmax(skipna=False)", [table], "skipna=True")
    refused(servers, ValueError, "df.set_index(['k', 'v']).groupby(level=0).idxmax()", [table])


@covers("DataFrameGroupBy.quantile", q="same", interpolation="same", numeric_only="same")
@given(data=st.data())
def test_quantile(servers, data):
    table = data.draw(frames(offset=0.0))
    how = data.draw(st.sampled_from(["linear", "lower", "higher", "nearest", "midpoint"]))
    q = data.draw(st.sampled_from(["0.5", "0", "1", "0.25", "0.9", "[0.1, 0.5]", "[0.75]"]))
    code = f"df[['k0', 'x', 'i', 'u', 's']].groupby('k0').quantile({q}, interpolation='{how}', numeric_only=True)"
    same_as_pandas(data, servers, code, [table], tolerance=CLOSE)


@covers("DataFrameGroupBy.agg", func="same")
@covers("SeriesGroupBy.agg", func="same")
@covers("DataFrameGroupBy.aggregate", func="same")
@covers("SeriesGroupBy.aggregate", func="same")
@given(data=st.data())
def test_agg(servers, data):
    table = data.draw(frames(key="int8"))
    flat = ".set_axis(WHAT, axis=1)"
    for code, names in [
        ("df.groupby('k0').agg({'x': ['sum', 'median'], 'i': 'max'})", ["x_sum", "x_median", "i_max"]),
        ("df[['k0', 'x', 'i']].groupby('k0').aggregate(['min', 'std'])", ["x_min", "x_std", "i_min", "i_std"]),
        ("df.groupby('k0').agg(total=('x', 'sum'), kinds=('s', 'nunique'))", None),
        ("df.groupby('k0')['x'].agg(['min', 'nunique', 'size'])", None),
        ("df.groupby('k0')['x'].agg(low='min', mid='median')", None),
        ("df.groupby('k0')['x'].aggregate('sum')", None),
        ("df.groupby('k0').agg({'x': 'var', 'b': 'any'})", None),
        ("df[['k0', 'x']].groupby('k0').agg('sum', min_count=1)", None),
    ]:
        expected = None if names is None else code + flat.replace("WHAT", repr(names))
        same_as_pandas(data, servers, code, [table], pandas=expected, tolerance=CLOSE)


@given(data=st.data())
def test_agg_functions(servers, data):
    table = data.draw(frames(key="string"))
    for code, expected in [
        ("df[['k0', 'i', 's']].groupby('k0').agg(lambda v: len(v))", None),
        ("df.groupby('k0')['i'].agg(lambda v: sum(v.to_list()))", None),
        (
            "df.groupby('k0').agg(a=('i', 'sum'), b=('i', lambda v: max(v.to_list())), c=('x', 'median'))",
            None,
        ),
        (
            "df.groupby(['k0', 'k1'])[['i']].agg(['sum', lambda v: len(v), lambda v: v.to_list()[0]])",
            "df.groupby(['k0', 'k1'])['i'].agg(['sum', lambda v: len(v), lambda v: v.to_list()[0]])"
            ".rename(columns=lambda name: 'i_' + name)",
        ),
    ]:
        same_as_pandas(data, servers, code, [table], pandas=expected, tolerance=CLOSE)


def test_failing_functions(servers):
    table = pa.table({"k": [1, 2, 2], "v": [1, 2, 3]})
    refused(servers, ValueError, "df.groupby('k').agg(lambda v: int('x'))", [table], "invalid literal")
    refused(servers, TypeError, "df.groupby('k').agg(lambda v: {1})", [table])
    refused(servers, ValueError, "df.groupby('k').apply(lambda g: int('x'))", [table], "invalid literal")
    refused(servers, ValueError, "df.groupby('k').transform(lambda g: [1] * 9)", [table])


@covers("DataFrameGroupBy.size")
@covers("SeriesGroupBy.size")
@given(data=st.data())
def test_size(servers, data):
    table = data.draw(frames())
    for as_index in (True, False):
        check(data, servers, f"df.groupby(BY, as_index={as_index}).size()", table)
    check(data, servers, "df.groupby(BY)['x'].size()", table)


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
@settings(max_examples=1)
@given(data=st.data())
def test_of_times_and_durations(servers, unit, data):
    rows = 60
    numbers = [None if row % 7 == 3 else (row * 7919 % 1009 - 500) * 1_000_003 for row in range(rows)]
    table = pa.table(
        {
            "k": [row * 7 % 5 for row in range(rows)],
            "t": pa.array(numbers, pa.timestamp(unit)),
            "z": pa.array(numbers, pa.timestamp(unit, "Europe/Berlin")),
            "d": pa.array(numbers, pa.duration(unit)),
        }
    )
    times = ("mean()", "median()", "min()", "max()", "first()", "last()", "count()", "nunique()", "quantile(0.3)")
    for column, calls in {"t": times, "z": times, "d": (*times, "sum()")}.items():
        for call in calls:
            same_as_pandas(data, servers, f"df.groupby('k')['{column}'].{call}", [table], tolerance=1e-7)
    same_as_pandas(data, servers, "df.groupby('k')[['d', 't']].agg('median')", [table])


@covers("SeriesGroupBy.sum", numeric_only="same", min_count="same", skipna="same")
@covers("SeriesGroupBy.prod", numeric_only="same", min_count="same", skipna="same")
@covers("SeriesGroupBy.mean", numeric_only="same", skipna="same")
@covers("SeriesGroupBy.median", numeric_only="same", skipna="same")
@covers("SeriesGroupBy.min", numeric_only="same", min_count="same", skipna="same")
@covers("SeriesGroupBy.max", numeric_only="same", min_count="same", skipna="same")
@covers("SeriesGroupBy.first", numeric_only="same", min_count="same", skipna="same")
@covers("SeriesGroupBy.last", numeric_only="same", min_count="same", skipna="same")
@covers("SeriesGroupBy.var", numeric_only="same", ddof="same", skipna="same")
@covers("SeriesGroupBy.std", numeric_only="same", ddof="same", skipna="same")
@covers("SeriesGroupBy.sem", numeric_only="same", ddof="same", skipna="same")
@covers("SeriesGroupBy.skew", numeric_only="same", skipna="same")
@covers("SeriesGroupBy.kurt", numeric_only="same", skipna="same")
@covers("SeriesGroupBy.any", skipna="same")
@covers("SeriesGroupBy.all", skipna="same")
@covers("SeriesGroupBy.count")
@covers("SeriesGroupBy.nunique", dropna="same")
@covers("SeriesGroupBy.quantile", q="same", interpolation="same", numeric_only="same")
@covers("SeriesGroupBy.idxmin", skipna="same")
@covers("SeriesGroupBy.idxmax", skipna="same")
@given(data=st.data())
def test_of_one_column(servers, data):
    table = data.draw(frames(missing=False, key="int8", offset=0.0))
    call = data.draw(
        st.sampled_from(
            [
                *(
                    "sum(numeric_only=True)",
                    "sum(min_count=2)",
                    "mean(numeric_only=True)",
                    "median()",
                    "min()",
                    "max()",
                ),
                *(
                    "first()",
                    "last(min_count=2)",
                    "var(ddof=0)",
                    "std()",
                    "sem()",
                    "skew()",
                    "any()",
                    "all()",
                    "count()",
                ),
                *("nunique()", "quantile(0.3)", "quantile([0.3, 0.6])", "idxmin()", "idxmax()", "kurt()"),
            ]
        )
    )
    # pandas loses the keys of several quantiles as columns.
    as_index = data.draw(st.booleans()) or "[" in call
    column = data.draw(st.sampled_from(["i", "u"]))
    code = f"df.groupby('k0', as_index={as_index})['{column}'].{call}"
    same_as_pandas(data, servers, code, [table], tolerance=1e-7)


@covers("DataFrame.groupby", level="same", observed="different: only True", group_keys="same")
@given(data=st.data())
def test_keys(servers, data):
    table = data.draw(frames(key="int8"))
    same_as_pandas(data, servers, "df[['k0', 'k1', 'i']].set_index(['k0', 'k1']).groupby(level=0).sum()", [table])
    same_as_pandas(data, servers, "df[['k0', 'k1', 'i']].set_index(['k0', 'k1']).groupby(level='k1').sum()", [table])
    same_as_pandas(data, servers, "df[['k0', 'k1', 'i']].set_index(['k0', 'k1']).groupby(level=[1, 0]).max()", [table])
    same_as_pandas(data, servers, "df[['k0', 'k1', 'i']].set_index('k0').groupby('k0').sum()", [table])
    same_as_pandas(data, servers, "df[['k0', 'k1', 'i']].set_index('k0').groupby(['k1', 'k0']).sum()", [table])
    same_as_pandas(data, servers, "df[['k0', 'i']].groupby(df['k0']).sum()", [table])
    same_as_pandas(data, servers, "df[['i']].groupby(df['k1']).sum()", [table])
    same_as_pandas(data, servers, "df[['i', 'u']].groupby([df['k1'], 'u']).sum()", [table])
    same_as_pandas(
        data,
        servers,
        "df[['i', 'u']].groupby(col('u') > 2).sum()",
        [table],
        pandas="df[['i', 'u']].groupby((df['u'] > 2).rename('key')).sum()",
    )
    same_as_pandas(data, servers, "df['i'].groupby(df['k1']).sum()", [table])


def test_wrong_keys(servers):
    table = pa.table({"k": [1, 2, 2], "v": [1, 2, 3], "l": [[1], [2], []], "s": ["a", "b", "c"]})
    refused(servers, KeyError, "df.groupby('nothing').sum()", [table], "nothing")
    refused(servers, KeyError, "df.groupby('k')['nothing'].sum()", [table], "nothing")
    refused(servers, KeyError, "df.set_index('k').groupby(level='v').sum()", [table], "'v'")
    refused(servers, ValueError, "df.set_index('k').groupby(level=3).sum()", [table], "level=3")
    refused(servers, ValueError, "df.groupby().sum()", [table])
    refused(servers, ValueError, "df.groupby([]).sum()", [table])
    refused(servers, ValueError, "df.groupby(['k', 'k']).sum()", [table], "twice")
    refused(servers, ValueError, "df.groupby('k', observed=False).sum()", [table], "observed")
    refused(servers, ValueError, "df.groupby(lambda label: label).sum()", [table])
    refused(servers, ValueError, "df.groupby(df[1:]['k']).sum()", [table], "rows")
    refused(servers, TypeError, "df.groupby('l').sum()", [table], "'l'")
    refused(servers, TypeError, "df.groupby('k').mean()", [table], "mean")
    refused(servers, TypeError, "df[['k', 's']].groupby('k').median()", [table], "median")
    refused(servers, TypeError, "df.groupby('k')['s'].sum(numeric_only=True)", [table], "numeric_only")
    refused(servers, ValueError, "df.groupby('k').agg('mad')", [table], "mad")
    refused(servers, ValueError, "df[['k', 'v']].groupby('k').quantile(1.5)", [table], "1.5")
    refused(servers, ValueError, "df[['k', 'v']].groupby('k').quantile(interpolation='cubic')", [table], "cubic")
    refused(servers, ValueError, "df[['k', 'v']].groupby('k').sum(engine='numba')", [table], "engine")
    refused(servers, ValueError, "df.groupby('k', as_index=False)['v'].agg(k='sum')", [table], "two columns")


@covers("DataFrameGroupBy.describe", percentiles="same", include="refused", exclude="refused")
@covers("SeriesGroupBy.describe", percentiles="same", include="refused", exclude="refused")
@given(data=st.data())
def test_describe(servers, data):
    table = data.draw(frames(key="int8", offset=0.0))
    code = "df[['k0', 'x', 'i']].groupby('k0').describe()"
    expected = (
        "(lambda made: made.set_axis([f'{a}_{b}' for a, b in made.columns], axis=1))"
        "(df[['k0', 'x', 'i']].groupby('k0').describe())"
    )
    if table.num_rows > table["k0"].null_count:
        same_as_pandas(data, servers, code, [table], pandas=expected, tolerance=CLOSE)
        code = "df.groupby('k0')['i'].describe(percentiles=[0.1, 0.5])"
        same_as_pandas(data, servers, code, [table], tolerance=CLOSE)
    else:
        run(data, servers, code, [table])
    refused(servers, ValueError, "df.groupby('k0').describe(include='all')", [table], "include")


def test_idle_ranks_and_one_key(servers):
    """All rows of one key, and of a key each."""
    same = pa.table({"k": [7] * 50, "v": [float(i) for i in range(50)]})
    different = pa.table({"k": list(range(50)), "v": [float(i) for i in range(50)]})
    for table in (same, different):
        frame = table.to_pandas()
        whole = weft.DataFrame(table)
        for call in ("sum", "var", "median", "nunique", "first", "idxmax"):
            pd.testing.assert_frame_equal(
                getattr(whole.groupby("k"), call)().to_pandas(), getattr(frame.groupby("k"), call)(), check_dtype=False
            )
        code = "df.groupby('k').agg({'v': ['sum', 'var', 'median', 'nunique', 'first', 'idxmax']})"
        spec = {"op": "eval", "code": code, "names": {}}
        cuts = [[0, 0, 50, 50]]
        outcome = servers[3].run(spec, [table], cuts)
        assert outcome.errors == [None] * 3
        expected = whole.groupby("k").agg({"v": ["sum", "var", "median", "nunique", "first", "idxmax"]})
        assert tables.rows_of(outcome.table) == tables.rows_of(expected.to_arrow())


@pytest.mark.parametrize("key", ["close", "far", "text"])
@pytest.mark.parametrize("sort", [True, False])
def test_as_many_groups_as_need_partitions(key, sort):
    """Every kind of state, of more groups than are found by blocks."""
    generator = numpy.random.default_rng(5)
    rows = 400_000
    close = generator.integers(-1000, 800_000, rows)
    keys = {"close": close, "far": close * 2**33 + close, "text": pc.cast(pa.array(close * 977 + 10**9), pa.string())}
    missing = generator.random(rows) < 0.1
    table = pa.table(
        {
            "k": pa.array(keys[key], mask=generator.random(rows) < 0.01) if key != "text" else keys[key],
            "x": generator.integers(-1000, 1000, rows) / 8,
            "i": generator.integers(-100, 100, rows).astype("int32"),
            "y": pa.array(generator.integers(0, 1000, rows) / 4, mask=missing),
            "t": pa.array(generator.integers(0, 10**15, rows), pa.timestamp("ns")),
        }
    )
    functions = {
        "x": ["sum", "mean", "min", "max", "std", "var", "prod", "first", "last", "median", "nunique", "any"],
        "i": ["sum", "mean", "min", "max", "std", "count", "all"],
        "y": ["sum", "mean", "min", "max", "var", "count", "first"],
        "t": ["min", "max", "mean"],
    }
    named = {f"{column}_{name}": (column, name) for column, names in functions.items() for name in names}
    ours = weft.DataFrame(table).groupby("k", sort=sort).agg(**named).to_pandas()
    theirs = table.to_pandas().groupby("k", sort=sort).agg(**named)
    pd.testing.assert_frame_equal(ours, theirs, check_dtype=False, check_index_type=False, rtol=1e-12)


@given(data=st.data())
def test_keys_among_the_columns(servers, data):
    table = data.draw(frames(offset=0.0, key="int8"))
    by = data.draw(st.sampled_from(["'k0'", "['k0', 'k1']", "'k1'"]))
    key = "k0" if by != "'k1'" else "k1"
    kept = data.draw(st.sampled_from(["", ", as_index=False"]))
    forms = [
        f"df.groupby({by}{kept})['{key}'].{{}}()",
        f"df.groupby({by}{kept})[['{key}', 'x']].{{}}()",
        f"df.groupby({by}{kept}).agg({{{{'{key}': '{{}}', 'x': 'sum'}}}})",
        f"df.groupby({by}{kept}).agg({key}=('{key}', '{{}}'))",
        f"df.groupby({by})['{key}'].agg(n='{{}}')",
        f"df.groupby({by})['{key}'].{{}}().reset_index(name='n')",
        f"df.groupby({by})['{key}'].{{}}().rename('n').reset_index()",
        f"df.groupby({by})[['{key}', 'x']].{{}}()[['x']].reset_index()",
        f"df.groupby({by})['{key}'].{{}}() + df.groupby({by})['x'].count()",
        f"df.groupby({by})['x'].count() - df.groupby({by})['{key}'].{{}}()",
        f"df.groupby({by})['{key}'].{{}}().sort_values(kind='stable')",
        f"df.groupby({by})[['{key}', 'x']].{{}}().groupby(level='{key}').sum()",
    ]
    code = data.draw(st.sampled_from(forms)).format(data.draw(st.sampled_from(["count", "sum", "nunique", "max"])))
    same_as_pandas(data, servers, code, [table], tolerance=CLOSE)


@given(data=st.data())
def test_one_key_by_itself(servers, data):
    table = data.draw(frames(offset=0.0, key="string"))
    code = data.draw(
        st.sampled_from(
            [
                "df.groupby('k0')['k0'].size()",
                "df.groupby('k0')['k0'].value_counts()",
                "df.groupby('k0')['k0'].first()",
                "df['k0'].groupby(df['k0']).count()",
                "df.groupby('k1')['k1'].quantile([0.5, 0.75])",
                "df.groupby('k1')['k1'].agg(lambda values: values.sum())",
                "df.groupby('k1')['k1'].apply(lambda values: values.sum())",
                "df.groupby('k1')['k1'].describe()",
            ]
        )
    )
    if table.num_rows == 0:
        return
    same_as_pandas(data, servers, code, [table], tolerance=CLOSE)


def test_an_index_named_as_a_column_is_kept(tmp_path, servers):
    table = pa.table({"k": ["a", "b", "a", None]})
    counts = weft.DataFrame(table).groupby("k")["k"].count()
    assert counts.index.names == ["k"]
    assert counts.to_frame().columns == ["k"]
    assert counts.to_pandas().index.name == "k"
    assert weft.DataFrame(counts.to_frame().to_arrow()).index.names == ["k"]
    counts.to_frame().to_parquet(tmp_path / "a.parquet")
    assert weft.read_parquet(tmp_path / "a.parquet").index.names == ["k"]
    assert pd.read_parquet(tmp_path / "a.parquet").index.name == "k"
    counts.to_frame().to_csv(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "k,k\na,2\nb,1\n"
    assert repr(counts).splitlines()[1].split() == ["k", "k"]
    assert counts.rename("n").to_frame().index_names == ("k",)
    refused(servers, ValueError, "df.groupby('k')['k'].count().reset_index()", [table], "twice", "'k'")
    refused(servers, ValueError, "df.groupby('k', as_index=False)['k'].agg(k='count')", [table], "two columns", "'k'")
