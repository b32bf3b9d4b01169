"""merge, join and concat beside pandas, on this process' rows and over ranks."""

from __future__ import annotations

import pyarrow as pa
import pytest
import tables
from hypothesis import assume, given
from hypothesis import strategies as st
from oracle import covers, refused, run, same_as_pandas

KINDS = st.sampled_from(sorted(tables.KEYS))
PANDAS_HOWS = ["inner", "left", "right", "outer", "left_anti", "right_anti"]


def two(data, keys: int = 1, prefix: str = "q") -> list[pa.Table]:
    kinds = data.draw(st.lists(KINDS, min_size=keys, max_size=keys))
    return [
        data.draw(tables.tables(kinds, payloads=data.draw(st.integers(0, 1)), prefix="p")),
        data.draw(tables.tables(kinds, payloads=data.draw(st.integers(0, 1)), prefix=prefix)),
    ]


def labelled(table):
    """The rows that have a label: of three frames, pandas does not put those without one together."""
    return table.filter(table["k0"].is_valid())


def indexed(data, kind: str, prefix: str, unique: bool = False) -> pa.Table:
    """A table with the index `k0`, in a form that pandas and Weft read alike."""
    table = data.draw(tables.tables([kind], payloads=0, prefix=prefix, max_rows=25))
    if unique:
        seen: set[object] = set()
        keep = [not (value in seen or seen.add(value)) for value in (tables.plain(v.as_py()) for v in table["k0"])]
        table = table.filter(pa.array(keep, pa.bool_()))
    return table.replace_schema_metadata({"weft.index": '["k0"]'})


def to_pandas(table: pa.Table):
    made = tables.to_pandas(table)
    return made.set_index("k0") if (table.schema.metadata or {}).get(b"weft.index") else made


# -- merge -----------------------------------------------------------------------------------------------------------


@covers("DataFrame.merge", "different: over ranks in no order of pandas' but with sort or maintain_order")
@covers("DataFrame.merge", how="same", on="same", suffixes="same", right="same")
@pytest.mark.parametrize("algorithm", [None, "hash", "broadcast", "sort"])
@pytest.mark.parametrize("how", PANDAS_HOWS)
@given(data=st.data())
def test_merge(servers, how, algorithm, data):
    inputs = two(data, data.draw(st.integers(1, 2)), data.draw(st.sampled_from(["p", "q"])))
    on = [name for name in inputs[0].column_names if name.startswith("k")]
    if how == "outer" and algorithm == "broadcast":
        refused(servers, ValueError, "df.merge(other, 'outer', 'k0', algorithm='broadcast', env=env)", inputs, "outer")
        return
    ours = f"df.merge(other, {how!r}, {on}, algorithm={algorithm!r}, env=env)"
    same_as_pandas(
        data, servers, ours, inputs, pandas=f"df.merge(other, {how!r}, {on})", convert=to_pandas, ordered=False
    )


@covers("DataFrame.merge", left_on="same", right_on="same", sort="same")
@pytest.mark.parametrize("how", PANDAS_HOWS)
@given(data=st.data())
def test_merge_sort(servers, how, data):
    """sort=True is pandas' order of rows."""
    # No int64: pandas makes floats of it beside nulls, and then takes 2**53 and 2**53 + 1 for one key.
    kind = data.draw(st.sampled_from(["int16", "string", "double", "date32", "bool"]))
    inputs = [data.draw(tables.tables([kind], payloads=0, prefix=prefix)) for prefix in ("p", "q")]
    same_as_pandas(data, servers, f"df.merge(other, {how!r}, 'k0', sort=True)", inputs)
    inputs[1] = inputs[1].rename_columns(["j", "qrow"])
    same_as_pandas(data, servers, f"df.merge(other, {how!r}, left_on='k0', right_on=['j'], sort=True)", inputs)


@pytest.mark.parametrize("how", [*PANDAS_HOWS, "cross"])
@given(data=st.data())
def test_merge_maintains_order(servers, how, data):
    kind = data.draw(st.sampled_from(["int16", "string", "double", "date32", "bool"]))
    inputs = [data.draw(tables.tables([kind], payloads=0, prefix=prefix)) for prefix in ("p", "q")]
    on = None if how == "cross" else "k0"
    algorithm = data.draw(st.sampled_from([None, "hash", "sort"]))
    ours = f"df.merge(other, {how!r}, {on!r}, maintain_order=True, algorithm={algorithm!r})"
    same_as_pandas(data, servers, ours, inputs, pandas=f"df.merge(other, {how!r}, {on!r})")


