"""union, intersect and difference beside DuckDB."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import refused, run

#: Types that DuckDB compares as Weft does.
KINDS = ["int8", "int64", "uint32", "string", "bool", "date32", "decimal"]
WORDS = {"union": "UNION", "intersect": "INTERSECT", "difference": "EXCEPT"}


@pytest.mark.parametrize("bag", [False, True])
@pytest.mark.parametrize("operation", sorted(WORDS))
@given(data=st.data())
def test_sets(servers, operation, bag, data):
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=2))
    names = [f"k{i}" for i in range(len(kinds))]
    left, right = (data.draw(tables.tables(kinds, payloads=0, prefix=prefix)).select(names) for prefix in ("p", "q"))
    made = run(data, servers, f"df.{operation}(other, all={bag})", [left, right.select(names[::-1])], ordered=False)
    query = f"SELECT * FROM a {WORDS[operation]} {'ALL' if bag else ''} SELECT * FROM b"
    with duckdb.connect() as connection:
        connection.register("a", left)
        connection.register("b", right)
        expected = connection.execute(query).to_arrow_table()
    assert made.columns == names
    tables.same_rows(tables.rows_of(made.to_arrow()), tables.rows_of(expected))


@pytest.mark.parametrize("operation", sorted(WORDS))
@given(data=st.data())
def test_sets_of_every_type(servers, operation, data):
    """By a definition in Python: counting rows."""
    from collections import Counter

    kind = data.draw(st.sampled_from(sorted(tables.KEYS)))
    bag = data.draw(st.booleans())
    left, right = (data.draw(tables.tables([kind], payloads=0)).select(["k0"]) for _ in range(2))
    made = run(data, servers, f"df.{operation}(other, all={bag})", [left, right], ordered=False)
    a, b = Counter(tables.rows_of(left)), Counter(tables.rows_of(right))
    if not bag:
        a, b = Counter(set(a)), Counter(set(b))
    expected = {"union": a + b if bag else a | b, "intersect": a & b, "difference": a - b}[operation]
    assert Counter(tables.rows_of(made.to_arrow())) == expected


@given(data=st.data())
def test_is_member(servers, data):
    kind = data.draw(st.sampled_from(sorted(tables.KEYS)))
    left, right = (data.draw(tables.tables([kind], payloads=0)).select(["k0"]) for _ in range(2))
    made = run(data, servers, "__import__('weft.sets').sets.is_member(df['k0'], other['k0'])", [left, right])
    values = set(tables.rows_of(right))
    assert made.to_list() == [row in values for row in tables.rows_of(left)]


def test_sets_refuse(servers):
    table = pa.table({"k": [1, 2], "v": ["a", "b"]})
    other = pa.table({"k": [1, 2], "w": ["a", "b"]})
    lists = pa.table({"k": [1], "v": [[1]]})
    for operation in WORDS:
        refused(servers, ValueError, f"df.{operation}(other)", [table, other], "'v'")
        refused(servers, TypeError, f"df.{operation}(other)", [lists, lists], "v")
        refused(servers, TypeError, f"df.{operation}(3)", [table, other], "int")
        refused(servers, TypeError, f"df.{operation}(other, all=1)", [table, table], "all")
