"""What a Series alone has: labels, places, pairs of values, and files of one column; distributed = local = pandas."""

from __future__ import annotations

import datetime
import math

import pyarrow as pa
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, same_as_pandas

import weft

SMALL = pa.table({"k": ["a", "b", "a"], "n": [1, 2, 4], "x": [0.5, None, -1.0]})


@st.composite
def labelled(draw: st.DrawFn, unique: bool = False) -> pa.Table:
    """Columns "k" (texts), "i" (whole numbers), "n" (whole numbers), "x" (floats, some missing)."""
    rows = draw(st.integers(0, 15))
    labels = draw(st.lists(st.integers(0, 40), min_size=rows, max_size=rows, unique=unique))
    floats = st.sampled_from([None, 0.0, 0.5, -2.25, 64.0, math.nan, math.inf])
    return pa.table(
        {
            "k": pa.array([f"l{label:02}" for label in labels], pa.string()),
            "i": pa.array(labels, pa.int64()),
            "n": pa.array(draw(st.lists(st.integers(-3, 5), min_size=rows, max_size=rows)), pa.int64()),
            "x": pa.array(draw(st.lists(floats, min_size=rows, max_size=rows)), pa.float64()),
        }
    )


# -- labels ----------------------------------------------------------------------------------------------------------


@covers("Series.axes", "different: this rank's labels")
@covers("Series.keys", "different: this rank's labels")
@covers("Series.dtypes", "different: an Arrow type")
@covers("Series.T")
@covers("Series.transpose")
def test_attributes():
    series = weft.DataFrame(SMALL).set_index("k").n
    assert [axis.to_list() for axis in series.axes] == [["a", "b", "a"]]
    assert series.keys().to_list() == ["a", "b", "a"]
    assert series.dtypes == series.dtype == pa.int64()
    assert series.T is series and series.transpose() is series
    with pytest.raises(ValueError, match="axes"):
        series.transpose((0,))


@covers("Series.filter", "different: needs an index, or a condition")
@covers("Series.filter", like="different: of texts and integers", regex="different: RE2's, of texts and integers",
        axis="same", items="same", cond="different: a Series, a list or a function", na="refused")  # fmt: skip
@given(data=st.data())
def test_filter(servers, data):
    table = data.draw(labelled(unique=True))
    codes = [
        "df.set_index('k').x.filter(['l07', 'l01', 'zz', 'l02'])",
        "df.set_index('k').x.filter(items=['l30', 'l01'], axis=0)",
        "df.set_index('i').n.filter([7, 'l01', 2, 1])",
        "df.set_index('k').x.filter(like='1')",
        "df.set_index('i').x.filter(like='1', axis='index')",
        "df.set_index('k').x.filter(regex='[13]$')",
        "df.set_index('i').n.filter(regex='^1')",
        "df.set_index('k').n.filter(lambda s: s > 1)",
        "df.n.filter(cond=df.x > 0)",
        "df.n.filter(cond=[True] * len(df))",
    ]
    same_as_pandas(data, servers, data.draw(st.sampled_from(codes)), [table])


@covers("Series.add_prefix", prefix="same", axis="same")
@covers("Series.add_suffix", suffix="same", axis="same")
@covers("DataFrame.add_prefix", axis="different: by default columns; labels need an index")
@covers("DataFrame.add_suffix", axis="different: by default columns; labels need an index")
@covers("Series.set_axis", labels="different: of this rank's rows, or a Series", axis="same", copy="refused")
@covers("DataFrame.set_axis", labels="same", axis="same")
@given(data=st.data())
def test_other_labels(servers, data):
    table = data.draw(labelled())
    codes = {
        "df.set_index('k').x.add_prefix('p_')": None,
        "df.set_index('i').x.add_suffix('_s', axis=0)": None,
        "df.set_index(['k', 'i']).n.add_prefix('p')": None,
        "df.set_index('x').n.add_suffix('s')": None,
        "df.set_index('k')[['x']].add_prefix('p_', axis=0)": None,
        "df.set_index('i')[['x', 'n']].add_suffix('_s', axis='index')": None,
        "df.x.set_axis(df.k)": None,
        "df.set_index('k').x.set_axis(df.i + 1, axis=0)": None,
        "df.set_index('k')[['x', 'n']].set_axis(df.i)": None,
        "df.n.set_axis([7] * len(df))": None,
        "df[['n']].set_axis(np.arange(len(df)) * 0 + 1, axis=0)": None,
        "df.n.set_axis(df.set_index('k').index)": None,
    }
    code = data.draw(st.sampled_from(list(codes)))
    same_as_pandas(data, servers, code, [table], pandas=codes[code])


