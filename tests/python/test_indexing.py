"""The index, rows by label and by position, names of columns: over ranks = here = pandas."""

from __future__ import annotations

import pyarrow as pa
import pytest
import tables
from hypothesis import assume, given
from hypothesis import strategies as st
from oracle import covers, refused, run, same_as_pandas

import weft

KINDS = st.sampled_from(sorted(tables.KEYS))
#: Types whose labels pandas and Python write alike.
LABELS = st.sampled_from(["int64", "int8", "string", "double", "bool", "timestamp", "date32"])
SMALL = pa.table({"k": ["a", "b", None], "l": pa.array([[1], [], None], pa.list_(pa.int64())), "n": [2, 1, 0]})


def objects(table: pa.Table):
    return tables.to_pandas(table)


# -- by position -----------------------------------------------------------------------------------------------------

BOUND = st.one_of(st.none(), st.integers(-50, 50))


@covers("DataFrame.iloc", "different: an int gives a row as a dict")
@given(data=st.data())
def test_iloc_slices(servers, data):
    table = data.draw(tables.tables([data.draw(KINDS)]))
    start, stop = data.draw(BOUND), data.draw(BOUND)
    step = data.draw(st.sampled_from([None, 1, 2, 7, -1, -3]))
    names = {"a": start, "b": stop, "c": step}
    found = run(data, servers, "df.iloc[a:b:c]", [table], **names)
    assert tables.rows_of(found.to_arrow()) == tables.rows_of(table)[start:stop:step]
    found = run(data, servers, "df['k0'].iloc[a:b:c]", [table], **names)
    assert [tables.plain(value) for value in found.to_list()] == [row[0] for row in tables.rows_of(table)][
        start:stop:step
    ]
    run(data, servers, "df[a:b:c]", [table], **names)


@covers("DataFrame.take", indices="same", axis="same")
@covers("Series.take", indices="same", axis="refused")
@given(data=st.data())
def test_iloc_lists(servers, data):
    table = data.draw(tables.tables([data.draw(KINDS)]))
    rows = table.num_rows
    chosen = data.draw(st.lists(st.integers(-rows, rows - 1), max_size=20)) if rows else []
    same_as_pandas(data, servers, "df.iloc[chosen]", [table], convert=objects, chosen=chosen)
    same_as_pandas(data, servers, "df.take(chosen)", [table], convert=objects, chosen=chosen)
    same_as_pandas(data, servers, "df.take([-1, 0], axis=1)", [table], convert=objects)
    same_as_pandas(data, servers, "df['prow'].take(chosen)", [table], convert=objects, chosen=chosen)
    mask = data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
    same_as_pandas(data, servers, "df.iloc[mask]", [table], convert=objects, mask=mask)
    same_as_pandas(
        data, servers, "df.iloc[np.array(mask, bool), [True, False, True]]", [table], convert=objects, mask=mask
    )


@covers("DataFrame.iat")
@covers("Series.iat")
@covers("Series.iloc")
@given(data=st.data())
def test_iloc_values(servers, data):
    table = data.draw(tables.tables(["string", "int64"], payloads=0))
    assume(table.num_rows)
    row = data.draw(st.integers(-table.num_rows, table.num_rows - 1))
    column = data.draw(st.integers(-3, 2))
    names = {"i": row, "j": column}
    same_as_pandas(data, servers, "df.iloc[i]", [table], convert=objects, **names)
    same_as_pandas(data, servers, "df.iloc[i, j]", [table], convert=objects, **names)
    same_as_pandas(data, servers, "df.iat[i, j]", [table], convert=objects, **names)
    same_as_pandas(data, servers, "df.iloc[:, j]", [table], convert=objects, **names)
    same_as_pandas(data, servers, "df.iloc[1:, :2]", [table], convert=objects, **names)
    same_as_pandas(data, servers, "df.iloc[i, [0, 2]]", [table], convert=objects, **names)
    same_as_pandas(data, servers, "df['k0'].iloc[i]", [table], convert=objects, **names)
    same_as_pandas(data, servers, "df['k0'].iat[i]", [table], convert=objects, **names)


