"""Making frames and Series of all kinds of data, and getting the data out again."""

from __future__ import annotations

import collections
import datetime as dt
import io
import warnings

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers

import weft

RECORDS = [{"a": 1, "b": "x"}, {"b": "y", "c": 2.5}, {"a": 3}]


def frame():
    return weft.DataFrame({"k": ["a", "b", None], "v": [1.5, None, 3.0], "n": [1, 2, 3]})


# -- in --------------------------------------------------------------------------------------------------------------


@covers("DataFrame.from_dict", data="same", orient="same", dtype="different: an Arrow type", columns="same")
@covers("DataFrame.from_records", data="same", index="same", exclude="same", columns="same", nrows="same",
        coerce_float="refused")  # fmt: skip
@covers("DataFrame.from_arrow", data="same")
@pytest.mark.parametrize(
    "code",
    [
        "DataFrame([[1, 'x'], [2, 'y']])",
        "DataFrame([(1, 'x'), (2, 'y')], columns=['a', 'b'])",
        "DataFrame([1, 2, 3])",
        "DataFrame(records)",
        "DataFrame(records, columns=['c', 'a'])",
        "DataFrame(iter(records))",
        "DataFrame([Point(1, 2), Point(3, 4)])",
        "DataFrame([np.arange(3), np.arange(3)])",
        "DataFrame([])",
        "DataFrame()",
        "DataFrame({})",
        "DataFrame(np.arange(6).reshape(2, 3))",
        "DataFrame(np.arange(3))",
        "DataFrame(structured)",
        "DataFrame({'a': [1, 2], 'b': 7})",
        "DataFrame({'a': range(3)})",
        "DataFrame({'a': [1, 2]}, index=['x', 'y'])",
        "DataFrame(np.arange(4).reshape(2, 2), index=pd.Index([7, 8], name='i'), columns=['a', 'b'])",
        "DataFrame({'a': [1, 2]}, dtype='float64')",
        "DataFrame([[1, 2]], dtype=np.int8)",
        "DataFrame.from_dict({'a': [1, 2], 'b': [3, 4]})",
        "DataFrame.from_dict({'x': [1, 2], 'y': [3, 4]}, orient='index', columns=['a', 'b'])",
        "DataFrame.from_dict({'x': {'a': 1}, 'y': {'a': 2}}, orient='index')",
        "DataFrame.from_dict({'a': [1, 2]}, dtype='float32')",
        "DataFrame.from_records([(1, 'x'), (2, 'y')], columns=['a', 'b'])",
        "DataFrame.from_records(records, index='b')",
        "DataFrame.from_records([(1, 'x'), (2, 'y')], columns=['a', 'b'], exclude=['a'])",
        "DataFrame.from_records(structured, index=['x'])",
        "DataFrame.from_records(iter([(1, 2), (3, 4), (5, 6)]), columns=['a', 'b'], nrows=2)",
        "DataFrame.from_records([(1, 2), (3, 4)], index=['x', 'y'])",
        "DataFrame.from_arrow(pa.table({'a': [1, None]}))",
    ],
)
def test_as_pandas_makes_it(code):
    Point = collections.namedtuple("Point", "x y")
    structured = np.array([(1, 2.5), (3, 4.5)], dtype=[("x", "i4"), ("y", "f8")])
    names = {"records": RECORDS, "np": np, "pd": pd, "pa": pa, "Point": Point, "structured": structured}
    made = eval(code, {**names, "DataFrame": weft.DataFrame})
    expected = eval(code, {**names, "DataFrame": pd.DataFrame})
    named = [name for name in expected.index.names if name is not None]
    assert [name for name in made.index.names if name is not None] == named
    if not isinstance(expected.index, pd.RangeIndex):
        assert [tables.plain(label) for label in made.index] == [tables.plain(label) for label in expected.index]
    assert made.columns == [str(name) for name in expected.columns]
    assert tables.rows_of(made.reset_index(drop=True).to_arrow()) == tables.rows_of_pandas(expected)


