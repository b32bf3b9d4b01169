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
