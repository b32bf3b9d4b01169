"""Operators of Series, frames and expressions: arithmetic, comparison, logic; distributed = local = pandas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, run, same_as_pandas

import weft
from weft import col


def covers_each(methods: str, outcome: str = "same", **arguments: str) -> Callable[[Any], Any]:
    """`covers` for several methods, named in one text."""
    for method in methods.split():
        covers(method, outcome, **arguments)
    return lambda test: test


def at_once(codes: list[str]) -> str:
    """Many Series, as columns of one frame: one run on the ranks."""
    return f"df.assign({', '.join(f'r{number}={code}' for number, code in enumerate(codes))})"


NAMED = "add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow"
COMPARED = "eq ne lt le gt ge"

ARITHMETIC = [
    *(f"df.a {sign} df.b" for sign in ("+", "-", "*", "/", "//", "%")),
    *(f"df.x {sign} df.b" for sign in ("+", "-", "*", "/", "//", "%", "**")),
    *(f"df.f {sign} df.x" for sign in ("+", "-", "*", "/", "//", "%", "**")),
    *(f"df.f {sign} 0.1" for sign in ("+", "-", "*", "/")),
    *(f"df.u {sign} df.b" for sign in ("+", "-", "*", "/", "//", "%")),
    *(f"df.a {sign} 3" for sign in ("+", "-", "*", "/", "//", "%", "**")),
    *(f"df.a {sign} -3" for sign in ("//", "%")),
    *(f"df.a {sign} 2.5" for sign in ("+", "-", "*", "/", "//", "%", "**")),
    *(f"df.a {sign} 0" for sign in ("/", "//", "%", "**")),
    *(f"3 {sign} df.b" for sign in ("+", "-", "*", "/", "//", "%")),
    *(f"2.5 {sign} df.x" for sign in ("+", "-", "*", "/", "//", "%", "**")),
    "df.x // 0",
    "df.x % 0.0",
    "df.t + df.t",
    "df.t * df.t",
    "df.t + 1",
    "df.t * df.x",
    "df.t / df.b",
    "-df.a",
    "-df.x",
    "+df.a",
    "abs(df.a)",
    "abs(df.x)",
    "df.s + 'z'",
    "'z' + df.s",
    "df.s + df.s",
    "df.s * 2",
    "df.b ** 2",
    "(df.a * 2 + df.x / 4 - 1) * df.b",
]

TIME = [
    "df.m + df.d",
    "df.d + df.m",
    "df.m - df.d",
    "df.m - pd.Timestamp('2000-01-01')",
    "df.m + pd.Timedelta(days=1)",
    "pd.Timestamp('2050-01-01') - df.m",
    "df.d + df.d",
    "df.d - pd.Timedelta(1, 's')",
    "df.d * 3",
    "2.5 * df.d",
    "df.d / 2",
    "df.d / 0.5",
    "df.d / pd.Timedelta(hours=1)",
    "df.d // pd.Timedelta(hours=7)",
    "df.d % pd.Timedelta(hours=7)",
    "df.d // 7",
    "-df.d",
    "df.d.abs()",
    "df.m > '2000-01-01'",
    "df.m == pd.Timestamp('1970-01-01')",
    "df.d <= pd.Timedelta(0)",
]


@covers_each("Series.abs Series.add Series.sub Series.mul Series.div Series.mod Series.pow")
@given(data=st.data())
def test_arithmetic(servers, data):
    table = data.draw(tables.numbers())
    same_as_pandas(data, servers, at_once(ARITHMETIC), [table], tolerance=1e-6)


@given(data=st.data())
def test_time(servers, data):
    table = data.draw(tables.numbers("md"))
    same_as_pandas(data, servers, at_once(TIME), [table])


@covers_each(" ".join(f"Series.{name}" for name in NAMED.split()), other="same", fill_value="same")
@covers_each(" ".join(f"Series.{name}" for name in NAMED.split()), level="refused", axis="same")
@given(data=st.data())
def test_arithmetic_by_name(servers, data):
    table = data.draw(tables.numbers("xf"))
    methods = NAMED.split()
    codes = [f"df.x.{name}(df.f)" for name in methods]
    codes += [f"df.x.{name}(df.f, fill_value=2)" for name in methods]
    codes += [f"df.x.{name}(1.5, fill_value=2, axis='index')" for name in methods]
    same_as_pandas(data, servers, at_once(codes), [table], tolerance=1e-6)


@covers_each(" ".join(f"Series.{name}" for name in COMPARED.split()), other="same", fill_value="same")
@covers_each(" ".join(f"Series.{name}" for name in COMPARED.split()), level="refused", axis="same")
@given(data=st.data())
def test_comparison(servers, data):
    table = data.draw(tables.numbers("abuxftsmd"))
    codes = [f"df.a {sign} df.b" for sign in ("==", "!=", "<", "<=", ">", ">=")]
    codes += [f"df.x {sign} df.f" for sign in ("==", "!=", "<", "<=", ">", ">=")]
    codes += [f"df.{name} {sign} df.{name}" for name in "sutmd" for sign in ("==", "!=", "<=")]
    codes += [f"df.a.{name}(1)" for name in COMPARED.split()]
    codes += [f"df.x.{name}(df.f, fill_value=0)" for name in COMPARED.split()]
    codes += ["df.u > 1000", "df.u != -1", "df.u < 2**70", "df.s == 1", "df.s != df.a", "df.s < 'b'", "1 < df.a"]
    codes += ["df.a == None", "df.a != None", "df.x == float('nan')", "df.a == 0.5", "df.t == True"]
    same_as_pandas(data, servers, at_once(codes), [table])


@given(data=st.data())
def test_logic(servers, data):
    rows = data.draw(st.integers(0, 12))
    picked = [data.draw(st.lists(st.sampled_from([True, False, None]), min_size=rows, max_size=rows)) for _ in "pq"]
    table = pa.table(
        {
            "p": pa.array(picked[0], pa.bool_()),
            "q": pa.array(picked[1], pa.bool_()),
            "i": pa.array(range(rows), pa.int64()),
            "j": pa.array([5] * rows, pa.uint8()),
        }
    )
    codes = ["df.p & df.q", "df.p | df.q", "df.p ^ df.q", "~df.p", "df.p & True", "False | df.q", "~(df.p & ~df.q)"]
    codes += ["df.i & df.j", "df.i | 6", "3 ^ df.i", "~df.i", "(df.i > 3) & df.p"]
    # Logic of pandas' nullable truth values.
    convert = lambda one: one.to_pandas().astype({"p": "boolean", "q": "boolean"})  # noqa: E731
    same_as_pandas(data, servers, at_once(codes), [table], convert=convert)


@given(data=st.data())
def test_integers_wrap_as_numpys(servers, data):
    rows = data.draw(st.integers(1, 8))

    def column(kind):
        type, values = tables.KEYS[kind]
        return pa.array(data.draw(st.lists(st.sampled_from(values), min_size=rows, max_size=rows)), type)

    kinds = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
    pair = [data.draw(st.sampled_from(kinds)) for _ in "ab"]
    table = pa.table({"a": column(pair[0]), "b": column(pair[1])})
    codes = ["df.a + df.b", "df.a - df.b", "df.a * df.b", "df.a / df.b", "-df.a", "abs(df.a)", "df.a ** 3", "~df.b"]
    codes += ["df.a == df.b", "df.a < df.b", "df.a >= df.b", "df.a // 2", "df.b % 7"]
    if pair[0] == pair[1] and pair[0].startswith("int"):
        codes += ["df.a // -1", "df.a % -1"]
    same_as_pandas(data, servers, at_once(codes), [table], tolerance=1e-15)


def test_types_are_numpys():
    frame = weft.DataFrame(
        {"i": pa.array([1], pa.int8()), "u": pa.array([2], pa.uint64()), "f": pa.array([1.5], pa.float32())}
    )
    of_pandas = frame.to_pandas()
    for code in ("df.i + df.u", "df.i + 1", "df.f * 2", "df.f + 0.1", "df.i / df.i", "df.i // df.i", "df.f / df.i"):
        found, expected = (eval(code, {"df": one}).dtype for one in (frame, of_pandas))
        assert found == pa.from_numpy_dtype(expected), (code, found, expected)


def test_division_of_integers_by_zero():
    """A constant 0 makes floats, as in pandas; a column's 0 makes missing values: the type does not hang on the data."""
    frame = weft.DataFrame({"a": [7, -7, 0], "z": [0, 2, 0]})
    assert (frame.a // 0).to_list()[:2] == [float("inf"), float("-inf")]
    assert (frame.a // frame.z).to_list() == [None, -4, None]
    assert (frame.a % frame.z).to_list() == [None, 1, None]
    assert (frame.a / frame.z).to_list()[:2] == [float("inf"), -3.5]


def test_half_floats_and_decimals():
    frame = weft.DataFrame(
        {
            "h": pa.array([1.5, None, -2.0], pa.float16()),
            "d": pa.array(["1.10", "2.25", None]).cast(pa.decimal128(8, 2)),
        }
    )
    assert (frame.h * 2 + 1).to_list() == [4.0, None, -3.0] and (frame.h * 2).dtype == pa.float16()
    assert (frame.h < 0).to_list() == [False, False, True] and abs(frame.h).to_list() == [1.5, None, 2.0]
    assert [str(value) for value in (frame.d + frame.d).to_list()] == ["2.20", "4.50", "None"]
    assert (frame.d * 2 > 3).to_list() == [False, True, False]
    assert (frame.d / 2).to_list() == [0.55, 1.125, None]
    with pytest.raises(TypeError, match="decimals"):
        frame.d // 2


def test_dates():
    import datetime as dt

    frame = weft.DataFrame({"d": [dt.date(2020, 2, 28), None], "e": [dt.date(2020, 3, 1), dt.date(1960, 1, 1)]})
    assert (frame.e - frame.d).to_list() == [dt.timedelta(days=2), None]
    assert (frame.d + dt.timedelta(days=2, hours=5)).to_list() == [dt.date(2020, 3, 1), None]
    assert (frame.e - dt.timedelta(hours=-5)).to_list() == [dt.date(2020, 3, 2), dt.date(1960, 1, 2)]
    assert (frame.e > dt.date(2000, 1, 1)).to_list() == [True, False]


# -- operands of other frames ----------------------------------------------------------------------------------------


@given(data=st.data())
def test_operands_of_other_frames(servers, data):
    """Rows that lie differently on the ranks are moved."""
    rows = data.draw(st.integers(0, 12))
    left, right = data.draw(tables.numbers("axs", rows=rows)), data.draw(tables.numbers("bxt", rows=rows))
    codes = ["df.a + other.b", "other.x - df.x", "df.a.where(other.t, other.b)", "df.a.fillna(other.b)"]
    for code in (f"{codes[0]}", codes[1], codes[2], codes[3], "df.assign(c=other.b, d=other.x * 2)", "df[other.t]"):
        same_as_pandas(data, servers, code, [left, right], tolerance=1e-9)


@given(data=st.data())
def test_operands_with_an_index(servers, data):
    rows = data.draw(st.integers(0, 10))
    keys = pa.array([f"k{number}" if number else None for number in range(rows)], pa.string())
    left = data.draw(tables.numbers("ax", rows=rows)).append_column("k", keys)
    right = data.draw(tables.numbers("b", rows=rows)).append_column("k", keys)
    code = "df.set_index('k').a + other.set_index('k').b"
    same_as_pandas(data, servers, code, [left, right])
    if rows > 1:
        moved = right.set_column(1, "k", pa.array(list(reversed(keys.to_pylist())), pa.string()))
        with pytest.raises(ValueError, match="indexes"):
            run(data, servers, code, [left, moved])


def test_operands_that_do_not_fit(servers):
    table = pa.table({"a": [1, 2, 3], "s": ["x", "y", None], "l": [[1], [2], None]})
    short = pa.table({"b": [1, 2]})
    refused(servers, ValueError, "df.a + other.b", [table, short], "rows")
    refused(servers, ValueError, "df.assign(c=other.b)", [table, short], "rows")
    refused(servers, ValueError, "df.filter(other.b > 1)", [table, short], "rows")
    refused(servers, ValueError, "df.set_index('s').a + df.a", [table], "index")
    refused(servers, ValueError, "df.a + [1]", [table], "add")
    refused(servers, TypeError, "df.a + df.s", [table], "+", "int64")
    refused(servers, TypeError, "df.a - df.l", [table], "-")
    refused(servers, TypeError, "df.s < 1", [table], "<")
    refused(servers, TypeError, "df.a & df.s", [table], "&")
    refused(servers, TypeError, "-df.s", [table], "string")
    refused(servers, TypeError, "df.a + col('a')", [table], "expression")
    refused(servers, TypeError, "df.a + {'x': 1}", [table])
    refused(servers, ValueError, "df.a ** -1", [table], "negative")
    refused(servers, ValueError, "2 ** (df.a - 3)", [table], "negative")
    refused(servers, ValueError, "df.a.add(1, level=0)", [table], "level")
    refused(servers, ValueError, "df.a.astype('int8') + 1000", [table], "int8")
    refused(servers, TypeError, "df.a + df", [table], "frame")


def test_a_series_and_its_truth():
    frame = weft.DataFrame({"a": [1, 2]})
    with pytest.raises(ValueError, match="ambiguous"):
        bool(frame.a == 1)
    with pytest.raises(TypeError, match="& |"):
        bool(col("a") > 1)
    assert ((frame["a"] == 1).name == "a" and not hasattr(frame.a, "__hash__")) or frame.a.__hash__ is None


# -- frames ----------------------------------------------------------------------------------------------------------


@covers_each(
    " ".join(f"DataFrame.{name}" for name in (NAMED + " div rdiv subtract multiply divide").split()), other="same"
)
@covers_each(" ".join(f"DataFrame.{name}" for name in NAMED.split()), fill_value="same", level="refused")
@covers_each(" ".join(f"DataFrame.{name}" for name in NAMED.split()), axis="different: a Series goes by rows, axis=0")
@covers_each(" ".join(f"DataFrame.{name}" for name in COMPARED.split()), other="same", level="refused")
@covers_each(
    " ".join(f"DataFrame.{name}" for name in COMPARED.split()), axis="different: a Series goes by rows, axis=0"
)
@covers_each("Series.div Series.rdiv Series.subtract Series.multiply Series.divide", other="same", fill_value="same")
@given(data=st.data())
def test_frames(servers, data):
    rows = data.draw(st.integers(0, 12))
    left, right = (data.draw(tables.numbers("bxf", rows=rows)) for _ in "lr")
    methods = NAMED.split()
    codes = ["df + 1", "2.5 * df", "df - other", "df / other", "-df", "df == other", "df != df", "df > 0", "abs(df)"]
    codes += [f"df[['x', 'f']].{name}(other[['x', 'f']], fill_value=1)" for name in methods]
    codes += [f"df[['x', 'f']].{name}(df.b, axis=0)" for name in ("add", "rsub", "mul", "div", "gt", "eq")]
    codes += ["df + [1, 2.5, 3]", "df.add([1, 2, 3])", "df.ne(other)", "df.set_index('b') * 2", "df.rdiv(1)"]
    same_as_pandas(data, servers, data.draw(st.sampled_from(codes)), [left, right], tolerance=1e-6)


def test_frames_refuse(servers):
    table = pa.table({"a": [1, 2], "b": [3, 4]})
    refused(servers, ValueError, "df + df.a", [table], "axis=0")
    refused(servers, ValueError, "df + df[['a']]", [table], "columns")
    refused(servers, ValueError, "df + [1]", [table], "columns")
    refused(servers, ValueError, "df.add(1, axis=2)", [table], "axis")
    refused(servers, ValueError, "df.add(1, level=0)", [table], "level")
    refused(servers, ValueError, "df + {'a': 1}", [table], "dict")


# -- expressions -----------------------------------------------------------------------------------------------------


@given(data=st.data())
def test_expressions_are_the_same(servers, data):
    """What a Series answers, an expression answers."""
    table = data.draw(tables.numbers())
    codes = [code.replace("df.", "col('").replace(" ", "') ", 1) for code in ("df.a + 1", "df.x * 2", "df.s + 'z'")]
    codes += ["(col('a') // 2) % 3", "col('x').abs().round(1)", "col('a').between(0, 5)", "col('s').str.upper()"]
    codes += ["col('m').dt.year", "col('x').fillna(0.0)", "col('a').where(col('t'), -1)", "col('a').isin([1, 2])"]
    series = [code.replace("col('", "df['").replace("')", "']") for code in codes]
    same_as_pandas(data, servers, at_once(codes), [table], pandas=at_once(series))


def test_filters_of_readers_know_no_types():
    with pytest.raises(TypeError, match="read first"):
        (col("a") // 2 > 1).lower(as_filter=True)
    assert isinstance((col("a") > 1).lower(as_filter=True), object)


def test_repr_of_an_expression():
    assert repr((col("a") + 1 > 2) & ~col("b").isna()) == "and(greater(add(col('a'), 1), 2), not(is_null(col('b'))))"
    assert isinstance(pd.NA, object)