def test_labels_refuse(servers):
    refused(servers, ValueError, "df.n.filter(like='a')", [SMALL], "filter: labels are of an index column")
    refused(servers, TypeError, "df.set_index('x').n.filter(like='a')", [SMALL], "double")
    refused(servers, ValueError, "df.set_index(['k', 'x']).n.filter(like='a')", [SMALL], "several columns")
    refused(servers, ValueError, "df.set_index('k').n.filter(['a'], axis=1)", [SMALL], "axis")
    refused(servers, ValueError, "df.n.filter(cond=df.n > 1, na=True)", [SMALL], "na")
    refused(servers, TypeError, "df.n.filter(df.n > 1)", [SMALL], "cond=")
    refused(servers, TypeError, "df.n.filter()", [SMALL], "give one of")
    refused(servers, ValueError, "df.n.add_prefix('p')", [SMALL], "add_prefix: labels are of an index column")
    refused(servers, ValueError, "df.add_suffix('p', axis=0)", [SMALL], "add_suffix: labels are of an index column")
    refused(servers, ValueError, "df.set_index('k').n.add_prefix('p', axis=1)", [SMALL], "axis")
    refused(servers, ValueError, "df.set_index('k').n.add_suffix('p', axis=1)", [SMALL], "axis")
    refused(servers, ValueError, "df.n.set_axis([1] * 7)", [SMALL], "7 values are given for")
    refused(servers, TypeError, "df.n.set_axis('abc')", [SMALL], "labels are a list or a Series")
    refused(servers, ValueError, "df.n.set_axis(df.n)", [SMALL], "named 'n'")
    refused(servers, ValueError, "df.n.set_axis(df.k, axis=1)", [SMALL], "axis")
    refused(servers, ValueError, "df.n.set_axis(df.k, copy=True)", [SMALL], "copy")
    refused(servers, TypeError, "df.n.set_axis([(1, 2)] * len(df))", [SMALL], "set_index")


@covers("Series.pop", "different: needs an index", item="same")
@given(data=st.data())
def test_pop(servers, data):
    table = data.draw(labelled())
    if table.num_rows == 0:
        return
    label = data.draw(st.sampled_from(table["k"].to_pylist()))
    same_as_pandas(data, servers, "[s := df.set_index('k').n, s.pop(label), s][2]", [table], label=label)
    code = "df.set_index('k').n.pop(label)"
    if table["k"].to_pylist().count(label) == 1:
        same_as_pandas(data, servers, code, [table], label=label)
    else:
        # Several values come as a Series.
        same_as_pandas(data, servers, code, [table], label=label, pandas="df.set_index('k').n.loc[[label]]")


def test_pop_refuses(servers):
    refused(servers, KeyError, "df.set_index('k').n.pop('z')", [SMALL], "'z'")
    refused(servers, ValueError, "df.n.pop(0)", [SMALL], "pop: labels are of an index column")
    frame = weft.DataFrame(SMALL).set_index("k")
    series = frame.n
    assert series.pop("b") == 2 and series.to_list() == [1, 4] and frame.n.to_list() == [1, 2, 4]


# -- places ----------------------------------------------------------------------------------------------------------


@covers("Series.item")
@given(data=st.data())
def test_item(servers, data):
    value = data.draw(st.sampled_from([1.5, 7, "a", True, datetime.date(2020, 1, 2)]))
    same_as_pandas(data, servers, "df.v.item()", [pa.table({"v": [value]})])
    empty = pa.table({"v": pa.array([], pa.int64())})
    for table, rows in ((empty, 0), (pa.table({"v": [1, 2]}), 2)):
        refused(servers, ValueError, "df.v.item()", [table], f"there are {rows} values")


@covers("Series.repeat", repeats="different: a list is of this rank's rows; or a Series", axis="refused")
@given(data=st.data())
def test_repeat(servers, data):
    table = data.draw(labelled())
    codes = [
        "df.set_index('k').x.repeat(2)",
        "df.k.repeat(0)",
        "df.set_index('k').x.repeat(df.set_index('k').n.clip(0, 3))",
        "df.n.repeat(np.arange(len(df)) * 0 + 2)",
        "df.n.repeat([3] * len(df))",
    ]
    same_as_pandas(data, servers, data.draw(st.sampled_from(codes)), [table])