def test_wrong_positions(servers):
    for code in (
        "df.iloc[3]",
        "df.iloc[-4]",
        "df.iloc[[0, 3]]",
        "df.iloc[0, 3]",
        "df.iat[3, 0]",
        "df.iloc[[True]]",
        "df.take([7])",
    ):
        refused(servers, IndexError, code, [SMALL])
    for code in ("df.iloc['a']", "df.iloc[['a']]", "df.iloc[0, 'k']", "df.iloc['a':'b']", "df.iloc[True]"):
        refused(servers, TypeError, code, [SMALL])
    refused(servers, ValueError, "df.iloc[::0]", [SMALL], "step")
    refused(servers, ValueError, "df.iloc[0, 0, 0]", [SMALL])
    refused(servers, ValueError, "df.iat[0]", [SMALL])
    refused(servers, ValueError, "df['n'].take([0], axis=1)", [SMALL])


# -- by label --------------------------------------------------------------------------------------------------------


# Not int64: an index of pandas' objects with a missing label among integers is one of doubles.


@st.composite
def labelled(draw, kind=None):
    """A table with the label column k0, and its labels that are there."""
    table = draw(tables.tables([kind or draw(LABELS)], payloads=0))
    return table, [value for value in table["k0"].unique().to_pylist() if value is not None and value == value]


@covers("DataFrame.loc", "different: one label gives a row as a dict; an index of one column; positions are no labels")
@covers("Series.loc", "different: an index of one column")
@covers("DataFrame.at")
@covers("Series.at")
@covers("Series.get", key="same", default="same")
@given(data=st.data())
def test_loc_one_label(servers, data):
    table, labels = data.draw(labelled(data.draw(st.sampled_from(["int32", "string", "int8"]))))
    table = table.append_column("v", table["prow"])
    assume(labels)
    label = data.draw(st.sampled_from(labels))
    for code in (
        "df.set_index('k0').loc[label]",
        "df.set_index('k0').loc[label, 'v']",
        "df.set_index('k0').at[label, 'v']",
        "df.set_index('k0')['v'].loc[label]",
        "df.set_index('k0')['v'].at[label]",
        "df.set_index('k0')['v'].get(label)",
    ):
        same_as_pandas(data, servers, code, [table], convert=objects, label=label)
    assert weft.DataFrame(table).set_index("k0")["v"].get("no such label", 7) == 7


@given(data=st.data())
def test_loc_missing_label(servers, data):
    table, _ = data.draw(labelled())
    assume(table["k0"].null_count > 1)
    found = run(data, servers, "df.set_index('k0').loc[None]", [table])
    assert [row[1] for row in tables.rows_of(found.to_arrow())] == [
        row[1] for row in tables.rows_of(table) if row[0] is None
    ]


@given(data=st.data())
def test_loc_list(servers, data):
    table, labels = data.draw(labelled(data.draw(st.sampled_from(["int32", "string", "int8"]))))
    chosen = data.draw(st.lists(st.sampled_from(labels), max_size=6)) if labels else []
    code = "df.set_index('k0').loc[chosen]"
    same_as_pandas(data, servers, code, [table], convert=objects, chosen=chosen)
    same_as_pandas(data, servers, "df.set_index('k0').loc[chosen, ['prow']]", [table], convert=objects, chosen=chosen)
    same_as_pandas(data, servers, "df.set_index('k0')['prow'].loc[chosen]", [table], convert=objects, chosen=chosen)
    mask = data.draw(st.lists(st.booleans(), min_size=table.num_rows, max_size=table.num_rows))
    same_as_pandas(data, servers, "df.set_index('k0').loc[mask]", [table], convert=objects, mask=mask)
    run(data, servers, "df.loc[col('prow') > 3, 'k0']", [table])
    run(data, servers, "df.loc[lambda df: col('prow') > 3]", [table])