@given(data=st.data())
def test_merge_cross(servers, data):
    inputs = [data.draw(tables.tables([data.draw(KINDS)], max_rows=12, prefix=prefix)) for prefix in ("p", "q")]
    same_as_pandas(data, servers, "df.merge(other, 'cross')", inputs, convert=to_pandas, ordered=False)


@pytest.mark.parametrize("how", ["left_semi", "left_anti"])
@given(data=st.data())
def test_merge_semi(servers, how, data):
    inputs = two(data, data.draw(st.integers(1, 2)))
    on = [name for name in inputs[0].column_names if name.startswith("k")]
    algorithm = data.draw(st.sampled_from([None, "hash", "broadcast", "sort"]))
    made = run(
        data, servers, f"df.merge(other, {how!r}, {on}, algorithm={algorithm!r}, env=env)", inputs, ordered=False
    ).to_arrow()
    keys = {tuple(row[: len(on)]) for row in tables.rows_of(inputs[1])}
    left = tables.rows_of(inputs[0])
    tables.same_rows(
        tables.rows_of(made.select(inputs[0].column_names)),
        [row for row in left if (tuple(row[: len(on)]) in keys) == (how == "left_semi")],
    )
    if how == "left_semi":
        assert made.column_names == inputs[0].column_names


@covers("DataFrame.merge", indicator="same")
@pytest.mark.parametrize("how", ["inner", "left", "right", "outer", "cross"])
@given(data=st.data())
def test_merge_indicator(servers, how, data):
    inputs = two(data)
    on = None if how == "cross" else "k0"
    indicator = data.draw(st.sampled_from([True, False, "from"]))
    code = f"df.merge(other, {how!r}, {on!r}, indicator={indicator!r})"
    made = same_as_pandas(data, servers, code, inputs, convert=to_pandas, ordered=False)
    if indicator:
        assert pa.types.is_dictionary(made.schema.field(made.columns[-1]).type)


@covers("DataFrame.merge", validate="same")
@pytest.mark.parametrize("validate", ["1:1", "one_to_one", "1:m", "one_to_many", "m:1", "many_to_one", "m:m", "wrong"])
@given(data=st.data())
def test_merge_validate(servers, validate, data):
    kind = data.draw(st.sampled_from(["int16", "string", "double"]))
    inputs = [
        indexed(data, kind, prefix, unique=data.draw(st.booleans())).replace_schema_metadata(None)
        for prefix in ("p", "q")
    ]
    code = f"df.merge(other, on='k0', validate={validate!r})"
    try:
        to_pandas(inputs[0]).merge(to_pandas(inputs[1]), on="k0", validate=validate)
    except ValueError:
        with pytest.raises(ValueError, match="validate"):
            run(data, servers, code, inputs, ordered=False)
    else:
        same_as_pandas(data, servers, code, inputs, convert=to_pandas, ordered=False)


def test_validate_names_an_example(servers):
    table = pa.table({"k": [1, 2, 7, 7], "s": ["a", "b", "c", "c"]})
    refused(servers, ValueError, "df.merge(other, on=['k', 's'], validate='1:1')", [table, table], "k=7, s=c", "left")
    refused(servers, ValueError, "df.merge(other, on=['k'], validate='m:1')", [table, table], "k=7", "right")


@covers("DataFrame.merge", left_index="same", right_index="same")
@pytest.mark.parametrize("how", PANDAS_HOWS)
@given(data=st.data())
def test_merge_on_both_indexes(servers, how, data):
    kind = data.draw(st.sampled_from(["int16", "string", "date32"]))
    inputs = [indexed(data, kind, "p"), indexed(data, kind, data.draw(st.sampled_from(["p", "q"])))]
    # Of an empty frame and labels that are there twice pandas makes an IndexError.
    assume(how in ("inner", "left") or all(table.num_rows for table in inputs))
    code = f"df.merge(other, {how!r}, left_index=True, right_index=True)"
    same_as_pandas(data, servers, code, inputs, convert=to_pandas, ordered=False)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("how", PANDAS_HOWS)
