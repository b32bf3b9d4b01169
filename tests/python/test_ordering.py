"""Order of rows, ranks, samples, duplicates and where rows lie: over ranks = here = pandas."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from oracle import WORLDS, covers, refused, run, same_as_pandas

import weft

KINDS = st.sampled_from(sorted(tables.KEYS))
NUMBERS = st.sampled_from(["bool", "int8", "int64", "uint64", "float", "double", "timestamp", "duration"])
SMALL = pa.table({"k": ["a", "b", None], "l": pa.array([[1], [], None], pa.list_(pa.int64())), "n": [2, 1, 0]})


def objects(table: pa.Table) -> pd.DataFrame:
    return tables.to_pandas(table)


def masked(table: pa.Table) -> pd.DataFrame:
    """pandas' frame with columns that know missing integers."""
    return table.to_pandas(types_mapper=pd.ArrowDtype)


def comparable(table: pa.Table, names: list[str]) -> pa.Table:
    """NaN as null, and what pandas' Arrow columns do not compare as what they do."""
    for name in names:
        column = table[name]
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_float16(column.type):
            column = column.cast(pa.float32())
        table = table.set_column(table.column_names.index(name), name, column)
    return table


# -- duplicates ------------------------------------------------------------------------------------------------------


@covers("DataFrame.duplicated", subset="same", keep="same")
@covers("Series.duplicated", keep="same")
@given(data=st.data())
def test_duplicated(servers, data):
    keys = data.draw(st.lists(KINDS, min_size=1, max_size=2))
    table = data.draw(tables.tables(keys, payloads=1))
    subset = data.draw(st.sampled_from([[f"k{i}" for i in range(len(keys))], ["k0"], "k0"]))
    keep = data.draw(st.sampled_from(["first", "last", False]))
    same_as_pandas(data, servers, f"df.duplicated({subset!r}, keep={keep!r})", [table], convert=objects)
    same_as_pandas(data, servers, f"df['k0'].duplicated({keep!r})", [table], convert=objects)


@covers("DataFrame.drop_duplicates", "different: over ranks in order only with maintain_order")
@covers("DataFrame.drop_duplicates", subset="same", keep="same", ignore_index="same", inplace="refused")
@covers("Series.drop_duplicates", keep="same", ignore_index="same", inplace="refused")
@given(data=st.data())
def test_drop_duplicates(servers, data):
    keys = data.draw(st.lists(KINDS, min_size=1, max_size=2))
    table = data.draw(tables.tables(keys, payloads=1))
    by = [f"k{i}" for i in range(len(keys))]
    keep = data.draw(st.sampled_from(["first", "last", False]))
    ordered = data.draw(st.booleans())
    code = f"df.drop_duplicates({by!r}, keep={keep!r}, maintain_order={ordered})"
    plain = code.replace(f", maintain_order={ordered}", "")
    same_as_pandas(data, servers, code, [table], pandas=plain, convert=objects, ordered=ordered)
    code = f"df['k0'].drop_duplicates(keep={keep!r}, maintain_order=True)"
    plain = code.replace(", maintain_order=True", "")
    same_as_pandas(data, servers, code, [table], pandas=plain, convert=objects)


def test_drop_duplicates_keeps_order_here():
    frame = weft.DataFrame({"k": [3, 1, 3, 2, 1], "v": [0, 1, 2, 3, 4]})
    assert frame.drop_duplicates("k", keep="last").to_pydict() == {"k": [3, 2, 1], "v": [2, 3, 4]}
    assert frame.set_index("v").drop_duplicates(ignore_index=True).index_names == ()
    assert frame[[]].drop_duplicates().shape == frame[[]].shape
    assert frame[[]].duplicated().to_list() == [False] * 5


@covers("Series.unique", "different: a Series, not an array")
@given(data=st.data())
def test_unique(servers, data):
    table = data.draw(tables.tables([data.draw(KINDS)], payloads=0))
    same_as_pandas(data, servers, "df['k0'].unique()", [table], pandas="pd.Series(df['k0'].unique())", convert=objects)