@given(data=st.data())
def test_loc_slice(servers, data):
    table, labels = data.draw(labelled(data.draw(st.sampled_from(["int32", "string", "int8"]))))
    assume(labels)
    way = data.draw(st.sampled_from(["up", "down", "none"]))
    if way != "none":
        # pandas knows no order of an index with missing labels.
        table = (
            weft.DataFrame(table)
            .filter(weft.col("k0").is_not_null())
            .sort_values("k0", ascending=way == "up")
            .to_arrow()
        )
    ends = st.one_of(st.none(), st.sampled_from(labels))
    names = {"a": data.draw(ends), "b": data.draw(ends)}
    step = data.draw(st.sampled_from([None, 2]))
    code = "df.set_index('k0').loc[a:b:c, 'prow']"
    try:
        expected = objects(table).set_index("k0").loc[names["a"] : names["b"] : step, "prow"].tolist()
    except KeyError:
        with pytest.raises(KeyError):
            run(data, servers, code, [table], c=step, **names)
        return
    found = run(data, servers, code, [table], c=step, **names)
    assert found.to_list() == expected


def test_loc_slice_between_labels():
    frame = weft.DataFrame({"k": [1, 3, 5, 5, 9], "v": [0, 1, 2, 3, 4]}).set_index("k")
    assert frame.loc[2:5]["v"].to_list() == [1, 2, 3] and frame.loc[4:]["v"].to_list() == [2, 3, 4]
    assert frame.sort_index(ascending=False).loc[6:2]["v"].to_list() == [2, 3, 1]
    assert frame.loc[:, "v":"v"].columns == ["v"] and frame.loc[:4, [True]].columns == ["v"]


def test_wrong_labels(servers):
    table = pa.table({"k": ["a", "b", "a"], "n": [1, 2, 3]})
    for code in (
        "df.set_index('k').loc['z']",
        "df.set_index('k').loc[['a', 'z']]",
        "df.set_index('k').loc[7]",
        "df.set_index('k').loc[[7]]",
        "df.set_index('k').loc['a':'b']",
        "df.set_index('k').loc['z':'b']",
        "df.set_index('k').loc['a', 'z']",
        "df.set_index('n').at[1, 'z']",
        "df.set_index('k').drop('z')",
        "df.set_index('k').drop(['b', 'z'])",
        "df.set_index(['k', 'n']).loc['z']",
        "df.set_index(['k', 'n']).loc['a', 9]",
        "df.set_index(['k', 'n']).loc[('a', 1, 2)]",
        "df.set_index(['k', 'n']).loc[[('a', 1), ('a', 9)]]",
        "df.set_index(['k', 'n']).loc[[('a', 1), 'a']]",
        "df.set_index(['k', 'n']).drop([('a', 9)])",
        "df.set_index('k').rename({'z': 'y'}, errors='raise')",
    ):
        refused(servers, KeyError, code, [table])
    for code in (
        "df.loc[0]",
        "df.loc[[0]]",
        "df.set_index(['k', 'n']).loc[('a', 1):]",
        "df.drop('a')",
        "df.set_index('k').at['a']",
    ):
        refused(servers, ValueError, code, [table])
    refused(servers, IndexError, "df.set_index('k').loc[[True]]", [table])


# -- the index -------------------------------------------------------------------------------------------------------


@covers("DataFrame.set_index", keys="different: columns' names", drop="refused", append="same", inplace="refused",
        verify_integrity="same")  # fmt: skip
@covers("DataFrame.reset_index", level="same", drop="same", names="same", inplace="refused", col_level="refused",
        col_fill="refused", allow_duplicates="refused")  # fmt: skip
