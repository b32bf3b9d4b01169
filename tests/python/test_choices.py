"""What is chosen by statistics: rows that lie by their keys stay, rows without a match stay at home, small sides are
copied; and ``env.stats()["choices"]``, which tells it."""

from __future__ import annotations

import pyarrow as pa
import pytest
import tables
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import WORLDS, run, same_as_pandas

#: Each begins with a join, a group-by or unique rows, which leave rows by their keys, and goes on with them.
CHAINS = {
    "join, join": "df.merge(other, on='k0', how={how!r}).merge(frames[2], on='k0', how={then!r})",
    "join, filter, group": "df.merge(other, on='k0', how={how!r}).dropna(subset=['k0']).groupby('k0', sort=False).size()",
    "join, group by more": "df.merge(other, on='k0', how={how!r}).groupby(['k0', 'prow'], sort=False, dropna=False)"
    ".agg(n=('qrow', 'nunique'), m=('qrow', 'max'))",
    "group, join": "df.groupby('k0', sort=False, as_index=False).agg(n=('prow', 'sum')).merge(other, on='k0', how={how!r})",
    "group, group": "df.groupby('k0', sort=False, dropna=False).agg(n=('prow', 'sum')).reset_index()"
    ".groupby('k0', dropna=False).agg(m=('n', 'median'))",
    "unique, join, unique": "df[['k0']].drop_duplicates().merge(other[['k0']], on='k0', how={how!r}).drop_duplicates()",
    "join, renamed, joined": "df.merge(other, on='k0', how={how!r}).rename(columns={{'k0': 'a'}})"
    ".merge(frames[2].rename(columns={{'k0': 'b'}}), left_on='a', right_on='b', how={then!r})",
    "join, changed, joined": "df.merge(other, on='k0', how={how!r})[['k0', 'prow']].assign(k0=lambda f: f['prow'])"
    ".merge(frames[2][['rrow']].rename(columns={{'rrow': 'k0'}}), on='k0', how={then!r})",
    "join, transform": "df.merge(other, on='k0', how={how!r}).groupby('k0', dropna=False)['prow'].transform('max')",
}


@pytest.mark.parametrize("chain", CHAINS)
@given(data=st.data())
def test_what_follows_an_operator(servers, chain, data):
    kind = data.draw(st.sampled_from(["int64", "string", "double", "timestamp"]))
    inputs = [data.draw(tables.tables([kind], 0, 40, prefix)) for prefix in ("p", "q", "r")]
    how, then = (data.draw(st.sampled_from(["inner", "left", "right", "outer"])) for _ in range(2))
    same_as_pandas(data, servers, CHAINS[chain].format(how=how, then=then), inputs, ordered=False, tolerance=1e-12)


def sides(rows: int, step: int) -> list[pa.Table]:
    left = pa.table({"k": range(rows), "v": [f"a text that is not short, number {row}" for row in range(rows)]})
    right = pa.table({"k": range(0, rows, step), "w": [f"another text, number {row}" for row in range(0, rows, step)]})
    return [left, right]


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer", "left_semi", "left_anti", "right_anti"])
@given(data=st.data())
def test_rows_without_a_match_are_kept_from_travelling(servers, how, data):
    inputs = sides(3000, 6)
    code = f"df.merge(other, on='k', how={how!r}, algorithm='hash')"
    if how in ("left_semi", "left_anti", "right_anti"):
        run(data, servers, code, inputs, ordered=False)
    else:
        same_as_pandas(data, servers, code, inputs, pandas=code.replace(", algorithm='hash'", ""), ordered=False)


