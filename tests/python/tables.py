"""Generated tables of every type, their pandas form, and comparison of rows."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

UTC = dt.UTC
TEXTS = ["", "a", "equal eight bytes A", "equal eight bytes B", "Größe", "北京", "a\x00b", "z" * 300]
MOMENTS = [
    dt.datetime(1970, 1, 1),
    dt.datetime(2013, 1, 1, 10),
    dt.datetime(1901, 12, 13, 1, 2, 3, 4),
    dt.datetime(2199, 1, 1),
]

#: For each type that can be a key, its name and values that matter: extremes, both zeros, NaN, equal beginnings.
KEYS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "bool": (pa.bool_(), [True, False]),
    "int8": (pa.int8(), [-128, -1, 0, 1, 127]),
    "int16": (pa.int16(), [-(2**15), -1, 0, 3, 2**15 - 1]),
    "int32": (pa.int32(), [-(2**31), -7, 0, 1, 2**31 - 1]),
    "int64": (pa.int64(), [-(2**63), -(2**53) - 1, -1, 0, 1, 2**53, 2**53 + 1, 2**63 - 1]),
    "uint8": (pa.uint8(), [0, 1, 128, 255]),
    "uint16": (pa.uint16(), [0, 1, 2**15, 2**16 - 1]),
    "uint32": (pa.uint32(), [0, 1, 2**31, 2**32 - 1]),
    "uint64": (pa.uint64(), [0, 1, 2**53 + 1, 2**63, 2**64 - 1]),
    "half": (pa.float16(), [0.0, -0.0, 1.5, -2.0, math.inf, math.nan]),
    "float": (pa.float32(), [0.0, -0.0, 1.5, -2.25, math.inf, -math.inf, math.nan]),
    "double": (pa.float64(), [0.0, -0.0, 0.1, -1e300, 5e-324, math.inf, -math.inf, math.nan]),
    "decimal": (pa.decimal128(12, 2), [Decimal("0.00"), Decimal("-1.25"), Decimal("9999999999.99"), Decimal("3.10")]),
    "decimal256": (pa.decimal256(45, 3), [Decimal("0.000"), Decimal(f"-{'9' * 40}.125"), Decimal("1.500")]),
    "date32": (pa.date32(), [dt.date(1970, 1, 1), dt.date(1901, 2, 3), dt.date(2013, 7, 4)]),
    "date64": (pa.date64(), [dt.date(1970, 1, 1), dt.date(1901, 2, 3), dt.date(2013, 7, 4)]),
    "time32": (pa.time32("s"), [dt.time(0), dt.time(23, 59, 59), dt.time(12)]),
    "time64": (pa.time64("us"), [dt.time(0), dt.time(23, 59, 59, 999999), dt.time(12)]),
    "timestamp": (pa.timestamp("us"), MOMENTS),
    "timestamp_tz": (pa.timestamp("ns", "UTC"), [moment.replace(tzinfo=UTC) for moment in MOMENTS]),
    "duration": (pa.duration("us"), [dt.timedelta(0), dt.timedelta(days=-3), dt.timedelta(microseconds=1)]),
    "string": (pa.string(), TEXTS),
    "large_string": (pa.large_string(), TEXTS),
    "binary": (pa.binary(), [b"", b"\x00", b"\xff\xfe", b"longer than eight", b"longer than eighx"]),
    "large_binary": (pa.large_binary(), [b"", b"\x00", b"ab"]),
    "fixed_binary": (pa.binary(3), [b"abc", b"\x00\x00\x00", b"abd"]),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), TEXTS),
    "number_dictionary": (pa.dictionary(pa.int8(), pa.int64()), [-(2**63), 0, 7, 2**63 - 1]),
    "null": (pa.null(), [None]),
}

#: Types that only travel.
PAYLOADS: dict[str, tuple[pa.DataType, list[Any]]] = {
    **KEYS,
    "list": (pa.list_(pa.int64()), [[], [1], [1, None, 3]]),
    "large_list": (pa.large_list(pa.string()), [[], ["a", ""], [None]]),
    "fixed_list": (pa.list_(pa.int16(), 2), [[1, 2], [3, None]]),
    "struct": (pa.struct([("x", pa.int32()), ("y", pa.string())]), [{"x": 1, "y": "a"}, {"x": None, "y": ""}]),
    "map": (pa.map_(pa.string(), pa.int64()), [[], [("k", 1)], [("a", None), ("b", 2)]]),
}


def column(type: pa.DataType, values: list[Any], choice: list[int]) -> pa.Array:
    """The values at `choice`; -1 is null."""
    chosen = [None if number < 0 else values[number % len(values)] for number in choice]
    return encoded(chosen, type)


def encoded(values: list[Any], type: pa.DataType) -> pa.Array:
    """Values as an array; a dictionary has just them, as they come."""
    if pa.types.is_dictionary(type):
        return pa.array(values, type.value_type).dictionary_encode().cast(type)
    return pa.array(values, type)


def with_own_dictionaries(table: pa.Table) -> pa.Table:
    """The same with a dictionary a chunk: what other chunks and ranks have in theirs, these do not know."""

    def own(column: pa.ChunkedArray) -> pa.ChunkedArray:
        if not pa.types.is_dictionary(column.type):
            return column
        return pa.chunked_array([encoded(chunk.to_pylist(), column.type) for chunk in column.chunks], column.type)

    return pa.table([own(column) for column in table.columns], schema=table.schema)


def different(kind: str, count: int) -> list[Any]:
    """So many different values of a type of KEYS, those that matter among them; fewer where it has no more."""
    type, values = KEYS[kind]
    found = [value for value in dict.fromkeys(values) if value == value]
    make: Any = None
    if pa.types.is_integer(type) or kind == "number_dictionary":
        make = lambda i: i + 2  # noqa: E731
    elif pa.types.is_floating(type):
        make = lambda i: i + 0.25  # noqa: E731
    elif pa.types.is_decimal(type):
        make = lambda i: Decimal(i) + Decimal("0.5")  # noqa: E731
    elif kind in ("string", "large_string", "dictionary"):
        make = lambda i: f"equal eight bytes {i}"  # noqa: E731
    elif kind in ("binary", "large_binary", "fixed_binary"):
        make = lambda i: b"%03d" % i  # noqa: E731
    elif pa.types.is_date(type):
        make = lambda i: dt.date(1999, 1, 1) + dt.timedelta(days=i)  # noqa: E731
    elif pa.types.is_timestamp(type):
        zone = UTC if type.tz else None
        make = lambda i: dt.datetime(1999, 1, 1, tzinfo=zone) + dt.timedelta(seconds=i)  # noqa: E731
    elif pa.types.is_duration(type):
        make = lambda i: dt.timedelta(seconds=i + 1)  # noqa: E731
    elif pa.types.is_time(type):
        make = lambda i: dt.time(1, i // 60, i % 60)  # noqa: E731
    if make is not None:
        found = list(dict.fromkeys([*found, *(make(i) for i in range(count))]))
    return found[:count]


@st.composite
def columns(
    draw: st.DrawFn, rows: int, kinds: dict[str, tuple[pa.DataType, list[Any]]], kind: str | None = None
) -> pa.Array:
    """A column: of one value, of few, of all, or most of one value and some of others; with or without nulls."""
    name = kind or draw(st.sampled_from(sorted(kinds)))
    type, values = kinds[name]
    shape = draw(st.sampled_from(["one", "few", "all", "skew"]))
    most = {"one": 0, "few": 2}.get(shape, len(values) - 1)
    numbers = [*([0] * 4 * most if shape == "skew" else []), *range(most + 1)]
    if draw(st.booleans()):
        numbers.append(-1)
    return column(type, values, draw(st.lists(st.sampled_from(numbers), min_size=rows, max_size=rows)))


@st.composite
def tables(draw: st.DrawFn, keys: list[str], payloads: int = 1, max_rows: int = 40, prefix: str = "p") -> pa.Table:
    """A table with key columns k0, k1 ... of the kinds named, and columns of any type."""
    rows = draw(st.integers(0, max_rows))
    made = {f"k{i}": draw(columns(rows, KEYS, kind)) for i, kind in enumerate(keys)}
    if keys and draw(st.integers(0, 3)) == 0:
        # Every key is there once, but for types that have no more.
        values = different(keys[0], rows)
        if values:
            order = draw(st.permutations(range(rows)))
            made["k0"] = encoded([values[i % len(values)] for i in order], KEYS[keys[0]][0])
    for i in range(payloads):
        made[f"{prefix}{i}"] = draw(columns(rows, PAYLOADS))
    made[f"{prefix}row"] = pa.array(range(rows), pa.int64())
    table = pa.table(made)
    if rows > 2 and draw(st.booleans()):
        # Chunks, and arrays that are slices of longer ones.
        cut = draw(st.integers(0, rows))
        table = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
        if draw(st.booleans()):
            table = with_own_dictionaries(table)
    return table


@st.composite
def cuts(draw: st.DrawFn, rows: int, ranks: int) -> list[int]:
    """Where a table is cut between ranks; some ranks may have nothing, and one all."""
    if draw(st.integers(0, 4)) == 0:
        owner = draw(st.integers(0, ranks - 1))
        return [0] * (owner + 1) + [rows] * (ranks - owner)
    inner = draw(st.lists(st.integers(0, rows), min_size=ranks - 1, max_size=ranks - 1))
    return [0, *sorted(inner), rows]


def plain(value: Any) -> Any:
    """A form in which values of Weft, pandas and Arrow are equal where they mean the same."""
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float):
        return None if math.isnan(value) else (0.0 if value == 0 else value)
    if isinstance(value, dict):
        return tuple(sorted((key, plain(item)) for key, item in value.items()))
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, dt.datetime):
        return pd.Timestamp(value).isoformat()
    if isinstance(value, dt.timedelta):
        return pd.Timedelta(value).value
    if hasattr(value, "item"):
        return plain(value.item())
    return value


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    """Rows of plain values."""
    lists = [[plain(value) for value in column.to_pylist()] for column in table.columns]
    return list(zip(*lists, strict=True)) if lists else []


def rows_of_pandas(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Rows of plain values, the index left out."""
    lists = [[plain(value) for value in frame.iloc[:, i].tolist()] for i in range(frame.shape[1])]
    return list(zip(*lists, strict=True)) if lists else []


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Columns of Python objects, missing values None: no type is lost to what pandas would make of it."""
    made = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        values = column.to_pylist()
        if pa.types.is_floating(column.type):
            values = [None if value is not None and math.isnan(value) else value for value in values]
        made[name] = pd.Series(values, dtype=object)
    return pd.DataFrame(made, columns=table.column_names)


def same_rows(found: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> None:
    """Asserts that the rows are the same in any order."""
    if Counter(found) != Counter(expected):
        missing = Counter(expected) - Counter(found)
        extra = Counter(found) - Counter(expected)
        raise AssertionError(f"missing {list(missing.items())[:5]}\nextra {list(extra.items())[:5]}")


#: Small numbers that matter to arithmetic, by the names of columns of `numbers`.
NUMBERS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "a": (pa.int64(), [0, 1, -1, 2, 7, -7, 100]),
    "b": (pa.int32(), [1, -1, 3, 5, -4]),
    "u": (pa.uint8(), [0, 1, 7, 200, 255]),
    "x": (pa.float64(), [0.0, -0.0, 0.5, -2.25, 1e300, math.inf, -math.inf, math.nan]),
    "f": (pa.float32(), [0.0, 1.5, -0.1, 3.0, math.nan]),
    "t": (pa.bool_(), [True, False]),
    "s": (pa.string(), ["", "a", "b", "Größe"]),
    "m": (pa.timestamp("us"), MOMENTS),
    "d": (pa.duration("us"), [dt.timedelta(0), dt.timedelta(days=-3, seconds=5), dt.timedelta(hours=30)]),
}


@st.composite
def numbers(draw: st.DrawFn, names: str = "abuxftsmd", nulls: bool = True, rows: int | None = None) -> pa.Table:
    """A table of the columns of NUMBERS that are named, in chunks, sometimes with nulls (but in bool: pandas then has
    objects)."""
    count = draw(st.integers(0, 25)) if rows is None else rows
    made = {}
    for name in names:
        type, values = NUMBERS[name]
        least = -1 if nulls and name != "t" and draw(st.booleans()) else 0
        picked = draw(st.lists(st.integers(least, len(values) - 1), min_size=count, max_size=count))
        made[name] = column(type, values, picked)
    table = pa.table(made)
    cut = draw(st.integers(0, count))
    return pa.concat_tables([table.slice(0, cut), table.slice(cut)])