@covers("DataFrame.rename_axis", mapper="same", index="same", columns="refused", axis="refused", inplace="refused")
@given(data=st.data())
def test_set_and_reset_index(servers, data):
    table = data.draw(tables.tables(["string", "int8"], payloads=1))
    code = data.draw(
        st.sampled_from(
            [
                "df.set_index('k0')",
                "df.set_index(['k1', 'k0'])",
                "df.set_index('k0').set_index('k1')",
                "df.set_index('k0').set_index('k1', append=True)",
                "df.set_index(['k1', 'k0']).reset_index()",
                "df.set_index(['k1', 'k0']).reset_index(level='k0')",
                "df.set_index(['k1', 'k0']).reset_index(level=[0, 'k0'], names=['x', 'y'])",
                "df.set_index(['k1', 'k0']).reset_index(level=-1, drop=True)",
                "df.set_index(['k1', 'k0']).reset_index(drop=True)",
                "df.reset_index(drop=True)",
                "df.set_index('k0').reset_index(names='z')",
                "df.set_index('k0').rename_axis('z')",
                "df.set_index('k0').rename_axis(None)",
                "df.set_index(['k0', 'k1']).rename_axis([None, 'z'])",
                "df.set_index(['k0', 'k1']).rename_axis(['x', 'y'])",
                "df.set_index(['k0', 'k1']).rename_axis(index={'k0': 'x'})",
                "df.set_index(['k0', 'k1']).rename_axis(index=str.upper)",
            ]
        )
    )
    same_as_pandas(data, servers, code, [table], convert=objects)


@covers("Series.reset_index", level="same", drop="same", name="same", inplace="refused", allow_duplicates="refused")
@covers("Series.rename", index="different: a name", inplace="refused", copy="refused", level="refused", axis="same",
        errors="same")  # fmt: skip
@given(data=st.data())
def test_series_and_its_index(servers, data):
    table = data.draw(tables.tables(["string", "int8"], payloads=0))
    for code in (
        "df.set_index('k0')['k1'].reset_index()",
        "df.set_index('k0')['k1'].reset_index(name='z')",
        "df.set_index('k0')['k1'].reset_index(drop=True)",
        "df.set_index(['k0', 'prow'])['k1'].reset_index(level='prow')",
        "df.set_index('k0')['k1'].rename('z')",
        "df.set_index('k0')['k1'].rename_axis('z')",
        "df.set_index('k0')['k1'].to_frame('z')",
    ):
        same_as_pandas(data, servers, code, [table], convert=objects)


def test_verify_integrity(servers):
    table = pa.table({"k": ["a", "b", "a"], "n": [1, 2, 3]})
    refused(servers, ValueError, "df.set_index('k', verify_integrity=True)", [table], "same label")
    assert weft.DataFrame(table).set_index("n", verify_integrity=True).index_names == ("n",)


def test_index_object():
    frame = weft.DataFrame({"k": [3, 1, 1], "v": [1, 2, 3]})
    assert frame.index.names == [None] and frame.index.to_list() == [0, 1, 2] and len(frame.index) == 3
    index = frame.set_index("k").index
    assert index.name == "k" and list(index) == [3, 1, 1] and index.values.tolist() == [3, 1, 1] and index[0] == 3
    assert not index.is_unique and index.is_monotonic_decreasing and not index.is_monotonic_increasing
    assert frame.set_index(["k", "v"]).index.to_list() == [(3, 1), (1, 2), (1, 3)] and "RowIndex" in repr(index)
    assert index.to_frame().columns == ["k"] and index.to_pandas().name == "k" and index.to_arrow().num_rows == 3
    unnamed = weft.DataFrame({"v": [1, 2]}, index=["x", "y"])
    assert unnamed.index.names == [None] and unnamed.reset_index().columns == ["index", "v"]
    assert unnamed.loc["y"] == {"v": 2}


