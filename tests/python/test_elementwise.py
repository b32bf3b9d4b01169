"""Choosing and replacing values, missing values, types, Python functions; distributed = local = pandas."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, run, same_as_pandas
from test_expression import at_once

import weft
from weft import col

# -- masks and columns -----------------------------------------------------------------------------------------------


@covers("DataFrame.assign")
@covers("DataFrame.filter", "different: a condition for rows")
@given(data=st.data())
def test_masks_and_assign(servers, data):
    table = data.draw(tables.numbers("abxfst"))
    codes = {
        "df[df.a > df.b]": None,
        "df[(df.x > 0) & ~df.t | df.s.isin(['a'])]": None,
        "df.filter(df.a != 1)": "df[df.a != 1]",
        "df[df.t.to_list()] if False else df[df.t]": None,
        "df.assign(c=df.a * 2, s=df.s + '!', one=1, two=lambda one: one.c + 1)": None,
        "df[df.s == 'a'].assign(n=7)": None,
        "df.set_index('s')[df.set_index('s').a > 0]": None,
    }
    code = data.draw(st.sampled_from(list(codes)))
    same_as_pandas(data, servers, code, [table], pandas=codes[code])


def test_setitem():
    frame = weft.DataFrame({"a": [1, 2, 3]})
    before = frame.rename(columns={"a": "z"})
    alias = frame
    frame["b"] = frame.a * 2
    frame["c"] = [1.5, None, 2.5]
    frame["d"] = np.array([True, False, True])
    frame["e"] = col("a") + col("b")
    frame["f"] = "text"
    frame["a"] = pd.Series([7, 8, 9])
    assert alias.to_pydict() == {
        "a": [7, 8, 9],
        "b": [2, 4, 6],
        "c": [1.5, None, 2.5],
        "d": [True, False, True],
        "e": [3, 6, 9],
        "f": ["text"] * 3,
    }
    assert before.to_pydict() == {"z": [1, 2, 3]} and (frame.a + before.z).to_list() == [8, 10, 12]
    with pytest.raises(TypeError, match="one column"):
        frame[["a", "b"]] = 1
    with pytest.raises(ValueError, match="2 values are given for 3 rows"):
        frame["b"] = [1, 2]
    with pytest.raises(ValueError, match="2 values are given for 3 rows"):
        frame[[True, False]]
    assert frame[[True, False, True]].to_pydict()["a"] == [7, 9]
    assert frame[np.array([False, False, True])].to_pydict()["a"] == [9]


def test_assign_refuses(servers):
    table = pa.table({"a": [1, 2], "s": ["x", None], "l": [[1], None]})
    refused(servers, KeyError, "df.assign(c=col('missing'))", [table], "missing")
    refused(servers, TypeError, "df.assign(c=df)", [table], "frame")
    refused(servers, TypeError, "df.assign(c={1: 2})", [table])
    refused(servers, TypeError, "df.filter(df.s)", [table], "bool")
    refused(servers, TypeError, "df.filter(3)", [table], "filter")
    refused(servers, TypeError, "df[df.a]", [table], "bool")


# -- other values ----------------------------------------------------------------------------------------------------


@covers("Series.where", cond="same", other="same", inplace="refused", axis="refused", level="refused")
@covers("Series.mask", cond="same", other="same", inplace="refused", axis="refused", level="refused")
@covers("Series.clip", lower="same", upper="same", axis="refused", inplace="refused")
@covers("Series.between", left="same", right="same", inclusive="same")
@covers("Series.isin", values="same")
@covers("Series.round", decimals="same")
@covers("Series.fillna", value="different: no dict", axis="refused", inplace="refused")
@covers("Series.isna")
@covers("Series.isnull")
@covers("Series.notna")
@covers("Series.notnull")
@given(data=st.data())
def test_choosing_values(servers, data):
    table = data.draw(tables.numbers())
    codes = [
        "df.a.where(df.t)",
        "df.a.where(df.a > 0, -1)",
        "df.x.where(df.x > 0, df.a)",
        "df.a.where(lambda one: one > 1, lambda one: one * 10)",
        "df.s.where(df.t, 'other')",
        "df.m.where(df.t, pd.Timestamp('2000-01-01'))",
        "df.a.mask(df.t)",
        "df.a.mask(df.a > 0, 0.5)",
        "df.u.mask(df.t, 1000)",
        "df.d.mask(df.t, pd.Timedelta(0))",
        "df.a.clip(0, 5)",
        "df.a.clip(upper=2.5)",
        "df.x.clip(-1, 1)",
        "df.x.clip(lower=df.a)",
        "df.x.clip(df.f, upper=df.a.abs() + 5)",
        "df.a.clip(5, 0)",
        "df.m.clip(pd.Timestamp('1950-01-01'), pd.Timestamp('2100-01-01'))",
        "df.a.between(0, 7)",
        "df.a.between(0, 7, inclusive='left')",
        "df.x.between(df.f, 1, inclusive='neither')",
        "df.s.between('a', 'b', 'right')",
        "df.a.isin([1, 2.0, -7])",
        "df.a.isin([0.5, 'a'])",
        "df.x.isin([0.5, float('nan')])",
        "df.s.isin(['a', 'b', None])",
        "df.u.isin([-1, 300, 7])",
        "df.m.isin([pd.Timestamp('1970-01-01')])",
        "df.t.isin([True])",
        "df.a.isin([])",
        "df.x.round(1)",
        "df.f.round()",
        "df.a.round(-1)",
        "df.u.round(2)",
        "df.a.fillna(-1)",
        "df.a.fillna(0.5)",
        "df.x.fillna(df.a)",
        "df.s.fillna('none')",
        "df.d.fillna(pd.Timedelta(days=1))",
        "df.m.isna()",
        "df.x.isnull()",
        "df.s.notna()",
        "df.a.notnull()",
        "df.a.replace(1, 5)",
    ]
    same_as_pandas(data, servers, at_once(codes), [table], tolerance=1e-6)


@given(data=st.data())
def test_isin_of_a_series(servers, data):
    """All rows of the other Series count, wherever they lie."""
    left, right = data.draw(tables.numbers("as")), data.draw(tables.numbers("as"))
    same_as_pandas(data, servers, "df.assign(p=df.a.isin(other.a), q=df.s.isin(other.s))", [left, right])


@covers("Series.replace", to_replace="different: no regex", value="same", inplace="refused", regex="refused")
@covers("DataFrame.replace", to_replace="different: no regex", value="same", inplace="refused", regex="refused")
@given(data=st.data())
def test_replace(servers, data):
    table = data.draw(tables.numbers("axs", nulls=False))
    codes = {
        "df.a.replace(1, 5).to_frame()": None,
        "df.a.replace({1: 2, 2: 1}).to_frame()": None,
        "df.a.replace([1, 2], 0).to_frame()": None,
        "df.a.replace([1, 2], [2, 3]).to_frame()": None,
        "df.a.replace(1, 0.5).to_frame()": None,
        "df.s.replace('a', 'A').to_frame()": None,
        "df.s.replace({'a': 'b', 'b': 'a', 'no': 'x'}).to_frame()": None,
        "df.x.replace(float('nan'), 0.0).to_frame()": None,
        "df.x.replace({0.5: 1.5, float('inf'): 0.0}).to_frame()": None,
        "df[['a', 'x']].replace(0, 9)": None,
        "df.replace('a', 'q')": None,
        "df.replace({'a': {1: 100}, 's': {'b': 'B'}})": None,
        "df.replace({'a': 1, 'x': 0.5}, 3)": None,
        "df.replace(value={'a': 5}, to_replace=1)": None,
    }
    code = data.draw(st.sampled_from(list(codes)))
    same_as_pandas(data, servers, code, [table], pandas=codes[code])


@given(data=st.data())
def test_missing_values_of_pandas(servers, data):
    moments = pa.array([0, None, 86_400_000_000], pa.timestamp("us"))
    table = pa.table({"x": [1.5, None, 3.0], "s": ["u", None, "w"], "m": moments})
    codes = [
        "df.x.replace(1.5, pd.NA)",
        "df.s.replace({'u': pd.NA, 'w': 'z'})",
        "df.s.replace(pd.NA, 'z')",
        "df.m.replace(pd.Timestamp(0), pd.NaT)",
        "df.m.replace({pd.Timestamp(0): pd.Timestamp('2000-01-01')})",
        "df.replace('u', pd.NA)",
        "df.s.where(df.s == 'u', pd.NA)",
        "df.x.mask(df.x > 2, pd.NA)",
        "df.m.where(df.m > pd.Timestamp(0), pd.NaT)",
        "df.assign(z=pd.NA)",
        "df.assign(z=pd.NaT)",
        "df.m == pd.NaT",
    ]
    same_as_pandas(data, servers, data.draw(st.sampled_from(codes)), [table])


def test_comparison_with_a_missing_value_of_pandas():
    """As with any other missing value here; pandas 3 has a missing answer."""
    column = weft.Series([1, None, 3])
    assert (column == pd.NA).to_list() == [False] * 3 and (column != pd.NA).to_list() == [True] * 3
    assert (column + pd.NA).to_list() == [None] * 3 and column.fillna(pd.NA).to_list() == [1, None, 3]


@covers("DataFrame.where", cond="same", other="same", axis="same", inplace="refused", level="refused")
@covers("DataFrame.mask", cond="same", other="same", axis="same", inplace="refused", level="refused")
@covers("DataFrame.clip", lower="same", upper="same", axis="refused", inplace="refused")
@covers("DataFrame.fillna", value="different: no Series", axis="refused", inplace="refused")
@covers("DataFrame.isin", values="different: a list or a dict")
@covers("DataFrame.round", decimals="different: no Series")
@covers("DataFrame.abs")
@covers("DataFrame.isna")
@covers("DataFrame.isnull")
@covers("DataFrame.notna")
@covers("DataFrame.notnull")
@given(data=st.data())
def test_frames(servers, data):
    rows = data.draw(st.integers(0, 12))
    left, right = (data.draw(tables.numbers("axst", rows=rows)) for _ in "lr")
    number = "df[['a', 'x']]"
    codes = [
        f"{number}.where(df.t)",
        f"{number}.where({number} > 0)",
        f"{number}.where({number} > 0, -{number})",
        f"{number}.where(df.t, 0)",
        f"{number}.where(df.t, df.a, axis=0)",
        f"{number}.where(lambda one: one > 1, other[['a', 'x']])",
        f"{number}.mask(df.t)",
        f"{number}.mask({number} == 0, 1)",
        "df.mask(df.isna())",
        f"{number}.clip(0, 2)",
        f"{number}.fillna(0)",
        "df.fillna({'a': -1, 's': '-'})",
        f"{number}.fillna(other[['a', 'x']])",
        "df.isin([1, 'a', 0.5])",
        "df.isin({'a': [1, 2], 's': ['b']})",
        "df.round(1)",
        "df.round({'x': 0})",
        f"{number}.abs()",
        "df.isna()",
        "df.isnull()",
        "df.notna()",
        "df.notnull()",
    ]
    same_as_pandas(data, servers, data.draw(st.sampled_from(codes)), [left, right])


@covers("DataFrame.fillna", limit="same")
@covers("Series.fillna", limit="same")
@given(data=st.data())
def test_fillna_of_the_first(servers, data):
    """As many as `limit` of each column, counted over all ranks."""
    table = data.draw(tables.numbers("axsm"))
    code = data.draw(
        st.sampled_from(
            [
                "df[['a', 'x']].fillna(7, limit=n)",
                "df.fillna({'s': '-', 'a': 3}, limit=n)",
                "df.x.fillna(0.5, limit=n)",
                "df.set_index('s').a.fillna(-1, limit=n)",
                "df[['a', 'x']].fillna(df[['a', 'x']].ffill(), limit=n)",
            ]
        )
    )
    same_as_pandas(data, servers, code, [table], n=data.draw(st.sampled_from([1, 2, 30])))


@covers("Series.isin", values="same")
@given(data=st.data())
def test_isin_a_column(servers, data):
    """Values of all ranks, of the same type and of another."""
    one, other = data.draw(tables.numbers("axust")), data.draw(tables.numbers("axust"))
    left = data.draw(st.sampled_from("axust"))
    right = data.draw(st.sampled_from("axust"))
    same_as_pandas(data, servers, f"df.{left}.isin(other.{right})", [one, other])


def test_values_refuse(servers):
    table = pa.table({"a": [1, None], "s": ["x", None], "t": [True, False], "l": [[1], None]})
    for method in ("where", "mask"):
        refused(servers, ValueError, f"df.a.{method}(df.t, inplace=True)", [table], "inplace")
        refused(servers, ValueError, f"df.a.{method}(df.t, axis=0)", [table], "axis")
        refused(servers, ValueError, f"df.{method}(df.t, level=0)", [table], "level")
        refused(servers, ValueError, f"df.{method}(df.t, inplace=True)", [table], "inplace")
        refused(servers, TypeError, f"df.a.{method}(df.s, 1)", [table], "condition")
        refused(servers, TypeError, f"df.a.{method}(df.t, 'x')", [table], "cast")
        refused(servers, ValueError, f"df[['a']].{method}(df.t, df.a)", [table], "axis=0")
    refused(servers, TypeError, "df.where(3)", [table], "condition")
    for code in (
        "df.a.fillna(0, limit=0)",
        "df.fillna(0, limit='1')",
        "df.assign(b=col('a').fillna(0, limit=1))",
        "df.fillna(0, inplace=True)",
        "df.a.fillna({0: 1})",
    ):
        refused(servers, ValueError, code, [table], "fillna")
    refused(servers, ValueError, "df.fillna(None)", [table], "None")
    refused(servers, ValueError, "df.fillna(0, axis=1)", [table], "axis")
    refused(servers, TypeError, "df.fillna(0)", [table], "string")
    refused(servers, ValueError, "df.a.fillna(0, axis=0)", [table], "axis")
    refused(servers, ValueError, "df.a.fillna(0, inplace=True)", [table], "inplace")
    refused(servers, ValueError, "df.a.clip(0, axis=0)", [table], "axis")
    refused(servers, ValueError, "df[['a']].clip(0, inplace=True)", [table], "inplace")
    refused(servers, TypeError, "df.s.clip(0)", [table], "cast")
    refused(servers, ValueError, "df.a.between(0, 1, inclusive='all')", [table], "inclusive")
    refused(servers, TypeError, "df.a.isin('abc')", [table], "list")
    refused(servers, TypeError, "df.isin(df)", [table], "labels")
    refused(servers, ValueError, "df.a.replace('x', 'y', regex=True)", [table], "regex")
    refused(servers, ValueError, "df.replace('x', 'y', inplace=True)", [table], "inplace")
    refused(servers, ValueError, "df.a.replace([1, 2], [3])", [table], "same length")
    refused(servers, ValueError, "df.a.replace(1)", [table], "value")
    refused(servers, TypeError, "df.a.replace(1, 'x')", [table], "cast")
    refused(servers, TypeError, "df.a.round('x')", [table], "decimals")
    refused(servers, TypeError, "df.s.abs()", [table], "string")


# -- missing values --------------------------------------------------------------------------------------------------


@covers("DataFrame.dropna", axis="same", how="same", thresh="same", inplace="refused", ignore_index="same")
@covers("DataFrame.dropna", subset="different: rows have no labels")
@covers("Series.dropna", axis="refused", how="refused", inplace="refused", ignore_index="same")
@given(data=st.data())
def test_dropna(servers, data):
    rows = data.draw(st.integers(0, 10))
    table = data.draw(tables.numbers("axsm", rows=rows))
    codes = [
        "df.dropna()",
        "df.dropna(how='all')",
        "df.dropna(thresh=3)",
        "df.dropna(subset=['a', 's'])",
        "df.dropna(subset='x', how='any', ignore_index=True)",
        "df.dropna(axis=1)",
        "df.dropna(axis='columns', how='all')",
        "df.dropna(axis=1, thresh=2)",
        "df.a.dropna()",
        "df.x.dropna(ignore_index=True)",
    ]
    same_as_pandas(data, servers, data.draw(st.sampled_from(codes)), [table])


@pytest.mark.parametrize("method", ["ffill", "bfill"])
@covers("DataFrame.ffill", axis="refused", inplace="refused", limit="same", limit_area="refused")
@covers("DataFrame.bfill", axis="refused", inplace="refused", limit="same", limit_area="refused")
@covers("Series.ffill", axis="refused", inplace="refused", limit="same", limit_area="refused")
@covers("Series.bfill", axis="refused", inplace="refused", limit="same", limit_area="refused")
@given(data=st.data())
def test_filling(servers, method, data):
    rows = data.draw(st.integers(0, 20))
    sparse = st.lists(st.sampled_from([None, None, None, 0, 1]), min_size=rows, max_size=rows)
    made = {}
    for name, (type, values) in {**tables.NUMBERS, "g": tables.KEYS["dictionary"]}.items():
        made[name] = tables.column(type, values, [-1 if one is None else one for one in data.draw(sparse)])
    made["x"] = pa.array([float("nan") if one is None else one for one in data.draw(sparse)], pa.float64())
    del made["t"]
    limit = data.draw(st.sampled_from(["", "limit=1", "limit=2", "limit=7"]))
    code = data.draw(st.sampled_from([f"df.{method}({limit})", f"df.a.{method}({limit})"]))
    same_as_pandas(data, servers, code, [pa.table(made)])


def test_filling_other_types():
    frame = weft.DataFrame({"l": [[1], None, [], None], "h": pa.array([None, 1.5, float("nan"), 2.0], pa.float16())})
    assert frame.ffill().to_pydict() == {"l": [[1], [1], [], []], "h": [None, 1.5, 1.5, 2.0]}


def test_missing_values_refuse(servers):
    table = pa.table({"a": [1, None], "s": ["x", None]})
    refused(servers, ValueError, "df.dropna(how='some')", [table], "how")
    refused(servers, TypeError, "df.dropna(how='any', thresh=1)", [table], "thresh")
    refused(servers, TypeError, "df.dropna(thresh='x')", [table], "thresh")
    refused(servers, ValueError, "df.dropna(axis=2)", [table], "axis")
    refused(servers, ValueError, "df.dropna(axis=1, subset=[0])", [table], "subset")
    refused(servers, KeyError, "df.dropna(subset='missing')", [table], "missing")
    refused(servers, ValueError, "df.dropna(inplace=True)", [table], "inplace")
    refused(servers, ValueError, "df.a.dropna(how='any')", [table], "how")
    refused(servers, ValueError, "df.a.dropna(inplace=True)", [table], "inplace")
    refused(servers, ValueError, "df.a.dropna(axis=1)", [table], "axis")
    for method in ("ffill", "bfill"):
        refused(servers, ValueError, f"df.{method}(limit=0)", [table], "limit")
        refused(servers, ValueError, f"df.{method}(axis=1)", [table], "axis")
        refused(servers, ValueError, f"df.a.{method}(inplace=True)", [table], "inplace")
        refused(servers, ValueError, f"df.a.{method}(limit_area='inside')", [table], "limit_area")


# -- types -----------------------------------------------------------------------------------------------------------


@covers("Series.astype", "different: texts of moments have all digits of their unit")
@covers("Series.astype", "different: missing stays missing", copy="refused", errors="refused")
@covers("Series.astype", dtype="different: what does not fit is an error")
@covers("DataFrame.astype", "different: missing stays missing", copy="refused", errors="refused")
@covers("DataFrame.astype", dtype="different: what does not fit is an error")
@given(data=st.data())
def test_astype(servers, data):
    rows = data.draw(st.integers(0, 15))
    column = lambda values: data.draw(st.lists(st.sampled_from(values), min_size=rows, max_size=rows))  # noqa: E731
    table = pa.table(
        {
            "a": pa.array(column([0, 1, -7, 100]), pa.int64()),
            "x": pa.array(column([0.0, 1.5, -2.75, 1e15, 1e16, 1e-5, 0.1, 123456.789, 5e-324]), pa.float64()),
            "f": pa.array(column([0.0, 0.1, -1.5, 3e10]), pa.float32()),
            "t": pa.array(column([True, False]), pa.bool_()),
            "s": pa.array(column(["1", "-20", " 007\t", "+3"]), pa.string()),
            "w": pa.array(column(["a", "", "b"]), pa.string()),
            "n": pa.array(column(["1.5", "-2e3", " 7 "]), pa.string()),
            "m": pa.array(column(tables.MOMENTS), pa.timestamp("us")),
            "z": pa.array(column(tables.KEYS["timestamp_tz"][1]), pa.timestamp("us", "UTC")),
        }
    )
    codes = [
        "df.a.astype(float)",
        "df.a.astype('float32')",
        "df.a.astype(np.int8)",
        "df.a.astype('Int64')",
        "df.a.astype(str)",
        "df.a.astype(bool)",
        "df.x.astype(str)",
        "df.x.astype(bool)",
        "df.f.astype(int)",
        "df.f.astype(str)",
        "df.x.astype('float32')",
        "df.t.astype(int)",
        "df.t.astype('float64')",
        "df.t.astype(str)",
        "df.s.astype(int)",
        "df.n.astype('float64')",
        "df.w.astype('category')",
        "df.w.astype('string')",
        "df.m.astype('datetime64[ns]')",
        "df.m.astype('int64')",
        "df.z.astype('datetime64[us, Asia/Tokyo]')",
    ]
    same_as_pandas(data, servers, at_once(codes), [table])
    frames = [
        "df[['a', 't']].astype('float64')",
        "df.astype({'a': 'int32', 's': 'int64'})",
        "df[['w']].astype('category')",
    ]
    same_as_pandas(data, servers, data.draw(st.sampled_from(frames)), [table])


def test_astype_of_missing_values():
    frame = weft.DataFrame(
        {
            "x": [1.5, float("nan"), None],
            "s": ["1", None, "2"],
            "n": pa.nulls(3),
            "d": pa.array(["a", None, "a"]).dictionary_encode(),
        }
    )
    assert frame.x.astype("int64").to_list() == [1, None, None] and frame.x.astype(str).to_list() == ["1.5", None, None]
    assert frame.x.astype(bool).to_list() == [True, None, None] and frame.s.astype(int).to_list() == [1, None, 2]
    assert frame.n.astype("int8").dtype == pa.int8() and frame.d.astype(str).dtype == pa.string()
    with pytest.raises(TypeError, match="category"):
        frame.x.astype("category")
    assert frame.select("x", i=col("x").cast("int32")).schema.field("i").type == pa.int32()


def test_astype_refuses(servers):
    table = pa.table({"a": [1, 300], "x": [1e300, 1.0], "s": ["1", "b"], "m": pa.array([0, 1], pa.timestamp("us"))})
    refused(servers, ValueError, "df.a.astype('int8')", [table])
    refused(servers, ValueError, "df.x.astype(int)", [table])
    refused(servers, ValueError, "df.s.astype(int)", [table], "astype: column 's': 'b' is no int64; weft.to_numeric(")
    refused(servers, ValueError, "df.astype({'s': float})", [table], "astype: column 's': 'b' is no double")
    refused(servers, ValueError, "df.a.astype('int8')", [table], "astype: column 'a': integer value 300 not in range")
    refused(servers, TypeError, "df.s.astype('nonsense')", [table], "nonsense")
    refused(servers, TypeError, "df.m.astype('float64')", [table], "double")
    refused(servers, TypeError, "df.m.astype('datetime64[us, UTC]')", [table], "tz_localize")
    refused(servers, TypeError, "df.m.astype('bool')", [table], "bool")
    refused(servers, KeyError, "df.astype({'missing': int})", [table], "missing")
    refused(servers, ValueError, "df.a.astype(int, errors='ignore')", [table], "errors")
    refused(servers, ValueError, "df.astype(int, copy=True)", [table], "copy")


@covers("to_numeric", "different: missing integers stay integers; an empty text is missing, nan a number",
        arg="different: a Series", errors="same", downcast="refused", dtype_backend="refused")  # fmt: skip
@pytest.mark.parametrize(
    "values",
    [
        ["1", " -2 ", "+3"],
        ["1", "2.5"],
        ["1e3", ".5", "inf"],
        ["x", "1"],
        ["1", "", "2.5"],
        ["0x1A", "1_0", "2"],
        [1, 2],
        [True],
    ],
)
def test_to_numeric(servers, values):
    table = pa.table({"a": values})
    for errors in ("raise", "coerce"):
        try:
            expected = pd.to_numeric(pd.Series(values), errors=errors)
        except ValueError:
            says = "to_numeric: column 'a': ", "errors='coerce'"
            refused(servers, ValueError, f"weft.to_numeric(df.a, errors={errors!r})", [table], *says)
            continue
        made = weft.to_numeric(weft.Series(values), errors=errors)
        assert made.dtype == pa.from_numpy_dtype(expected.dtype), (made.dtype, expected.dtype)
        assert made.to_pandas().tolist() == pytest.approx(expected.tolist(), nan_ok=True)


def test_to_numeric_refuses(servers):
    assert weft.to_numeric(weft.Series(["1", None])).to_list() == [1, None]
    table = pa.table({"s": ["1"], "m": pa.array([0], pa.timestamp("us"))})
    refused(servers, TypeError, "weft.to_numeric(df)", [table], "a Series, not DataFrame")
    refused(servers, TypeError, "weft.to_numeric(df.m)", [table], "texts and numbers")
    refused(servers, ValueError, "weft.to_numeric(df.s, errors='ignore')", [table], "errors")
    refused(servers, ValueError, "weft.to_numeric(df.s, downcast='integer')", [table], "downcast")


@covers("DataFrame.select_dtypes", include="same", exclude="same")
def test_select_dtypes():
    table = pa.table({name: tables.column(type, values, [0]) for name, (type, values) in tables.NUMBERS.items()})
    frame, of_pandas = weft.DataFrame(table), table.to_pandas()
    for words in (
        "number",
        "bool",
        ["int64", "float32"],
        "datetime",
        "timedelta",
        int,
        float,
        "str",
        np.uint8,
        "integer",
    ):
        assert frame.select_dtypes(words).columns == list(of_pandas.select_dtypes(words).columns), words
        assert frame.select_dtypes(exclude=words).columns == list(of_pandas.select_dtypes(exclude=words).columns), words
    assert frame.select_dtypes("number", exclude="floating").columns == ["a", "b", "u", "d"]
    with pytest.raises(ValueError, match="include"):
        frame.select_dtypes()
    with pytest.raises(TypeError, match="no type"):
        frame.select_dtypes("nonsense")


# -- Python functions ------------------------------------------------------------------------------------------------


@covers("Series.map", func="same", na_action="same", engine="refused")
@covers("Series.apply", func="same", args="same", by_row="refused")
@covers("DataFrame.map", func="same", na_action="same")
@covers("DataFrame.apply", "different: values of columns are a dict, of rows a Series named 0")
@covers("DataFrame.apply", func="same", axis="same", args="same", raw="refused", by_row="refused")
@covers("DataFrame.apply", result_type="different: None or expand", engine="refused", engine_kwargs="refused")
@given(data=st.data())
def test_functions(servers, data):
    rows = data.draw(st.integers(1, 12))
    table = data.draw(tables.numbers("abxsm", rows=rows, nulls=False))
    codes = [
        "df.a.map({0: 'zero', 1: 'one', 7: None})",
        "df.s.map({'a': 1, 'b': 2.5})",
        "df.a.map(lambda value: value * 2)",
        "df.s.map(lambda text: text + '!')",
        "df.x.map(lambda value: -1.0 if value != value else value)",
        "df.x.map(str, na_action='ignore')",
        "df.m.map(lambda moment: moment.year)",
        "df.a.apply(lambda value, more, by: value + more * by, args=(3,), by=2)",
        "df[['a', 'b']].map(lambda value: value > 0)",
        "df[['a', 's']].map(str)",
        "df[['a', 'b']].apply(lambda row: row['a'] + row.b, axis=1)",
        "df[['a', 'x']].apply(lambda row: row.max(), axis='columns')",
        "df.apply(lambda row, sign: f'{row.s}{sign}{row.a}', axis=1, args=('-',))",
        "df.apply(lambda row: pd.Series({'n': row.a, 't': row.s}), axis=1)",
        "df[['a', 'b']].apply(lambda row: [row.a, row.b * 0.5], axis=1, result_type='expand')",
        "df[['a', 'b']].apply(lambda one: one * 2 + 1)",
        "df[['a', 'b']].apply(lambda one, more: one + more, args=(5,))",
    ]
    same_as_pandas(data, servers, data.draw(st.sampled_from(codes)), [table])


def test_functions_and_missing_values():
    frame = weft.DataFrame({"a": [1, None, 3], "s": ["x", None, "y"]})
    assert frame.a.map(lambda value: value + 1).to_list() == [2, None, 4]
    assert frame.s.map(lambda text: text * 2, na_action="ignore").to_list() == ["xx", None, "yy"]
    assert frame.a.map({1: "one", float("nan"): "none"}).to_list() == ["one", "none", None]
    assert frame.a.map({1: "one", None: "none"}, na_action="ignore").to_list() == ["one", None, None]
    assert frame.apply(lambda row: row.isna().sum(), axis=1).to_list() == [0, 2, 0]
    names = weft.DataFrame({"k": [1, 3], "v": ["p", "q"]}).set_index("k").v
    assert frame.a.map(names).to_list() == ["p", None, "q"]


@given(data=st.data())
def test_functions_over_ranks_agree_on_types(servers, data):
    """Integers on one rank and floats on another, or nothing at all."""
    rows = data.draw(st.integers(0, 9))
    values = data.draw(st.lists(st.sampled_from([1, 2, -5]), min_size=rows, max_size=rows))
    table = pa.table({"a": pa.array(values, pa.int64())})
    run(data, servers, "df.a.map(lambda value: 0.5 if value < 0 else value)", [table])
    run(data, servers, "df.apply(lambda row: None if row.a == 1 else row.a, axis=1)", [table])
    run(data, servers, "df.apply(lambda row: {'p': row.a}, axis=1, result_type='expand')", [table])
    run(data, servers, "df.a.map({1: 1, 2: 2.5})", [table])


def test_functions_refuse(servers):
    table = pa.table({"a": [1, 2], "s": ["x", None]})
    refused(servers, ValueError, "df.s.map(int)", [table], "x")
    refused(servers, TypeError, "df.a.map(lambda value: value + '')", [table])
    refused(servers, TypeError, "df.a.map(lambda value: 'x' if value == 1 else value)", [table], "one type")
    refused(servers, TypeError, "df.a.map(3)", [table], "function")
    refused(servers, ValueError, "df.a.map(len, na_action='skip')", [table], "na_action")
    refused(servers, ValueError, "df.a.map(len, engine=1)", [table], "engine")
    refused(servers, TypeError, "df.map(3)", [table], "function")
    refused(servers, ValueError, "df.map(len, na_action='skip')", [table], "na_action")
    refused(servers, TypeError, "df.apply(3)", [table], "function")
    refused(servers, TypeError, "df.apply(3, axis=1)", [table], "function")
    refused(servers, KeyError, "df.apply(lambda row: row['missing'], axis=1)", [table], "missing")
    refused(servers, ValueError, "df.apply(len, axis=2)", [table], "axis")
    refused(servers, ValueError, "df.apply(len, raw=True)", [table], "raw")
    refused(servers, ValueError, "df.apply(len, by_row=False)", [table], "by_row")
    refused(servers, ValueError, "df.apply(len, engine='numba')", [table], "engine")
    refused(servers, ValueError, "df.apply(len, engine_kwargs={})", [table], "engine_kwargs")
    refused(servers, ValueError, "df.apply(len, result_type='reduce')", [table], "result_type")
    refused(servers, ValueError, "df.a.apply(len, by_row=False)", [table], "by_row")
    refused(servers, TypeError, "df.a.apply(3)", [table], "function")


# -- names -----------------------------------------------------------------------------------------------------------


@covers("Series.to_frame", name="same")
@covers("Series.rename", index="different: a name", axis="refused", copy="refused", inplace="refused")
@covers("Series.rename", level="refused", errors="refused")
@covers("Series.name")
def test_names(servers):
    frame = weft.DataFrame({"a": [1, 2]})
    assert frame.a.rename("z").name == "z" and frame.a.to_frame("y").columns == ["y"] and frame.a.name == "a"
    assert frame.a.to_frame().columns == ["a"] and (frame.a + 1).name == "a"
    table = frame.to_arrow()
    for argument in ("axis=0", "copy=True", "inplace=True", "level=0", "errors='raise'"):
        refused(servers, ValueError, f"df.a.rename('z', {argument})", [table], argument.split("=")[0])
    refused(servers, ValueError, "df.a.rename({0: 1})", [table], "labels")


def test_integers_beyond_63_bits_as_constants():
    values = [2**64 - 1, 1, 2**63, 0]
    frame = weft.DataFrame({"u": pa.array(values, pa.uint64()), "i": [2**63 - 1, -1, 5, 0]})
    expected = pd.DataFrame({"u": np.array(values, np.uint64), "i": [2**63 - 1, -1, 5, 0]})
    for df in (frame, expected):
        assert list(df["u"] == 2**64 - 1) == [True, False, False, False]
        assert list(df["u"] >= 2**63) == [True, False, True, False]
        assert list(df["i"] < 2**63) == [True] * 4
        assert list(df["u"].isin([2**63, 0])) == [False, False, True, True]
        assert list(df["u"].replace(2**64 - 1, 2**63)) == [2**63, 1, 2**63, 0]
        assert list(df["u"].where(df["u"] > 1, 2**63)) == [2**64 - 1, 2**63, 2**63, 2**63]
        assert list(df.assign(z=2**63)["z"]) == [2**63] * 4
    assert weft.Series(pa.array([None, 1], pa.uint64())).fillna(2**63).to_list() == [2**63, 1]


def test_half_floats_are_looked_up():
    values = np.array([1.5, -0.0, np.nan, np.inf], np.float16)
    expected = pd.Series(values)
    for wanted in ([1.5, 0.0], [np.nan], [np.inf, 7], [1e9, 0.1]):
        assert weft.Series(values).isin(wanted).to_list() == expected.isin(wanted).to_list(), wanted


def test_moments_with_a_fixed_offset():
    zone = dt.timezone(dt.timedelta(hours=2))
    moments = pd.Series(pd.to_datetime(["2020-01-01", None, "2021-01-01"]).tz_localize(zone))
    made = weft.Series(moments)
    assert (made == moments[0]).to_list() == (moments == moments[0]).to_list()
    assert made.fillna(moments[0]).to_pandas().tolist() == moments.fillna(moments[0]).tolist()