def test_columns_of_arrow():
    made = weft.DataFrame([pa.array([1, 2]), pa.chunked_array([["x"], [None]])], columns=["a", "b"])
    assert made.to_pydict() == {"a": [1, 2], "b": ["x", None]}
    assert weft.DataFrame([frame()["k"], frame()["n"]]).columns == ["k", "n"]
    assert weft.DataFrame(pa.array([1, 2])).to_pydict() == {"0": [1, 2]}
    assert weft.DataFrame(pa.record_batch({"a": [1]})).to_pydict() == {"a": [1]}
    assert weft.DataFrame(pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64())]), [])).shape == (0, 1)
    assert weft.DataFrame({"a": frame()["n"], "b": pl.Series([1, 2, 3])}).to_pydict() == {
        "a": [1, 2, 3],
        "b": [1, 2, 3],
    }
    assert weft.DataFrame(duckdb.sql("select 1 as a, 'x' as b")).to_pydict() == {"a": [1], "b": ["x"]}
    assert weft.DataFrame(pl.DataFrame({"a": [1]}).lazy().collect()).to_pydict() == {"a": [1]}
    assert weft.DataFrame(frame().set_index("n")["k"]).columns == ["k"]
    assert weft.DataFrame(pd.Series([1, 2], name="p", index=["x", "y"])).index.to_list() == ["x", "y"]
    assert weft.DataFrame(frame(), columns=["n"]).columns == ["n"]


@pytest.mark.parametrize(
    ("problem", "arguments", "more"),
    [
        (TypeError, (7,), {}),
        (TypeError, ("text",), {}),
        (TypeError, ([[1], ["x"]],), {}),
        (ValueError, ([[1, 2]],), {"columns": ["a"]}),
        (ValueError, ([1, 2],), {"columns": ["a", "b"]}),
        (ValueError, ([pa.array([1]), pa.array([1, 2])],), {}),
        (ValueError, ({"a": [1, 2]},), {"index": ["x"]}),
        (ValueError, ({"a": [1, 2]},), {"index": pd.Index([1, 2], name="a")}),
        (ValueError, (pd.DataFrame({"a": [1]}, index=["x"]),), {"index": ["y"]}),
        (ValueError, ({"a": ["x"]},), {"dtype": "int64"}),
        (TypeError, ({"a": [1]},), {"dtype": "no type"}),
        (ValueError, ({"a": [1]},), {"copy": True}),
        (TypeError, ({"a": [1]},), {"env": "env"}),
        (ValueError, ([{}],), {}),
    ],
)
def test_wrong_data(problem, arguments, more):
    with pytest.raises(problem):
        weft.DataFrame(*arguments, **more)


def test_wrong_ways_in():
    with pytest.raises(ValueError, match="orient"):
        weft.DataFrame.from_dict({}, orient="rows")
    with pytest.raises(ValueError, match="columns"):
        weft.DataFrame.from_dict({"a": [1]}, columns=["b"])
    with pytest.raises(TypeError, match="dict"):
        weft.DataFrame.from_dict([1])
    with pytest.raises(TypeError, match="arrow"):
        weft.DataFrame.from_arrow([1])
    with pytest.raises(ValueError, match="coerce_float"):
        weft.DataFrame.from_records([(1,)], coerce_float=True)


