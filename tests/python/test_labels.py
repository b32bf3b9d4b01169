"""Labels of several index columns, rows by a list of labels, other labels: over ranks = here = pandas."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, run, same_as_pandas

KEYS = {
    "a": (pa.string(), ["", "x", "y", "Größe"]),
    "b": (pa.int64(), [0, 1, -(2**63)]),
    "v": (pa.float64(), [0.5, -0.0, float("nan")]),
}


@st.composite
def frames(draw, least=0):
    rows = draw(st.integers(least, 30))
    made = {name: draw(tables.columns(rows, {name: (type, values)}, name)) for name, (type, values) in KEYS.items()}
    made["a"], made["b"] = made["a"].fill_null("z"), made["b"].fill_null(7)
    return pa.table({**made, "row": pa.array(range(rows), pa.int64())})


@covers("DataFrame.loc", "different: one label gives a row as a dict; positions are no labels")
@covers("DataFrame.at")
@covers("Series.loc")
@given(data=st.data())
def test_labels_of_several_columns(servers, data):
    table = data.draw(frames(least=1))
    row = data.draw(st.integers(0, table.num_rows - 1))
    a, b = table["a"][row].as_py(), table["b"][row].as_py()
    codes = [
        "X.loc[a]",
        "X.loc[(a, b)]",
        "X.loc[a, b]",
        "X.loc[a, 'v']",
        "X.loc[(a, b), 'v']",
        "X.loc[(a, b), ['row', 'v']]",
        "X.loc[[a]]",
        "X['row'].loc[a]",
        "X['row'].loc[(a, b)]",
        "X['row'].loc[a, b]",
        "X.sort_index().loc[:a]",
        "X.sort_index().loc[a:, 'row']",
        "X.drop(index=a)",
        "X.drop(index=[(a, b)])",
        "X['row'].drop([(a, b)])",
    ]
    code = data.draw(st.sampled_from(codes)).replace("X", "df.set_index(['a', 'b'])")
    there = sum(pair == (a, b) for pair in zip(table["a"].to_pylist(), table["b"].to_pylist(), strict=True))
    one = there == 1 and ("(a, b)" in code or "a, b]" in code) and "drop" not in code and "[(" not in code
    if one and "'row']" not in code.split("loc")[0] and ", 'v']" not in code:
        # A row: a dict here, a Series of one type in pandas.
        found = run(data, servers, code, [table], a=a, b=b)
        expected = eval(code, {"df": table.to_pandas(), "a": a, "b": b}).to_dict()
        assert {name: tables.plain(value) for name, value in found.items()} == {
            name: tables.plain(value) for name, value in expected.items()
        }
        return
    same_as_pandas(data, servers, code, [table], a=a, b=b)


@given(data=st.data())
def test_lists_of_labels(servers, data):
    table = data.draw(frames())
    pairs = list(dict.fromkeys(zip(table["a"].to_pylist(), table["b"].to_pylist(), strict=True)))
    chosen = data.draw(st.lists(st.sampled_from(pairs), max_size=6)) if pairs else []
    code = "df.set_index(['a', 'b']).loc[[tuple(pair) for pair in chosen]]"
    found = run(data, servers, code, [table], chosen=chosen)
    rows = tables.rows_of(table)
    assert tables.rows_of(found.to_arrow()) == [row for pair in chosen for row in rows if row[:2] == pair]
    first = list(dict.fromkeys(pair[0] for pair in chosen))
    found = run(data, servers, "df.set_index(['a', 'b']).loc[first]", [table], first=first)
    assert tables.rows_of(found.to_arrow()) == [row for label in first for row in rows if row[0] == label]


@covers("DataFrame.reindex", index="same", labels="same", axis="same", columns="same", fill_value="same",
        method="refused", copy="refused", level="refused", limit="refused", tolerance="refused")  # fmt: skip
@covers("Series.reindex", index="same", axis="refused", fill_value="same", method="refused", copy="refused",
        level="refused", limit="refused", tolerance="refused")  # fmt: skip
@given(data=st.data())
def test_reindex(servers, data):
    kind = data.draw(st.sampled_from(["int64", "string", "double", "timestamp"]))
    type, values = tables.KEYS[kind]
    values = [value for value in dict.fromkeys(values) if value == value]
    here = data.draw(st.lists(st.sampled_from(values), unique=True))
    labels = data.draw(st.lists(st.sampled_from(values), max_size=12))
    texts = pa.array([f"t{i}" for i in range(len(here))], pa.string())
    table = pa.table({"k": pa.array(here, type), "v": pa.array(range(len(here)), pa.int64()), "s": texts})
    code = data.draw(
        st.sampled_from(
            [
                "df.set_index('k').reindex(LABELS)",
                "df.set_index('k').reindex(index=LABELS, columns=['s', 'w'])",
                "df.set_index('k')[['v']].reindex(LABELS, axis=0, fill_value=-1)",
                "df.set_index('k')['v'].reindex(LABELS)",
                "df.set_index('k')['v'].reindex(LABELS, fill_value=7)",
            ]
        )
    )
    ours = code.replace("LABELS", "labels")
    spelled = [value.isoformat() if hasattr(value, "isoformat") else value for value in labels]
    if kind == "timestamp":
        ours = code.replace("LABELS", "[pd.Timestamp(label) for label in labels]")
    same_as_pandas(data, servers, ours, [table], labels=spelled)


@given(data=st.data())
def test_reindex_by_tuples(servers, data):
    pairs = data.draw(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2)), unique=True))
    table = pa.table({"a": pa.array([a for a, _ in pairs], pa.string()), "b": pa.array([b for _, b in pairs], pa.int64()),
                      "v": pa.array(range(len(pairs)), pa.int64())})  # fmt: skip
    labels = data.draw(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), max_size=8, min_size=1))
    found = run(data, servers, "df.set_index(['a', 'b']).reindex([tuple(x) for x in labels])", [table], labels=labels)
    there = {pair: number for number, pair in enumerate(pairs)}
    assert tables.rows_of(found.to_arrow()) == [(*label, there.get(label)) for label in labels]


@covers("DataFrame.rename", index="same", level="same", errors="same", mapper="same", axis="same", columns="same",
        copy="refused", inplace="refused")  # fmt: skip
@covers("Series.rename", index="same", level="same", errors="same", axis="refused", copy="refused", inplace="refused")
@given(data=st.data())
def test_rename_rows(servers, data):
    table = data.draw(frames())
    code = data.draw(
        st.sampled_from(
            [
                "df.set_index('a').rename(index={'x': 'X', '': 'empty'})",
                "df.set_index('a').rename({'x': 'X'})",
                "df.set_index('a').rename(index=str.upper, columns=str.upper)",
                "df.set_index('a').rename(lambda label: label + '!', axis=0)",
                "df.set_index(['a', 'b']).rename(index={'x': 'y'}, level='a')",
                "df.set_index(['a', 'b']).rename(index=lambda label: label % 2, level=1)",
                "df.set_index('b')['v'].rename({0: 10, 1: 11})",
                "df.set_index('b')['v'].rename(lambda label: label // 2)",
            ]
        )
    )
    same_as_pandas(data, servers, code, [table])
    missing = "df.set_index('a').rename({'nowhere': 'X'}, errors='raise')"
    with pytest.raises(KeyError):
        run(data, servers, missing, [table])


@given(data=st.data())
def test_texts_that_name_years_months_and_days(servers, data):
    hours = data.draw(st.sampled_from([6, 24]))
    places = data.draw(st.permutations(range(360 // hours)))
    begin = dt.datetime(2023, 12, 25)
    table = pa.table(
        {
            "t": pa.array([begin + dt.timedelta(hours=hours * place) for place in places], pa.timestamp("us")),
            "x": places,
        }
    )
    labels = ["2023", "2024-01", "2024-01-02", "2024-01-02 06", "2024-01-02 06:00", "2023-12-25 00:00:00"]
    for label in labels if hours == 6 else labels[:2]:
        # The last ones name a row, which is a dict here.
        frame = "df.set_index('t')['x']" if label in labels[3:] else "df.set_index('t')"
        code = f"{frame}.loc[{label!r}]"
        code = f"int({code})" if label in labels[3:] else code
        same_as_pandas(data, servers, code, [table])
    row = "df.set_index('t').loc['2024-01-02']['x']"
    if hours == 24:
        same_as_pandas(data, servers, row, [table], pandas=f"int({row})")
    refused(servers, KeyError, "df.set_index('t').loc['2031-02']", [table], "2031-02")


def test_refusals(servers):
    table = pa.table({"k": ["a", "b", "a"], "n": [1, 2, 3]})
    refused(servers, ValueError, "df.set_index('k').reindex(['a'])", [table], "same label")
    refused(servers, ValueError, "df.reindex(['a'])", [table], "no index")
    refused(servers, TypeError, "df.set_index('n').reindex(['a'])", [table], "reindex")
    refused(servers, TypeError, "df.reindex(['n'], columns=['n'])", [table], "reindex")
    refused(servers, ValueError, "df.set_index('k').reindex()", [table], "reindex")
    refused(servers, ValueError, "df.set_index(['k', 'n']).reindex(['a'])", [table], "tuples")
    for name, value in {"method": "'ffill'", "copy": "True", "level": "0", "limit": "1", "tolerance": "1"}.items():
        refused(servers, ValueError, f"df.set_index('n').reindex([1], {name}={value})", [table], name)
        refused(servers, ValueError, f"df.set_index('n')['k'].reindex([1], {name}={value})", [table], name)
    refused(servers, ValueError, "df.set_index('n')['k'].reindex([1], axis=1)", [table], "axis")
    refused(servers, ValueError, "df.rename(index={'a': 'b'})", [table], "no index")
    refused(servers, TypeError, "df.rename('x')", [table], "dict")
    refused(servers, TypeError, "df.rename({}, columns={})", [table], "mapper")
    for name, value in {"copy": "True", "inplace": "True"}.items():
        refused(servers, ValueError, f"df.set_index('n').rename({{1: 2}}, {name}={value})", [table], name)
        refused(servers, ValueError, f"df.set_index('n')['k'].rename({{1: 2}}, {name}={value})", [table], name)
    refused(servers, ValueError, "df['n'].rename('m', errors='raise')", [table], "errors")
    refused(servers, ValueError, "df['n'].rename('m', axis=0)", [table], "axis")