@covers("Series.is_unique")
@covers("Series.is_monotonic_increasing")
@covers("Series.is_monotonic_decreasing")
@given(data=st.data())
def test_series_properties(servers, data):
    table = data.draw(tables.tables([data.draw(st.sampled_from(["int8", "string", "double"]))], payloads=0, max_rows=5))
    for name in ("is_unique", "is_monotonic_increasing", "is_monotonic_decreasing"):
        same_as_pandas(data, servers, f"df['k0'].{name}", [table])
        ordered = f"df.sort_values('k0').dropna(subset='k0')['k0'].{name}".replace(".dropna(subset='k0')", "")
        run(data, servers, ordered, [table])


# -- names and columns -----------------------------------------------------------------------------------------------


@covers("DataFrame.rename", mapper="different: with axis=1", columns="same", axis="same", index="refused", copy="refused",
        inplace="refused", level="refused", errors="same")  # fmt: skip
@covers("DataFrame.add_prefix", prefix="same")
@covers("DataFrame.add_suffix", suffix="same")
@covers("DataFrame.drop", labels="same", axis="same", index="same", columns="same", level="refused", inplace="refused",
        errors="same")  # fmt: skip
@covers("DataFrame.filter", items="same", like="same", regex="same", axis="different: 0 for conditions, 1 for names",
        arg="different: an expression, a function or names", cond="different: an expression or a function", na="refused")  # fmt: skip
@covers("DataFrame.reindex", labels="same", columns="same", axis="same", fill_value="same", index="refused",
        method="refused", copy="refused", level="refused", limit="refused", tolerance="refused")  # fmt: skip
@covers("DataFrame.set_axis", labels="same", copy="refused")
@covers("DataFrame.head", n="same")
@covers("DataFrame.tail", n="same")
@covers("Series.head", n="same")
@covers("Series.tail", n="same")
@covers("DataFrame.copy", deep="same")
@covers("DataFrame.get", key="same", default="same")
@pytest.mark.parametrize(
    "code",
    [
        "df.rename(columns={'k0': 'z', 'nothing': 'y'})",
        "df.rename({'k0': 'z'}, axis=1)",
        "df.rename(str.upper, axis='columns')",
        "df.rename(columns={'k0': 'k1', 'k1': 'k0'}, errors='raise')",
        "df.add_prefix('a_')",
        "df.add_suffix('_a', axis=1)",
        "df.drop(columns='k0')",
        "df.drop(['k0', 'k1'], axis=1)",
        "df.drop('k0', axis='columns')",
        "df.drop(columns=['k0', 'nothing'], errors='ignore')",
        "df.filter(['prow', 'k0', 'nothing'])",
        "df.filter(items=['prow'], axis=1)",
        "df.filter(like='k')",
        "df.filter(regex='0$')",
        "df.reindex(columns=['k1', 'new', 'prow'])",
        "df.reindex(['k1', 'new'], axis=1, fill_value=7)",
        "df.set_axis(['x', 'y', 'z'], axis=1)",
        "df.head(3)",
        "df.tail(-3)",
        "df['k0'].head()",
        "df['k1'].tail(2)",
        "df.copy()",
        "df.get(['k1'])",
        "df.get('nothing', 'default')",
        "df.sort_index(axis=1)",
    ],
)
@given(data=st.data())
def test_columns(servers, code, data):
    table = data.draw(tables.tables(["string", "int8"], payloads=0))
    same_as_pandas(data, servers, code, [table], convert=objects)


@covers("Series.drop", labels="same", axis="refused", index="same", columns="refused", level="refused", inplace="refused",
        errors="same")  # fmt: skip
@given(data=st.data())
def test_drop_rows(servers, data):
    table, labels = data.draw(labelled(data.draw(st.sampled_from(["int32", "string", "int8"]))))
    table = table.append_column("v", table["prow"])
    chosen = data.draw(st.lists(st.sampled_from(labels), max_size=4, unique=True)) if labels else []
    for code in (
        "df.set_index('k0').drop(chosen)",
        "df.set_index('k0').drop(index=chosen, columns='v')",
        "df.set_index('k0')['v'].drop(chosen)",
        "df.set_index('k0').drop([*chosen, 'nothing' if 'str' in kind else 99], errors='ignore')",
    ):
        kind = str(table.schema.field("k0").type)
        same_as_pandas(data, servers, code, [table], convert=objects, chosen=chosen, kind=kind)


