"""The columns of the index, and rows by some of them: distributed = local = pandas."""

from __future__ import annotations

import pyarrow as pa
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import covers, refused, same_as_pandas

import weft


@st.composite
def frames(draw: st.DrawFn, *, least: int = 0, nulls: bool = True) -> pa.Table:
    """Labels "s" (texts) and "n" (whole numbers), "row", which counts; values "x" (some missing) and "i"."""
    rows = draw(st.integers(least, 20))

    def picked(count: int, missing: bool) -> list[int]:
        return draw(st.lists(st.integers(-1 if missing else 0, count - 1), min_size=rows, max_size=rows))

    return pa.table(
        {
            "s": tables.column(pa.string(), ["a", "b", "c"], picked(3, nulls)),
            "n": tables.column(pa.int64(), [1, 2, 3], picked(3, False)),
            "row": pa.array(range(rows), pa.int64()),
            "x": tables.column(pa.float64(), [0.5, -2.0], picked(2, True)),
            "i": tables.column(pa.int64(), [0, 7, -1], picked(3, False)),
        }
    )


@covers("DataFrame.droplevel", level="same", axis="refused")
@covers("Series.droplevel", level="same", axis="same")
@covers("DataFrame.swaplevel", i="same", j="same", axis="refused")
@covers("Series.swaplevel", i="same", j="same", copy="refused")
@covers("DataFrame.reorder_levels", order="same", axis="refused")
@covers("Series.reorder_levels", order="same")
@given(data=st.data())
def test_levels(servers, data):
    table = data.draw(frames())
    code = data.draw(
        st.sampled_from(
            [
                "L.droplevel('s')",
                "L.droplevel(['row', 0])",
                "L.droplevel(-1, axis=0)",
                "L.droplevel([])",
                "L['x'].droplevel(['n'])",
                "L['x'].droplevel(0, axis=0)",
                "L.swaplevel()",
                "L.swaplevel('s', 'row')",
                "L.swaplevel(i=0, j=1)",
                "L['i'].swaplevel(-1, 's')",
                "L.reorder_levels(['row', 's', 'n'])",
                "L['x'].reorder_levels([2, 'n', 0])",
            ]
        )
    ).replace("L", "df.set_index(['s', 'n', 'row'])")
    same_as_pandas(data, servers, code, [table])


@covers("DataFrame.xs", "different: a row is a dict", key="same", axis="refused", level="same", drop_level="same")
@covers("Series.xs", key="same", axis="same", level="same", drop_level="same")
@given(data=st.data())
def test_xs(servers, data):
    table = data.draw(frames(nulls=False))
    # Each label that is asked for is there.
    more = pa.table({"s": ["a", "b"], "n": [1, 2], "row": [90, 91], "x": [1.0, None], "i": [5, 6]}, table.schema)
    table = pa.concat_tables([table, more])
    code = data.draw(
        st.sampled_from(
            [
                "L.xs('a')",
                "L.xs('a', drop_level=False)",
                "L.xs(('b', 2))",
                "L.xs(2, level='n')",
                "L.xs(key=1, level=1, drop_level=False)",
                "L.xs((1, 'a'), level=['n', 's'])",
                "L.xs(('a', 1, 90), level=[0, 1, 2])",
                "L['x'].xs('b', axis=0)",
                "L['i'].xs(1, level=-2)",
                "L['i'].xs('a', drop_level=False)",
                "df.set_index('row').xs(91)",
                "df.set_index('row')['i'].xs(90)",
            ]
        )
    ).replace("L", "df.set_index(['s', 'n', 'row'])")
    same_as_pandas(data, servers, code, [table])


@covers("DataFrame.truncate", before="same", after="same", axis="refused", copy="refused")
@covers("Series.truncate", before="same", after="same", axis="same", copy="refused")
@given(data=st.data())
def test_truncate(servers, data):
    table = data.draw(frames(nulls=False, least=1))
    code = data.draw(
        st.sampled_from(
            [
                "df.set_index('n').sort_index(kind='stable').truncate(2, 3)",
                "df.set_index('n').sort_index(kind='stable').truncate(before=2)",
                "df.set_index('row').sort_index(ascending=False).truncate(3, 9)",
                "df.set_index('row')['x'].truncate(after=4, axis=0)",
                "df.set_index('s')['row'].sort_index(kind='stable').truncate('b', 'bb')",
                "df.truncate(2, 5)",
                "df['x'].truncate(before=3)",
                "df.truncate()",
            ]
        )
    )
    same_as_pandas(data, servers, code, [table])