def test_series():
    for data in (
        [1, 2],
        np.array([1, 2]),
        pd.Series([1, 2]),
        pl.Series([1, 2]),
        pa.array([1, 2]),
        iter([1, 2]),
        (1, 2),
    ):
        made = weft.Series(data, name="s")
        assert made.to_list() == [1, 2] and made.name == "s" and made.dtype == pa.int64(), type(data)
    assert weft.Series(pd.Series([1], name="p")).name == "p" and weft.Series([1]).name == "0"
    assert weft.Series({"x": 1, "y": 2}).loc["y"] == 2
    assert weft.Series([1, 2], index=["x", "y"], dtype="float64").loc["x"] == 1.0
    assert weft.Series(7, index=["x", "y"]).to_list() == [7, 7] and weft.Series().to_list() == []
    assert weft.Series(frame()[["n"]]).name == "n" and weft.Series(frame()["n"], name="z").name == "z"
    with pytest.raises(ValueError, match="columns"):
        weft.Series(frame())
    with pytest.raises(ValueError, match="labels"):
        weft.Series({"x": 1}, index=["y"])
    with pytest.raises(ValueError, match="copy"):
        weft.Series([1], copy=True)


def test_bound_series(env_of_one):
    made = weft.Series([1, 2], name="s", env=env_of_one)
    assert made.env is env_of_one and made.total_rows() == 2
    assert weft.Series(weft.Series([1]), env=env_of_one).env is env_of_one


@pytest.fixture
def env_of_one():
    with weft.init() as env:
        yield env


# -- out -------------------------------------------------------------------------------------------------------------


@covers("DataFrame.to_dict", orient="same", into="same", index="same")
@pytest.mark.parametrize("index", [None, "k", ["k", "n"]])
@pytest.mark.parametrize("orient", ["dict", "list", "split", "tight", "records", "index"])
@given(data=st.data())
def test_to_dict(orient, index, data):
    rows = data.draw(st.integers(0, 5))
    table = pa.table(
        {
            "k": pa.array([f"r{i}" for i in range(rows)]),
            "n": pa.array(range(rows), pa.int64()),
            "v": data.draw(tables.columns(rows, tables.KEYS, "int8")),
            "w": data.draw(tables.columns(rows, tables.KEYS, "string")),
        }
    )
    made, expected = weft.DataFrame(table), tables.to_pandas(table)
    if index is not None:
        made, expected = made.set_index(index), expected.set_index(index)
    found = made.to_dict(orient)
    assert found == expected.to_dict(orient) or tables.plain(str(found)) == str(expected.to_dict(orient))
    if orient in ("split", "tight"):
        assert str(made.to_dict(orient, index=False)) == str(expected.to_dict(orient, index=False))


def test_to_dict_more():
    made = frame()
    assert isinstance(made.to_dict("records", into=collections.OrderedDict)[0], collections.OrderedDict)
    assert made.to_dict("list", into=collections.defaultdict(list))["missing"] == []
    assert made.to_dict("series")["n"].to_list() == [1, 2, 3] and made["n"].to_dict() == {0: 1, 1: 2, 2: 3}
    assert made.set_index("n")["k"].to_dict() == {1: "a", 2: "b", 3: None}
    tight = made.set_index("k").to_dict("tight")
    assert weft.DataFrame.from_dict(tight, orient="tight").equals(made.set_index("k"))
    several = made.set_index(["k", "n"]).to_dict("tight")
    assert weft.DataFrame.from_dict(several, orient="tight").index_names == ("k", "n")
    with pytest.raises(ValueError, match="orient"):
        made.to_dict("rows")
    with pytest.raises(ValueError, match="index"):
        made.to_dict("records", index=False)
    with pytest.raises(ValueError, match="different"):
        weft.DataFrame({"k": [1, 1], "v": [1, 2]}).set_index("k").to_dict("index")


@covers("DataFrame.to_numpy", dtype="same", copy="same", na_value="same")
@covers("Series.to_numpy", dtype="same", copy="same", na_value="same")
@covers("DataFrame.to_records", index="same", column_dtypes="same", index_dtypes="same")
@covers("DataFrame.values")
def test_to_numpy():
    made = weft.DataFrame({"a": [1, 2], "b": [0.5, None]})
    expected = made.to_pandas()
    np.testing.assert_array_equal(made.to_numpy(), expected.to_numpy())
    np.testing.assert_array_equal(made.values, expected.values)
    assert made.to_numpy(dtype="float32", copy=True).dtype == np.float32
    assert made.to_numpy(na_value=9.0)[1, 1] == 9.0 and made["b"].to_numpy(na_value=7.0).tolist() == [0.5, 7.0]
    assert made["a"].to_numpy(dtype="int8").dtype == np.int8 and made["a"].values.tolist() == [1, 2]
    assert made.set_index("a").to_records().dtype == expected.set_index("a").to_records().dtype
    assert made.to_records(index=False).tolist()[0] == (1, 0.5)