@given(data=st.data())
def test_merge_on_one_index(servers, how, side, data):
    """Columns of one frame with the index of the other; the first one's index is the result's."""
    kind = data.draw(st.sampled_from(["int16", "string"]))
    first = data.draw(tables.tables([kind], payloads=0, prefix="p", max_rows=25))
    first = first.rename_columns(["key", "prow"]).append_column("i", pa.array(range(first.num_rows), pa.int64()))
    first = first.select(["i", "key", "prow"]).replace_schema_metadata({"weft.index": '["i"]'})
    second = indexed(data, kind, "q")
    if first.num_rows == 0 or second.num_rows == 0:
        # pandas then takes the index of the wrong side.
        return

    def convert(table):
        return tables.to_pandas(table).set_index("i" if "i" in table.column_names else "k0")

    inputs = [first, second] if side == "left" else [second, first]
    arguments = "left_on='key', right_index=True" if side == "left" else "left_index=True, right_on='key'"
    same_as_pandas(data, servers, f"df.merge(other, {how!r}, {arguments})", inputs, convert=convert, ordered=False)


@given(data=st.data())
def test_merge_on_numbers_of_two_types(servers, data):
    kinds = ["int8", "int64", "uint8", "uint32", "float", "double"]
    first, second = data.draw(st.sampled_from(kinds)), data.draw(st.sampled_from(kinds))
    values = st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=20)

    left = pa.table({"k": pa.array(data.draw(values), tables.KEYS[first][0])})
    right = pa.table({"k": pa.array(data.draw(values), tables.KEYS[second][0])})
    how = data.draw(st.sampled_from(["inner", "left", "right", "outer"]))
    same_as_pandas(data, servers, f"df.merge(other, {how!r}, 'k')", [left, right], convert=to_pandas, ordered=False)


@given(data=st.data())
def test_merge_columns(servers, data):
    """The columns asked for, and no others."""
    how = data.draw(st.sampled_from(["inner", "left", "right", "outer", "left_anti", "right_anti"]))
    inputs = two(data)
    columns = data.draw(st.lists(st.sampled_from(["prow", "k0", "qrow"]), unique=True))
    algorithm = data.draw(st.sampled_from([None, "hash", "sort"]))
    ours = f"df.merge(other, {how!r}, 'k0', columns={columns}, algorithm={algorithm!r})"
    if columns:
        pandas = f"df.merge(other, {how!r}, 'k0')[{columns}]"
        same_as_pandas(data, servers, ours, inputs, pandas=pandas, convert=to_pandas, ordered=False)
    else:
        count = run(data, servers, f"{ours}.total_rows()", inputs)
        assert count == len(to_pandas(inputs[0]).merge(to_pandas(inputs[1]), how, "k0"))


def test_more_rows_than_32_bits_count(servers):
    table = pa.table({"k": pa.array([1] * 50_000, pa.int64())})
    code = "df.merge(other, on='k', columns=[], algorithm='hash').total_rows()"
    outcome = servers[2].run({"op": "eval", "code": code, "names": {}}, [table, table], [[0, 20_000, 50_000]] * 2)
    assert outcome.errors == [None, None]
    assert outcome.values == [2_500_000_000] * 2


@pytest.mark.parametrize("how", ["inner", "left", "left_semi"])
def test_a_heavy_key_is_spread(servers, how):
    """One key has all rows of the left: no rank joins more than twice the mean."""
    left = pa.table({"k": pa.array([7] * 40_000, pa.int64())})
    right = pa.table({"k": pa.array(range(20_000), pa.int64()), "v": pa.array(range(20_000), pa.int64())})
    for ranks in (2, 4):
        spec = {"op": "eval", "code": f"df.merge(other, {how!r}, 'k', algorithm='hash')", "names": {}}
        cuts = [[0] * ranks + [left.num_rows], [0] * ranks + [right.num_rows]]
        outcome = servers[ranks].run(spec, [left, right], cuts)
        assert outcome.errors == [None] * ranks
        assert sum(outcome.rows) == 40_000
        assert max(outcome.rows) <= 2 * 40_000 / ranks


