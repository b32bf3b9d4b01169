"""TPC-H queries 12 to 22; see `queries_1_to_11.py`."""

from __future__ import annotations

from datetime import date

from queries_1_to_11 import REVENUE

from weft import DataFrame, Expression, col


def q12(orders: DataFrame, lineitem: DataFrame) -> DataFrame:
    """Whether cheap shipping makes urgent orders late."""
    lines = lineitem[["l_orderkey", "l_shipmode", "l_shipdate", "l_commitdate", "l_receiptdate"]]
    lines = lines.filter(
        (col("l_receiptdate") >= date(1994, 1, 1))
        & (col("l_receiptdate") < date(1995, 1, 1))
        & (col("l_commitdate") < col("l_receiptdate"))
        & (col("l_shipdate") < col("l_commitdate"))
        & col("l_shipmode").isin(["MAIL", "SHIP"])
    )
    lines = lines[["l_orderkey", "l_shipmode"]]
    lines = lines.merge(orders[["o_orderkey", "o_orderpriority"]], left_on="l_orderkey", right_on="o_orderkey")
    high = col("o_orderpriority").isin(["1-URGENT", "2-HIGH"])
    lines = lines.select("l_shipmode", high=high, low=~high)
    return lines.groupby("l_shipmode", as_index=False).agg(
        high_line_count=("high", "sum"), low_line_count=("low", "sum")
    )


def q13(customer: DataFrame, orders: DataFrame) -> DataFrame:
    """How many customers have how many orders."""
    ordered = orders[["o_custkey", "o_comment"]].filter(~col("o_comment").str.contains("special.*requests"))
    counts = ordered.groupby("o_custkey", as_index=False, sort=False).agg(c_count=("o_custkey", "size"))
    counts = customer[["c_custkey"]].merge(counts, left_on="c_custkey", right_on="o_custkey", how="left")
    counts = counts.select(c_count=col("c_count").fillna(0))
    counts = counts.groupby("c_count", as_index=False, sort=False).agg(custdist=("c_count", "size"))
    return counts.sort_values(["custdist", "c_count"], ascending=False)


def q14(lineitem: DataFrame, part: DataFrame) -> float:
    """The share of promotions in a month's revenue, in percent."""
    lines = lineitem[["l_partkey", "l_extendedprice", "l_discount", "l_shipdate"]]
    lines = lines.filter((col("l_shipdate") >= date(1995, 9, 1)) & (col("l_shipdate") < date(1995, 10, 1)))
    lines = lines.merge(part[["p_partkey", "p_type"]], left_on="l_partkey", right_on="p_partkey")
    lines = lines.select("p_type", revenue=REVENUE)
    sums = lines.select("revenue", promotion=col("revenue").where(col("p_type").str.startswith("PROMO"), 0.0)).sum()
    return float(100 * sums["promotion"] / sums["revenue"])


def q15(lineitem: DataFrame, supplier: DataFrame) -> DataFrame:
    """The suppliers who brought in most in a quarter."""
    lines = lineitem[["l_suppkey", "l_extendedprice", "l_discount", "l_shipdate"]]
    lines = lines.filter((col("l_shipdate") >= date(1996, 1, 1)) & (col("l_shipdate") < date(1996, 4, 1)))
    lines = lines.select(s_suppkey=col("l_suppkey"), revenue=REVENUE)
    sums = lines.groupby("s_suppkey", as_index=False, sort=False).agg(total_revenue=("revenue", "sum"))
    best = sums.filter(col("total_revenue") == sums["total_revenue"].max())
    best = best.merge(supplier[["s_suppkey", "s_name", "s_address", "s_phone"]], on="s_suppkey")
    return best.sort_values("s_suppkey")[["s_suppkey", "s_name", "s_address", "s_phone", "total_revenue"]]