@given(data=st.data())
def test_round_trips(data):
    table = data.draw(tables.tables([data.draw(st.sampled_from(sorted(tables.KEYS)))], payloads=2))
    made = weft.DataFrame(table)
    assert tables.rows_of(weft.DataFrame(made.to_arrow()).to_arrow()) == tables.rows_of(table)
    assert [dict(row) for row in made.to_dict("records")] == made.to_arrow().to_pylist() or table.num_rows
    names = ["k0", "prow"]
    plain = made[names]
    again = weft.DataFrame(plain.to_dict("records"), columns=names) if table.num_rows else plain
    assert again["prow"].to_list() == plain["prow"].to_list()


def test_polars_and_duckdb():
    made = frame().set_index("k")
    assert made.to_polars().to_dict(as_series=False) == made.to_pydict()
    assert made["n"].to_polars().to_list() == [1, 2, 3]
    relation = made.to_duckdb()
    assert relation.columns == ["k", "v", "n"] and relation.fetchall()[0] == ("a", 1.5, 1)
    with duckdb.connect() as connection:
        assert weft.DataFrame(made.to_duckdb(connection).filter("n > 1")).to_pydict()["n"] == [2, 3]


@covers("DataFrame.iterrows", "different: a row is a dict")
@covers("DataFrame.itertuples", index="same", name="same")
@covers("DataFrame.items")
@covers("Series.items")
@covers("DataFrame.keys", "different: a list")
@covers("DataFrame.ndim")
@covers("DataFrame.empty", "different: of this rank's rows")
@covers("DataFrame.axes", "different: this rank's labels")
def test_iteration():
    made = frame()
    expected = tables.to_pandas(made.to_arrow())
    assert list(made.iterrows()) == [(i, row.to_dict()) for i, row in expected.iterrows()]
    assert list(made.set_index("n").iterrows())[1] == (2, {"k": "b", "v": None})
    assert [tuple(row) for row in made.itertuples()] == [tuple(row) for row in expected.itertuples()]
    assert next(made.itertuples())._fields == next(expected.itertuples())._fields
    assert list(made.itertuples(index=False, name=None)) == list(expected.itertuples(index=False, name=None))
    odd = weft.DataFrame({"a b": [1], "class": [2]})
    assert next(odd.itertuples(name="Row")) == next(odd.to_pandas().itertuples(name="Row"))
    assert [(name, column.to_list()) for name, column in made.items()][2] == ("n", [1, 2, 3])
    assert list(made.set_index("k")["n"].items()) == [("a", 1), ("b", 2), (None, 3)]
    assert made.keys() == ["k", "v", "n"] and made.ndim == 2 and made["n"].ndim == 1 and not made.empty
    assert made[[]].empty and made.head(0).empty and made.head(0)["k"].empty and made["n"].size == 3
    assert made.axes[1] == made.columns and len(made.axes[0]) == 3


@covers("DataFrame.memory_usage", "different: a dict", index="same", deep="different: always deep")
@covers("DataFrame.info", "different: Arrow types, no index of positions", verbose="same", buf="same", max_cols="same",
        memory_usage="same", show_counts="same")  # fmt: skip
