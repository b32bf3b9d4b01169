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


#: Each begins with a sort, and goes on with what may know of it: {by} are the sort's keys.
CHAINS = {
    "sorted again": "df.sort_values({by}, ascending={up}, na_position={na!r}).sort_values({first}, ascending={then}, na_position={last!r})",
    "filtered": "df.sort_values({by}, ascending={up}, na_position={na!r}).filter(weft.col('prow') > 3).sort_values({first}, ascending={up}, na_position={na!r})",
    "the key anew": "df.sort_values({by}, ascending={up}, na_position={na!r})[['k0', 'k1', 'prow']].assign(k0=lambda f: f['prow']).sort_values('k0')",
    "renamed": "df.sort_values({by}, ascending={up}, na_position={na!r}).rename(columns={{'k0': 'k1', 'k1': 'k0'}}).sort_values('k0', ascending={up}, na_position={na!r})",
    "the first alone": "df.sort_values({by}, ascending={up}, na_position={na!r}).head(9).sort_values({first}, ascending={up}, na_position={na!r})",
    "put together": "weft.concat([df.sort_values({by}), df.sort_values({by})]).sort_values({by}, ascending={up}, na_position={na!r})",
}
GROUPED = {
    "groups": "df.sort_values({by}, ascending={up}, na_position={na!r}).groupby('k0', dropna=False).agg(n=('prow', 'sum'), m=('prow', 'median'))",
    "groups by more": "df.sort_values({by}, ascending={up}, na_position={na!r}).groupby(['k1', 'k0'], dropna=False).agg(n=('prow', 'max'))",
    "groups of groups": "df.groupby(['k0', 'k1'], dropna=False).agg(n=('prow', 'sum')).reset_index().groupby('k0', dropna=False).agg(n=('n', 'sum'))",
    "groups, sorted": "df.groupby(['k0', 'k1'], dropna=False).agg(n=('prow', 'sum')).reset_index().sort_values(['k0', 'k1'])",
    "unique": "df.sort_values({by}, ascending={up}, na_position={na!r})[['k0', 'k1']].drop_duplicates()",
    "unique of a key": "df.sort_values({by}, ascending={up}, na_position={na!r})[['k0', 'prow']].drop_duplicates('k0', keep={keep})",
}


def drawn(data, code: str) -> str:
    missing, last = (data.draw(st.sampled_from(["first", "last"])) for _ in range(2))
    return code.format(
        by="['k0', 'k1']",
        first=data.draw(st.sampled_from(["['k0']", "['k0', 'k1']", "['k1']"])),
        up=data.draw(st.booleans()),
        then=data.draw(st.booleans()),
        na=missing,
        last=last,
        keep=data.draw(st.sampled_from(["'first'", "'last'", "False"])),
    )


def stable(code: str) -> str:
    """As pandas says it: its sort of one key is not stable unless asked."""
    made = code.replace(".sort_values(", ".sort_values(kind='stable', by=").replace("weft.concat", "pd.concat")
    return made.replace(".filter(weft.col('prow') > 3)", ".loc[lambda f: f['prow'] > 3]")


@pytest.mark.parametrize("chain", CHAINS)
@given(data=st.data())
def test_what_follows_a_sort(servers, chain, data):
    kinds = [data.draw(st.sampled_from(KINDS)) for _ in range(2)]
    code = drawn(data, CHAINS[chain])
    table = data.draw(tables.tables(kinds, 0, 60))
    same_as_pandas(data, servers, code, [table], pandas=stable(code), convert=tables.to_pandas)


@pytest.mark.parametrize("chain", GROUPED)
@given(data=st.data())
def test_groups_of_sorted_rows(servers, chain, data):
    # pandas' index of several keys makes 64-bit integers with nulls floats.
    kinds = [data.draw(st.sampled_from([kind for kind in KINDS if kind != "int64"])) for _ in range(2)]
    code = drawn(data, GROUPED[chain])
    table = data.draw(tables.tables(kinds, 0, 60))
    ordered = "sorted" in chain
    same_as_pandas(
        data, servers, code, [table], pandas=stable(code), convert=tables.to_pandas, ordered=ordered, tolerance=1e-12
    )


@pytest.mark.parametrize("ranks", WORLDS[1:5])
def test_choices_after_a_sort(servers, ranks):
    rows = 4000
    mixed = pa.table({"k": [row * 7919 % rows // 3 for row in range(rows)], "v": range(rows)})
    once = "df.sort_values('k')"
    assert choices(servers, f"{once}.sort_values('k')", [mixed], ranks) == {"sort.shuffle": 1, "sort.known": 1}
    kept = f"{once}.filter(weft.col('v') > 5).assign(w=1).rename(columns={{'k': 'q'}}).sort_values('q')"
    assert choices(servers, kept, [mixed], ranks) == {"sort.shuffle": 1, "sort.known": 1}
    first = "df.sort_values(['k', 'v']).sort_values('k')"
    assert choices(servers, first, [mixed], ranks) == {"sort.shuffle": 1, "sort.known": 1}
    for other in ("'v'", "'k', ascending=False", "'k', na_position='first'", "['k', 'v']"):
        assert "sort.known" not in choices(servers, f"{once}.sort_values({other})", [mixed], ranks)
    lost = f"{once}.assign(k=lambda f: f['v']).sort_values('k')"
    assert "sort.known" not in choices(servers, lost, [mixed], ranks)
    grouped = choices(servers, f"{once}.groupby('k', sort=False).agg(m=('v', 'median'))", [mixed], ranks)
    assert grouped == {"sort.shuffle": 1, "groupby.in_place": 1}
    unique = choices(servers, f"{once}.drop_duplicates('k')", [mixed], ranks)
    assert unique == {"sort.shuffle": 1, "unique.in_place": 1}
    again = "df.groupby('k').agg(v=('v', 'sum')).reset_index()"
    after = choices(servers, f"{again}.groupby('k', sort=False).size()", [mixed], ranks)
    assert after["groupby.in_place"] == 1
    assert choices(servers, f"{again}.sort_values('k')", [mixed], ranks)["sort.known"] == 1


@pytest.mark.parametrize("ranks", WORLDS[1:4])
def test_one_key_is_not_put_on_one_rank(servers, ranks):
    """Bringing rows of one key together by moving them would load one rank: groups are then made as ever."""
    same = pa.table({"k": [7] * 3000, "v": range(3000)})
    made = choices(servers, "df.sort_values('k').groupby('k', sort=False).agg(m=('v', 'sum'))", [same], ranks)
    assert made == {"sort.in_place": 1, "groupby.combine": 1}


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_that_have_other_frames(servers, ranks):
    """Rank 0 goes on with one sorted frame, the others with another: neither is in order over all ranks."""
    rows = 600
    one = pa.table({"k": [row * 7 % rows for row in range(rows)], "v": range(rows)})
    two = pa.table({"k": [row * 11 % rows + rows for row in range(rows)], "v": range(rows)})
    mixed = "(df.sort_values('k'), other.sort_values('k'))[env.rank == 0].sort_values('k')"
    assert "sort.known" not in choices(servers, mixed, [one, two], ranks)
