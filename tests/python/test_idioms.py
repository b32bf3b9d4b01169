"""What users of pandas write without thinking: choosing and setting by brackets, frames beside reductions, groups by
arrays; and the way out that errors name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import refused, same_as_pandas

import weft

TABLE = pa.table(
    {
        "a": [1.0, 2.0, 4.0, None],
        "b": [3, 5, 10, 5],
        "s": ["u", "v", "u", None],
        "m": pa.array([0, 1, 2, 3], pa.timestamp("us")),
    }
)


@given(data=st.data())
def test_brackets_and_reductions(servers, data):
    codes = {
        "(df[['a', 'b']] - df[['a', 'b']].mean()) / df[['a', 'b']].std()": None,
        "df[['a', 'b']].mean() - df[['b', 'a']]": "df[['a', 'b']].mean()[['b', 'a']] - df[['b', 'a']]",
        "df[['a', 'b']] > df[['a', 'b']].mean()": None,
        "df[['a', 'b']].sub(df[['a', 'b']].min())": None,
        "df[['a', 'b']] - pd.Series({'b': 1, 'a': 2})": "df[['a', 'b']] - pd.Series({'a': 2, 'b': 1})",
        "df[['a', 'b']][df[['a', 'b']] > 2]": None,
        "df.a[df.a > 1]": None,
        "df.a[1:3]": None,
        "df.a[2]": None,
        "df.b[[3, 0]]": None,
        "df.set_index('b').a[3]": None,
        "df.set_index('b').a[[10, 3]]": None,
        "[df.__setitem__('b', 7), df][1]": None,
        "[df.loc.__setitem__((df.a > 1, 'b'), 0), df][1]": None,
        "[df.loc.__setitem__((df.b > 4, ['a', 'b']), -1), df][1]": None,
        "[df.loc.__setitem__((df.b > 4, 'n'), 7), df][1]": None,
        "[df.loc.__setitem__((df.b > 4, 's'), 'Z'), df][1]": None,
        "[df.loc.__setitem__((slice(None), 'b'), 1), df][1]": None,
        "[df.loc.__setitem__((df.b > 4, 'a'), df.b), df][1]": None,
        "[one := df[['a', 'b']], one.__setitem__(one > 2, 0), one][2]": None,
        "[one := df[['a', 'b']], one.__setitem__(one.b > 4, 0), one][2]": None,
        "df.s.map(pd.Series({'u': 1.5, 'v': 2.5}))": None,
    }
    code = data.draw(st.sampled_from(list(codes)))
    same_as_pandas(data, servers, code, [TABLE], pandas=codes[code], tolerance=1e-12)


@given(data=st.data())
def test_values_by_column_go_on(servers, data):
    numbers = "df[['a', 'b']]"
    codes = {
        f"({numbers} - {numbers}.min()) / ({numbers}.max() - {numbers}.min())": None,
        "df.isnull().sum().sort_values(ascending=False, kind='stable')": None,
        "df.isnull().sum() / len(df) * 100": "df.isnull().sum() / 4 * 100",
        "(df.isna().mean() * 100).round(1)": None,
        "df.isna().sum()[df.isna().sum() > 0]": None,
        "df.isna().sum().sum()": None,
        f"{numbers}.mean()[['b', 'a']]": None,
        f"1 - {numbers}.quantile(0.5)": None,
        f"2 * {numbers}.sum() + 1": None,
        f"1 / {numbers}.max() ** 2": None,
        f"3 + ({numbers}.median() - 1)": None,
        f"{numbers}.nunique() <= 2": None,
        f"{numbers}.count() < {numbers}.nunique()": None,
        f"{numbers}.agg('max') >= 5": None,
        f"{numbers}.std().max()": None,
        f"{numbers}.idxmax().to_list()": None,
    }
    code = data.draw(st.sampled_from(list(codes)))
    text = code.replace("len(df)", "df.total_rows()")
    same_as_pandas(data, servers, text, [TABLE], pandas=codes[code] or code, tolerance=1e-12)


def test_values_by_column_are_a_dict():
    frame = weft.DataFrame(TABLE)
    values = frame[["a", "b"]].sum()
    assert values == {"a": 7.0, "b": 23} and isinstance(values, dict) and values["a"] == 7.0
    assert frame.memory_usage().sum() == sum(frame.memory_usage().values())
    assert values.index.to_list() == ["a", "b"]
    assert values.to_frame("total").to_pydict() == {"__index_level_0__": ["a", "b"], "total": [7.0, 23.0]}
    with pytest.raises(AttributeError, match="a dict, and have what a Series has"):
        values.nothing
    mixed = frame[["b", "s"]].max(skipna=True)
    assert mixed == {"b": 10, "s": "v"} and not hasattr(mixed, "index")
    assert frame[["b", "s"]].eq(mixed).sum() == {"b": 1, "s": 1}
    with pytest.raises(AttributeError, match="no Series"):
        mixed.sort_values()
    with pytest.raises(KeyError):
        values["z"]
    with pytest.raises(TypeError):
        values - "a"


def test_columns_are_a_list_and_more():
    frame = weft.DataFrame({" A": [1], "B b": [2]})
    assert frame.columns == [" A", "B b"] and frame.columns.tolist() == [" A", "B b"] and frame.columns.size == 2
    frame.columns = frame.columns.str.strip().str.lower().str.replace(" ", "_")
    assert frame.columns == ["a", "b_b"]
    frame.insert(0, "id", range(1))
    assert frame.pop("id").to_list() == [0]
    with pytest.raises(AttributeError, match="reset_index"):
        frame.set_index("a").index.month
    assert list(frame.columns.difference(["a"])) == ["b_b"] and list(frame.columns.drop("a")) == ["b_b"]
    assert frame[frame.columns.difference(["a"]).tolist()].columns == ["b_b"]
    with pytest.raises(AttributeError, match="are a list"):
        frame.columns.nothing


@given(data=st.data())
def test_slices_of_dates(servers, data):
    days = data.draw(st.lists(st.integers(0, 200), max_size=15).map(sorted))
    moments = [pd.Timestamp("2023-12-20 05:00") + pd.Timedelta(hours=13 * day) for day in days]
    zone = data.draw(st.sampled_from([None, "Asia/Tokyo"]))
    unit = data.draw(st.sampled_from(["us", "ns", "s"]))
    array = pa.array(moments, pa.timestamp(unit)).cast(pa.timestamp(unit, zone))
    table = pa.table({"m": array, "v": list(range(len(moments)))})
    ends = ["2024-01-05", "2024-01", "2024", "2024-01-20 18", "2024-01-20 18:30", "2023-12-31", "2024-03-01"]
    one, two = sorted(data.draw(st.lists(st.sampled_from(ends), min_size=2, max_size=2)))
    code = data.draw(st.sampled_from([f"[{one!r}:{two!r}]", f".loc[{one!r}:]", f".v.loc[:{two!r}]", f".v[{one!r}:]"]))
    same_as_pandas(data, servers, f"df.set_index('m'){code}", [table])


@given(data=st.data())
def test_rows_by_a_series(servers, data):
    codes = {
        "df.iloc[df.groupby('s')['b'].idxmax()]": "df.loc[df.groupby('s')['b'].idxmax()]",
        "df.iloc[df.b.iloc[:1]]": None,
        "df.b.iloc[df.groupby('s')['b'].idxmin()]": None,
        "df.set_index('m').loc[df.m.iloc[[2, 0]]]": None,
        "df.set_index('m').loc[df.m.iloc[[3, 0, 3]], 'b']": None,
        "df.set_index('m').b.loc[df.m[df.b > 3]]": None,
        "df.set_index('b').index.max()": None,
        "df.set_index('m').index.min()": None,
        "df.set_index('m')['1970-01-01 00:00:00.000001':'1970-01-01 00:00:00.000002']": None,
        "df.dropna().set_index('s').sort_index()['u':'v']": None,
        "df.set_index('m')[pd.Timestamp(1000):].b": None,
    }
    code = data.draw(st.sampled_from(list(codes)))
    same_as_pandas(data, servers, code, [TABLE], pandas=codes[code])


def test_rows_by_a_series_refuse(servers):
    refused(servers, ValueError, "df.loc[df.b]", [TABLE], "iloc takes")
    refused(servers, KeyError, "df.set_index('b').loc[df.a]", [TABLE], "no label")
    refused(servers, IndexError, "df.iloc[df.b]", [TABLE], "there is no row 5")
    refused(servers, TypeError, "df.iloc[df.s]", [TABLE], "position")
    refused(servers, ValueError, "df.index.max()", [TABLE], "one column")


def test_names_of_columns_are_set():
    frame = weft.DataFrame({"a": [1], "b": [2]})
    before = frame.copy()
    frame.columns = ["x", "y"]
    assert frame.to_pydict() == {"x": [1], "y": [2]} and before.columns == ["a", "b"]
    with pytest.raises(ValueError, match="1 names for 2 columns"):
        frame.columns = ["x"]
    with pytest.raises(TypeError, match=r"set_index\(\)"):
        frame.index = [1]


def test_groups_by_arrays():
    frame = weft.DataFrame(TABLE)
    keys = np.array([1, 1, 2, 2])
    assert frame.groupby(keys).b.sum().to_list() == [8, 15]
    made = frame.groupby([pd.Series(keys, name="q"), "s"]).b.sum()
    assert made.index.names == ["q", "s"] and made.to_list() == [3, 5, 10]
    with pytest.raises(ValueError, match="2 values are given for 4 rows"):
        frame.groupby(np.array([1, 2]))


def test_data_of_pandas():
    assert weft.Series(pd.Index([1, 2], name="q")).to_frame().to_pydict() == {"q": [1, 2]}
    assert weft.Series(pd.date_range("2020-01-01", periods=2)).dt.day.to_list() == [1, 2]
    assert weft.Series(pd.array([1, None])).to_list() == [1, None]
    assert weft.DataFrame(columns=["a", "b"]).columns == ["a", "b"]
    assert weft.DataFrame({0: [1]})[0].to_list() == [1]
    with pytest.raises(TypeError, match="periods are not taken.*to_timestamp"):
        weft.DataFrame({"p": pd.Series(pd.period_range("2020-01", periods=2, freq="M"))})


def test_short_texts():
    frame = weft.DataFrame(TABLE)
    assert repr(frame.groupby("s")) == "<GroupBy by s of a, b, m>"
    assert repr(frame.groupby("s").a) == "<SeriesGroupBy by s of a>"
    assert repr(frame.a.rolling(2)) == "<Rolling of a>"
    assert repr(frame.loc) == "<DataFrame.loc: use it with [...]>"
    assert "<table" in frame.a._repr_html_()


def test_errors_name_the_way_out(servers):
    for code in ("df.loc.__setitem__((0, 'a'), 1)", "df.iloc.__setitem__((0, 0), 1)", "df.at.__setitem__((0, 'a'), 1)"):
        refused(servers, TypeError, code, [TABLE], "mask(condition, value)")
    refused(servers, TypeError, "df.a.__setitem__(0, 1)", [TABLE], "where, mask or replace")
    refused(servers, TypeError, "df.__setitem__(7, 1)", [TABLE], "name of one column or a condition")
    refused(servers, ValueError, "df.loc.__setitem__((df.a > 1, 'a'), [1])", [TABLE], "constant")
    refused(servers, ValueError, "df - df[['a', 'b']].mean()", [TABLE], "subtract: the dict is of", "df[list(values)]")
    refused(servers, ValueError, "df.groupby([df.m.dt.year, df.m.dt.month])", [TABLE], "rename('month')")
    refused(servers, KeyError, "df[9]", [TABLE], "df.iloc")
