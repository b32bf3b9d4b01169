"""Rows that lie in order already are neither sorted nor moved again, whoever put them so."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import WORLDS, same_as_pandas
from test_choices import choices

KINDS = ["int64", "string", "double", "timestamp"]


def in_order(table: pa.Table, keys: list[str], ascending: bool, missing: str) -> pa.Table:
    """By pandas, with a column "at" of row numbers last: what comes out must be the same rows in the same order."""
    frame = tables.to_pandas(table).sort_values(keys, ascending=ascending, na_position=missing, kind="stable")
    taken = table.take(pa.array(frame.index.to_numpy()))
    return taken.append_column("at", pa.array(range(taken.num_rows), pa.int64()))


@given(data=st.data())
def test_inputs_that_are_sorted(servers, data):
    """By the keys that are asked for or not, whole or but for their last rows."""
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=2))
    table = data.draw(tables.tables(kinds, 0, 60))
    keys = [f"k{i}" for i in range(len(kinds))]
    ascending, then = data.draw(st.booleans()), data.draw(st.booleans())
    missing, last = (data.draw(st.sampled_from(["first", "last"])) for _ in range(2))
    rows = in_order(table, keys, ascending, missing)
    turned = data.draw(st.integers(0, 3))
    if turned and rows.num_rows:
        rows = pa.concat_tables([rows.slice(turned), rows.slice(0, turned)])
    by = keys[:1] if data.draw(st.booleans()) else keys
    same_as_pandas(
        data,
        servers,
        f"df.sort_values({by!r}, ascending={then}, na_position={last!r})",
        [rows],
        pandas=f"df.sort_values({by!r}, ascending={then}, na_position={last!r}, kind='stable')",
        convert=tables.to_pandas,
    )


@given(data=st.data())
def test_joins_of_sorted_sides(servers, data):
    kind = data.draw(st.sampled_from(KINDS))
    sides = [data.draw(tables.tables([kind], 0, 40, prefix)) for prefix in ("p", "q")]
    if data.draw(st.booleans()):
        sides = [in_order(side, ["k0"], True, "last").drop_columns(["at"]) for side in sides]
    how = data.draw(st.sampled_from(["inner", "left", "right", "outer"]))
    same_as_pandas(
        data,
        servers,
        f"df.merge(other, on='k0', how={how!r}, algorithm='sort')",
        sides,
        pandas=f"df.merge(other, on='k0', how={how!r})",
        convert=tables.to_pandas,
        ordered=False,
    )


@pytest.mark.parametrize("ranks", WORLDS[1:5])
def test_sorts_that_move_nothing(servers, ranks):
    rows = 4000
    ordered = pa.table({"k": [row // 3 for row in range(rows)], "t": [f"{row:06}" for row in range(rows)]})
    mixed = ordered.take(pc.sort_indices(pa.array([row * 7919 % rows for row in range(rows)])))
    assert choices(servers, "df.sort_values('k')", [ordered], ranks) == {"sort.in_place": 1}
    assert choices(servers, "df.sort_values(['k', 't'])", [ordered], ranks) == {"sort.in_place": 1}
    assert choices(servers, "df.sort_values('t')", [ordered], ranks) == {"sort.in_place": 1}
    assert choices(servers, "df.sort_values('k', ascending=False)", [ordered], ranks) == {"sort.shuffle": 1}
    assert choices(servers, "df.sort_values('k')", [mixed], ranks) == {"sort.shuffle": 1}
    # All on the first ranks: the rows are cut by position.
    few = f"df.filter(weft.col('k') < {rows // 3 // ranks}).sort_values('k')"
    assert choices(servers, few, [ordered], ranks) == {"sort.level": 1}