def test_repeat_refuses(servers):
    refused(servers, ValueError, "df.n.repeat(-1)", [SMALL], "below 0")
    refused(servers, ValueError, "df.n.repeat(df.n - 2)", [SMALL], "below 0")
    refused(servers, TypeError, "df.n.repeat(df.k)", [SMALL], "whole numbers")
    refused(servers, TypeError, "df.n.repeat(1.5)", [SMALL], "whole numbers")
    refused(servers, ValueError, "df.n.repeat([1] * 9)", [SMALL], "9 values")
    refused(servers, ValueError, "df.n.repeat(2, axis=0)", [SMALL], "axis")


@covers("Series.argsort", axis="same", kind="different: always stable", order="refused", stable="same")
@given(data=st.data())
def test_argsort(servers, data):
    table = data.draw(labelled())
    codes = [
        "df.x.argsort(kind='stable')",
        "df.set_index('k').n.argsort(axis=0, kind='mergesort')",
        "df.set_index('k').x.argsort(kind='stable')",
        "df.i.argsort(stable=True)",
        "df.k.argsort(kind='stable')",
    ]
    same_as_pandas(data, servers, data.draw(st.sampled_from(codes)), [table])


@covers("Series.searchsorted", value="different: no Series", side="same", sorter="refused")
@given(data=st.data())
def test_searchsorted(servers, data):
    table = data.draw(labelled())
    codes = [
        "df.n.sort_values().searchsorted(2)",
        "df.x.sort_values().searchsorted(0.5, side='right')",
        "df.x.sort_values().searchsorted([0.25, float('nan'), -7, 1e9], side).tolist()",
        "df.k.sort_values().searchsorted('l1')",
        "df.k.sort_values().searchsorted(['l07', 'a', 'z'], side=side).tolist()",
        "pd_datetimes.searchsorted('1970-01-01 00:00:00.000003')",
    ]
    code = data.draw(st.sampled_from(codes)).replace("pd_datetimes", "df.n.astype('datetime64[us]').sort_values()")
    side = data.draw(st.sampled_from(["left", "right"]))
    same_as_pandas(data, servers, code, [table], side=side)


def test_places_refuse(servers):
    refused(servers, ValueError, "df.n.argsort(axis=1)", [SMALL], "axis")
    refused(servers, ValueError, "df.n.argsort(kind='z')", [SMALL], "kind")
    refused(servers, ValueError, "df.n.argsort(order='z')", [SMALL], "order")
    refused(servers, ValueError, "df.n.searchsorted(1, side='z')", [SMALL], "side")
    refused(servers, ValueError, "df.n.searchsorted(1, sorter=[0])", [SMALL], "sort_values")
    refused(servers, TypeError, "df.n.searchsorted(df.n)", [SMALL], "a constant or a list")


# -- pairs of values -------------------------------------------------------------------------------------------------


@covers("Series.autocorr", lag="same")
@given(data=st.data())
def test_autocorr(servers, data):
    table = data.draw(tables.numbers("bx"))
    values = [None if value is None or not abs(value) < 1e9 else value for value in table["x"].to_pylist()]
    table = pa.table({"b": table["b"], "x": pa.array(values, pa.float64())})
    lag = data.draw(st.integers(-2, 3))
    code = data.draw(
        st.sampled_from(["df.x.autocorr(lag)", "df.set_index('b').x.autocorr(lag=lag)", "df.x.autocorr()"])
    )
    same_as_pandas(data, servers, code, [table], tolerance=1e-6, lag=lag)


@covers("Series.divmod", "different: integers over a zero are missing")
@covers("Series.rdivmod", "different: integers over a zero are missing")
@covers("Series.divmod", other="same", level="refused", fill_value="same", axis="same")
@covers("Series.rdivmod", other="same", level="refused", fill_value="same", axis="same")
@given(data=st.data())
def test_divmod(servers, data):
    table = data.draw(labelled())
    part = data.draw(st.sampled_from([0, 1]))
    codes = [
        "df.n.divmod(3)",
        "df.x.divmod(df.n)",
        "df.n.divmod(0)",
        "df.x.divmod(df.n, fill_value=3, axis=0)",
        "(df.n * 2 + 1).rdivmod(7)",
        "df.n.rdivmod(df.x, fill_value=2)",
        "divmod(df.x, 2)",
        "divmod(df[['n', 'x']], 2)",
        "divmod(7, df.n * 2 + 1)",
    ]
    same_as_pandas(data, servers, f"{data.draw(st.sampled_from(codes))}[{part}]", [table])