@covers("Series.memory_usage", index="same", deep="different: always deep")
@covers("Series.info", verbose="same", buf="same", max_cols="same", memory_usage="same", show_counts="same")
def test_info():
    made = weft.DataFrame({"k": np.arange(10), "v": np.arange(10) / 2}).set_index("k")
    assert made.memory_usage() == {"Index": 80, "v": 80} and made.memory_usage(index=False, deep=True) == {"v": 80}
    assert made["v"].memory_usage() == 160 and made["v"].memory_usage(index=False) == 80 == made["v"].nbytes
    out = io.StringIO()
    frame().info(buf=out)
    text = out.getvalue()
    assert "3 rows" in text and "2 non-null" in text and "memory usage" in text and "double" in text
    out = io.StringIO()
    frame().info(verbose=False, buf=out, memory_usage=False)
    assert "entries" in out.getvalue() and "memory" not in out.getvalue()
    out = io.StringIO()
    frame().info(max_cols=1, buf=out)
    assert "entries" in out.getvalue()
    out = io.StringIO()
    frame()["v"].info(show_counts=False, buf=out, whole=True)
    assert "non-null" not in out.getvalue() and "Column" in out.getvalue()


def test_repr():
    wide = weft.DataFrame({f"column {i}": [i] for i in range(60)})
    lines = repr(wide).splitlines()
    assert "..." in lines[0] and "column 0" in lines[0] and "column 59" in lines[0] and max(map(len, lines)) <= 100
    assert "60 columns" in lines[-1]
    text = repr(weft.DataFrame({"s": ["北京", "a\nb", "z" * 100], "n": [1, 22, 333]}))
    rows = text.splitlines()
    assert "\\n" in text and "…" in text and rows[1].endswith("  1") and rows[3].endswith("333")
    html = weft.DataFrame({"<k>": ["<script>", "&"], "v": [1, None]}).set_index("<k>")._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html and "&amp;" in html and "<th>&lt;k&gt;</th>" in html
    assert wide._repr_html_().count("<th>") == 21 and "Series 'n'" in repr(frame()["n"])
    assert "..." in weft.DataFrame({"n": range(100)})._repr_html_()


def test_ranks_with_other_types(servers):
    """A column gets the type that holds all ranks' values; where there is none, every rank says so."""
    rows = pa.table({"k": [1]})

    def made(code):
        return servers[3].run({"op": "eval", "code": code, "names": {}}, [rows], [[0, 0, 0, 1]])

    data = (
        "{'t': [None, None] if env.rank == 1 else ['5', '6'], 'v': [1.5, None] if env.rank else [2, 3], "
        "'c': pd.Categorical([None, None] if env.rank else ['a', 'b']), 'n': [None, float('nan')] if env.rank else [7, 8]}"
    )
    types = made(f"[str(type) for type in weft.DataFrame({data}, env=env).dtypes.values()]")
    wanted = ["string", "double", "dictionary<values=large_string, indices=int8, ordered=0>", "int64"]
    assert types.values == [wanted] * 3
    assert made(f"weft.DataFrame({data}, env=env)['t'].dropna().astype('int64').sum()").values == [22] * 3
    for wrong, kind, text in (
        ("{'a': [1] if env.rank else ['x']}", "TypeError", "string on rank 0 and int64 on rank 1"),
        ("{'a': [1]} if env.rank == 2 else {'b': [1]}", "ValueError", "rank 2 gives the columns ['a']"),
        ("{'a': [1], 'b': [1, 2] if env.rank == 1 else [1]}", "ValueError", "unequal lengths"),
    ):
        for error in made(f"weft.DataFrame({wrong}, env=env)").errors:
            assert error is not None and kind in error[0] and text in error[1]


def test_dictionaries_that_hold_nulls(tmp_path):
    """Arrow's writers, and pandas, refuse a null among the values of a dictionary."""
    chunks = [
        pa.DictionaryArray.from_arrays(pa.array([2, 1, 0, None], pa.int8()), pa.array(["x", None, "y"])),
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 1], pa.int8()), pa.array([None, "z"])).slice(1),
    ]
    expected = ["y", None, "x", None, "z", "z"]
    frame = weft.DataFrame({"a": pa.chunked_array(chunks)})
    assert frame.to_arrow()["a"].type == chunks[0].type and frame["a"].to_list() == expected
    assert [None if one is np.nan else one for one in frame.to_pandas()["a"]] == expected
    frame.to_parquet(tmp_path / "a")
    frame.to_feather(tmp_path / "b")
    assert weft.read_parquet(tmp_path / "a")["a"].to_list() == expected
    assert weft.read_feather(tmp_path / "b")["a"].to_list() == expected


