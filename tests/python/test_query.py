"""`query` and `eval`: texts as conditions and as columns; distributed = local = pandas."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
import tables
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import covers, refused, same_as_pandas
from test_expression import at_once

import weft

NAMES = {"limit": 3, "words": ["a", "Größe"], "found": {"least": 0.25}, "shorter": {"Größe": "G"}}

CONDITIONS = [
    "a > 1",
    "-1 < a <= 7",
    "a > b > -4",
    "a > 1 and b < 4",
    "a > 1 & b < 4 | x > 0",
    "not a > 1 or t",
    "~(a > 1) | s == 'b'",
    "not t",
    "`a b` > @limit",
    "`a b` * 2 + 1 >= a - @limit",
    "s in ['a', 'b']",
    "s not in @words",
    "s == @words",
    "s != @words and b > 0",
    "[1, 7] == a",
    "s != 'a'",
    "'a' in s",
    "s in 'a'",
    "a in b",
    "a in (1, 2)",
    "x == None",
    "x != None and x == x",
    "m > '1990-01-01'",
    "m <= @pd.Timestamp('2013-01-01 10:00')",
    "m.dt.year == 2013",
    "s.str.contains('r')",
    "s.str.startswith('G') == False and s.isna() == False",
    "s.str.len() > 1",
    "s > 'a'",
    "x.isna()",
    "x.notna() and a.abs() > 1",
    "a.between(0, 7, inclusive='left')",
    "b.isin([1, 3])",
    "b.isin(@words)",
    "x.fillna(0) >= @found['least']",
    "a % 3 == 1 or a // 2 < 0 or b ** 2 > 10",
    "-a / 2 < +b",
    "b > b.mean()",
    "b > b.shift(1)",
    "b.cumsum() > 2 and a.rank() < 9",
    "sqrt(b) > 1.5 or abs(a) == 7",
    "@np.floor(b) == 3",
    "s.map(@shorter) == 'G'",
    "b.where(b > 0, a) > 3",
    "2 * 3 > a",
    "@df.a > 1",
    "@limit in [1, 2] or a > 1",
]


def draw(data: st.DataObject) -> pa.Table:
    table = data.draw(tables.numbers("abxtsm"))
    return table.append_column("a b", table["a"])


@covers("DataFrame.query", "different: == with a text is of the moment, beside moments")
@covers("DataFrame.query", expr="different: no slices; attributes of columns are .str and .dt", level="same",
        local_dict="same", global_dict="same", parser="different: pandas' alone", resolvers="refused",
        engine="different: None or python", inplace="refused")  # fmt: skip
@given(data=st.data())
def test_query(servers, data):
    code = f"df.query({data.draw(st.sampled_from(CONDITIONS))!r})"
    same_as_pandas(data, servers, code, [draw(data)], **NAMES)


@given(data=st.data())
def test_conditions(servers, data):
    same_as_pandas(data, servers, at_once([f"df.eval({text!r})" for text in CONDITIONS]), [draw(data)], **NAMES)


OPTIONS = [
    "df.query('a > @y', local_dict={'y': 1})",
    "df.query('a > @limit', global_dict={'limit': 1})",
    "df.query('a > @limit', local_dict={'limit': -1}, global_dict={'limit': 1})",
    "(lambda f: (lambda limit: f(0))(-1))(lambda n: df.query('a > @limit', level=1))",
    "(lambda limit: df.query('a > @limit', level=0))(-1)",
    "df.query('a > 1', parser='pandas', engine='python')",
    "df.eval('a > @y', local_dict={'y': 1}, global_dict={})",
    "(lambda f: (lambda limit: f(0))(-1))(lambda n: df.eval('a + @limit', level=1, engine='python'))",
]


@settings(max_examples=2)
@given(data=st.data())
def test_where_variables_are(servers, data):
    table = draw(data)
    for code in OPTIONS:
        same_as_pandas(data, servers, code, [table], **NAMES)


INDEXED = [
    "df.set_index('s').query('s == \"a\"')",
    "df.set_index('b').query('b > 0 and index < 4')",
    "df.set_index(['s', 'b']).query('b > 0 and s != \"a\"')",
    "df.set_index('b').eval('a + b')",
    "df.set_index('b').eval('index * 2').rename('v')",
    "df.set_index('b').eval('c = index + a')",
]


@settings(max_examples=2)
@given(data=st.data())
def test_index(servers, data):
    table = draw(data)
    for code in INDEXED:
        same_as_pandas(data, servers, code, [table])


VALUES = [
    "a + b",
    "a",
    "a > 1 and b < 3",
    "x.fillna(0) * 2 - a",
    "`a b` - 1",
    "a.where(a > 0)",
    "s.str.upper()",
    "m.dt.month",
    "b - b.min()",
    "-b",
    "log(abs(b))",
    "b.sum()",
    "1 + 2 * @limit",
]
ASSIGNED = [
    "b.sum()",
    "c = a + b",
    "a = a * 2",
    "c = 'x'",
    "c = @limit",
    "c = s == 'a'",
    " c = a + b \n\n d = c * 2\n c = d - c",
    "c = b.cumsum()\nd = c > c.mean()",
    "c = @df.b + a",
]


@covers("DataFrame.eval", expr="same", inplace="refused")
@settings(max_examples=3)
@given(data=st.data())
def test_eval(servers, data):
    table = draw(data)
    for text in ASSIGNED:
        same_as_pandas(data, servers, f"df.eval({text!r})", [table], **NAMES)
    same_as_pandas(data, servers, at_once([f"df.eval({text!r})" for text in VALUES]), [table], **NAMES)


def test_what_pandas_does_not_read():
    frame = weft.DataFrame(
        {"a": [1, 2, None], "b c": [3, 2, 1], "m": pd.to_datetime(["2020-01-01", None, "2021-01-01"])}
    )
    assert frame.query("m == '2020-01-01'").to_pydict()["a"] == [1]
    assert frame.query("a > 1\n or `b c` == 3")["a"].to_list() == [1, 2]
    assert frame.eval("`b c` = a * 2").to_pydict()["b c"] == [2, 4, None]
    assert frame.eval("s = 'x' + 'y'").eval("s + '!'").to_list() == ["xy!"] * 3
    labelled = weft.DataFrame({"a": [1, 2, 3]}, index=[4, 5, 6])
    assert labelled.query("index > 4 and ilevel_0 < 6")["a"].to_list() == [2]
    assert frame.eval("1 - a").name == "a" and frame.eval("c = 1").columns == ["a", "b c", "m", "c"]


def test_variables_are_of_the_caller():
    limit, text = 2, str
    frame = weft.DataFrame({"a": [1, 2, 3]})
    assert frame.query("a > @limit").to_pydict() == {"a": [3]}
    assert frame.eval("a * @limit").to_list() == [limit, 2 * limit, 6]

    def inner(limit):
        return frame.query("a > @limit", level=1)["a"].to_list() + frame.query("a > @limit")["a"].to_list()

    assert inner(0) == [3, 1, 2, 3]

    def above(series, least):
        assert isinstance(series, weft.Series)
        return series > least

    assert frame.query("@above(a + 1, 2)")["a"].to_list() == [2, 3]
    assert frame.query("a.map(@text) == '2'")["a"].to_list() == [int(text(2))]
    assert frame.query("a.isin(@frame.a)")["a"].to_list() == [1, 2, 3]


TABLE = pa.table({"a": [1, 2, None], "b": [3.0, None, 1.0], "s": ["x", None, "y"]})

WRONG = [
    (ValueError, "df.query('a >')", "a >"),
    (ValueError, "df.query('')", "not one expression"),
    (ValueError, "df.query('a > 1; b')", "not one expression"),
    (ValueError, "df.query('lambda: a')", "lambda"),
    (ValueError, "df.query('a if b else s')", "a if b else s"),
    (ValueError, "df.query('a ^ 1')", "a ^ 1"),
    (ValueError, "df.query('b > 1 and a is None')", "a is None"),
    (ValueError, "df.query('a[0] > 1')", "a[0]"),
    (ValueError, "df.query('a.size > 1')", "a.size"),
    (ValueError, "df.query('a.to_list()')", "to_list"),
    (ValueError, "df.query('a._frame')", "_frame"),
    (ValueError, "df.query('a in [a, b]')", "[a, b]"),
    (ValueError, "df.query('1 in a')", "1 in a"),
    (ValueError, "df.query('a > 1 / 0')", "1 / 0"),
    (ValueError, "df.query('a.isin(*[1])')", "star"),
    (ValueError, "df.query('c = a')", "eval"),
    (ValueError, "df.query('index > 1')", "no index"),
    (ValueError, "df.set_index(['a', 's']).query('index > 1')", "2 columns"),
    (KeyError, "df.query('`a z` > 1')", "a z"),
    (KeyError, "df.query('ax > 1')", "did you mean 'a'"),
    (KeyError, "df.query('np > 1')", "@np"),
    (KeyError, "df.query('a > @nothing')", "nothing"),
    (KeyError, "df.query('f(a)')", "'f'"),
    (ValueError, "df.query('@col.nothing > a')", "@col.nothing"),
    (ValueError, "df.query('@env(a)')", "@env(a)"),
    (TypeError, "df.query('a')", "query"),
    (TypeError, "df.query('3')", "one int"),
    (TypeError, "df.query('a > \\'x\\'')", "query"),
    (TypeError, "df.query('a.str.len() > 1')", ".str"),
    (TypeError, "df.query('-s == s')", "query"),
    (TypeError, "df.query(3)", "text"),
    (ValueError, "df.query('a > 1', parser='python')", "parser"),
    (ValueError, "df.query('a > 1', engine='numexpr')", "engine"),
    (ValueError, "df.query('a > 1', resolvers=[{}])", "resolvers"),
    (ValueError, "df.query('a > 1', inplace=True)", "inplace"),
    (ValueError, "df.eval('c = 1', inplace=True)", "inplace"),
    (ValueError, "df.eval('c = 1', parser='python')", "parser"),
    (TypeError, "df.eval('c = 1', target=3)", "target"),
    (ValueError, "df.eval('')", "empty"),
    (ValueError, "df.eval('c = 1\\na + 1')", "a + 1"),
    (ValueError, "df.eval('@c = 1')", "@c"),
    (ValueError, "df.eval('a.b = 1')", "a.b"),
    (ValueError, "df.eval('c = d = 1')", "c = d = 1"),
    (ValueError, "df.eval('a += 1')", "a += 1"),
]


@pytest.mark.parametrize(("kind", "code", "says"), WRONG)
def test_refused(servers, kind, code, says):
    refused(servers, kind, code, [TABLE], says)