@covers("Series.combine", other="same", func="same", fill_value="same")
@given(data=st.data())
def test_combine(servers, data):
    table, second = data.draw(labelled(unique=True)), data.draw(labelled(unique=True))
    same = "df.set_index('k').x.combine(df.set_index('k').n, {})"
    union = "df.set_index('k').sort_index().x.combine(other.set_index('k').sort_index().n, {})"
    func = data.draw(st.sampled_from(["max", "lambda a, b: a if a > b else b", "lambda a, b: float(a + 2 * b)"]))
    codes = [
        f"df.x.combine(df.n, {func})",
        same.format(func),
        same.format(f"{func}, fill_value=7"),
        union.format("lambda a, b: float(a + 2 * b)"),
        union.format("lambda a, b: float(a + 2 * b), fill_value=9"),
        f"df.x.combine(1.5, {func})",
    ]
    same_as_pandas(data, servers, data.draw(st.sampled_from(codes)), [table, second])


def test_pairs_refuse(servers):
    refused(servers, ValueError, "df.n.divmod(2, level=0)", [SMALL], "level")
    refused(servers, ValueError, "df.n.rdivmod(2, level=0)", [SMALL], "level")
    refused(servers, TypeError, "df.n.divmod('a')", [SMALL])
    refused(servers, TypeError, "df.n.combine(df.x, 3)", [SMALL], "func is a function")
    refused(servers, TypeError, "df.n.combine([1], max)", [SMALL], "a Series or a constant")
    refused(servers, ValueError, "df.set_index('k').n.combine(other.set_index('k').n, max)",
            [SMALL, SMALL.slice(1)], "same label")  # fmt: skip
    refused(servers, ValueError, "df.n.combine(other.n, max)", [SMALL, SMALL.slice(1)])


# -- files -----------------------------------------------------------------------------------------------------------


@covers("Series.to_csv", columns="same", date_format="refused", decimal="refused", doublequote="refused",
        escapechar="refused", index_label="refused", mode="refused", chunksize="refused", errors="refused",
        storage_options="refused", encoding="different: UTF-8", lineterminator="different: \\n",
        float_format="different: one printf conversion", compression="different: by name",
        path_or_buf="different: a path", sep="same", na_rep="same", header="same", index="same", quoting="same",
        quotechar="same")  # fmt: skip
@covers("Series.to_json", "different: JSON lines, objects of the name and the value", path_or_buf="different: a path",
        orient="different: records", lines="different: True", date_format="different: iso", double_precision="refused",
        force_ascii="same", date_unit="refused", default_handler="refused", compression="different: by name",
        index="same", indent="refused", storage_options="refused", mode="refused")  # fmt: skip
def test_files(tmp_path, servers):
    frame = weft.DataFrame(SMALL)
    series = frame.set_index("k").x
    path = tmp_path / "one.csv"
    for options in ({}, {"index": False}, {"na_rep": "?", "sep": ";"}, {"header": ["y"], "float_format": "%.2f"}):
        series.to_csv(path, **options)
        assert path.read_text() == series.to_pandas().to_csv(**options), options
    lines = tmp_path / "one.jsonl"
    series.to_json(lines, orient="records", lines=True, index=True)
    assert weft.read_json(lines, lines=True).to_pydict() == {"k": ["a", "b", "a"], "x": [0.5, None, -1.0]}
    series.to_json(lines, orient="records", lines=True)
    assert weft.read_json(lines, lines=True).to_pydict() == {"x": [0.5, None, -1.0]}
    with pytest.raises(ValueError, match="records"):
        series.to_json(lines)
    with pytest.raises(ValueError, match="index_label"):
        series.to_csv(path, index_label="q")
    folder = str(tmp_path / "parts")
    outcome = servers[3].run(
        {"op": "eval", "code": "df.set_index('k').n.to_csv(folder)", "names": {"folder": folder}},
        [SMALL],
        [[0, 1, 1, 3]],
    )
    assert outcome.errors == [None] * 3
    assert weft.read_csv(folder).to_pydict() == {"k": ["a", "b", "a"], "n": [1, 2, 4]}