def choices(servers, code: str, inputs: list[pa.Table], ranks: int) -> dict[str, int]:
    """By how much each choice is made more often on rank 0 for `code`; on all ranks alike."""
    cuts = [[table.num_rows * rank // ranks for rank in range(ranks + 1)] for table in inputs]
    names: dict[str, object] = {}
    counted = f"[env.stats()['choices'], {code}, env.stats()['choices']][::2]"
    outcome = servers[ranks].run({"op": "eval", "code": counted, "names": names}, inputs, cuts)
    assert outcome.errors == [None] * ranks
    found = [{name: after[name] - before.get(name, 0) for name in after} for before, after in outcome.values]
    found = [{name: count for name, count in one.items() if count} for one in found]
    assert all(one == found[0] for one in found)
    return found[0]


@pytest.mark.parametrize("ranks", WORLDS[1:4])
def test_choices(servers, ranks):
    small, large = sides(5000, 500)[::-1]
    same = large.rename_columns(["k", "w"])
    copied = choices(servers, "df.merge(other, on='k')", [large, small], ranks)
    assert copied == {"join.copy_right": 1}
    assert choices(servers, "other.merge(df, on='k')", [large, small], ranks) == {"join.copy_left": 1}
    joined = "df.merge(other, on='k')"
    assert set(choices(servers, joined, [large, same], ranks)) <= {"join.shuffle", "join.filter_declined"}
    again = choices(servers, f"{joined}.merge(df, on='k', suffixes=('', '_z'))", [large, same], ranks)
    assert (again["join.shuffle"], again["join.shuffle_one"]) == (1, 1)
    twice = choices(servers, f"{joined}.merge({joined}, on='k', suffixes=('', '_z'))", [large, same], ranks)
    assert (twice["join.shuffle"], twice["join.in_place"]) == (2, 1)
    grouped = choices(servers, f"{joined}.groupby('k', sort=False).size()", [large, same], ranks)
    assert grouped["groupby.in_place"] == 1 and "groupby.combine" not in grouped
    moved = choices(servers, f"{joined}.groupby('v', sort=False).size()", [large, same], ranks)
    assert moved["groupby.combine"] == 1 and "groupby.in_place" not in moved
    few = choices(servers, "df.merge(other, on='k', algorithm='hash')", sides(6000, 12), ranks)
    assert few == {"join.shuffle": 1, "join.filter": 1}
    ranged = choices(servers, "df.merge(other, on='k', algorithm='sort')", [large, same], ranks)
    assert ranged == {"join.range": 1}


def test_rows_that_were_put_by_key(servers):
    left, right = sides(3000, 1)
    moved = "df.repartition(by='k')"
    assert choices(servers, f"{moved}.repartition(by='k')", [left, right], 3) == {
        "repartition.shuffle": 1,
        "repartition.in_place": 1,
    }
    joined = f"{moved}.filter(weft.col('k') > 5).merge(other.repartition(by='k'), on='k')"
    assert choices(servers, joined, [left, right], 3) == {"repartition.shuffle": 2, "join.in_place": 1}


def test_dictionaries_travel_as_they_are(servers):
    """Ten texts of 1,000 bytes, 20,000 rows: what is sent is the indices and the ten texts, not 20 MB."""
    words = pa.array([chr(97 + i) * 1000 for i in range(10)])
    codes = pa.array([row % 10 for row in range(20000)], pa.int32())
    table = pa.table({"k": range(20000), "d": pa.DictionaryArray.from_arrays(codes, words)})
    sent = "[env.stats()['bytes_sent'], df.repartition(by='k'), env.stats()['bytes_sent']][::2]"
    outcome = servers[2].run({"op": "eval", "code": sent, "names": {}}, [table], [[0, 10000, 20000]])
    for before, after in outcome.values:
        assert 5000 * 12 <= after - before < 5000 * 12 + 100_000


def test_a_copied_side_leaves_the_other_where_it_is(servers):
    small, large = sides(5000, 500)[::-1]
    grouped = "df.groupby('k', as_index=False, sort=False).agg(v=('v', 'max'))"
    code = f"{grouped}.merge(other, on='k', how='left', algorithm='broadcast').groupby('k', sort=False).size()"
    assert choices(servers, code, [large, small], 3) == {
        "groupby.combine": 1,
        "join.copy_right": 1,
        "groupby.in_place": 1,
    }


def nearly_all_different(rows: int, heavy: int) -> pa.Table:
    """A megabyte and more; one row in `heavy` (0: none) has the same key."""
    keys = [0 if heavy and row % heavy == 0 else row * 7919 % 1_000_003 for row in range(rows)]
    texts = [f"text {row * 31 % 1009}" for row in range(rows)]
    return pa.table({"k": keys, "x": [row * 37 % 4001 / 8 for row in range(rows)], "s": texts})


@pytest.mark.parametrize("heavy", [0, 5])
@settings(max_examples=1)
@given(data=st.data())
def test_rows_travel_where_most_are_groups_of_their_own(servers, heavy, data):
    table = nearly_all_different(50_000, heavy)
    code = (
        "df.groupby('k').agg(a=('x', 'sum'), b=('x', 'mean'), c=('s', 'min'), d=('x', 'first'), e=('x', 'var'), "
        "f=('x', 'idxmax'), g=('s', 'count'))"
    )
    same_as_pandas(data, servers, code, [table], tolerance=1e-9)
    made = choices(servers, code.replace("'k'", "'k', sort=False"), [table], 3)
    # The heavy key's states are combined.
    assert made == ({"groupby.shuffle": 1, "groupby.combine": 1} if heavy else {"groupby.shuffle": 1})
    few = table.set_column(0, "k", pa.array([row % 1000 for row in range(50_000)]))
    assert choices(servers, "df.groupby('k', sort=False).x.sum()", [few], 3) == {"groupby.combine": 1}


@pytest.mark.parametrize("neighbour", [1, 3])
def test_states_travel_where_rows_of_a_key_lie_together(servers, neighbour):
    """Rows far apart never have the same key, though each key has 20."""
    rows = 200_000
    key = [(row // (20 * neighbour) * neighbour + row % neighbour) * 7919 % 1_000_003 for row in range(rows)]
    table = pa.table({"k": key, "x": range(rows)})
    assert choices(servers, "df.groupby('k', sort=False).x.sum()", [table], 3) == {"groupby.combine": 1}
