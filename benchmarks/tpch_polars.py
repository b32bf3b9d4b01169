"""The queries of TPC-H as Polars' users write them: expressions over lazy frames, named as in the specification."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
from polars import col

Lazy = pl.LazyFrame
REVENUE = (col("l_extendedprice") * (1 - col("l_discount"))).alias("revenue")


def nations_of(t: dict[str, Lazy], region: str) -> Lazy:
    found = t["region"].filter(col("r_name") == region)
    return t["nation"].join(found, left_on="n_regionkey", right_on="r_regionkey").select("n_nationkey", "n_name")


def q1(t: dict[str, Lazy]) -> Lazy:
    disc_price = col("l_extendedprice") * (1 - col("l_discount"))
    return (
        t["lineitem"]
        .filter(col("l_shipdate") <= date(1998, 9, 2))
        .group_by("l_returnflag", "l_linestatus")
        .agg(
            col("l_quantity").sum().alias("sum_qty"),
            col("l_extendedprice").sum().alias("sum_base_price"),
            disc_price.sum().alias("sum_disc_price"),
            (disc_price * (1 + col("l_tax"))).sum().alias("sum_charge"),
            col("l_quantity").mean().alias("avg_qty"),
            col("l_extendedprice").mean().alias("avg_price"),
            col("l_discount").mean().alias("avg_disc"),
            pl.len().alias("count_order"),
        )
        .sort("l_returnflag", "l_linestatus")
    )


def q2(t: dict[str, Lazy]) -> Lazy:
    names = ["s_acctbal", "s_name", "n_name", "p_partkey", "p_mfgr", "s_address", "s_phone", "s_comment"]
    offers = (
        t["part"]
        .filter((col("p_size") == 15) & col("p_type").str.ends_with("BRASS"))
        .join(t["partsupp"], left_on="p_partkey", right_on="ps_partkey")
        .join(t["supplier"], left_on="ps_suppkey", right_on="s_suppkey")
        .join(nations_of(t, "EUROPE"), left_on="s_nationkey", right_on="n_nationkey")
    )
    return (
        offers.filter(col("ps_supplycost") == col("ps_supplycost").min().over("p_partkey"))
        .select(names)
        .sort("s_acctbal", "n_name", "s_name", "p_partkey", descending=[True, False, False, False])
        .head(100)
    )


def q3(t: dict[str, Lazy]) -> Lazy:
    return (
        t["customer"]
        .filter(col("c_mktsegment") == "BUILDING")
        .join(t["orders"].filter(col("o_orderdate") < date(1995, 3, 15)), left_on="c_custkey", right_on="o_custkey")
        .join(t["lineitem"].filter(col("l_shipdate") > date(1995, 3, 15)), left_on="o_orderkey", right_on="l_orderkey")
        .group_by("o_orderkey", "o_orderdate", "o_shippriority")
        .agg(REVENUE.sum())
        .select(col("o_orderkey").alias("l_orderkey"), "revenue", "o_orderdate", "o_shippriority")
        .sort("revenue", "o_orderdate", "l_orderkey", descending=[True, False, False])
        .head(10)
    )


def q4(t: dict[str, Lazy]) -> Lazy:
    late = t["lineitem"].filter(col("l_commitdate") < col("l_receiptdate"))
    return (
        t["orders"]
        .filter(col("o_orderdate").is_between(date(1993, 7, 1), date(1993, 10, 1), closed="left"))
        .join(late, left_on="o_orderkey", right_on="l_orderkey", how="semi")
        .group_by("o_orderpriority")
        .agg(pl.len().alias("order_count"))
        .sort("o_orderpriority")
    )


def q5(t: dict[str, Lazy]) -> Lazy:
    ordered = t["orders"].filter(col("o_orderdate").is_between(date(1994, 1, 1), date(1995, 1, 1), closed="left"))
    return (
        nations_of(t, "ASIA")
        .join(t["customer"], left_on="n_nationkey", right_on="c_nationkey")
        .join(ordered, left_on="c_custkey", right_on="o_custkey")
        .join(t["lineitem"], left_on="o_orderkey", right_on="l_orderkey")
        .join(t["supplier"], left_on=["l_suppkey", "n_nationkey"], right_on=["s_suppkey", "s_nationkey"])
        .group_by("n_name")
        .agg(REVENUE.sum())
        .sort("revenue", descending=True)
    )


def q6(t: dict[str, Lazy]) -> Lazy:
    return (
        t["lineitem"]
        .filter(
            col("l_shipdate").is_between(date(1994, 1, 1), date(1995, 1, 1), closed="left")
            & col("l_discount").is_between(0.05, 0.07)
            & (col("l_quantity") < 24)
        )
        .select((col("l_extendedprice") * col("l_discount")).sum().alias("revenue"))
    )


def q7(t: dict[str, Lazy]) -> Lazy:
    two = t["nation"].filter(col("n_name").is_in(["FRANCE", "GERMANY"]))
    sellers = t["supplier"].join(two, left_on="s_nationkey", right_on="n_nationkey").rename({"n_name": "supp_nation"})
    buyers = t["customer"].join(two, left_on="c_nationkey", right_on="n_nationkey").rename({"n_name": "cust_nation"})
    lines = t["lineitem"].filter(col("l_shipdate").is_between(date(1995, 1, 1), date(1996, 12, 31)))
    return (
        lines.join(sellers, left_on="l_suppkey", right_on="s_suppkey")
        .join(t["orders"], left_on="l_orderkey", right_on="o_orderkey")
        .join(buyers, left_on="o_custkey", right_on="c_custkey")
        .filter(col("supp_nation") != col("cust_nation"))
        .with_columns(col("l_shipdate").dt.year().alias("l_year"))
        .group_by("supp_nation", "cust_nation", "l_year")
        .agg(REVENUE.sum())
        .sort("supp_nation", "cust_nation", "l_year")
    )


def q8(t: dict[str, Lazy]) -> Lazy:
    ordered = t["orders"].filter(col("o_orderdate").is_between(date(1995, 1, 1), date(1996, 12, 31)))
    sellers = t["supplier"].join(t["nation"], left_on="s_nationkey", right_on="n_nationkey")
    brazil = pl.when(col("n_name") == "BRAZIL").then(REVENUE).otherwise(0.0)
    return (
        t["part"]
        .filter(col("p_type") == "ECONOMY ANODIZED STEEL")
        .join(t["lineitem"], left_on="p_partkey", right_on="l_partkey")
        .join(ordered, left_on="l_orderkey", right_on="o_orderkey")
        .join(t["customer"], left_on="o_custkey", right_on="c_custkey")
        .join(nations_of(t, "AMERICA").select("n_nationkey"), left_on="c_nationkey", right_on="n_nationkey")
        .join(sellers, left_on="l_suppkey", right_on="s_suppkey")
        .group_by(col("o_orderdate").dt.year().alias("o_year"))
        .agg((brazil.sum() / REVENUE.sum()).alias("mkt_share"))
        .sort("o_year")
    )


def q9(t: dict[str, Lazy]) -> Lazy:
    amount = REVENUE - col("ps_supplycost") * col("l_quantity")
    return (
        t["part"]
        .filter(col("p_name").str.contains("green", literal=True))
        .join(t["partsupp"], left_on="p_partkey", right_on="ps_partkey")
        .join(t["supplier"], left_on="ps_suppkey", right_on="s_suppkey")
        .join(t["lineitem"], left_on=["p_partkey", "ps_suppkey"], right_on=["l_partkey", "l_suppkey"])
        .join(t["orders"], left_on="l_orderkey", right_on="o_orderkey")
        .join(t["nation"], left_on="s_nationkey", right_on="n_nationkey")
        .group_by(col("n_name").alias("nation"), col("o_orderdate").dt.year().alias("o_year"))
        .agg(amount.sum().alias("sum_profit"))
        .sort("nation", "o_year", descending=[False, True])
    )


def q10(t: dict[str, Lazy]) -> Lazy:
    ordered = t["orders"].filter(col("o_orderdate").is_between(date(1993, 10, 1), date(1994, 1, 1), closed="left"))
    keys = ["c_custkey", "c_name", "c_acctbal", "c_phone", "n_name", "c_address", "c_comment"]
    return (
        t["customer"]
        .join(ordered, left_on="c_custkey", right_on="o_custkey")
        .join(t["lineitem"].filter(col("l_returnflag") == "R"), left_on="o_orderkey", right_on="l_orderkey")
        .join(t["nation"], left_on="c_nationkey", right_on="n_nationkey")
        .group_by(keys)
        .agg(REVENUE.sum())
        .select("c_custkey", "c_name", "revenue", "c_acctbal", "n_name", "c_address", "c_phone", "c_comment")
        .sort("revenue", "c_custkey", descending=[True, False])
        .head(20)
    )


def q11(t: dict[str, Lazy], fraction: float) -> Lazy:
    value = (col("ps_supplycost") * col("ps_availqty")).sum()
    stock = (
        t["partsupp"]
        .join(t["supplier"], left_on="ps_suppkey", right_on="s_suppkey")
        .join(t["nation"].filter(col("n_name") == "GERMANY"), left_on="s_nationkey", right_on="n_nationkey")
    )
    least = stock.select((value * fraction).alias("least"))
    return (
        stock.group_by("ps_partkey")
        .agg(value.alias("value"))
        .join(least, how="cross")
        .filter(col("value") > col("least"))
        .select("ps_partkey", "value")
        .sort("value", "ps_partkey", descending=[True, False])
    )


def q12(t: dict[str, Lazy]) -> Lazy:
    high = col("o_orderpriority").is_in(["1-URGENT", "2-HIGH"])
    return (
        t["lineitem"]
        .filter(
            col("l_shipmode").is_in(["MAIL", "SHIP"])
            & (col("l_commitdate") < col("l_receiptdate"))
            & (col("l_shipdate") < col("l_commitdate"))
            & col("l_receiptdate").is_between(date(1994, 1, 1), date(1995, 1, 1), closed="left")
        )
        .join(t["orders"], left_on="l_orderkey", right_on="o_orderkey")
        .group_by("l_shipmode")
        .agg(high.sum().alias("high_line_count"), (~high).sum().alias("low_line_count"))
        .sort("l_shipmode")
    )


def q13(t: dict[str, Lazy]) -> Lazy:
    ordered = t["orders"].filter(~col("o_comment").str.contains("special.*requests"))
    return (
        t["customer"]
        .join(ordered, left_on="c_custkey", right_on="o_custkey", how="left")
        .group_by("c_custkey")
        .agg(col("o_orderkey").count().alias("c_count"))
        .group_by("c_count")
        .agg(pl.len().alias("custdist"))
        .sort("custdist", "c_count", descending=True)
    )


def q14(t: dict[str, Lazy]) -> Lazy:
    promotion = pl.when(col("p_type").str.starts_with("PROMO")).then(REVENUE).otherwise(0.0)
    return (
        t["lineitem"]
        .filter(col("l_shipdate").is_between(date(1995, 9, 1), date(1995, 10, 1), closed="left"))
        .join(t["part"], left_on="l_partkey", right_on="p_partkey")
        .select((100 * promotion.sum() / REVENUE.sum()).alias("promo_revenue"))
    )


def q15(t: dict[str, Lazy]) -> Lazy:
    sums = (
        t["lineitem"]
        .filter(col("l_shipdate").is_between(date(1996, 1, 1), date(1996, 4, 1), closed="left"))
        .group_by("l_suppkey")
        .agg(REVENUE.sum().alias("total_revenue"))
    )
    return (
        sums.filter(col("total_revenue") == col("total_revenue").max())
        .join(t["supplier"], left_on="l_suppkey", right_on="s_suppkey")
        .select(col("l_suppkey").alias("s_suppkey"), "s_name", "s_address", "s_phone", "total_revenue")
        .sort("s_suppkey")
    )


def q16(t: dict[str, Lazy]) -> Lazy:
    keys = ["p_brand", "p_type", "p_size"]
    complaints = t["supplier"].filter(col("s_comment").str.contains("Customer.*Complaints"))
    return (
        t["part"]
        .filter(
            (col("p_brand") != "Brand#45")
            & ~col("p_type").str.starts_with("MEDIUM POLISHED")
            & col("p_size").is_in([49, 14, 23, 45, 19, 3, 36, 9])
        )
        .join(t["partsupp"], left_on="p_partkey", right_on="ps_partkey")
        .join(complaints, left_on="ps_suppkey", right_on="s_suppkey", how="anti")
        .group_by(keys)
        .agg(col("ps_suppkey").n_unique().alias("supplier_cnt"))
        .sort("supplier_cnt", *keys, descending=[True, False, False, False])
    )


def q17(t: dict[str, Lazy]) -> Lazy:
    parts = t["part"].filter((col("p_brand") == "Brand#23") & (col("p_container") == "MED BOX"))
    lines = parts.join(t["lineitem"], left_on="p_partkey", right_on="l_partkey")
    least = lines.group_by("p_partkey").agg((0.2 * col("l_quantity").mean()).alias("least"))
    return (
        lines.join(least, on="p_partkey")
        .filter(col("l_quantity") < col("least"))
        .select((col("l_extendedprice").sum() / 7.0).alias("avg_yearly"))
    )


def q18(t: dict[str, Lazy]) -> Lazy:
    sums = t["lineitem"].group_by("l_orderkey").agg(col("l_quantity").sum().alias("sum_quantity"))
    return (
        t["orders"]
        .join(sums.filter(col("sum_quantity") > 300), left_on="o_orderkey", right_on="l_orderkey")
        .join(t["customer"], left_on="o_custkey", right_on="c_custkey")
        .select(
            "c_name", col("o_custkey").alias("c_custkey"), "o_orderkey", "o_orderdate", "o_totalprice", "sum_quantity"
        )
        .sort("o_totalprice", "o_orderdate", "o_orderkey", descending=[True, False, False])
        .head(100)
    )


def q19(t: dict[str, Lazy]) -> Lazy:
    def kind(brand: str, size: str, packages: str, least: int, largest: int) -> Any:
        return (
            (col("p_brand") == brand)
            & col("p_container").is_in([f"{size} {package}" for package in packages.split()])
            & col("l_quantity").is_between(least, least + 10)
            & col("p_size").is_between(1, largest)
        )

    return (
        t["part"]
        .join(t["lineitem"], left_on="p_partkey", right_on="l_partkey")
        .filter(col("l_shipmode").is_in(["AIR", "AIR REG"]) & (col("l_shipinstruct") == "DELIVER IN PERSON"))
        .filter(
            kind("Brand#12", "SM", "CASE BOX PACK PKG", 1, 5)
            | kind("Brand#23", "MED", "BAG BOX PKG PACK", 10, 10)
            | kind("Brand#34", "LG", "CASE BOX PACK PKG", 20, 15)
        )
        .select(REVENUE.sum())
    )


def q20(t: dict[str, Lazy]) -> Lazy:
    parts = t["part"].filter(col("p_name").str.starts_with("forest"))
    sent = (
        t["lineitem"]
        .filter(col("l_shipdate").is_between(date(1994, 1, 1), date(1995, 1, 1), closed="left"))
        .join(parts, left_on="l_partkey", right_on="p_partkey", how="semi")
        .group_by("l_partkey", "l_suppkey")
        .agg((0.5 * col("l_quantity").sum()).alias("half"))
    )
    stock = (
        t["partsupp"]
        .join(sent, left_on=["ps_partkey", "ps_suppkey"], right_on=["l_partkey", "l_suppkey"])
        .filter(col("ps_availqty") > col("half"))
    )
    return (
        t["supplier"]
        .join(t["nation"].filter(col("n_name") == "CANADA"), left_on="s_nationkey", right_on="n_nationkey")
        .join(stock, left_on="s_suppkey", right_on="ps_suppkey", how="semi")
        .select("s_name", "s_address")
        .sort("s_name")
    )


def q21(t: dict[str, Lazy]) -> Lazy:
    several = t["lineitem"].group_by("l_orderkey").agg(col("l_suppkey").n_unique().alias("suppliers"))
    late = t["lineitem"].filter(col("l_receiptdate") > col("l_commitdate"))
    late = late.join(several.filter(col("suppliers") > 1), on="l_orderkey")
    alone = late.group_by("l_orderkey").agg(col("l_suppkey").n_unique().alias("late_suppliers"))
    return (
        alone.filter(col("late_suppliers") == 1)
        .join(late, on="l_orderkey")
        .join(t["supplier"], left_on="l_suppkey", right_on="s_suppkey")
        .join(t["nation"].filter(col("n_name") == "SAUDI ARABIA"), left_on="s_nationkey", right_on="n_nationkey")
        .join(t["orders"].filter(col("o_orderstatus") == "F"), left_on="l_orderkey", right_on="o_orderkey")
        .group_by("s_name")
        .agg(pl.len().alias("numwait"))
        .sort("numwait", "s_name", descending=[True, False])
        .head(100)
    )


def q22(t: dict[str, Lazy]) -> Lazy:
    customers = t["customer"].select("c_custkey", "c_acctbal", col("c_phone").str.slice(0, 2).alias("cntrycode"))
    customers = customers.filter(col("cntrycode").is_in(["13", "31", "23", "29", "30", "18", "17"]))
    mean = customers.filter(col("c_acctbal") > 0).select(col("c_acctbal").mean().alias("mean"))
    return (
        customers.join(t["orders"], left_on="c_custkey", right_on="o_custkey", how="anti")
        .join(mean, how="cross")
        .filter(col("c_acctbal") > col("mean"))
        .group_by("cntrycode")
        .agg(pl.len().alias("numcust"), col("c_acctbal").sum().alias("totacctbal"))
        .sort("cntrycode")
    )


def question(number: int, scale: float) -> Callable[[dict[str, Any]], Any]:
    """The query as a function of the lazy frames by name."""
    if number == 11:
        return lambda tables: q11(tables, 0.0001 / scale)
    found: Callable[[dict[str, Any]], Any] = globals()[f"q{number}"]
    return found
