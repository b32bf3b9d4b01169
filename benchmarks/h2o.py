"""The questions of the H2O.ai database benchmark: ten group-bys, five joins (https://h2oai.github.io/db-benchmark).

Tables as there: K = 100 groups; group-by on N rows; joins of N rows with tables of N / 10^6, N / 10^3 and N rows, of
whose keys nine in ten match. The generator is NumPy's, not R's, so that figures compare within a run alone.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import ways
from engines import Tables, Work

K = 100


def _names(numbers: Any, digits: int) -> Any:
    """Texts such as id007, as a dictionary made plain."""
    import numpy as np
    import pyarrow as pa

    values, codes = np.unique(numbers, return_inverse=True)
    texts = pa.array([f"id{value:0{digits}d}" for value in values])
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), texts).cast(pa.string())


@cache
def group_table(rows: int) -> Any:
    """id1, id2: 100 texts; id3: N / 100 texts; id4, id5: 100 numbers; id6: N / 100 numbers; v1, v2, v3."""
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(108)
    many = max(1, rows // K)
    return pa.table(
        {
            "id1": _names(random.integers(1, K + 1, rows), 3),
            "id2": _names(random.integers(1, K + 1, rows), 3),
            "id3": _names(random.integers(1, many + 1, rows), 10),
            "id4": random.integers(1, K + 1, rows),
            "id5": random.integers(1, K + 1, rows),
            "id6": random.integers(1, many + 1, rows),
            "v1": random.integers(1, 6, rows),
            "v2": random.integers(1, 16, rows),
            "v3": np.round(random.random(rows) * 100, 6),
        }
    )


@cache
def join_tables(rows: int) -> Tables:
    """x, small, medium, big: number keys id1, id2, id3, their texts id4, id5, id6, and a value."""
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(108)
    sizes = {"small": max(10, rows // 1_000_000), "medium": max(10, rows // 1000), "big": rows}
    keys, left_only = {}, {}
    for name, size in sizes.items():
        # Nine in ten keys are on both sides, one in ten on each side alone.
        all_keys = random.permutation(size + size // 10) + 1
        keys[name] = all_keys[:size]
        left_only[name] = all_keys[size // 10 :]
    columns: dict[str, Any] = {}
    for number, name in enumerate(sizes, 1):
        columns[f"id{number}"] = random.choice(left_only[name], rows)
    for number in (1, 2, 3):
        columns[f"id{number + 3}"] = _names(columns[f"id{number}"], 0)
    columns["v1"] = np.round(random.random(rows) * 100, 6)
    made = {"x": pa.table(columns)}
    for name, size in sizes.items():
        known = {"small": 1, "medium": 2, "big": 3}[name]
        right: dict[str, Any] = {f"id{known}": keys[name]}
        for number, other in enumerate(sizes, 1):
            if number < known:
                right[f"id{number}"] = random.choice(keys[other], size)
        right = dict(sorted(right.items()))
        right |= {f"id{int(key[2:]) + 3}": _names(values, 0) for key, values in list(right.items())}
        right["v2"] = np.round(random.random(size) * 100, 6)
        made[name] = pa.table(right)
    return made


def groupby_works(rows: int) -> list[Work]:
    def works(name: str, **asked: Any) -> Work:
        return Work(name, lambda: {"x": group_table(rows)}, **asked)

    def plain(number: int, keys: list[str], aggregates: ways.Aggregates) -> Work:
        used = (*keys, *(column for column, _ in aggregates.values()))
        return works(f"group-by {number}", **ways.group("x", keys, aggregates), reads=used)

    def range_polars(tables: dict[str, Any]) -> Any:
        import polars as pl

        return tables["x"].group_by("id3").agg((pl.max("v1") - pl.min("v2")).alias("range_v1_v2"))

    def range_pandas(tables: dict[str, Any]) -> Any:
        made = tables["x"].groupby("id3", as_index=False, sort=False).agg(v1=("v1", "max"), v2=("v2", "min"))
        made["range_v1_v2"] = made["v1"] - made["v2"]
        return made[["id3", "range_v1_v2"]]

    def largest_polars(tables: dict[str, Any]) -> Any:
        import polars as pl

        largest = pl.col("v3").top_k(2).alias("largest2_v3")
        return tables["x"].drop_nulls("v3").group_by("id6").agg(largest).explode("largest2_v3")

    def largest_pandas(tables: dict[str, Any]) -> Any:
        ordered = tables["x"][["id6", "v3"]].sort_values("v3", ascending=False)
        return ordered.groupby("id6", as_index=False, sort=False).head(2).reset_index(drop=True)

    def largest_weft(tables: dict[str, Any]) -> Any:
        ordered = tables["x"][["id6", "v3"]].sort_values("v3", ascending=False)
        return ordered.groupby("id6", sort=False).head(2)

    def regression_polars(tables: dict[str, Any]) -> Any:
        import polars as pl

        return tables["x"].group_by(["id2", "id4"]).agg((pl.corr("v1", "v2") ** 2).alias("r2"))

    largest_sql = (
        "SELECT id6, v3 AS largest2_v3 FROM "
        "(SELECT id6, v3, row_number() OVER (PARTITION BY id6 ORDER BY v3 DESC) AS n FROM x WHERE v3 IS NOT NULL) AS t "
        "WHERE n <= 2"
    )
    return [
        plain(1, ["id1"], {"v1": ("v1", "sum")}),
        plain(2, ["id1", "id2"], {"v1": ("v1", "sum")}),
        plain(3, ["id3"], {"v1": ("v1", "sum"), "v3": ("v3", "mean")}),
        plain(4, ["id4"], {"v1": ("v1", "mean"), "v2": ("v2", "mean"), "v3": ("v3", "mean")}),
        plain(5, ["id6"], {"v1": ("v1", "sum"), "v2": ("v2", "sum"), "v3": ("v3", "sum")}),
        plain(6, ["id4", "id5"], {"median_v3": ("v3", "median"), "sd_v3": ("v3", "std")}),
        works(
            "group-by 7",
            sql="SELECT id3, max(v1) - min(v2) AS range_v1_v2 FROM x GROUP BY id3",
            polars=range_polars,
            pandas=range_pandas,
            weft=range_pandas,
            reads=("id3", "v1", "v2"),
        ),
        works(
            "group-by 8",
            sql=largest_sql,
            polars=largest_polars,
            pandas=largest_pandas,
            weft=largest_weft,
            reads=("id6", "v3"),
        ),
        works(
            "group-by 9",
            sql="SELECT id2, id4, power(corr(v1, v2), 2) AS r2 FROM x GROUP BY id2, id4",
            polars=regression_polars,
            weft=_regression_weft,
            reads=("id2", "id4", "v1", "v2"),
        ),
        plain(
            10,
            ["id1", "id2", "id3", "id4", "id5", "id6"],
            {"v3": ("v3", "sum"), "count": ("v1", "count")},
        ),
    ]


def _regression_weft(tables: Tables) -> Any:
    """The square of the correlation from sums of products, which combine before they are exchanged."""
    import weft

    v1, v2 = weft.col("v1"), weft.col("v2")
    moved = tables["x"].select("id2", "id4", "v1", "v2", v12=v1 * v2, v11=v1 * v1, v22=v2 * v2)
    sums = moved.groupby(["id2", "id4"], as_index=False, sort=False).agg(
        n=("v1", "count"),
        s1=("v1", "sum"),
        s2=("v2", "sum"),
        s12=("v12", "sum"),
        s11=("v11", "sum"),
        s22=("v22", "sum"),
    )
    n, s1, s2 = weft.col("n"), weft.col("s1"), weft.col("s2")
    covariance = n * weft.col("s12") - s1 * s2
    variances = (n * weft.col("s11") - s1 * s1) * (n * weft.col("s22") - s2 * s2)
    return sums.select("id2", "id4", r2=covariance * covariance / variances)


def join_works(rows: int) -> list[Work]:
    def question(number: int, right: str, key: str, how: str = "inner") -> Work:
        def ask_polars(tables: dict[str, Any]) -> Any:
            return tables["x"].join(tables[right], on=key, how=how)

        def ask_frames(tables: dict[str, Any]) -> Any:
            return tables["x"].merge(tables[right], on=key, how=how)

        def ask_pyarrow(tables: dict[str, Any]) -> Any:
            kind = {"inner": "inner", "left": "left outer"}[how]
            return tables["x"].join(tables[right], key, join_type=kind, right_suffix="_right")

        both = [name for name in ("id1", "id2", "id4", "id5", "id6") if name != key and _has(right, name)]
        columns = ", ".join(f"r.{name} AS {name}_right" for name in both)
        columns = f", {columns}" if columns else ""
        sql = f"SELECT x.*{columns}, r.v2 FROM x {how.upper()} JOIN {right} AS r ON x.{key} = r.{key}"
        return Work(
            f"join {number}",
            lambda: {name: table for name, table in join_tables(rows).items() if name in ("x", right)},
            sql=sql,
            polars=ask_polars,
            pandas=ask_frames,
            pyarrow=ask_pyarrow,
            weft=ask_frames,
        )

    return [
        question(1, "small", "id1"),
        question(2, "medium", "id2"),
        question(3, "medium", "id2", "left"),
        question(4, "medium", "id5"),
        question(5, "big", "id3"),
    ]


def _has(table: str, column: str) -> bool:
    """Whether a right table has a column: a table has the keys up to its own, and their texts."""
    known = {"small": 1, "medium": 2, "big": 3}[table]
    number = int(column[2:])
    return (number if number <= 3 else number - 3) <= known