@pytest.mark.parametrize("code", ["df.duplicated('k', keep='all')", "df.drop_duplicates('k', inplace=True)"])
def test_wrong_duplicates(servers, code):
    refused(servers, ValueError, code, [SMALL])


def test_duplicates_of_what_is_no_key(servers):
    refused(servers, TypeError, "df.duplicated()", [SMALL], "'l'")
    refused(servers, TypeError, "df.drop_duplicates('l', keep=False)", [SMALL], "'l'")
    refused(servers, KeyError, "df.duplicated('z')", [SMALL], "'z'")


# -- ranks -----------------------------------------------------------------------------------------------------------


@covers(
    "Series.rank", axis="refused", method="same", na_option="same", ascending="same", pct="same", numeric_only="same"
)
@given(data=st.data())
def test_rank_of_numbers(servers, data):
    kind = data.draw(NUMBERS)
    table = comparable(data.draw(tables.tables([kind], payloads=0, max_rows=60)), ["k0"])
    method = data.draw(st.sampled_from(["average", "min", "max", "first", "dense"]))
    more = {
        "na_option": data.draw(st.sampled_from(["keep", "top", "bottom"])),
        "ascending": data.draw(st.booleans()),
        "pct": data.draw(st.booleans()),
    }
    code = f"df['k0'].rank(method={method!r}, **more)"
    values = [tables.plain(value) for value in table["k0"].to_pylist()]
    found = run(data, servers, code, [table], more=more)
    assert [tables.plain(value) for value in found.to_list()] == pytest.approx(ranks(values, method, **more), abs=1e-12)


def ranks(values, method, na_option, ascending, pct):
    """By the definition: places in a stable sort, and what equal values make of theirs. NaN counts as missing."""
    missing = [value is None for value in values]
    ranked = [i for i in range(len(values)) if na_option != "keep" or not missing[i]]
    there = sorted({values[i] for i in ranked if not missing[i]}, reverse=not ascending)
    classes = [None, *there] if na_option == "top" else [*there, None]
    order = {value: number for number, value in enumerate(classes)}
    by_place = sorted(ranked, key=lambda i: order[values[i]])
    places: dict[object, list[int]] = {}
    for place, row in enumerate(by_place):
        places.setdefault(values[row], []).append(place + 1)
    distinct = {value: number + 1 for number, value in enumerate(places)}
    found: list[float | None] = [None] * len(values)
    for row in ranked:
        mine = places[values[row]]
        found[row] = {
            "average": sum(mine) / len(mine),
            "min": mine[0],
            "max": mine[-1],
            "first": mine[[i for i in by_place if values[i] == values[row]].index(row)],
            "dense": distinct[values[row]],
        }[method] / ((len(distinct) if method == "dense" else len(ranked)) if pct else 1)
    return found


@covers(
    "DataFrame.rank", axis="refused", method="same", na_option="same", ascending="same", pct="same", numeric_only="same"
)
@given(data=st.data())
def test_rank_beside_pandas(servers, data):
    kinds = [data.draw(st.sampled_from(["int8", "double", "float", "string", "bool"])) for _ in range(2)]
    table = data.draw(tables.tables(kinds, payloads=0, max_rows=60))
    method = data.draw(st.sampled_from(["average", "min", "max", "first", "dense"]))
    option = data.draw(st.sampled_from(["keep", "top", "bottom"]))
    ascending, pct = data.draw(st.booleans()), data.draw(st.booleans())
    more = f"method={method!r}, na_option={option!r}, ascending={ascending}, pct={pct}"
    same_as_pandas(data, servers, f"df.rank({more}, numeric_only=True)", [table], convert=nullable, tolerance=1e-12)
    same_as_pandas(data, servers, f"df.rank({more})", [table], convert=nullable, tolerance=1e-12)