@covers("DataFrame.insert", loc="same", column="same", value="different: what assign takes", allow_duplicates="refused")
@covers("DataFrame.pop", item="same")
def test_insert_and_pop():
    frame = weft.DataFrame({"k": [1, 2], "v": [3, 4]}).set_index("k")
    other = frame.copy()
    frame.insert(0, "w", weft.col("v") + 1)
    assert frame.columns == ["w", "v"] and frame["w"].to_list() == [4, 5] and other.columns == ["v"]
    frame.insert(2, "c", "x")
    assert frame.columns == ["w", "v", "c"] and frame.pop("v").to_list() == [3, 4] and frame.columns == ["w", "c"]
    del frame["w"]
    assert frame.columns == ["c"] and frame.index_names == ("k",)
    for problem, arguments in (
        (ValueError, (0, "c", 1)),
        (ValueError, (0, "k", 1)),
        (IndexError, (5, "d", 1)),
        (TypeError, ("x", "d", 1)),
        (ValueError, (0, "d", 1, True)),
    ):
        with pytest.raises(problem):
            frame.insert(*arguments)
    with pytest.raises(KeyError):
        frame.pop("nothing")


@covers("DataFrame.squeeze", axis="same")
@covers("Series.squeeze", axis="same")
@pytest.mark.parametrize(
    "code", ["df.squeeze()", "df.squeeze(axis=1)", "df.squeeze(axis='index')", "df.iloc[:, 0].squeeze()"]
)
@pytest.mark.parametrize("columns", [["k0"], ["k0", "k1"]])
@given(data=st.data())
def test_squeeze(servers, code, columns, data):
    table = data.draw(tables.tables(["string", "int8"], payloads=0, max_rows=2)).select(columns)
    if table.num_rows == 1 and code == "df.squeeze(axis='index')":
        # pandas gives a Series of the row.
        pandas = "df.iloc[0]"
        same_as_pandas(data, servers, code, [table], convert=objects, pandas=pandas)
        return
    same_as_pandas(data, servers, code, [table], convert=objects)


@covers("DataFrame.select_dtypes", include="same", exclude="same")
@pytest.mark.parametrize("names", ["'number'", "['int64', 'bool']", "'float'", "'datetime'", "'datetimetz'", "'timedelta'",
                                   "'category'", "'int8'", "np.floating", "'float32'", "'int'", "np.number"])  # fmt: skip
def test_select_dtypes(servers, names):
    kinds = [
        "bool",
        "int8",
        "int64",
        "float",
        "double",
        "timestamp",
        "timestamp_tz",
        "duration",
        "dictionary",
        "uint16",
    ]
    table = pa.table({kind: tables.column(*tables.KEYS[kind], [0, 1]) for kind in kinds})
    frame = weft.DataFrame(table)
    for how in ("include", "exclude"):
        found = eval(f"frame.select_dtypes({how}={names})", {"frame": frame, "np": __import__("numpy")})
        expected = eval(f"frame.select_dtypes({how}={names})", {"frame": table.to_pandas(), "np": __import__("numpy")})
        assert found.columns == list(expected.columns), (how, names)
    assert frame.select_dtypes(pa.int8()).columns == ["int8"]
    refused(servers, ValueError, "df.select_dtypes()", [SMALL])
    refused(servers, TypeError, "df.select_dtypes('no type')", [SMALL])