@covers("merge", "different: over ranks in no order of pandas' but with sort or maintain_order")
@covers("merge", left="same", right="same", how="same", on="same", suffixes="same", indicator="same")
@given(data=st.data())
def test_merge_function(servers, data):
    inputs = two(data)
    how = data.draw(st.sampled_from(["inner", "outer"]))
    ours = f"weft.merge(df, other, how={how!r}, on='k0', indicator=True, suffixes=('_l', '_r'))"
    pandas = ours.replace("weft.merge", "pd.merge")
    same_as_pandas(data, servers, ours, inputs, pandas=pandas, convert=to_pandas, ordered=False)


@covers("merge", left_on="same", right_on="same", left_index="same", right_index="same", sort="same", validate="same")
@given(data=st.data())
def test_merge_function_of_series(servers, data):
    inputs = [indexed(data, "int16", prefix, unique=True) for prefix in ("p", "q")]
    code = "merge(df['prow'], other['qrow'], left_index=True, right_index=True, sort=True, validate='1:1')"
    same_as_pandas(data, servers, f"weft.{code}", inputs, pandas=f"pd.{code}", convert=to_pandas)
    code = "merge(df, other['qrow'], left_on='prow', right_on='qrow', sort=True)"
    inputs = [table.replace_schema_metadata(None) for table in inputs]
    same_as_pandas(data, servers, f"weft.{code}", inputs, pandas=f"pd.{code}", convert=to_pandas)


@covers("DataFrame.merge", copy="refused")
@covers("merge", copy="refused")
@pytest.mark.parametrize(
    ("kind", "arguments", "says"),
    [
        (ValueError, "copy=False", "copy"),
        (ValueError, "how='sideways'", "how"),
        (ValueError, "how='cross', on='k'", "cross"),
        (ValueError, "on='k', left_on='k'", "not both"),
        (ValueError, "on='k', left_index=True", "not both"),
        (ValueError, "left_on='k', left_index=True, right_index=True", "left_index"),
        (ValueError, "left_index=True, right_index=True", "no index"),
        (ValueError, "left_index=True", "no index"),
        (ValueError, "left_on='k'", "together"),
        (ValueError, "on='k', indicator=3", "indicator"),
        (ValueError, "on='k', indicator='v'", "indicator"),
        (ValueError, "on='k', how='left_semi', indicator=True", "indicator"),
        (ValueError, "on='k', validate='2:2'", "validate"),
        (ValueError, "on='k', algorithm='magic'", "algorithm"),
        (ValueError, "on='k', algorithm='hash', sort=True", "sort"),
        (ValueError, "on='k', suffixes=('', None)", "overlap"),
        (ValueError, "on='k', suffixes='_x'", "suffixes"),
        (KeyError, "on='missing'", "missing"),
        (KeyError, "on='k', columns=['missing']", "missing"),
        (ValueError, "on='k', columns=['k', 'k']", "twice"),
        (TypeError, "left_on='k', right_on='v'", "cast"),
    ],
)
def test_merge_refuses(servers, kind, arguments, says):
    table = pa.table({"k": [1, 2], "v": ["a", "b"]})
    refused(servers, kind, f"df.merge(other, {arguments})", [table, table], says)


# -- join ------------------------------------------------------------------------------------------------------------


@covers("DataFrame.join", other="same", how="same", lsuffix="same", rsuffix="same")
@covers("DataFrame.join", suffixes="same")
@pytest.mark.filterwarnings("ignore:The 'lsuffix'")
@pytest.mark.parametrize("how", PANDAS_HOWS)
@given(data=st.data())
def test_join(servers, how, data):
    kind = data.draw(st.sampled_from(["int16", "string", "date32"]))
    inputs = [indexed(data, kind, "p"), indexed(data, kind, data.draw(st.sampled_from(["p", "q"])))]
    suffixes = data.draw(st.sampled_from(["lsuffix='_l', rsuffix='_r'", "rsuffix='_r'", "suffixes=('_l', '_r')"]))
    same_as_pandas(data, servers, f"df.join(other, how={how!r}, {suffixes})", inputs, convert=to_pandas, ordered=False)