def nullable(table: pa.Table) -> pd.DataFrame:
    """NumPy's floats for small numbers with nulls; text as pandas has it."""
    frame = table.to_pandas()
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
            frame[name] = pd.array(column.to_pylist(), dtype="Float64").to_numpy(dtype="float64", na_value=np.nan)
    return frame


@given(data=st.data())
def test_rank_of_any_key(servers, data):
    table = data.draw(tables.tables([data.draw(KINDS)], payloads=0, max_rows=60))
    run(data, servers, "df['k0'].rank(method='dense')", [table])
    run(data, servers, "df[['k0']].rank(na_option='top', ascending=False)", [table])


@given(data=st.data())
def test_rank_of_one_value(servers, data):
    rows = data.draw(st.integers(0, 60))
    table = pa.table({"k": pa.array([7] * rows, pa.int64())})
    same_as_pandas(data, servers, "df.rank(method='first')", [table])
    same_as_pandas(data, servers, "df.set_index('k', drop=True).rank()", [table.append_column("v", table["k"])])


def test_wrong_ranks(servers):
    refused(servers, ValueError, "df[['n']].rank(method='best')", [SMALL], "method")
    refused(servers, ValueError, "df[['n']].rank(axis=1)", [SMALL], "axis")
    refused(servers, ValueError, "df[['n']].rank(na_option='away')", [SMALL], "na_option")
    refused(servers, TypeError, "df.rank()", [SMALL], "'l'")
    refused(servers, TypeError, "df['k'].rank(numeric_only=True)", [SMALL])


# -- the first of an order -------------------------------------------------------------------------------------------


@covers("DataFrame.nlargest", n="same", columns="same", keep="same")
@covers("DataFrame.nsmallest", n="same", columns="same", keep="same")
@pytest.mark.parametrize("method", ["nlargest", "nsmallest"])
@given(data=st.data())
def test_nlargest(servers, method, data):
    kinds = [data.draw(st.sampled_from(["int8", "double", "uint8", "float"])) for _ in range(2)]
    table = data.draw(tables.tables(kinds, payloads=1, max_rows=60))
    by = data.draw(st.sampled_from([["k0"], ["k0", "k1"], ["k1", "k0"]]))
    n, keep = data.draw(st.integers(-1, 70)), data.draw(st.sampled_from(["first", "last", "all"]))
    found = run(data, servers, f"df.{method}({n}, {by!r}, keep={keep!r})", [table])
    assert tables.rows_of(found.to_arrow()) == top(table, by, n, keep, method == "nsmallest")


def top(table, by, n, keep, ascending):
    """By the definition: a stable sort of the rows, the last ones first where they are kept."""
    rows = list(zip(*(table[name].to_pylist() for name in by), range(table.num_rows), strict=True))
    rows = rows[::-1] if keep == "last" else rows

    def place(row):
        return tuple(
            (1, 0) if value is None or value != value else (0, value if ascending else -value) for value in row[:-1]
        )

    rows = sorted(rows, key=place)
    count = max(0, n)
    while keep == "all" and 0 < count < len(rows) and place(rows[count]) == place(rows[max(0, n) - 1]):
        count += 1
    plain = tables.rows_of(table)
    return [plain[row[-1]] for row in rows[:count]]


@covers("Series.nlargest", n="same", keep="same")
@covers("Series.nsmallest", n="same", keep="same")
@pytest.mark.parametrize("method", ["nlargest", "nsmallest"])
@given(data=st.data())
def test_nlargest_of_a_series(servers, method, data):
    table = data.draw(tables.tables(["double"], payloads=0, max_rows=60))
    keep = data.draw(st.sampled_from(["first", "last", "all"]))
    rows = table.num_rows
    # Beyond all rows pandas sorts without regard to keep, and puts missing values by rules of its own.
    n = data.draw(
        st.integers(
            0, max(0, rows - table["k0"].null_count - 1 - sum(v != v for v in table["k0"].to_pylist() if v is not None))
        )
    )
    code = f"df.set_index('prow')['k0'].{method}({n}, keep={keep!r})"
    same_as_pandas(data, servers, code, [table])