WRONG = [
    (ValueError, "df.rename({'k': 'z'})"),
    (ValueError, "df.rename(index={'a': 'z'})"),
    (ValueError, "df.rename(columns={'k': 'n'})"),
    (KeyError, "df.rename(columns={'z': 'y'}, errors='raise')"),
    (TypeError, "df.rename()"),
    (ValueError, "df.add_prefix('a', axis=0)"),
    (ValueError, "df.add_suffix('a', axis=0)"),
    (KeyError, "df.drop(columns='z')"),
    (ValueError, "df.drop(columns='k', inplace=True)"),
    (ValueError, "df.drop(columns='k', level=0)"),
    (ValueError, "df.drop()"),
    (ValueError, "df.drop('k', axis=7)"),
    (TypeError, "df.filter(['k'], like='n')"),
    (TypeError, "df.filter()"),
    (TypeError, "df.filter(7)"),
    (ValueError, "df.filter(like='n', axis=0)"),
    (ValueError, "df.filter(col('n') > 1, na=True)"),
    (ValueError, "df.reindex(index=['a'])"),
    (ValueError, "df.reindex(['a'])"),
    (ValueError, "df.reindex(columns=['k'], method='ffill')"),
    (ValueError, "df.set_index('k', drop=False)"),
    (ValueError, "df.set_index('k', inplace=True)"),
    (KeyError, "df.set_index('z')"),
    (KeyError, "df.set_index('k').reset_index(level='z')"),
    (IndexError, "df.set_index('k').reset_index(level=1)"),
    (ValueError, "df.set_index('k').reset_index(names=['x', 'y'])"),
    (ValueError, "df.set_index('k').reset_index(names='n')"),
    (ValueError, "df.set_index('k').reset_index(col_fill='x')"),
    (ValueError, "df.set_index('k').rename_axis(['x', 'y'])"),
    (ValueError, "df.set_index('k').rename_axis(columns='x')"),
    (ValueError, "df.squeeze(axis=3)"),
    (ValueError, "df['n'].rename({0: 1})"),
    (ValueError, "df['n'].rename('x', inplace=True)"),
    (ValueError, "df['n'].squeeze(axis=1)"),
    (ValueError, "df['n'].drop(columns='n')"),
    (ValueError, "df.set_axis(['x'], axis=1)"),
    (ValueError, "df.set_axis(['x'] * 9)"),
]


@pytest.mark.parametrize(("kind", "code"), WRONG)
def test_wrong_arguments(servers, kind, code):
    refused(servers, kind, code, [SMALL])


# -- equality --------------------------------------------------------------------------------------------------------


@covers("DataFrame.equals", other="same")
@covers("Series.equals", other="same")
@given(data=st.data())
def test_equals(servers, data):
    kind = data.draw(st.sampled_from(sorted(tables.PAYLOADS)))
    rows = data.draw(st.integers(0, 12))
    one = pa.table({"k": data.draw(tables.columns(rows, tables.PAYLOADS, kind)), "row": pa.array(range(rows))})
    change = data.draw(st.sampled_from(["none", "value", "order", "length", "name"]))
    other = one
    if change == "value":
        other = one.set_column(0, "k", data.draw(tables.columns(rows, tables.PAYLOADS, kind)))
    elif change == "order":
        other = one.take(data.draw(st.permutations(range(rows)))) if rows else one
    elif change == "length":
        other = one.slice(0, max(0, rows - 1))
    elif change == "name":
        other = one.rename_columns(["k", "z"])
    same = one.schema.names == other.schema.names and tables.rows_of(one) == tables.rows_of(other)
    assert run(data, servers, "df.equals(other)", [one, other]) is same
    values = [row[0] for row in tables.rows_of(one)] == [row[0] for row in tables.rows_of(other)]
    assert run(data, servers, "df['k'].equals(other['k'])", [one, other]) is values
    if kind in tables.KEYS:
        bag = one.schema.names == other.schema.names and sorted(map(repr, tables.rows_of(one))) == sorted(
            map(repr, tables.rows_of(other))
        )
        assert run(data, servers, "df.equals(other, ordered=False)", [one, other]) is bag
    assert run(data, servers, "df.equals(7)", [one]) is False