def test_empty_chunks_between_others():
    """Arrow gives an empty slice a buffer that ends before its offset."""
    values = pa.array([3, 1, None, 2, 3])
    table = pa.table({"x": pa.chunked_array([values.slice(0, 2), values.slice(2, 0), values.slice(2, 3)])})
    frame = weft.DataFrame(table)
    assert frame.sort_values("x")["x"].to_list() == [1, 2, 3, 3, None]
    assert frame.drop_duplicates()["x"].to_list() == [3, 1, None, 2]
    assert frame.iloc[[4, 0]]["x"].to_list() == [3, 3]
    assert frame.to_arrow().combine_chunks()["x"].to_pylist() == values.to_pylist()


def test_times_of_objects_keep_their_digits():
    """Arrow by itself cuts objects to microseconds, and to days where the first is a date."""
    moments = [pd.Timestamp("2020-01-02 03:04:05.123456789"), None, pd.Timestamp("1999-01-01")]
    zoned = [None if one is None else one.tz_localize("Europe/Berlin") for one in moments]
    lengths = [pd.Timedelta(1, "ns"), pd.NaT, pd.Timedelta(2, "D")]
    for values in (moments, zoned, lengths):
        expected = pd.Series(values).dt.as_unit("ns")
        objects = pd.Series(values, dtype=object)
        for data in ({"t": values}, {"t": objects}, objects.to_frame("t"), [{"t": value} for value in values]):
            assert weft.DataFrame(data).to_pandas()["t"].equals(expected), data
        assert weft.DataFrame({"t": values[0], "v": [1]}).to_pandas()["t"].equals(expected[:1])
    far = [dt.datetime(9999, 1, 1), pd.NaT]
    assert weft.DataFrame({"t": far})["t"].to_list() == [far[0], None]
    with pytest.raises(TypeError, match=r"column 't'.*dates and datetimes are mixed"):
        weft.DataFrame({"t": [moments[0].date(), moments[0]]})


@pytest.mark.parametrize("unit", ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "25s"])
@pytest.mark.parametrize("kind", ["datetime64", "timedelta64"])
def test_times_of_numpy(kind, unit):
    if kind == "timedelta64" and unit in ("Y", "M"):
        pytest.skip("these have no fixed length")
    values = np.array([1, "NaT", 30], f"{kind}[{unit}]")
    expected = [tables.plain(one) for one in pd.Series(values.astype(f"{kind}[ns]"))]
    for data in ({"t": values}, {"t": list(values)}, values):
        made = weft.DataFrame(data).to_pandas().iloc[:, 0]
        # Days are dates.
        made = pd.to_datetime(made) if made.dtype == object else made
        assert [tables.plain(one) for one in made] == expected


def test_arrays_of_other_byte_orders_and_masks():
    swapped = np.array([1.5, -2.0], ">f8")
    records = np.array([(1, 2.5), (3, 4.5)], dtype=[("x", ">i4"), ("y", "f8")])
    assert weft.DataFrame({"a": swapped})["a"].to_list() == [1.5, -2.0]
    assert weft.DataFrame(pd.DataFrame({"a": swapped}))["a"].to_list() == [1.5, -2.0]
    assert weft.DataFrame(records).to_pydict() == {"x": [1, 3], "y": [2.5, 4.5]}
    masked = np.ma.array([[1, 2], [3, 4]], mask=[[False, True], [False, False]])
    assert weft.DataFrame(masked, columns=["a", "b"]).to_pydict() == {"a": [1, 3], "b": [None, 4]}