def test_nlargest_passes_over_most_rows():
    numbers = np.random.default_rng(0).integers(0, 10**6, 300_000)
    frame = weft.DataFrame({"n": numbers, "row": np.arange(len(numbers))})
    expected = pd.DataFrame({"n": numbers, "row": np.arange(len(numbers))}).nlargest(1000, "n")
    assert frame.nlargest(1000, "n").to_pydict() == expected.to_dict("list")
    same = weft.DataFrame({"n": np.zeros(100_000, np.int64), "row": np.arange(100_000)})
    assert same.nsmallest(3, "n", keep="last").to_pydict()["row"] == [99_999, 99_998, 99_997]
    assert len(same.nsmallest(3, "n", keep="all")) == 100_000


def test_wrong_nlargest(servers):
    refused(servers, TypeError, "df.nlargest(1, 'k')", [SMALL], "string")
    refused(servers, ValueError, "df.nlargest(1, 'n', keep='none')", [SMALL], "keep")
    refused(servers, TypeError, "df.nlargest('two', 'n')", [SMALL])
    refused(servers, KeyError, "df.nlargest(1, 'z')", [SMALL])


# -- sorting ---------------------------------------------------------------------------------------------------------


@covers("DataFrame.sort_index", axis="same", level="same", ascending="same", na_position="same", sort_remaining="same",
        ignore_index="same", inplace="refused", key="refused", kind="different: always stable")  # fmt: skip
@covers("Series.sort_index", axis="refused", level="same", ascending="same", na_position="same", sort_remaining="same",
        ignore_index="same", inplace="refused", key="refused", kind="different: always stable")  # fmt: skip
@given(data=st.data())
def test_sort_index(servers, data):
    kind = data.draw(st.sampled_from(["int64", "string", "double", "timestamp"]))
    table = data.draw(tables.tables([kind, "int8"], payloads=0))
    ascending = data.draw(st.booleans())
    position = data.draw(st.sampled_from(["first", "last"]))
    more = f"ascending={ascending}, na_position={position!r}, kind='stable'"
    found = run(data, servers, f"df.set_index('k0').sort_index({more})", [table])
    by_value = weft.DataFrame(table).sort_values("k0", ascending=ascending, na_position=position)
    assert tables.rows_of(found.to_arrow()) == tables.rows_of(by_value.to_arrow())
    run(data, servers, f"df.set_index('k0')['k1'].sort_index({more})", [table])
    whole = table.filter(pa.compute.invert(pa.compute.is_null(table["k1"])))
    names = data.draw(st.sampled_from(["level='k1'", "level=1", "level=['k1', 'prow']", "ascending=[True, False]"]))
    rest = data.draw(st.booleans()) if "level" in names else True
    code = f"df.set_index(['k1', 'prow'] if 'asc' in {names!r} else ['prow', 'k1']).sort_index({names}, sort_remaining={rest})"
    same_as_pandas(data, servers, code, [whole.select(["k1", "prow"]).append_column("v", whole["prow"])])


@given(data=st.data())
def test_sort_without_an_index(servers, data):
    table = data.draw(tables.tables(["string"], payloads=0))
    same_as_pandas(data, servers, "df.sort_index()", [table])
    same_as_pandas(data, servers, "df.sort_index(ascending=False)", [table])
    same_as_pandas(data, servers, "df.sort_index(axis=1, ascending=False)", [table])


@covers("Series.sort_values", axis="refused", ascending="same", na_position="same", ignore_index="same", inplace="refused",
        key="refused", kind="different: always stable")  # fmt: skip
@given(data=st.data())
def test_sort_values_of_a_series(servers, data):
    table = data.draw(tables.tables([data.draw(st.sampled_from(["int8", "string", "double"]))], payloads=0))
    ascending, position = data.draw(st.booleans()), data.draw(st.sampled_from(["first", "last"]))
    code = f"df.set_index('prow')['k0'].sort_values(ascending={ascending}, na_position={position!r}, kind='stable')"
    same_as_pandas(data, servers, code, [table], convert=lambda one: one.to_pandas().astype({"prow": "int64"}))