def q16(partsupp: DataFrame, part: DataFrame, supplier: DataFrame) -> DataFrame:
    """How many suppliers, without those of whom customers complained, can supply a kind of part."""
    keys = ["p_brand", "p_type", "p_size"]
    parts = part[["p_partkey", *keys]].filter(
        col("p_size").isin([49, 14, 23, 45, 19, 3, 36, 9])
        & (col("p_brand") != "Brand#45")
        & ~col("p_type").str.startswith("MEDIUM POLISHED")
    )
    complaints = supplier[["s_suppkey", "s_comment"]].filter(col("s_comment").str.contains("Customer.*Complaints"))
    offers = partsupp[["ps_partkey", "ps_suppkey"]].merge(parts, left_on="ps_partkey", right_on="p_partkey")
    offers = offers[~offers["ps_suppkey"].isin(complaints["s_suppkey"])]
    counts = offers.groupby(keys, as_index=False, sort=False).agg(supplier_cnt=("ps_suppkey", "nunique"))
    return counts.sort_values(["supplier_cnt", *keys], ascending=[False, True, True, True])[[*keys, "supplier_cnt"]]


def q17(lineitem: DataFrame, part: DataFrame) -> float:
    """What a year would lose without small orders of some parts."""
    parts = part[["p_partkey", "p_brand", "p_container"]]
    parts = parts.filter((col("p_brand") == "Brand#23") & (col("p_container") == "MED BOX"))
    lines = lineitem[["l_partkey", "l_quantity", "l_extendedprice"]]
    lines = lines.merge(parts, left_on="l_partkey", right_on="p_partkey", how="left_semi")
    lines["mean"] = lines.groupby("l_partkey")["l_quantity"].transform("mean")
    return float(lines.filter(col("l_quantity") < 0.2 * col("mean"))["l_extendedprice"].sum() / 7)


def q18(customer: DataFrame, orders: DataFrame, lineitem: DataFrame) -> DataFrame:
    """Orders of more than 300 pieces."""
    sums = lineitem.groupby("l_orderkey", as_index=False, sort=False).agg(sum_quantity=("l_quantity", "sum"))
    large = sums.filter(col("sum_quantity") > 300)
    ordered = orders[["o_orderkey", "o_custkey", "o_orderdate", "o_totalprice"]]
    ordered = ordered.merge(large, left_on="o_orderkey", right_on="l_orderkey")
    ordered = ordered.merge(customer[["c_custkey", "c_name"]], left_on="o_custkey", right_on="c_custkey")
    ordered = ordered.sort_values(["o_totalprice", "o_orderdate", "o_orderkey"], ascending=[False, True, True])
    return ordered.head(100)[["c_name", "c_custkey", "o_orderkey", "o_orderdate", "o_totalprice", "sum_quantity"]]


def q19(lineitem: DataFrame, part: DataFrame) -> float:
    """Revenue from three kinds of parts that were sent by air and delivered in person."""
    parts = part[["p_partkey", "p_brand", "p_size", "p_container"]]
    parts = parts.filter((col("p_size") <= 15) & col("p_brand").isin(["Brand#12", "Brand#23", "Brand#34"]))
    lines = lineitem[["l_partkey", "l_quantity", "l_extendedprice", "l_discount", "l_shipmode", "l_shipinstruct"]]
    lines = lines.merge(parts, left_on="l_partkey", right_on="p_partkey")
    lines = lines.filter((col("l_shipinstruct") == "DELIVER IN PERSON") & col("l_shipmode").isin(["AIR", "AIR REG"]))

    def kind(brand: str, size: str, packages: str, least: int, largest: int) -> Expression:
        containers = [f"{size} {package}" for package in packages.split()]
        return (
            (col("p_brand") == brand)
            & col("p_container").isin(containers)
            & col("l_quantity").between(least, least + 10)
            & col("p_size").between(1, largest)
        )

    lines = lines.filter(
        kind("Brand#12", "SM", "CASE BOX PACK PKG", 1, 5)
        | kind("Brand#23", "MED", "BAG BOX PKG PACK", 10, 10)
        | kind("Brand#34", "LG", "CASE BOX PACK PKG", 20, 15)
    )
    return float(lines.select(revenue=REVENUE)["revenue"].sum())


