"""`pipe`, `transform`, `case_when`, `combine`, `isetitem`, `convert_dtypes`: distributed = local = pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tables
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import compare, covers, refused, same_as_pandas

import weft

SMALL = pa.table({"k": ["a", "b", "a"], "n": [1, 2, 4], "x": [0.5, None, -1.0]})
OTHER = pa.table({"k": ["a"], "m": [1]})

PIPED = [
    "df.pipe(lambda frame: frame[['a', 'x']])",
    "df.pipe(lambda frame, n, m: frame.assign(c=frame['a'] * n + m), 2, m=1)",
    "df.pipe((lambda n, frame: frame.assign(c=frame['a'] * n), 'frame'), 2)",
    "df['a'].pipe(lambda s, n: s + n, n=3)",
    "df['a'].pipe((lambda n, s: s * n, 's'), n=3)",
    "df['a'].pipe(lambda s: s.sum())",
    "df.groupby('b').pipe((lambda n, groups: groups[['a']].sum() * n, 'groups'), 2)",
    "df.groupby('b')['a'].pipe((lambda n, groups: groups.max() - n, 'groups'), 2)",
    "df[['a']].rolling(2).pipe((lambda windows: windows.count(), 'windows'))",
]


@covers("DataFrame.pipe", func="same")
@covers("Series.pipe", func="same")
@settings(max_examples=2)
@given(data=st.data())
def test_pipe(servers, data):
    table = data.draw(tables.numbers("abx"))
    table = table.set_column(1, "b", table["b"].fill_null(0))
    for code in PIPED:
        same_as_pandas(data, servers, code, [table])


def test_pipe_refuses(servers):
    for owner in ("df", "df['n']", "df.groupby('k')", "df[['n']].rolling(2)"):
        refused(servers, ValueError, f"{owner}.pipe((len, 'obj'), obj=3)", [SMALL], "'obj'")
        refused(servers, TypeError, f"{owner}.pipe(3)", [SMALL], "function")
        refused(servers, TypeError, f"{owner}.pipe((len, 3))", [SMALL], "pair")


# -- transform -------------------------------------------------------------------------------------------------------

TRANSFORMED = [
    "df.transform('abs')",
    "df.transform(lambda s: s - s.mean())",
    "df.transform(lambda v: v + 1)",
    "df.transform(lambda s, n, m=0: s * n + m, 0, 2, m=1)",
    "df.transform('shift', 0, 1)",
    "df.transform(func='cumsum', axis='index')",
    "df.transform('sqrt')",
    "df.transform(np.abs)",
    "df.transform(['abs', np.negative])",
    "df.transform({'x': 'cumsum', 'a': lambda s: s.isna()})",
    "df.transform({'x': ['cumsum', 'abs'], 'a': 'abs'})",
    "df.set_index('b').transform('rank')",
    "df['a'].transform('abs')",
    "df['x'].transform(lambda s: (s - s.min()) / 2)",
    "df['b'].transform(lambda v: 'many' if v > 2 else 'few')",
    "df['b'].transform(lambda v, n: v if v > n else n, 0, n=2)",
    "df['b'].transform(str)",
    "df['a'].transform([np.abs, 'cumsum'])",
    "df['a'].transform({'p': 'abs', 'q': lambda s: s * 2})",
    "df.set_index('b')['a'].transform('cummax', axis=0)",
]


@covers("DataFrame.transform", "different: functions are of columns; of lists, names are column_function")
@covers("DataFrame.transform", func="different: of columns, or else of values", axis="refused")
@covers("Series.transform", "different: a function gets the Series first, then values", func="same", axis="same")
@settings(max_examples=3)
@given(data=st.data())
def test_transform(servers, data):
    table = data.draw(tables.numbers("abx"))
    table = table.set_column(1, "b", table["b"].fill_null(0))
    values = [None if v is None or not abs(v) < 1e9 else v for v in table["x"].to_pylist()]
    table = table.set_column(2, "x", pa.array(values, pa.float64()))
    for code in TRANSFORMED:
        theirs = code
        if "[" in code.partition("transform")[2] and code.startswith("df.transform"):
            theirs = f"(lambda made: made.set_axis(['_'.join(pair) for pair in made.columns], axis=1))({code})"
        same_as_pandas(data, servers, code, [table], pandas=theirs, tolerance=1e-9)


def test_transform_refuses(servers):
    for owner in ("df[['n']]", "df['n']"):
        refused(servers, ValueError, f"{owner}.transform('sum')", [SMALL], "transform", "agg")
        refused(servers, ValueError, f"{owner}.transform(lambda s: s.sum())", [SMALL], "agg")
        refused(servers, ValueError, f"{owner}.transform(lambda s: s.head(2))", [SMALL], "transform")
        refused(servers, ValueError, f"{owner}.transform('nothing')", [SMALL], "nothing")
        refused(servers, ValueError, f"{owner}.transform('_apply')", [SMALL], "_apply")
        refused(servers, ValueError, f"{owner}.transform([])", [SMALL])
        refused(servers, ValueError, f"{owner}.transform(['abs', 'abs'])", [SMALL])
        refused(servers, ValueError, f"{owner}.transform('abs', axis=1)", [SMALL], "axis")
        refused(servers, TypeError, f"{owner}.transform(3)", [SMALL], "int")
    refused(servers, KeyError, "df.transform({'z': 'abs'})", [SMALL], "'z'")
    refused(servers, TypeError, "df.transform(lambda s: s.abs())", [SMALL], "abs")


def test_transform_of_the_whole():
    frame = weft.DataFrame(SMALL)
    with pytest.raises(ZeroDivisionError):
        frame["n"].transform(lambda v: 1 / 0 if v == 4 else v)
    assert frame.set_index("k")[["n"]].transform("cumsum").index_names == ("k",)


# -- values by conditions --------------------------------------------------------------------------------------------

CASES = [
    "df['a'].case_when([(df['a'] > 2, 10), (df['a'] > 0, 20)])",
    "df['a'].case_when([(df['b'] > 0, df['b']), (df['x'].isna(), -1)])",
    "df['x'].case_when(caselist=[(lambda s: s.isna(), 0.5), (lambda s: s > 0, lambda s: -s)])",
    "df['a'].case_when([(df['a'] > 2, 0.5)])",
    "df['s'].case_when([(df['s'] == 'a', 'A'), (df['s'] == 'a', 'B'), (df['b'] > 2, df['s'])])",
    "df.set_index('b')['a'].case_when([(lambda s: s > 1, 0)])",
]


@covers("Series.case_when", "different: values are of one type", caselist="same")
@settings(max_examples=4)
@given(data=st.data())
def test_case_when(servers, data):
    table = data.draw(tables.numbers("abxs"))
    for code in CASES:
        same_as_pandas(data, servers, code, [table])


def test_case_when_refuses(servers):
    refused(servers, TypeError, "df['n'].case_when(3)", [SMALL], "list")
    refused(servers, ValueError, "df['n'].case_when([])", [SMALL], "no pair")
    refused(servers, TypeError, "df['n'].case_when([df['n'] > 1])", [SMALL], "pairs")
    refused(servers, ValueError, "df['n'].case_when([(df['n'] > 1,)])", [SMALL], "pairs")
    refused(servers, TypeError, "df['n'].case_when([(df['n'] > 1, 'x')])", [SMALL], "case_when")
    refused(servers, ValueError, "df['n'].case_when([(other['m'] > 1, 2)])", [SMALL, OTHER], "case_when")


# -- two frames ------------------------------------------------------------------------------------------------------

COMBINED = [
    "df.combine(other, lambda one, two: one.where(one > two, two))",
    "df.combine(other, lambda one, two: one + two, fill_value=0)",
    "df.combine(other[['x']], lambda one, two: two, overwrite=False)",
    "df[['a']].combine(other[['x', 'a']], lambda one, two: one.fillna(1) - two.fillna(2))",
    "df.combine(other, func=np.fmax)",
    "df.combine(other, lambda one, two: one if one.name == 'a' else two)",
]


@covers("DataFrame.combine", "different: without an index by position; labels of both in order")
@covers("DataFrame.combine", other="same", func="same", fill_value="same", overwrite="same")
@settings(max_examples=3)
@given(data=st.data())
def test_combine(servers, data):
    rows = data.draw(st.integers(1, 12))
    table, other = (data.draw(tables.numbers("ax", rows=rows)) for _ in range(2))
    for code in COMBINED:
        same_as_pandas(data, servers, code, [table, other])
    labels = st.lists(st.integers(0, 15), min_size=rows, max_size=rows, unique=True).map(sorted)
    table = table.append_column("k", pa.array(data.draw(labels), pa.int64()))
    other = other.append_column("k", pa.array(data.draw(labels), pa.int64()))
    for code in COMBINED:
        text = code.replace("df", "df.set_index('k')").replace("other", "other.set_index('k')")
        same_as_pandas(data, servers, text, [table, other])


def test_combine_without_rows():
    none = weft.DataFrame({"a": [1], "b": ["x"]}).slice(0, 0)
    made = none.combine(none.select("a", c=weft.col("a")), lambda one, two: one)
    assert made.columns == ["a", "b", "c"] and len(made) == 0


def test_combine_refuses(servers):
    refused(servers, TypeError, "df.combine(3, max)", [SMALL], "combine")
    refused(servers, TypeError, "df.combine(df, 3)", [SMALL], "function")
    refused(servers, ValueError, "df.combine(other, lambda one, two: one)", [SMALL, OTHER], "combine")
    refused(servers, ValueError, "df[['n']].combine(df[['n']], lambda one, two: one.head(1))", [SMALL], "combine")
    refused(servers, ValueError, "df.set_index('k').combine(df[1:].set_index('k'), max)", [SMALL], "same label")


# -- columns by place, types -----------------------------------------------------------------------------------------


@covers("DataFrame.isetitem", loc="same", value="different: of several places a frame")
@settings(max_examples=3)
@given(data=st.data())
def test_isetitem(servers, data):
    table = data.draw(tables.numbers("abx"))
    for arguments in ("0, df['x']", "-1, df['a'] + 1", "1, 'z'", "[0, 2], df[['x', 'a']]", "loc=1, value=df[['a']]"):
        code = f"(lambda made: [made.isetitem({arguments}), made][1])(df.copy())"
        same_as_pandas(data, servers, code, [table])


def test_isetitem_refuses(servers):
    refused(servers, IndexError, "df.isetitem(3, 1)", [SMALL], "3 columns")
    refused(servers, TypeError, "df.isetitem('n', 1)", [SMALL], "'n'")
    refused(servers, TypeError, "df.isetitem([0, 1], 1)", [SMALL], "frame")
    refused(servers, ValueError, "df.isetitem([0, 1], df[['n']])", [SMALL], "2 places")
    refused(servers, ValueError, "df.isetitem([0, -3], df[['n', 'x']])", [SMALL], "twice")


@covers("DataFrame.convert_dtypes", "different: floats become integers, other types hold missing values already")
@covers("DataFrame.convert_dtypes", convert_integer="same", infer_objects="refused", convert_string="refused",
        convert_boolean="refused", convert_floating="refused", dtype_backend="refused")  # fmt: skip
@covers("Series.convert_dtypes", "different: floats become integers, other types hold missing values already")
@covers("Series.convert_dtypes", convert_integer="same", infer_objects="refused", convert_string="refused",
        convert_boolean="refused", convert_floating="refused", dtype_backend="refused")  # fmt: skip
@covers("DataFrame.infer_objects", copy="refused")
@covers("Series.infer_objects", copy="refused")
@settings(max_examples=4)
@given(data=st.data())
def test_convert_dtypes(servers, data):
    table = data.draw(tables.numbers("axfs"))
    table = table.append_column(
        "w", pa.array([None if v is None else float(v) for v in table["a"].to_pylist()], pa.float64())
    )
    for code in (
        "df.convert_dtypes()",
        "df.convert_dtypes(convert_integer=False)",
        "df['w'].convert_dtypes()",
        "df['x'].convert_dtypes(convert_integer=True)",
        "df.set_index('s').convert_dtypes()",
        "df.infer_objects()",
        "df['x'].infer_objects()",
    ):
        same_as_pandas(data, servers, code, [table])


def test_converted_types(servers):
    table = pa.table(
        {
            "w": [1.0, None, -3.0],
            "x": [1.0, 0.5, 2.0],
            "f": pa.array([1, 2, 3], pa.float32()),
            "i": [float("inf"), 1, 2],
        }
    )
    frame = weft.DataFrame(table)
    assert [str(one) for one in frame.convert_dtypes().dtypes.values()] == ["int64", "double", "int64", "double"]
    assert frame["w"].convert_dtypes().dtype == pa.int64() and frame["x"].convert_dtypes().dtype == pa.float64()
    assert frame.convert_dtypes(convert_integer=False).dtypes == frame.dtypes == frame.infer_objects().dtypes
    # What one rank alone holds decides for all.
    outcome = servers[3].run({"op": "eval", "code": "df.convert_dtypes()", "names": {}}, [table], [[0, 1, 2, 3]])
    assert [str(one) for one in outcome.table.schema.types] == ["int64", "double", "int64", "double"]
    for name in ("infer_objects", "convert_string", "convert_boolean", "convert_floating"):
        refused(servers, ValueError, f"df.convert_dtypes({name}=False)", [table], name)
        refused(servers, ValueError, f"df['w'].convert_dtypes({name}=False)", [table], name)
    refused(servers, ValueError, "df.convert_dtypes(dtype_backend='pyarrow')", [table], "dtype_backend")
    refused(servers, ValueError, "df['w'].convert_dtypes(dtype_backend='pyarrow')", [table], "dtype_backend")
    refused(servers, ValueError, "df.infer_objects(copy=True)", [table], "copy")
    refused(servers, ValueError, "df['w'].infer_objects(copy=True)", [table], "copy")


# -- functions of the module -----------------------------------------------------------------------------------------

SAME = [
    "PKG.melt(df, 'b', ['a', 'x'], 'name', value_name='v')",
    "PKG.melt(frame=df[['a', 'x']], ignore_index=True)",
    "PKG.pivot(df.drop_duplicates('b'), index='b', columns='c', values='a')",
    "PKG.pivot_table(df, 'a', 'b', 'c', aggfunc='sum', fill_value=0)",
    "PKG.pivot_table(data=df, index='b', values=['a', 'x'], aggfunc='max', observed=True, sort=True)",
    "PKG.pivot_table(df.assign(b=df['b'].astype('str')), 'a', 'b', 'c', 'count', margins=True, margins_name='all', dropna=True)",
    "PKG.isna(df)",
    "PKG.isnull(df['x'])",
    "PKG.notna(df['x'])",
    "PKG.notnull(df)",
    "df.groupby('b').agg(t=PKG.NamedAgg('a', 'sum'), u=PKG.NamedAgg(column='x', aggfunc='count'))",
    "PKG.merge_ordered(df.drop_duplicates('b'), other, on='b', suffixes=('_l', '_r'))",
    "PKG.merge_ordered(df.drop_duplicates('b'), other, left_on='b', right_on='k', how='left')",
    "PKG.merge_ordered(df, other.drop_duplicates('k'), left_on='b', right_on='k', how='inner')[['a_x', 'b_x', 'k']]",
]


@covers("melt", "different: values of numbers and of texts are refused")
@covers("melt", frame="same", id_vars="same", value_vars="same", var_name="same", value_name="same",
        col_level="refused", ignore_index="same")  # fmt: skip
@covers("pivot", "different: names are value_label", data="same", columns="same", index="same", values="same")
@covers("pivot_table", "different: names are value_label", data="same", values="same", index="same", columns="same",
        aggfunc="same", fill_value="same", margins="same", dropna="same", margins_name="same",
        observed="different: only True", sort="same")  # fmt: skip
@covers("isna", "different: arrays of one dimension", obj="same")
@covers("isnull", "different: arrays of one dimension", obj="same")
@covers("notna", "different: arrays of one dimension", obj="same")
@covers("notnull", "different: arrays of one dimension", obj="same")
@covers("NamedAgg", "different: no more arguments for the function", column="same", aggfunc="same")
@covers("merge_ordered", left="same", right="same", on="same", left_on="same", right_on="same", left_by="refused",
        right_by="refused", fill_method="refused", suffixes="same", how="same")  # fmt: skip
@settings(max_examples=3)
@given(data=st.data())
def test_functions_of_the_module(servers, data):
    table = data.draw(tables.numbers("abx", rows=data.draw(st.integers(1, 20))))
    table = table.set_column(1, "b", table["b"].fill_null(0))
    values = [None if v is None or not abs(v) < 1e9 else v for v in table["x"].to_pylist()]
    table = table.set_column(2, "x", pa.array(values, pa.float64()))
    table = table.append_column("c", pa.array(["p" if i % 3 else "q" for i in range(table.num_rows)], pa.string()))
    other = pa.table(
        {"b": pa.array([1, 3, 9], pa.int32()), "k": pa.array([3, 5, 7], pa.int32()), "y": [1, 2, 3], "a": [4, 5, 6]}
    )
    for code in SAME:
        same_as_pandas(data, servers, code.replace("PKG", "weft"), [table, other], pandas=code.replace("PKG", "pd"))


@covers("unique", "different: a Series, of a Series", values="different: a Series")
@settings(max_examples=2)
@given(data=st.data())
def test_unique(servers, data):
    table = data.draw(tables.numbers("ax"))
    same_as_pandas(data, servers, "weft.unique(df['a'])", [table], pandas="pd.Series(pd.unique(df['a']), name='a')")


def test_missing_values():
    for name in ("isna", "isnull", "notna", "notnull"):
        ours, theirs = getattr(weft, name), getattr(pd, name)
        for value in (
            None,
            float("nan"),
            3,
            "x",
            "",
            pd.NaT,
            pd.NA,
            (1, None),
            int,
            [1, None, "x"],
            np.array([1.0, np.nan]),
            [],
        ):
            found, expected = ours(value), theirs(value)
            assert np.array_equal(found, expected) and type(found) is type(expected), (name, value)
    assert weft.DataFrame({"a": [1, None]}).assign(b=weft.isna(weft.col("a")))["b"].to_list() == [False, True]
    compare(weft.isna(weft.DataFrame({"a": [1, None]})), pd.DataFrame({"a": [False, True]}))
    with pytest.raises(TypeError, match="dimension"):
        weft.isna(np.zeros((2, 2)))


def test_functions_refuse(servers):
    for code in ("melt(3)", "pivot(3, columns='k')", "pivot_table(3)", "unique([1])", "merge_ordered(3, df)"):
        refused(servers, TypeError, f"weft.{code}", [SMALL], code.partition("(")[0])
    refused(servers, ValueError, "weft.melt(df, col_level=0)", [SMALL], "col_level")
    refused(servers, ValueError, "weft.pivot_table(df, 'n', 'k', observed=False)", [SMALL], "observed")
    for name in ("left_by", "right_by", "fill_method"):
        refused(servers, ValueError, f"weft.merge_ordered(df, df, on='k', {name}='k')", [SMALL], name)
    refused(servers, ValueError, "weft.merge_ordered(df, df, on='k', how='cross')", [SMALL], "how")