def test_wrong_sorts(servers):
    refused(servers, ValueError, "df.sort_index(key=len)", [SMALL], "key")
    refused(servers, TypeError, "df.sort_values('n', key=3)", [SMALL], "key")
    refused(servers, TypeError, "df.sort_values('n', key=len)", [SMALL], "key")
    refused(servers, ValueError, "df.sort_index(axis=7)", [SMALL], "axis")
    refused(servers, KeyError, "df.set_index('k').sort_index(level='z')", [SMALL], "z")
    refused(servers, ValueError, "df['n'].sort_values(inplace=True)", [SMALL], "inplace")


# -- chance ----------------------------------------------------------------------------------------------------------


@covers("DataFrame.sample", "different: for a seed other rows than pandas', and the same for any number of ranks",
        n="same", frac="same", replace="same", weights="different: a column's name",
        random_state="different: an integer", axis="refused", ignore_index="same")  # fmt: skip
@covers("Series.sample", "different: for a seed other rows than pandas'", n="same", frac="same", replace="same",
        weights="refused", random_state="different: an integer", axis="refused", ignore_index="same")  # fmt: skip
@given(data=st.data())
def test_sample(servers, data):
    table = data.draw(tables.tables([data.draw(KINDS)], payloads=1, max_rows=60))
    rows = table.num_rows
    replace = data.draw(st.booleans()) and rows > 0
    n, seed = data.draw(st.integers(0, 90 if replace else rows)), data.draw(st.integers(0, 2**64))
    found = run(data, servers, f"df.sample({n}, replace={replace}, random_state={seed})", [table])
    chosen = found["prow"].to_list()
    assert len(chosen) == n and (replace or len(set(chosen)) == n)
    assert tables.rows_of(found.to_arrow()) == [tables.rows_of(table)[row] for row in chosen]
    again = run(data, servers, f"df['prow'].sample(frac=0.5, random_state={seed})", [table])
    assert len(again) == round(rows * 0.5)
    mixed = run(data, servers, f"df.shuffle({seed})", [table])
    tables.same_rows(tables.rows_of(mixed.to_arrow()), tables.rows_of(table))


@given(data=st.data())
def test_weighted_sample(servers, data):
    rows = data.draw(st.integers(1, 40))
    numbers = data.draw(st.lists(st.one_of(st.none(), st.integers(0, 5)), min_size=rows, max_size=rows))
    kind = data.draw(st.sampled_from([pa.int64(), pa.float64()]))
    table = pa.table({"w": pa.array(numbers, kind), "row": pa.array(range(rows))})
    usable = {row for row, number in enumerate(numbers) if number}
    replace = data.draw(st.booleans()) and bool(usable)
    n = data.draw(st.integers(0, 60 if replace else len(usable)))
    found = run(data, servers, f"df.sample({n}, weights='w', replace={replace}, random_state=5)", [table])
    chosen = found["row"].to_list()
    assert len(chosen) == n and set(chosen) <= usable and (replace or len(set(chosen)) == n)


def test_sample_is_fair():
    frame = weft.DataFrame({"row": [0, 1, 2, 3], "w": [3, 1, 2, 2]})
    orders = Counter(tuple(frame.shuffle(seed)["row"].to_list()) for seed in range(2400))
    # 24 orders, each expected 100 times: five standard deviations are 49.
    assert len(orders) == 24 and min(orders.values()) > 51 and max(orders.values()) < 149
    first = Counter(frame.sample(random_state=seed, weights="w").iat[0, 0] for seed in range(2400))
    for row, weight in enumerate([3, 1, 2, 2]):
        assert abs(first[row] - 300 * weight) < 5 * (2400 * weight / 8 * (1 - weight / 8)) ** 0.5
    many = Counter(frame.sample(24_000, replace=True, weights="w", random_state=1)["row"].to_list())
    for row, weight in enumerate([3, 1, 2, 2]):
        assert abs(many[row] - 3000 * weight) < 5 * (24_000 * weight / 8 * (1 - weight / 8)) ** 0.5
    assert (
        frame.sample(4)["row"].to_list() != [] and len({tuple(frame.shuffle()["row"].to_list()) for _ in range(40)}) > 1
    )