@covers("DataFrame.join", on="same", validate="same", sort="same")
@given(data=st.data())
def test_join_on(servers, data):
    first = data.draw(tables.tables(["int16"], payloads=0, prefix="p", max_rows=25))
    first = first.rename_columns(["key", "prow"])
    second = indexed(data, "int16", "q", unique=True)
    how = data.draw(st.sampled_from(["left", "inner"]))
    code = f"df.join(other, on='key', how={how!r}, validate='m:1')"
    if second.num_rows and first.num_rows:
        same_as_pandas(data, servers, code, [first, second], convert=to_pandas, ordered=False)
    first = indexed(data, "int16", "p")
    same_as_pandas(
        data, servers, f"df.join(other, how={how!r}, sort=True)", [first, second], convert=to_pandas, ordered=True
    )


@given(data=st.data())
def test_join_list(servers, data):
    inputs = [indexed(data, "int16", prefix, unique=True) for prefix in ("p", "q", "r")]
    inputs = [labelled(table) for table in inputs]
    how = data.draw(st.sampled_from(["left", "inner", "outer"]))
    same_as_pandas(data, servers, f"df.join(frames[1:], how={how!r})", inputs, convert=to_pandas, ordered=False)


@given(data=st.data())
def test_join_by_position(servers, data):
    rows = data.draw(st.integers(0, 30))
    inputs = [
        pa.table({"v": pa.array(range(rows), pa.int64()), "a": data.draw(tables.columns(rows, tables.KEYS))}),
        pa.table({"v": pa.array(range(rows), pa.int64()), "b": data.draw(tables.columns(rows, tables.KEYS))}),
    ]
    same_as_pandas(data, servers, "df.join(other, suffixes=('', '_r'))", inputs, convert=to_pandas)


def test_merge_refuses_numbers_that_have_no_equal(servers):
    left = pa.table({"k": pa.array([2**53 + 1], pa.int64())})
    right = pa.table({"k": pa.array([1.5], pa.float64())})
    refused(servers, ValueError, "df.merge(other, on='k')", [left, right], "merge")
    right = pa.table({"k": pa.array([1], pa.uint64())})
    refused(servers, TypeError, "df.merge(other, on='k')", [left, right], "cast")


def test_join_refuses(servers):
    table = pa.table({"k": [1, 2], "v": ["a", "b"]})
    refused(servers, ValueError, "df.join(other)", [table, table], "overlap")
    refused(servers, ValueError, "df.join(other[:1].rename(columns={'k': 'a', 'v': 'b'}))", [table, table], "rows")
    refused(servers, ValueError, "df.set_index('k').join(other)", [table, table], "no index")
    refused(servers, ValueError, "df.join(other, on='k')", [table, table], "no index")
    refused(servers, KeyError, "df.join(other.set_index('v'), on='nothing')", [table, table], "nothing")
    refused(servers, ValueError, "df.join([other], on='k')", [table, table], "list")
    refused(servers, TypeError, "df.join(3)", [table, table], "int")


# -- concat ----------------------------------------------------------------------------------------------------------


@covers("concat", "different: a column of numbers and of texts is refused")
@covers("concat", objs="same", join="same", ignore_index="same", sort="same")
@given(data=st.data())
def test_concat(servers, data):
    kind = data.draw(KINDS)
    inputs = [
        data.draw(tables.tables([kind], payloads=0, prefix=data.draw(st.sampled_from(["p", "q", "a"]))))
        for _ in range(data.draw(st.integers(1, 3)))
    ]
    join = data.draw(st.sampled_from(["inner", "outer"]))
    arguments = f"join={join!r}, sort={data.draw(st.booleans())}, ignore_index=True"
    code = f"concat([*frames, None], {arguments})"
    same_as_pandas(data, servers, f"weft.{code}", inputs, pandas=f"pd.{code}", convert=to_pandas)


@covers("concat", keys="different: the index has the keys, and no positions where a frame has no index", names="same")
@given(data=st.data())
def test_concat_keys(servers, data):
    inputs = [indexed(data, "int16", "p"), indexed(data, "int16", "p")]
    code = "concat([df, other], keys=['x', 'y'], names=['from', 'label'])"
    same_as_pandas(data, servers, f"weft.{code}", inputs, pandas=f"pd.{code}", convert=to_pandas)
    code = "concat({1: df, 2: other}, names=['from'])"
    same_as_pandas(data, servers, f"weft.{code}", inputs, pandas=f"pd.{code}", convert=to_pandas)


