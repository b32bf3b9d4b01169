"""Rows to columns, columns to rows, values as flags, frames laid over each other: distributed = local = pandas."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import compare, covers, refused, same_as_pandas

import weft

KEYS = {
    "few": (pa.string(), ["a", "b", "c"]),
    "texts": (pa.string(), ["", "x", "Größe", "y z"]),
}
NUMBERS = {
    "i": (pa.int64(), [0, 1, -1, 2, 7, -7, 100]),
    "x": (pa.float64(), [0.0, 0.5, -2.25, 64.0, math.nan]),
}


@st.composite
def frames(draw: st.DrawFn, *, nulls: bool = True, max_rows: int = 25) -> pa.Table:
    """Columns "row", "k", "g" (texts, some missing), "n" (whole numbers, few), "i", "x"."""
    rows = draw(st.integers(0, max_rows))

    def column(kind: str, values: dict[str, Any], missing: bool = True) -> pa.Array:
        type, found = values[kind]
        picked = draw(
            st.lists(st.integers(-1 if missing and nulls else 0, len(found) - 1), min_size=rows, max_size=rows)
        )
        return tables.column(type, found, picked)

    return pa.table(
        {
            "row": pa.array(range(rows), pa.int64()),
            "k": column("few", KEYS),
            "g": column("texts", KEYS),
            "n": pa.array(draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows)), pa.int64()),
            "i": column("i", NUMBERS, missing=False),
            "x": column("x", NUMBERS),
        }
    )


# -- columns to rows -------------------------------------------------------------------------------------------------


@covers("DataFrame.melt", "different: values of numbers and of texts are refused")
@covers("DataFrame.melt", id_vars="same", value_vars="same", var_name="same", value_name="same", col_level="refused",
        ignore_index="same")  # fmt: skip
@given(data=st.data())
def test_melt(servers, data):
    table = data.draw(frames())
    code = data.draw(
        st.sampled_from(
            [
                "df.drop(columns=['k', 'g']).melt()",
                "df.melt('k', ['i', 'x'])",
                "df.melt(id_vars=['row', 'g'], value_vars=['i', 'n'])",
                "df.melt(['row'], 'g')",
                "df.melt('row', ['i'], 'what', 'much')",
                "df.melt(id_vars=['k'], value_vars=['x', 'i'], var_name='v', value_name='w')",
                "df.set_index('row').melt(['k'], ['i', 'x'], ignore_index=False)",
                "df.set_index('row')[['i', 'x']].melt()",
            ]
        )
    )
    same_as_pandas(data, servers, code, [table])


@covers("DataFrame.explode", column="same", ignore_index="same")
@covers("Series.explode", ignore_index="same")
@given(data=st.data())
def test_explode(servers, data):
    rows = data.draw(st.integers(0, 12))
    lists = st.sampled_from([None, [], [1], [1, None, 3], [5, 5]])
    values = data.draw(st.lists(lists, min_size=rows, max_size=rows))
    other = [None if value is None else [str(one) for one in value] for value in values]
    kind = data.draw(st.sampled_from([pa.list_(pa.int64()), pa.large_list(pa.int64())]))
    table = pa.table({"row": pa.array(range(rows), pa.int64()), "v": pa.array(values, kind),
                      "w": pa.array(other, pa.list_(pa.string()))})  # fmt: skip
    if rows > 2 and data.draw(st.booleans()):
        table = pa.concat_tables([table.slice(0, 2), table.slice(2)])
    code = data.draw(
        st.sampled_from(
            [
                "df.set_index('row')[['v']].explode('v')",
                "df.set_index('row').explode(['v', 'w'])",
                "df[['row']].explode('row')",
                "df[['row', 'v']].explode('v', ignore_index=True)",
                "df.set_index('row')['v'].explode()",
                "df.set_index('row')['w'].explode(ignore_index=True)",
            ]
        )
    )
    same_as_pandas(data, servers, code, [table])


@covers("DataFrame.transpose", copy="refused")
@covers("DataFrame.T")
@given(data=st.data())
def test_transpose(servers, data):
    table = data.draw(frames(max_rows=8))
    code = data.draw(
        st.sampled_from(["df[['i', 'x', 'n']].T", "df.set_index('row')[['i', 'x']].transpose()", "df[['k']].T"])
    )
    same_as_pandas(data, servers, code, [table])


# -- rows to columns -------------------------------------------------------------------------------------------------


@covers(
    "DataFrame.pivot",
    "different: one level of names, label or value_label, in order",
    columns="same",
    index="same",
    values="same",
)
@given(data=st.data())
def test_pivot(servers, data):
    table = data.draw(frames(nulls=False))
    rows = table.to_pylist()
    once = {(row["k"], row["n"]): row for row in rows}
    table = pa.Table.from_pylist(list(once.values()), table.schema)
    flat = "(lambda made: made.set_axis(['_'.join(map(str, c)) for c in made.columns], axis=1))"
    # With several columns, pandas' come by first appearance.
    ordered = (
        "(lambda made: made.sort_index(axis=1).set_axis(['_'.join(map(str, c)) for c in sorted(made.columns)], axis=1))"
    )
    forms = {
        "df.pivot(index='n', columns='k', values='i')": "",
        "df.pivot(columns='n', index='k', values='x')": "",
        "df.set_index('n').pivot(columns='k', values='g')": "",
        "df.pivot(index='n', columns='k', values=['i', 'x'])": flat,
        "df.drop(columns='row').pivot(index='k', columns='n')": flat,
        "df.pivot(index=['k', 'row'], columns='n', values='i')": "",
        "df.pivot(index='row', columns=['k', 'n'], values='i')": ordered,
    }
    code = data.draw(st.sampled_from(sorted(forms)))
    same_as_pandas(data, servers, code, [table], pandas=f"{forms[code]}({code})" if forms[code] else code)


@covers("DataFrame.pivot_table", "different: one level of names, as label or value_label", values="same",
        index="different: must be given", columns="same", aggfunc="same",
        fill_value="same", margins="different: the index must be texts", dropna="different: True alone", margins_name="same",
        observed="different: True alone", sort="same")  # fmt: skip
@given(data=st.data())
def test_pivot_table(servers, data):
    table = data.draw(frames())
    if table.num_rows == 0:
        return
    flat = "(lambda made: made.set_axis(['_'.join(map(str, c)) for c in made.columns], axis=1))"
    forms = {
        "df.pivot_table('x', 'k', 'n')": "",
        "df.pivot_table(values='i', index='k', columns='n', aggfunc='sum')": "",
        "df.pivot_table(values='i', index='k', columns='n', aggfunc='sum', fill_value=0)": "",
        "df.pivot_table(values='i', index=['k', 'n'], columns='g', aggfunc='max')": "",
        "df.pivot_table(values='i', index='n', aggfunc='count')": "",
        "df.pivot_table(values=['i', 'x'], index='n', columns='k', aggfunc='min')": flat,
        "df[['k', 'n', 'i', 'x']].pivot_table(index='n', columns='k')": flat,
        "df.pivot_table(index='n', columns='k', aggfunc={'x': 'sum', 'i': 'max'})": flat,
        "df.pivot_table('i', index='n', columns=['k', 'g'], aggfunc='sum')": flat,
        "df.pivot_table('i', 'k', aggfunc=['sum', 'mean'])": flat,
        "df.pivot_table('i', 'k', 'n', aggfunc='sum', sort=True)": "",
        "df.pivot_table('i', 'k', 'n', aggfunc='sum', margins=True)": "",
        "df.pivot_table('i', 'k', 'n', aggfunc='mean', margins=True, margins_name='whole')": "",
        "df.pivot_table('i', 'k', aggfunc='sum', margins=True)": "",
        "df.pivot_table('i', 'k', 'n', aggfunc=lambda values: values.max() - values.min())": "",
    }
    code = data.draw(st.sampled_from(sorted(forms)))
    same_as_pandas(
        data, servers, code, [table], tolerance=1e-9, pandas=f"{forms[code]}({code})" if forms[code] else code
    )


@covers("crosstab", index="different: a Series or a list of such", columns="different: a Series or a list of such",
        values="same", rownames="same", colnames="different: columns have no name", aggfunc="same", margins="same",
        margins_name="same", dropna="different: True alone", normalize="different: not with margins")  # fmt: skip
@given(data=st.data())
def test_crosstab(servers, data):
    table = data.draw(frames())
    if table.num_rows == 0:
        return
    flat = "(lambda made: made.set_axis(['_'.join(map(str, c)) for c in made.columns], axis=1))"
    forms = {
        "PKG.crosstab(df['k'], df['n'])": "",
        "PKG.crosstab([df['k'], df['n']], df['g'])": "",
        "PKG.crosstab(df['n'], [df['k'], df['g']])": flat,
        "PKG.crosstab(df['k'], df['n'], values=df['i'], aggfunc='sum')": "",
        "PKG.crosstab(df['k'], df['n'], rownames=['r'], colnames=['c'])": "",
        "PKG.crosstab(df['k'], df['n'], margins=True)": "",
        "PKG.crosstab(df['k'], df['n'], margins=True, margins_name='whole')": "",
        "PKG.crosstab(df['k'], df['n'], normalize=True)": "",
        "PKG.crosstab(df['k'], df['n'], normalize='index')": "",
        "PKG.crosstab(df['k'], df['n'], normalize='columns')": "",
    }
    code = data.draw(st.sampled_from(sorted(forms)))
    theirs = code.replace("PKG", "pd")
    same_as_pandas(data, servers, code.replace("PKG", "weft"), [table], tolerance=1e-9,
                   pandas=f"{forms[code]}({theirs})" if forms[code] else theirs)  # fmt: skip


# -- values as flags and numbers -------------------------------------------------------------------------------------


@covers("get_dummies", "different: of dictionaries, the values that are there", data="same", prefix="same",
        prefix_sep="same", dummy_na="same", columns="same", sparse="refused", drop_first="same", dtype="same")  # fmt: skip
@given(data=st.data())
def test_get_dummies(servers, data):
    table = data.draw(frames())
    code = data.draw(
        st.sampled_from(
            [
                "PKG.get_dummies(df[['k', 'i', 'g']])",
                "PKG.get_dummies(df, columns=['n'])",
                "PKG.get_dummies(df['k'])",
                "PKG.get_dummies(df['k'], prefix='p', dtype='int64')",
                "PKG.get_dummies(df[['k', 'g']], prefix=['a', 'b'], prefix_sep='.')",
                "PKG.get_dummies(df[['k', 'g']], prefix={'k': 'a', 'g': 'b'}, drop_first=True)",
                "PKG.get_dummies(df[['k']], dummy_na=True, prefix='q')",
                "PKG.get_dummies(df.set_index('row')[['k']], dtype=float)",
            ]
        )
    )
    if table.num_rows == 0:
        return
    same_as_pandas(data, servers, code.replace("PKG", "weft"), [table], pandas=code.replace("PKG", "pd"))


@covers("factorize", "different: two Series", values="different: a Series", sort="same", use_na_sentinel="same",
        size_hint="refused")  # fmt: skip
@covers("Series.factorize", "different: two Series", sort="same", use_na_sentinel="same")
@given(data=st.data())
def test_factorize(servers, data):
    table = data.draw(frames())
    column = data.draw(st.sampled_from("knx"))
    more = data.draw(st.sampled_from(["", "sort=True", "sort=False, use_na_sentinel=True", "use_na_sentinel=False"]))
    part = data.draw(st.sampled_from([0, 1]))
    ours = data.draw(
        st.sampled_from(
            [f"weft.factorize(df['{column}'], {more})[{part}]", f"df['{column}'].factorize({more})[{part}]"]
        )
    )
    theirs = f"pd.Series(pd.factorize(df['{column}'], {more})[{part}])"
    worlds = None if "sort=True" in more else [1, 2, 3]
    same_as_pandas(data, servers, ours, [table], pandas=theirs, worlds=worlds)


@covers("cut", "different: texts or labels, no intervals", x="different: a Series of numbers", bins="different: no intervals",
        right="same", labels="same", retbins="same", precision="same", include_lowest="same", duplicates="same",
        ordered="same")  # fmt: skip
@covers("qcut", "different: texts or labels, no intervals", x="different: a Series of numbers", q="same", labels="same",
        retbins="same", precision="same", duplicates="same")  # fmt: skip
@given(data=st.data())
def test_cut(servers, data):
    table = data.draw(frames())
    column = data.draw(st.sampled_from("ix"))
    if not any(value is not None and value == value for value in table[column].to_pylist()):
        return
    call = data.draw(
        st.sampled_from(
            [
                "cut(S, 3)",
                "cut(S, bins=4, right=False)",
                "cut(S, [-8, 0, 1.5, 70])",
                "cut(S, [-8, 0, 2, 70], include_lowest=True)",
                "cut(S, [0, 1, 2], labels=['low', 'high'])",
                "cut(S, 2, labels=False)",
                "cut(S, 3, labels=False, retbins=True)[0]",
                "cut(S, 3, precision=1)",
                "cut(S, [-10, 0, 0, 5], duplicates='drop')",
                "cut(S, [-10, 0, 5], labels=['z', 'z'], ordered=False)",
                "qcut(S, 2, duplicates='drop')",
                "qcut(x=S, q=4, labels=False, duplicates='drop')",
                "qcut(S, [0, 0.3, 1], precision=2, duplicates='drop')",
                "qcut(S, 3, retbins=True, duplicates='drop')[0]",
            ]
        )
    ).replace("S", f"df['{column}']")
    theirs = (
        f"pd.{call}"
        if "labels=False" in call
        else f"(lambda s: s.astype(object).map(str, na_action='ignore'))(pd.{call})"
    )
    same_as_pandas(data, servers, f"weft.{call}", [table], pandas=theirs)


# -- frames laid over each other -------------------------------------------------------------------------------------


@covers("DataFrame.combine_first", "different: without an index both are equally long", other="same")
@given(data=st.data())
def test_combine_first(servers, data):
    one, two = data.draw(frames()), data.draw(frames())
    shift = data.draw(st.integers(0, 10))
    two = two.set_column(0, "row", pa.array([i + shift for i in range(two.num_rows)], pa.int64()))
    forms = [["row", "k", "x"], ["row", "x"], ["row", "k", "x", "n"]]
    # pandas fails where a frame without rows alone has a column of integers.
    two = two.select(data.draw(st.sampled_from(forms if two.num_rows > 0 else forms[:2])))
    one = one.select(["row", "k", "x"])
    code = "df.set_index('row').combine_first(other.set_index('row'))"
    theirs = f"{code}[[c for c in ['k', 'x', 'n'] if c in (*df.columns, *other.columns)]]"
    same_as_pandas(data, servers, code, [one, two], pandas=theirs)
    # Equal indexes stay in their order, labels that are there twice too.
    code = "df.set_index('k')[['x']].combine_first(df.set_index('k')[['row', 'x']].fillna(7))"
    same_as_pandas(data, servers, code, [one], pandas=f"{code}[['x', 'row']]")


@covers("DataFrame.update", other="same", join="refused", overwrite="same", filter_func="refused", errors="same")
@given(data=st.data())
def test_update(servers, data):
    one, two = data.draw(frames()).select(["row", "k", "x", "n"]), data.draw(frames()).select(["row", "x", "k"])
    more = data.draw(st.sampled_from(["", ", overwrite=False", ", 'left', True, None, 'ignore'"]))
    code = f"(lambda a: [a.update(other.set_index('row'){more}), a][1])(df.set_index('row'))"
    same_as_pandas(data, servers, code, [one, two])


@covers("DataFrame.compare", "different: columns are name_self and name_other, no index of positions", other="same",
        align_axis="refused", keep_shape="same", keep_equal="same", result_names="same")  # fmt: skip
@covers("Series.compare", "different: no index of positions", other="same", align_axis="refused", keep_shape="same",
        keep_equal="same", result_names="same")  # fmt: skip
@given(data=st.data())
def test_compare(servers, data):
    one = data.draw(frames()).select(["row", "k", "x"])
    changed = data.draw(st.lists(st.booleans(), min_size=one.num_rows, max_size=one.num_rows))
    values = [5.5 if change else value for change, value in zip(changed, one["x"].to_pylist(), strict=True)]
    two = one.set_column(2, "x", pa.array(values, pa.float64()))
    flat = "(lambda made: made.set_axis(['_'.join(c) for c in made.columns], axis=1))"
    forms = {
        "A.compare(B)": flat,
        "A.compare(B, keep_shape=True)": flat,
        "A.compare(B, keep_equal=True)": flat,
        "A.compare(B, 1, True, True, ('left', 'right'))": flat,
        "A['x'].compare(B['x'])": "",
        "A['x'].compare(B['x'], keep_shape=True, keep_equal=True, result_names=('l', 'r'))": "",
    }
    form = data.draw(st.sampled_from(sorted(forms)))
    code = form.replace("A", "df.set_index('row')").replace("B", "other.set_index('row')")
    same_as_pandas(data, servers, code, [one, two], pandas=f"{forms[form]}({code})" if forms[form] else code)


SMALL = pa.table(
    {"k": ["a", "b", "a"], "n": [1, 1, 2], "x": [0.5, None, -1.0], "l": [[1], [2, 3], []], "m": [[1], [2], [3]]}
)


def test_wrong_arguments(servers):
    def wrong(kind: type[Exception], code: str, *says: str) -> None:
        refused(servers, kind, code, [SMALL], *says)

    wrong(ValueError, "df[['k', 'n']].melt(col_level=0)", "col_level")
    wrong(KeyError, "df.melt('nowhere')", "nowhere")
    wrong(ValueError, "df[['k', 'n']].melt('k', value_name='k')", "twice")
    wrong(KeyError, "df.explode('nowhere')", "nowhere")
    wrong(ValueError, "df.explode(['l', 'm'])", "different lengths")
    wrong(ValueError, "df[['n']].transpose(copy=True)", "copy")
    wrong(TypeError, "df[['n', 'k']].T", "one type")
    wrong(ValueError, "weft.concat([df, df])[['k', 'n', 'x']].pivot(index='k', columns='n', values='x')", "pivot_table")
    wrong(ValueError, "df.pivot(columns='n', values='x')", "index=")
    wrong(ValueError, "df.pivot_table('x', columns='n')", "index=")
    wrong(ValueError, "df.pivot_table('x', 'k', 'n', dropna=False)", "dropna")
    wrong(ValueError, "df.pivot_table('x', 'k', 'n', observed=False)", "observed")
    wrong(TypeError, "df.pivot_table('x', 'n', 'k', margins=True)", "margins")
    wrong(KeyError, "df.pivot_table('nowhere', 'n', 'k')", "nowhere")
    wrong(ValueError, "df.pivot_table('x', 'k', aggfunc=['sum'], margins=True)", "margins")
    wrong(TypeError, "weft.crosstab(['a'], df['k'])", "Series")
    wrong(ValueError, "weft.crosstab(df['n'], df['k'], values=df['x'])", "aggfunc")
    wrong(ValueError, "weft.crosstab(df['n'], df['k'], dropna=False)", "dropna")
    wrong(ValueError, "weft.crosstab(df['k'], df['n'], normalize='up')", "normalize")
    wrong(ValueError, "weft.crosstab(df['k'], df['n'], normalize=True, margins=True)", "margins")
    wrong(ValueError, "weft.get_dummies(df[['k']], sparse=True)", "sparse")
    wrong(ValueError, "weft.get_dummies(df[['k']], prefix=['a', 'b'])", "prefix")
    wrong(TypeError, "weft.get_dummies(df[['k']], columns='k')", "columns")
    wrong(TypeError, "weft.get_dummies([1, 2])", "frame")
    wrong(ValueError, "weft.factorize(df['k'], size_hint=3)", "size_hint")
    wrong(TypeError, "weft.factorize(['a'])", "Series")
    wrong(TypeError, "weft.cut(df['k'], 2)", "'k'")
    wrong(TypeError, "weft.cut([1, 2], 2)", "Series")
    wrong(ValueError, "weft.cut(df['n'], 0)", "bins")
    wrong(ValueError, "weft.cut(df['n'], [2, 1])", "rise")
    wrong(ValueError, "weft.cut(df['n'], [1, 1, 2])", "twice")
    wrong(ValueError, "weft.cut(df['n'], [0, 1, 2], labels=['a'])", "labels")
    wrong(ValueError, "weft.cut(df['n'], [0, 1, 2], labels=['a', 'a'])", "ordered")
    wrong(ValueError, "weft.cut(df['n'], [0, 1, 2], ordered=False)", "labels")
    wrong(ValueError, "weft.cut(df['n'], 2, duplicates='keep')", "duplicates")
    wrong(ValueError, "weft.qcut(df['n'], 0)", "q=")
    wrong(ValueError, "df.set_index('k').combine_first(df[1:].set_index('k'))", "same label")
    wrong(ValueError, "df[['n']].update(df[['n']], join='right')", "join")
    wrong(ValueError, "df[['n']].update(df[['n']], filter_func=len)", "filter_func")
    wrong(ValueError, "df[['n']].update(df[['n']], errors='raise')", "both frames")
    wrong(ValueError, "df[['n']].update(df[['n']], errors='warn')", "errors")
    wrong(ValueError, "df[['n']].compare(df[['n']], align_axis=0)", "align_axis")
    wrong(ValueError, "df['n'].compare(df['n'], align_axis=0)", "align_axis")
    wrong(ValueError, "df[['n']].compare(df[['x']])", "columns")
    wrong(TypeError, "df[['n']].compare(df[['n']], result_names=['a', 'b'])", "result_names")


def test_edges_of_cut():
    series = weft.DataFrame({"v": [1.0, 2.0, 5.0]})["v"]
    for name in ("cut", "qcut"):
        found, edges = getattr(weft, name)(series, 2, retbins=True)
        expected, theirs = getattr(pd, name)(series.to_pandas(), 2, retbins=True)
        assert edges.tolist() == pytest.approx(list(theirs))
        compare(found, expected.astype(str), what=name)