@covers("DataFrame.reindex_like", "different: both have an index", other="same", method="refused", copy="refused",
        limit="refused", tolerance="refused")  # fmt: skip
@covers("Series.reindex_like", "different: both have an index", other="same", method="refused", copy="refused",
        limit="refused", tolerance="refused")  # fmt: skip
@given(data=st.data())
def test_reindex_like(servers, data):
    one, two = data.draw(frames()), data.draw(frames())
    code = data.draw(
        st.sampled_from(
            [
                "df.set_index('row')[['x', 'i']].reindex_like(other.rename(columns={'n': 'z'}).set_index('i')[['x', 'z']])",
                "df.set_index('row')['x'].reindex_like(other.set_index('row')['s'])",
                "df.set_index(['s', 'row'])[['i']].reindex_like(other.set_index(['s', 'row'])[['i']])",
            ]
        )
    )
    same_as_pandas(data, servers, code, [one, two])


@covers("DataFrame.first_valid_index")
@covers("DataFrame.last_valid_index")
@covers("Series.first_valid_index")
@covers("Series.last_valid_index")
@given(data=st.data())
def test_valid_index(servers, data):
    table = data.draw(frames())
    code = data.draw(
        st.sampled_from(
            ["df['x']", "df.set_index('row')['x']", "df.set_index(['s', 'row'])['x']", "df[['x', 's']]", "df[[]]"]
        )
    )
    name = data.draw(st.sampled_from(["first_valid_index", "last_valid_index"]))
    same_as_pandas(data, servers, f"{code}.{name}()", [table])


@covers("Series.combine_first", "different: without an index both are equally long", other="same")
@given(data=st.data())
def test_series_combine_first(servers, data):
    one, two = data.draw(frames()), data.draw(frames())
    shift = data.draw(st.integers(0, 5))
    two = two.set_column(2, "row", pa.array([row + shift for row in range(two.num_rows)], pa.int64()))
    code = "df.set_index('row')['x'].combine_first(other.set_index('row')['VALUES'])"
    code = code.replace("VALUES", data.draw(st.sampled_from(["x", "i"] if two.num_rows else ["x"])))
    same_as_pandas(data, servers, code, [one, two])


def test_levels_are_refused(servers):
    table = pa.table({"s": ["a", "b", "a"], "n": [2, 1, 3], "x": [0.5, None, 1.0]})
    both = "df.set_index(['s', 'n'])"
    refused(servers, ValueError, f"{both}.droplevel([0, 1])", [table], "droplevel", "no index column")
    refused(servers, KeyError, f"{both}.droplevel('z')", [table], "'z'")
    refused(servers, ValueError, f"{both}.reorder_levels(['s', 's'])", [table], "reorder_levels", "once")
    refused(servers, IndexError, "df.set_index('s').swaplevel()", [table], "swaplevel")
    refused(servers, KeyError, f"{both}.xs('z')", [table], "xs", "'z'")
    refused(servers, KeyError, f"{both}.xs(9, level='n')", [table], "xs", "9")
    refused(servers, ValueError, f"{both}.xs(('a', 1, 2), level=['s', 'n'])", [table], "3 values for 2 levels")
    refused(servers, ValueError, "df.set_index('n').truncate(1, 2)", [table], "truncate", "sort_index()")
    refused(servers, ValueError, f"{both}.truncate('a')", [table], "truncate", "2 columns")
    refused(
        servers, ValueError, "df.set_index('s').reindex_like(df.set_index('s'))", [table], "reindex_like", "same label"
    )
    for call in ("truncate(copy=True)", "swaplevel(copy=False)", "reindex_like(df, copy=True)"):
        refused(servers, ValueError, f"{both}['x'].{call}", [table], "copy=")
    refused(servers, TypeError, "df.set_index('s').reindex_like(df.set_index('n'))", [table], "reindex_like", "string")


def test_an_index_without_a_name_is_no_position():
    table = pa.table({"x": [1, 2]})
    unnamed = weft.Series([1, 2], index=["a", "b"])
    for make in (lambda: unnamed + weft.DataFrame(table)["x"], lambda: weft.DataFrame(table)["x"] + unnamed):
        try:
            make()
        except ValueError as problem:
            assert "index" in str(problem)
        else:
            raise AssertionError("rows by position were put beside rows with labels")
