"""What the tests of each topic leave out: attributes, constructors, orders, other names of operators, and arguments of
pandas that are refused, each by its name."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pandas as pd
import pandas_table
import pyarrow as pa
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import compare, covers, refused, same_as_pandas

import weft

SMALL = pa.table({"k": ["a", "b", "a"], "n": [1, 2, 4], "x": [0.5, None, -1.0]})


def finite(table: pa.Table) -> pa.Table:
    """Without what pandas is wrong about: infinities beside NaN in an order by several columns, huge numbers in
    moments."""
    place = table.column_names.index("x")
    values = [None if value is None or not abs(value) < 1e9 else value for value in table["x"].to_pylist()]
    return table.set_column(place, "x", pa.array(values, pa.float64()))


# -- attributes ------------------------------------------------------------------------------------------------------

#: Attribute or export of one's own rows: what ranks' answers are put together to, and what pandas has.
OF_THE_WHOLE = {
    "df.columns": "list(df.columns)",
    "TOTAL(df.shape[0])": "df.shape[0]",
    "df.shape[1]": "df.shape[1]",
    "TOTAL(df.size)": "df.size",
    "TOTAL(df['x'].size)": "df['x'].size",
    "TOTAL(df['x'].shape[0])": "df['x'].shape[0]",
    "TOTAL(int(df['x'].empty)) == TOTAL(int(len(df) == 0))": "True",
    "df['x'].ndim": "df['x'].ndim",
    "TOTAL(df['a'].nbytes) >= TOTAL(len(df)) * 8": "True",
    "LISTED(df['x'].to_list())": "df['x'].to_list()",
    "LISTED(df['a'].tolist())": "df['a'].tolist()",
    "LISTED(df['f'].values.tolist())": "df['f'].values.tolist()",
    "LISTED(df.set_index('b').index.to_list())": "df.set_index('b').index.to_list()",
    "LISTED(df.set_index('b')['x'].index.to_list())": "df.set_index('b')['x'].index.to_list()",
    "LISTED(list(df.set_index('b')['x'].to_dict().values())) if df['b'].is_unique else []": (
        "list(df.set_index('b')['x'].to_dict().values()) if df['b'].is_unique else []"
    ),
    "{name: str(type) for name, type in df.dtypes.items()}": "{'a': 'int64', 'b': 'int32', 'x': 'double', 'f': 'float'}",
    "str(df['b'].dtype)": "'int32'",
    # Exports, which are of one's own rows too.
    "LISTED(df[['x', 'f']].to_numpy().tolist())": "df[['x', 'f']].to_numpy().tolist()",
    "LISTED(df['f'].to_numpy('float64').tolist())": "df['f'].to_numpy('float64').tolist()",
    "LISTED([list(row) for row in df[['b', 'x']].itertuples(index=False)])": (
        "[list(row) for row in df[['b', 'x']].itertuples(index=False)]"
    ),
    "LISTED([row['b'] for _, row in df.iterrows()])": "df['b'].tolist()",
    "LISTED(df[['b', 'f']].to_dict('list')['f'])": "df['f'].tolist()",
    "LISTED([list(row) for row in df[['b', 'x']].to_records(index=False).tolist()])": (
        "[list(row) for row in df[['b', 'x']].to_records(index=False).tolist()]"
    ),
    "TOTAL(sum(sum(column.notna().to_list()) for _, column in df.items()))": "int(df.count().sum())",
    "df.keys()": "list(df.keys())",
    "df.select_dtypes('number').columns": "list(df.select_dtypes('number').columns)",
    "[df.insert(1, 'z', df['a'] + df['b']), df][1]['z'].count()": "(df['a'] + df['b']).count()",
    "[df.pop('a'), df][1].columns": "['b', 'x', 'f']",
}


@covers("DataFrame.columns", "different: a list")
@covers("DataFrame.dtypes", "different: a dict of Arrow types")
@covers("DataFrame.index", "different: this rank's; none of positions")
@covers("DataFrame.shape", "different: of this rank's rows")
@covers("DataFrame.size", "different: of this rank's rows")
@covers("Series.dtype", "different: an Arrow type")
@covers("Series.empty", "different: of this rank's rows")
@covers("Series.index", "different: this rank's; none of positions")
@covers("Series.nbytes", "different: of this rank's rows")
@covers("Series.ndim")
@covers("Series.shape", "different: of this rank's rows")
@covers("Series.size", "different: of this rank's rows")
@covers("Series.to_dict", "different: of this rank's rows", into="same")
@covers("Series.to_list", "different: of this rank's rows")
@covers("Series.tolist", "different: of this rank's rows")
@covers("Series.values", "different: of this rank's rows")
@pytest.mark.parametrize("code", sorted(OF_THE_WHOLE))
@given(data=st.data())
def test_own_rows(servers, code, data):
    table = data.draw(tables.numbers("abxf"))
    table = table.set_column(1, "b", table["b"].fill_null(0))
    text = code.replace("TOTAL(", "(env.allreduce if env else int)(")
    text = text.replace("LISTED(", "(lambda mine: sum(env.allgather(mine), []) if env else mine)(")
    same_as_pandas(data, servers, text, [table], pandas=OF_THE_WHOLE[code])


def test_to_dict_into():
    import collections

    series = weft.DataFrame(SMALL).set_index("n")["k"]
    found = series.to_dict(into=collections.OrderedDict)
    assert type(found) is collections.OrderedDict and found == series.to_pandas().to_dict()


@covers("Series.copy", deep="same")
@covers("Series.str", "different: not of the index")
@covers("Series.dt", "different: not of the index")
@covers("Series.rename_axis", mapper="same", index="same", axis="refused", copy="refused", inplace="refused")
@given(data=st.data())
def test_series(servers, data):
    table = data.draw(tables.numbers("axsm"))
    code = data.draw(
        st.sampled_from(
            [
                "df['x'].copy()",
                "df['x'].copy(deep=False) + df['x'].copy(True)",
                "df['s'].str.upper()",
                "df['m'].dt.year",
                "df.set_index('s')['x'].rename_axis('t')",
                "df.set_index(['s', 'a'])['x'].rename_axis(['t', 'u'])",
                "df.set_index(['s', 'a'])['x'].rename_axis(index={'s': 't'})",
            ]
        )
    )
    same_as_pandas(data, servers, code, [table])


@covers("DataFrame.rename_axis", copy="refused")
def test_series_refuses(servers):
    refused(servers, ValueError, "df.set_index('k')['n'].rename_axis('t', axis=1)", [SMALL], "axis")
    for code in ("df.set_index('k')['n'].rename_axis", "df.set_index('k').rename_axis"):
        refused(servers, ValueError, f"{code}('t', copy=True)", [SMALL], "copy")
        refused(servers, ValueError, f"{code}('t', inplace=True)", [SMALL], "inplace")
    refused(servers, ValueError, "df.set_axis(['a', 'b', 'c'], axis=1, copy=True)", [SMALL], "copy")


# -- constructors ----------------------------------------------------------------------------------------------------

MADE = [
    "DataFrame({'a': [1, 2, None], 'b': ['x', None, 'z']})",
    "DataFrame({'a': [1, 2], 'b': [3, 4]}, columns=['b'])",
    "DataFrame(data=np.array([[1, 2], [3, 4]]), columns=['p', 'q'])",
    "DataFrame({'a': [1, 2]}, index=['x', 'y'])",
    "DataFrame({'a': [1, 2]}, dtype='float64')",
    "DataFrame({'a': [1, 2]}, copy=False)",
    "Series([1.5, None, 3.0])",
    "Series([1, 2], index=['x', 'y'], name='s')",
    "Series(data=np.arange(3), dtype='int8', name='s', copy=False)",
    "Series({'x': 1, 'y': 2}, name='d')",
    "Series(7, index=[1, 2])",
]


@covers("DataFrame", data="same", index="same", columns="same", dtype="different: an Arrow type or its name",
        copy="different: None or False, memory is shared")  # fmt: skip
@covers("Series", data="same", index="same", dtype="different: an Arrow type or its name", name="same",
        copy="different: None or False, memory is shared")  # fmt: skip
@pytest.mark.parametrize("code", MADE)
def test_made_as_by_pandas(servers, code):
    scope = {"np": np, "pd": pd}
    expected = eval(f"pd.{code}", scope)
    compare(eval(f"weft.{code}", {**scope, "weft": weft}), expected, what=code)
    # Every rank's own, put together.
    text = f"weft.{code[:-1]}, env=env)"
    for ranks in (1, 3):
        spec = {"op": "eval", "code": text, "names": {}}
        outcome = servers[ranks].run(spec, [SMALL], [[0] * ranks + [3]])
        assert outcome.errors == [None] * ranks
        assert outcome.rows == [len(expected)] * ranks


def test_constructors_refuse(servers):
    refused(servers, ValueError, "weft.DataFrame({'a': [1]}, copy=True)", [SMALL], "copy")
    refused(servers, ValueError, "weft.Series([1], copy=True)", [SMALL], "copy")
    refused(servers, TypeError, "weft.DataFrame({'a': [1]}, dtype='nothing')", [SMALL], "nothing")
    refused(servers, ValueError, "weft.DataFrame({'a': [1, 2], 'b': [1]})", [SMALL])
    refused(servers, ValueError, "weft.Series(weft.DataFrame({'a': [1], 'b': [2]}))", [SMALL], "2 columns")


@covers("col", col_name="different: a text")
@covers("DataFrame.select", "different: expressions have names; a column once")
@given(data=st.data())
def test_select_and_col(servers, data):
    table = data.draw(tables.numbers("abx"))
    code = data.draw(
        st.sampled_from(
            [
                "df.select('x', 'a')",
                "df.select(['b', 'x'])",
                "df.select(PKG.col('b'), 'a')",
                "df.select('a', twice=PKG.col(col_name='a') * 2, x=PKG.col('x') + 1)",
                "df.select(y=lambda frame: frame['x'] / 2, seven=7)",
                "df.set_index('a').select('x')",
            ]
        )
    )
    same_as_pandas(data, servers, code.replace("PKG", "weft"), [table], pandas=code.replace("PKG", "pd"))


def test_select_refuses(servers):
    refused(servers, TypeError, "df.select(col('n') + 1)", [SMALL], "name")
    refused(servers, KeyError, "df.select('nowhere')", [SMALL], "nowhere")
    refused(servers, ValueError, "df.select('n', 'n')", [SMALL], "twice")
    refused(servers, TypeError, "weft.col(3)", [SMALL], "col")


# -- order -----------------------------------------------------------------------------------------------------------


@covers("DataFrame.sort_values", by="same", axis="refused", ascending="same", inplace="refused",
        kind="different: always stable; heapsort is refused", na_position="same", ignore_index="same", key="same")  # fmt: skip
@covers("Series.sort_values", key="same")
@covers("DataFrame.sort_index", key="same")
@covers("Series.sort_index", key="same")
@given(data=st.data())
def test_sort_values(servers, data):
    table = finite(data.draw(tables.numbers("abxs")))
    codes = [
        "df.sort_values('x', kind='stable')",
        "df.sort_values(['b', 'x'], ascending=up, na_position=where, kind='stable')",
        "df.sort_values(by=['x', 'a'], ascending=[up, not up], na_position=where, kind='mergesort')",
        "df.set_index('s').sort_values('a', ascending=up, ignore_index=True, kind='stable')",
        "df.sort_values('x', key=lambda s: s.abs(), ascending=up, kind='stable')",
        "df.sort_values(['s', 'a'], key=lambda s: s.isna(), kind='stable')",
        "df['a'].sort_values(key=lambda s: -s, na_position=where, kind='stable')",
        "df.set_index('x').sort_index(key=lambda s: abs(s), ascending=up, kind='stable')",
        "df.set_index('x')['a'].sort_index(key=lambda s: abs(s), kind='stable')",
    ]
    names = {"up": data.draw(st.booleans()), "where": data.draw(st.sampled_from(["first", "last"]))}
    same_as_pandas(data, servers, data.draw(st.sampled_from(codes)), [table], **names)


def test_sort_values_refuses(servers):
    refused(servers, ValueError, "df.sort_values('n', axis=1)", [SMALL], "axis")
    refused(servers, ValueError, "df.sort_values('n', inplace=True)", [SMALL], "inplace")
    refused(servers, ValueError, "df.sort_values('n', kind='heapsort')", [SMALL], "kind")
    refused(servers, ValueError, "df.sort_values('n', na_position='middle')", [SMALL], "na_position")
    refused(servers, TypeError, "df.sort_values('n', key='lower')", [SMALL], "key")


# -- operators by other names ----------------------------------------------------------------------------------------

ALIASES = ("div", "divide", "rdiv", "multiply", "subtract")


def covers_aliases(test: Any) -> Any:
    for name in ALIASES:
        covers(f"DataFrame.{name}", fill_value="same", level="refused",
               axis="different: a Series goes by rows, axis=0")(test)  # fmt: skip
        covers(f"Series.{name}", axis="same", level="refused")(test)
    return test


@covers_aliases
@given(data=st.data())
def test_aliases(servers, data):
    table = data.draw(tables.numbers("abx"))
    name = data.draw(st.sampled_from(ALIASES))
    codes = [
        f"df[['a', 'x']].{name}(df[['a', 'x']].shift(1), fill_value=2)",
        f"df[['a', 'x']].{name}(df['b'], axis=0)",
        f"df[['a', 'x']].{name}([2, 0.5], axis=1)",
        f"df['x'].{name}(df['b'], axis=0)",
        f"df['x'].{name}(3, axis='index')",
    ]
    same_as_pandas(data, servers, data.draw(st.sampled_from(codes)), [table], tolerance=1e-12)


def test_aliases_refuse(servers):
    for name in ALIASES:
        refused(servers, ValueError, f"df[['n']].{name}(2, level=0)", [SMALL], "level")
        refused(servers, ValueError, f"df[['n']].{name}(2, axis=2)", [SMALL], "axis")
        refused(servers, ValueError, f"df['n'].{name}(2, level=0)", [SMALL], "level")
        refused(servers, ValueError, f"df['n'].{name}(2, axis=1)", [SMALL], "axis")


# -- numbers only ----------------------------------------------------------------------------------------------------

OF_NUMBERS = ("sum", "prod", "product", "mean", "min", "max", "std", "sem", "skew", "kurt", "kurtosis", "var")


def covers_numeric_only(test: Any) -> Any:
    for name in OF_NUMBERS:
        covers(f"Series.{name}", numeric_only="same")(test)
    return test


@covers_numeric_only
@given(data=st.data())
def test_numeric_only(servers, data):
    table = finite(data.draw(tables.numbers("bx")))
    name = data.draw(st.sampled_from(OF_NUMBERS))
    column = data.draw(st.sampled_from("bx"))
    code = f"df['{column}'].{name}(numeric_only=True)"
    same_as_pandas(data, servers, code, [table], tolerance=1e-9)


def test_numeric_only_refuses(servers):
    for name in OF_NUMBERS:
        refused(servers, TypeError, f"df['k'].{name}(numeric_only=True)", [SMALL], "'k'")


# -- groups ----------------------------------------------------------------------------------------------------------


@covers("Series.groupby", by="same", level="same", as_index="refused", sort="same", group_keys="same",
        observed="different: only True", dropna="same")  # fmt: skip
@given(data=st.data())
def test_series_groupby(servers, data):
    table = data.draw(tables.numbers("abxs"))
    codes = [
        "df['x'].groupby(df['s']).count()",
        "df['a'].groupby([df['s'], df['b']]).sum()",
        "df.set_index('s')['a'].groupby(level=0).max()",
        "df.set_index('s')['a'].groupby(level='s', dropna=False).sum()",
        "df['a'].groupby(df['b'], sort=False).min().sort_index()",
        "df.set_index('b')['a'].groupby(level=0, group_keys=False).cumsum()",
        "df['a'].groupby(by=df['s'], observed=True).count()",
    ]
    same_as_pandas(data, servers, data.draw(st.sampled_from(codes)), [table])


@covers("DataFrameGroupBy.nth", "different: no index of positions")
@covers("SeriesGroupBy.nth", "different: no index of positions")
@given(data=st.data())
def test_nth(servers, data):
    table = data.draw(tables.numbers("abx"))
    n = data.draw(st.sampled_from([0, -1, 1, [0, 2]]))
    code = data.draw(st.sampled_from(["df.groupby('b').nth(n)", "df.groupby('b')['x'].nth(n)"]))
    same_as_pandas(data, servers, code, [table], n=n)


ENGINES = ("agg", "aggregate", "transform", "sum", "mean", "min", "max", "std", "var")


def covers_engines(test: Any) -> Any:
    for name in ENGINES:
        for owner in ("DataFrameGroupBy", "SeriesGroupBy"):
            covers(f"{owner}.{name}", engine="refused", engine_kwargs="refused")(test)
    return test


@covers_engines
def test_engines_are_refused(servers):
    for name in ENGINES:
        needed = "'sum', " if name in ("agg", "aggregate", "transform") else ""
        for owner in ("df.groupby('k')[['n']]", "df.groupby('k')['n']"):
            refused(servers, ValueError, f"{owner}.{name}({needed}engine='numba')", [SMALL], "engine")
            refused(servers, ValueError, f"{owner}.{name}({needed}engine_kwargs={{}})", [SMALL], "engine_kwargs")
    refused(servers, TypeError, "df['n'].groupby(df['k'], as_index=False)", [SMALL], "as_index")
    refused(servers, ValueError, "df['n'].groupby(df['k'], observed=False)", [SMALL], "observed")
    refused(servers, ValueError, "weft.DataFrame({'t': pd.to_datetime(['2020-01-01'])})['t'].dt.as_unit('s', False)",
            [SMALL], "round_ok")  # fmt: skip


# -- all signatures --------------------------------------------------------------------------------------------------


def test_every_argument_of_pandas_is_known():
    """Taken, or refused by name: none is unknown to a method that Weft has."""
    unknown = []
    for owner, theirs, ours in pandas_table.pairs():
        for name in sorted(pandas_table.members(theirs) & pandas_table.members(ours)):
            mine = getattr(ours, name)
            if not callable(mine) or inspect.ismodule(mine):
                continue
            taken = pandas_table.arguments(mine)
            unknown += [(owner, name, one) for one in pandas_table.arguments(getattr(theirs, name)) if one not in taken]
    assert unknown == []


def test_nothing_is_untested():
    assert [row for row in pandas_table.rows() if row[2] == "not tested"] == []
