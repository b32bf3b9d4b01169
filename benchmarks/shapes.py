"""Pieces of work of our own, with generated tables: joins, sorts and group-bys of every shape, and a scan of a file."""

from __future__ import annotations

import datetime
from functools import lru_cache
from typing import Any

import tpch
import ways
from engines import Tables, Work

#: Bytes that a join or sort of ours moves for each byte of its inputs: read and written once to be partitioned, read
#: once more.
PARTITIONED = 3


def uniform(rows: int, below: int, seed: int, columns: int = 1) -> Any:
    import numpy

    return numpy.random.default_rng(seed).integers(0, max(1, below), size=(columns, rows))


def texts(numbers: Any) -> Any:
    """A text of 8 to 40 bytes for each number, the same for the same number, different for others below 2^32."""
    import numpy as np
    import pyarrow as pa

    numbers = numbers.astype(np.uint64)
    mixed = numbers * np.uint64(0x9E3779B97F4A7C15)
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    rows = len(numbers)
    letters = np.empty((rows, 40), np.uint8)
    for place in range(8):
        letters[:, place] = digits[(numbers >> np.uint64(4 * place)) & np.uint64(15)]
    for place in range(8, 40):
        letters[:, place] = digits[(mixed >> np.uint64(place)) & np.uint64(15)]
    lengths = 8 + ((mixed >> np.uint64(45)) % np.uint64(33)).astype(np.int32)
    offsets = np.zeros(rows + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    kept = letters[np.arange(40)[None, :] < lengths[:, None]]
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(kept))


@lru_cache(maxsize=1)
def join_sides(rows: int) -> Tables:
    """Two tables of two int64 columns, uniform below 0.9 N."""
    import pyarrow as pa

    sides = [uniform(rows, rows * 9 // 10, seed, 2) for seed in (1, 2)]
    return {
        "l": pa.table({"col0": sides[0][0], "col1": sides[0][1]}),
        "r": pa.table({"col0": sides[1][0], "col2": sides[1][1]}),
    }


@lru_cache(maxsize=1)
def shaped_sides(rows: int, shape: str) -> Tables:
    import numpy as np
    import pyarrow as pa

    left, right = (uniform(rows, rows * 9 // 10, seed)[0] for seed in (1, 2))
    payload = uniform(rows, rows, 3, 10)
    if shape == "string key":
        return {
            "l": pa.table({"k": texts(left), "a": payload[0]}),
            "r": pa.table({"k": texts(right), "b": payload[1]}),
        }
    if shape == "two keys":
        return {
            "l": pa.table({"k": left // 1000, "m": left % 1000, "a": payload[0]}),
            "r": pa.table({"k": right // 1000, "m": right % 1000, "b": payload[1]}),
        }
    if shape == "1 to many":
        one = np.random.default_rng(4).permutation(max(1, rows // 10))
        return {
            "l": pa.table({"k": one, "a": payload[0][: len(one)]}),
            "r": pa.table({"k": right % len(one), "b": payload[1]}),
        }
    wide = 5 if shape == "10 payload columns" else 1
    return {
        "l": pa.table({"k": left, **{f"a{i}": payload[i] for i in range(wide)}}),
        "r": pa.table({"k": right, **{f"b{i}": payload[9 - i] for i in range(wide)}}),
    }


def join_work(rows: int) -> list[Work]:
    def sides() -> Tables:
        return join_sides(rows)

    name = f"join {rows / 1e6:.3g} M"
    return [Work(name, sides, **ways.join("l", "r", ["col0"]), passes=PARTITIONED, aim=4, aim_ranks=3)]


def shape_works(rows: int) -> list[Work]:
    asked: list[tuple[str, list[str], str]] = [
        ("string key", ["k"], "inner"),
        ("two keys", ["k", "m"], "inner"),
        ("left", ["k"], "left"),
        ("outer", ["k"], "outer"),
        ("1 to many", ["k"], "inner"),
        ("10 payload columns", ["k"], "inner"),
    ]
    found = [
        Work(
            f"join, {shape}",
            lambda shape=shape: shaped_sides(rows, shape),
            **ways.join("l", "r", keys, how),
            passes=PARTITIONED,
            aim=2,
        )
        for shape, keys, how in asked
    ]
    by_sort = ways.join("l", "r", ["col0"], algorithm="sort")
    found.append(Work("join, by sorting", lambda: join_sides(rows), **by_sort, passes=PARTITIONED, aim=1.5))
    return found


@lru_cache(maxsize=1)
def sort_table(rows: int, keys: str) -> Tables:
    import pyarrow as pa

    values = uniform(rows, rows * 9 // 10, 1, 2)
    if keys == "string":
        return {"l": pa.table({"k": texts(values[0]), "v": values[1]})}
    if keys == "two keys":
        return {"l": pa.table({"k": values[0] % 1000, "m": values[0] // 1000, "v": values[1]})}
    return {"l": pa.table({"k": values[0], "v": values[1]})}


def sort_works(rows: int) -> list[Work]:
    return [
        Work(
            f"sort, {keys}",
            lambda keys=keys: sort_table(rows, keys),
            **ways.sort("l", ["k", "m"] if keys == "two keys" else ["k"]),
            passes=PARTITIONED,
            aim=1.5,
        )
        for keys in ("int64", "string", "two keys")
    ]


@lru_cache(maxsize=1)
def group_table(rows: int, groups: int, string: bool) -> Tables:
    import pyarrow as pa

    numbers = uniform(rows, groups, 1)[0]
    values = uniform(rows, 1000, 2, 2)
    key = texts(numbers) if string else numbers
    return {"x": pa.table({"k": key, "v": values[0], "w": values[1] / 8})}


def group_works(rows: int) -> list[Work]:
    aggregates = {"s": ("v", "sum"), "m": ("w", "mean")}
    asked = [("100 groups", 100, False), ("a group in 10 rows", rows // 10, False)]
    asked += [("as many as rows", rows, False), ("string keys", rows // 10, True)]
    return [
        Work(
            f"group, {name}",
            lambda groups=groups, string=string: group_table(rows, groups, string),
            **ways.group("x", ["k"], aggregates),
            aim=1.5,
        )
        for name, groups, string in asked
    ]


def scan_works(scale: float) -> list[Work]:
    columns = ["l_orderkey", "l_extendedprice", "l_discount", "l_shipdate"]
    asked = ways.scan("lineitem", columns, "l_shipdate", datetime.date(1995, 1, 1))
    return [Work("scan of lineitem", lambda: {"lineitem": tpch.folder(scale) / "lineitem.parquet"}, **asked, aim=1)]