def q20(supplier: DataFrame, nation: DataFrame, partsupp: DataFrame, part: DataFrame, lineitem: DataFrame) -> DataFrame:
    """Canadian suppliers with more in stock of a forest part than half of what they sent in 1994."""
    parts = part[["p_partkey", "p_name"]].filter(col("p_name").str.startswith("forest"))
    lines = lineitem[["l_partkey", "l_suppkey", "l_quantity", "l_shipdate"]]
    lines = lines.filter((col("l_shipdate") >= date(1994, 1, 1)) & (col("l_shipdate") < date(1995, 1, 1)))
    lines = lines.merge(parts, left_on="l_partkey", right_on="p_partkey", how="left_semi")
    sent = lines.groupby(["l_partkey", "l_suppkey"], as_index=False, sort=False).agg(sent=("l_quantity", "sum"))
    stock = partsupp[["ps_partkey", "ps_suppkey", "ps_availqty"]]
    stock = stock.merge(sent, left_on=["ps_partkey", "ps_suppkey"], right_on=["l_partkey", "l_suppkey"])
    stock = stock.filter(col("ps_availqty") > 0.5 * col("sent"))
    canada = nation.filter(col("n_name") == "CANADA")
    sellers = supplier[["s_suppkey", "s_name", "s_address", "s_nationkey"]]
    sellers = sellers.merge(canada, left_on="s_nationkey", right_on="n_nationkey", how="left_semi")
    sellers = sellers.merge(stock, left_on="s_suppkey", right_on="ps_suppkey", how="left_semi")
    return sellers.sort_values("s_name")[["s_name", "s_address"]]


def q21(supplier: DataFrame, lineitem: DataFrame, orders: DataFrame, nation: DataFrame) -> DataFrame:
    """Saudi suppliers who alone kept an order waiting."""
    saudi = nation.filter(col("n_name") == "SAUDI ARABIA")
    sellers = supplier[["s_suppkey", "s_name", "s_nationkey"]]
    sellers = sellers.merge(saudi, left_on="s_nationkey", right_on="n_nationkey", how="left_semi")
    is_late = col("l_receiptdate") > col("l_commitdate")
    lines = lineitem[["l_orderkey", "l_suppkey", "l_commitdate", "l_receiptdate"]]
    # Late lines of theirs, of orders that are done.
    late = lines.merge(sellers[["s_suppkey", "s_name"]], left_on="l_suppkey", right_on="s_suppkey").filter(is_late)
    done = orders[["o_orderkey", "o_orderstatus"]].filter(col("o_orderstatus") == "F")
    late = late.merge(done, left_on="l_orderkey", right_on="o_orderkey", how="left_semi")[["l_orderkey", "s_name"]]
    # How many suppliers those orders have, and how many were late.
    lines = lines.merge(late, on="l_orderkey", how="left_semi")
    lines = lines.select("l_orderkey", "l_suppkey", late=col("l_suppkey").where(is_late))
    counts = lines.groupby("l_orderkey", as_index=False, sort=False).agg(
        suppliers=("l_suppkey", "nunique"), late_suppliers=("late", "nunique")
    )
    alone = counts.filter((col("suppliers") > 1) & (col("late_suppliers") == 1))
    late = late.merge(alone, on="l_orderkey", how="left_semi")
    waiting = late.groupby("s_name", as_index=False, sort=False).agg(numwait=("l_orderkey", "size"))
    return waiting.sort_values(["numwait", "s_name"], ascending=[False, True]).head(100)


def q22(customer: DataFrame, orders: DataFrame) -> DataFrame:
    """Customers of some countries with money on their account who have ordered nothing."""
    customers = customer.select("c_custkey", "c_acctbal", cntrycode=col("c_phone").str.slice(0, 2))
    customers = customers.filter(col("cntrycode").isin(["13", "31", "23", "29", "30", "18", "17"]))
    mean = customers.filter(col("c_acctbal") > 0)["c_acctbal"].mean()
    customers = customers.filter(col("c_acctbal") > mean)
    customers = customers[~customers["c_custkey"].isin(orders["o_custkey"])]
    return customers.groupby("cntrycode", as_index=False).agg(
        numcust=("c_acctbal", "size"), totacctbal=("c_acctbal", "sum")
    )
