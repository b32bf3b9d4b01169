"""The eight tables of TPC-H as frames.

The generator writes amounts as decimals of 15 digits, two behind the point. Here they are doubles, as a pandas user has
them: the specification allows sums to be 100 off and averages 1 %, doubles are off by less than a millionth of a cent
a row, and they take half the memory and a fraction of the time of decimals, whose products need 128 bits and more.
Where a query compares an amount with another (2, 15) both are copies of, or sums of the same rows in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

import weft

#: The columns that any of the queries reads.
COLUMNS = {
    "customer": (
        *("c_custkey", "c_name", "c_address", "c_nationkey", "c_phone", "c_acctbal", "c_mktsegment", "c_comment"),
    ),
    "lineitem": (
        *("l_orderkey", "l_partkey", "l_suppkey", "l_quantity", "l_extendedprice", "l_discount", "l_tax"),
        *("l_returnflag", "l_linestatus", "l_shipdate", "l_commitdate", "l_receiptdate", "l_shipinstruct"),
        "l_shipmode",
    ),
    "nation": ("n_nationkey", "n_name", "n_regionkey"),
    "orders": (
        *("o_orderkey", "o_custkey", "o_orderstatus", "o_totalprice", "o_orderdate", "o_orderpriority"),
        *("o_shippriority", "o_comment"),
    ),
    "part": ("p_partkey", "p_name", "p_mfgr", "p_brand", "p_type", "p_size", "p_container"),
    "partsupp": ("ps_partkey", "ps_suppkey", "ps_availqty", "ps_supplycost"),
    "region": ("r_regionkey", "r_name"),
    "supplier": ("s_suppkey", "s_name", "s_address", "s_nationkey", "s_phone", "s_acctbal", "s_comment"),
}


def with_doubles(frame: weft.DataFrame) -> weft.DataFrame:
    """Amounts as doubles."""
    amounts = {name: "float64" for name, kind in frame.dtypes.items() if pa.types.is_decimal(kind)}
    return frame.astype(amounts) if amounts else frame


def read_tables(
    folder: Path, env: weft.Env | None = None, names: Iterable[str] = tuple(COLUMNS)
) -> dict[str, weft.DataFrame]:
    """The tables by name; with `env` each rank reads its share. Collective then."""
    return {
        name: with_doubles(weft.read_parquet(str(folder / f"{name}.parquet"), columns=COLUMNS[name], env=env))
        for name in names
    }


def scale_of(tables: dict[str, weft.DataFrame]) -> float:
    """The scale factor: suppliers in tens of thousands. Collective on bound frames."""
    return tables["supplier"].total_rows() / 10_000
