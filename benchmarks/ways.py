"""How each engine is asked to join, sort and group: the one place for each, whatever the tables."""

from __future__ import annotations

from typing import Any

from engines import Tables

#: output -> (column, function), functions by pandas' names
Aggregates = dict[str, tuple[str, str]]


def join(left: str, right: str, keys: list[str], how: str = "inner", algorithm: str | None = None) -> dict[str, Any]:
    """Of two tables that have the keys in common and no other name, with all columns of both. `algorithm` is Weft's."""

    def sql() -> str:
        on = " AND ".join(f"{left}.{key} = {right}.{key}" for key in keys)
        shared = ", ".join(f"COALESCE({left}.{key}, {right}.{key}) AS {key}" for key in keys)
        kind = {"inner": "", "left": "LEFT", "outer": "FULL"}[how]
        dropped = ", ".join(keys)
        both = f"{left}.* EXCLUDE ({dropped}), {right}.* EXCLUDE ({dropped})"
        return f"SELECT {shared}, {both} FROM {left} {kind} JOIN {right} ON {on}"

    def polars(tables: Tables) -> Any:
        kind = {"outer": "full"}.get(how, how)
        return tables[left].join(tables[right], on=keys, how=kind, coalesce=True)

    def pandas(tables: Tables) -> Any:
        return tables[left].merge(tables[right], on=keys, how=how)

    def pyarrow(tables: Tables) -> Any:
        kind = {"inner": "inner", "left": "left outer", "outer": "full outer"}[how]
        return tables[left].join(tables[right], keys, join_type=kind)

    def weft(tables: Tables) -> Any:
        return tables[left].merge(tables[right], on=keys, how=how, algorithm=algorithm)

    return {"sql": sql(), "polars": polars, "pandas": pandas, "pyarrow": pyarrow, "weft": weft}


def sort(table: str, keys: list[str]) -> dict[str, Any]:
    """All columns of a table, ascending by the keys."""
    return {
        "sql": f"SELECT * FROM {table} ORDER BY {', '.join(keys)}",
        "polars": lambda tables: tables[table].sort(keys),
        "pandas": lambda tables: tables[table].sort_values(keys),
        "pyarrow": lambda tables: tables[table].sort_by([(key, "ascending") for key in keys]),
        "weft": lambda tables: tables[table].sort_values(keys),
    }


def group(table: str, keys: list[str], aggregates: Aggregates) -> dict[str, Any]:
    """Groups in any order, with named aggregations."""
    spelled = {"mean": "avg", "std": "stddev_samp"}
    chosen = ", ".join(
        f"{spelled.get(function, function)}({column}) AS {name}" for name, (column, function) in aggregates.items()
    )
    by = ", ".join(keys)

    def polars(tables: Tables) -> Any:
        import polars as pl

        made = [
            getattr(pl.col(column), {"count": "len"}.get(function, function))().alias(name)
            for name, (column, function) in aggregates.items()
        ]
        return tables[table].group_by(keys).agg(made)

    def pandas(tables: Tables) -> Any:
        return tables[table].groupby(keys, as_index=False, sort=False, observed=True).agg(**aggregates)

    def pyarrow(tables: Tables) -> Any:
        return tables[table].group_by(keys).aggregate([*aggregates.values()])

    def weft(tables: Tables) -> Any:
        return tables[table].groupby(keys, as_index=False, sort=False).agg(**aggregates)

    exact = all(function not in ("median", "std") for _, function in aggregates.values())
    return {
        "sql": f"SELECT {by}, {chosen} FROM {table} GROUP BY {by}",
        "polars": polars,
        "pandas": pandas,
        "pyarrow": pyarrow if exact else None,
        "weft": weft,
    }


def scan(table: str, columns: list[str], column: str, least: Any) -> dict[str, Any]:
    """Columns of the rows of a file in which one of them is `least` or more."""

    def polars(tables: Tables) -> Any:
        import polars as pl

        return tables[table].filter(pl.col(column) >= least).select(columns)

    def pandas(tables: Tables) -> Any:
        import pandas as pd

        filters = [(column, ">=", least)]
        return pd.read_parquet(tables[table], columns=columns, filters=filters, dtype_backend="pyarrow")

    def pyarrow(tables: Tables) -> Any:
        import pyarrow.dataset as ds

        return tables[table].to_table(columns=columns, filter=ds.field(column) >= least)

    def weft(tables: Tables) -> Any:
        import weft

        table_file, env = tables[table]
        return weft.read_parquet(table_file, columns=columns, filters=weft.col(column) >= least, env=env)

    return {
        "sql": f"SELECT {', '.join(columns)} FROM {table} WHERE {column} >= DATE '{least}'",
        "polars": polars,
        "pandas": pandas,
        "pyarrow": pyarrow,
        "weft": weft,
    }