@covers("concat", verify_integrity="different: positions of frames without an index are no labels")
@given(data=st.data())
def test_concat_verify_integrity(servers, data):
    inputs = [indexed(data, "int16", "p", unique=data.draw(st.booleans())) for _ in range(2)]
    code = "concat([df, other], verify_integrity=True)"
    try:
        import pandas as pd

        pd.concat([to_pandas(table) for table in inputs], verify_integrity=True)
    except ValueError:
        with pytest.raises(ValueError, match="integrity"):
            run(data, servers, f"weft.{code}", inputs)
    else:
        same_as_pandas(data, servers, f"weft.{code}", inputs, pandas=f"pd.{code}", convert=to_pandas)


@given(data=st.data())
def test_concat_series(servers, data):
    inputs = [indexed(data, "int16", "p"), indexed(data, "int16", data.draw(st.sampled_from(["p", "q"])))]
    name = inputs[1].column_names[-1]
    code = f"concat([df['prow'], other['{name}']])"
    same_as_pandas(data, servers, f"weft.{code}", inputs, pandas=f"pd.{code}", convert=to_pandas)


@covers("concat", axis="different: without an index, frames must have equally many rows")
@given(data=st.data())
def test_concat_columns_on_the_index(servers, data):
    kind = data.draw(st.sampled_from(["int16", "string"]))
    inputs = [indexed(data, kind, prefix, unique=True) for prefix in ("p", "q", "r")[: data.draw(st.integers(1, 3))]]
    inputs = [labelled(table) for table in inputs]
    join = data.draw(st.sampled_from(["inner", "outer"]))
    code = f"concat(frames, axis=1, join={join!r}, sort={data.draw(st.booleans())})"
    same_as_pandas(data, servers, f"weft.{code}", inputs, pandas=f"pd.{code}", convert=to_pandas)


@given(data=st.data())
def test_concat_columns_by_position(servers, data):
    rows = data.draw(st.integers(0, 30))
    inputs = [
        pa.table({f"v{i}": pa.array(range(rows), pa.int64()), f"w{i}": data.draw(tables.columns(rows, tables.KEYS))})
        for i in range(3)
    ]
    code = "concat([df, other['v1'], frames[2]], axis='columns')"
    same_as_pandas(data, servers, f"weft.{code}", inputs, pandas=f"pd.{code}", convert=to_pandas)
    code = "concat(frames, axis=1, ignore_index=True)"
    same_as_pandas(data, servers, f"weft.{code}", inputs, pandas=f"pd.{code}", convert=to_pandas)


@covers("concat", levels="refused", copy="refused", union_categories="refused")
@pytest.mark.parametrize(
    ("kind", "code", "says"),
    [
        (ValueError, "weft.concat([])", "no frames"),
        (ValueError, "weft.concat([df], levels=[1])", "levels"),
        (ValueError, "weft.concat([df], copy=True)", "copy"),
        (ValueError, "weft.concat([df], union_categories=True)", "union_categories"),
        (ValueError, "weft.concat([df, other], axis=2)", "axis"),
        (ValueError, "weft.concat([df, other], join='left')", "join"),
        (ValueError, "weft.concat([df, other], keys=['a'])", "keys"),
        (ValueError, "weft.concat([df, other], names=['a'])", "names"),
        (ValueError, "weft.concat([df, other], axis=1)", "overlap"),
        (ValueError, "weft.concat([df, other[:1].rename(columns={'k': 'a', 'v': 'b'})], axis=1)", "rows"),
        (ValueError, "weft.concat([df.set_index('k'), other])", "index"),
        (TypeError, "weft.concat(df)", "list"),
        (TypeError, "weft.concat([df, 3])", "int"),
    ],
)
def test_concat_refuses(servers, kind, code, says):
    table = pa.table({"k": [1, 2], "v": ["a", "b"]})
    refused(servers, kind, code, [table, table], says)


def test_concat_columns_refuses_an_index_with_duplicates(servers):
    table = pa.table({"k": [1, 1], "v": ["a", "b"]}).replace_schema_metadata({"weft.index": '["k"]'})
    other = pa.table({"k": [1, 1], "w": ["a", "b"]}).replace_schema_metadata({"weft.index": '["k"]'})
    refused(servers, ValueError, "weft.concat([df, other], axis=1)", [table, other], "not unique")