def test_sparse_columns_and_large_integers():
    sparse = pd.arrays.SparseArray([0, 1, 0])
    for data in (pd.DataFrame({"a": sparse}), {"a": sparse}, {"a": pd.Series(sparse)}):
        assert weft.DataFrame(data)["a"].to_list() == [0, 1, 0]
    dummies = pd.get_dummies(pd.Series(["x", "y"]), sparse=True)
    assert weft.DataFrame(dummies).to_pydict() == dummies.to_dict("list")
    large = [2**64 - 1, 1, None]
    for data in (pd.DataFrame({"a": pd.Series(large, dtype=object)}), {"a": large}):
        assert weft.DataFrame(data)["a"].to_list() == large
    assert weft.DataFrame({"a": [1], "b": 2**64 - 1}).schema.field("b").type == pa.uint64()


def test_categories_keep_their_zone():
    moments = pd.date_range("2020-01-01", periods=3, tz="Europe/Berlin")
    for zone in ("Europe/Berlin", dt.timezone(dt.timedelta(hours=2))):
        data = pd.DataFrame({"t": pd.Series(moments.tz_convert(zone)).astype("category")})
        made = weft.DataFrame(data).to_pandas()
        assert made["t"].cat.categories.equals(data["t"].cat.categories) and made["t"].tolist() == data["t"].tolist()


@pytest.mark.parametrize(
    ("problem", "says", "make"),
    [
        (TypeError, "column 'o' of Polars' type Object is not taken", lambda: pl.DataFrame({"o": [object()]})),
        (TypeError, "column 'o' of Polars' type Object is not taken", lambda: {"x": pl.Series("o", [object()])}),
        (TypeError, "column 'i' of Polars' type Int128 is not taken", lambda: pl.Series("i", [1], dtype=pl.Int128)),
        (TypeError, "column 'a' are of no one type", lambda: {"a": np.array([1j])}),
        (TypeError, "column 'a' are of no one type", lambda: pd.DataFrame({"a": ["x", 1]})),
        (TypeError, "column 'a' are of no one type", lambda: {"a": ["\ud800"]}),
        (ValueError, "column names are there twice: '1'", lambda: {1: [1], "1": [2]}),
    ],
)
def test_what_is_refused_is_named(problem, says, make):
    with pytest.raises(problem, match=says):
        weft.DataFrame(make())


def test_ordered_categories_are_told_of():
    sizes = pd.Categorical(["low", "high"], categories=["low", "mid", "high"], ordered=True)
    with pytest.warns(UserWarning, match=r"column 'c': ordered categories sort and compare as their values"):
        frame = weft.DataFrame({"c": sizes, "v": [1, 2]})
    assert frame.to_pandas()["c"].cat.ordered
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weft.DataFrame({"c": pd.Categorical(["b", "a"], ordered=True), "d": pd.Categorical(["b", "a"])})
        # Intervals, which are in no order here.
        weft.DataFrame(pd.DataFrame({"c": pd.cut(pd.Series([1, 2, 3]), 2)}))
    assert "..." not in repr(weft.DataFrame({"n": range(60)})) and "..." in repr(weft.DataFrame({"n": range(61)}))
    assert repr(weft.Series([1], index=["x"]).to_frame()).splitlines()[0].strip() == "0"


@pytest.mark.parametrize(
    "values",
    [
        [123456.78, 3.0],
        [1.0, 2.0],
        [1 / 3, 2.5],
        [1e-9, 1.0],
        [1e20, 1.0],
        [1234567.891, 2.0],
        [123456789.123456, 1.0],
        [float("inf"), -0.0],
        [100000.0, 0.1],
    ],
)
def test_floats_are_shown_as_pandas_shows_them(values):
    shown = repr(weft.DataFrame({"v": values})).splitlines()[1:-1]
    assert [line.strip() for line in shown] == [
        line.split()[-1] for line in repr(pd.DataFrame({"v": values})).splitlines()[1:]
    ]