def test_wrong_samples(servers):
    for code in (
        "df.sample(4)",
        "df.sample(-1)",
        "df.sample(1, frac=1)",
        "df.sample(frac=2)",
        "df.sample(frac=-1)",
        "df.sample(2.5)",
        "df.sample(1, random_state=np.random.default_rng(0))",
        "df.sample(1, axis=1)",
        "df.sample(3, weights='n')",
        "df.head(0).sample(1)",
        "df['n'].sample(1, weights='n')",
    ):
        refused(servers, ValueError, code, [SMALL])
    refused(servers, TypeError, "df.sample(1, weights='k')", [SMALL], "'k'")
    refused(servers, KeyError, "df.sample(1, weights='z')", [SMALL], "'z'")


# -- where rows lie --------------------------------------------------------------------------------------------------


@given(data=st.data())
def test_repartition_by_counts(servers, data):
    table = data.draw(tables.tables([data.draw(KINDS)], payloads=2))
    ranks = data.draw(st.sampled_from(WORLDS))
    ends = data.draw(tables.cuts(table.num_rows, ranks))
    counts = [ends[i + 1] - ends[i] for i in range(ranks)]
    spec = {"op": "eval", "code": "df.repartition(counts)", "names": {"counts": counts}}
    outcome = servers[ranks].run(spec, [table], [data.draw(tables.cuts(table.num_rows, ranks))])
    assert outcome.errors == [None] * ranks and outcome.rows == counts
    assert tables.rows_of(outcome.table) == tables.rows_of(table)


@given(data=st.data())
def test_repartition_by_key(servers, data):
    table = data.draw(tables.tables([data.draw(KINDS), "int8"], payloads=1))
    ranks = data.draw(st.sampled_from(WORLDS))
    spec = {"op": "eval", "code": "df.repartition(by=['k0', 'k1'])", "names": {}}
    outcome = servers[ranks].run(spec, [table], [data.draw(tables.cuts(table.num_rows, ranks))])
    assert outcome.errors == [None] * ranks
    tables.same_rows(tables.rows_of(outcome.table), tables.rows_of(table))
    owners: dict[object, set[int]] = {}
    at = 0
    for rank, rows in enumerate(outcome.rows):
        for key in tables.rows_of(outcome.table.slice(at, rows).select(["k0", "k1"])):
            owners.setdefault(key, set()).add(rank)
        at += rows
    assert all(len(found) == 1 for found in owners.values())


def test_wrong_repartitions(servers):
    refused(servers, ValueError, "df.repartition([1, 2, 3, 4, 5])", [SMALL], "counts")
    refused(servers, ValueError, "df.repartition([3] + [0] * 7, by='n')", [SMALL], "by")
    refused(servers, TypeError, "df.repartition(['many'])", [SMALL])
    refused(servers, KeyError, "df.repartition(by='z')", [SMALL])
    spec = {"op": "eval", "code": "df.repartition(counts)", "names": {"counts": [1, 1, 2]}}
    outcome = servers[3].run(spec, [SMALL], [[0, 0, 0, 3]])
    assert all(error is not None and error[0] == "ValueError" and "add up" in error[1] for error in outcome.errors)
    spec = {"op": "eval", "code": "df.repartition([1, 1, 1] if env.rank else [2, 1, 0])", "names": {}}
    outcome = servers[3].run(spec, [SMALL], [[0, 0, 0, 3]])
    assert all(error is not None and "different counts" in error[1] for error in outcome.errors)
    assert weft.DataFrame(SMALL).repartition([3]).shape == (3, 3)
