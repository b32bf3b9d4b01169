"""TPC-H queries 1 to 11, with the parameters by which answers are validated.

A query is a function of the tables that it names. Columns are chosen before rows are: what is not needed is never
copied or sent. Money is in doubles (see `tables.py`).
"""

from __future__ import annotations

from datetime import date

from weft import DataFrame, col

#: What a line brings in.
REVENUE = col("l_extendedprice") * (1 - col("l_discount"))


def nations_of(nation: DataFrame, region: DataFrame, name: str) -> DataFrame:
    """The nations of a region."""
    found = region.filter(col("r_name") == name)
    return nation.merge(found, left_on="n_regionkey", right_on="r_regionkey", how="left_semi")[
        ["n_nationkey", "n_name"]
    ]


def q1(lineitem: DataFrame) -> DataFrame:
    """Pricing summary report."""
    keys = ["l_returnflag", "l_linestatus"]
    lines = lineitem[[*keys, "l_quantity", "l_extendedprice", "l_discount", "l_tax", "l_shipdate"]]
    lines = lines.filter(col("l_shipdate") <= date(1998, 9, 2))
    lines = lines.assign(disc_price=REVENUE, charge=col("disc_price") * (1 + col("l_tax")))
    return lines.groupby(keys, as_index=False).agg(
        sum_qty=("l_quantity", "sum"),
        sum_base_price=("l_extendedprice", "sum"),
        sum_disc_price=("disc_price", "sum"),
        sum_charge=("charge", "sum"),
        avg_qty=("l_quantity", "mean"),
        avg_price=("l_extendedprice", "mean"),
        avg_disc=("l_discount", "mean"),
        count_order=("l_quantity", "size"),
    )


def q2(part: DataFrame, supplier: DataFrame, partsupp: DataFrame, nation: DataFrame, region: DataFrame) -> DataFrame:
    """The cheapest European suppliers of brass parts of size 15."""
    suppliers = supplier.merge(nations_of(nation, region, "EUROPE"), left_on="s_nationkey", right_on="n_nationkey")
    parts = part[["p_partkey", "p_mfgr", "p_size", "p_type"]]
    parts = parts.filter((col("p_size") == 15) & col("p_type").str.endswith("BRASS"))[["p_partkey", "p_mfgr"]]
    offers = partsupp[["ps_partkey", "ps_suppkey", "ps_supplycost"]]
    offers = offers.merge(parts, left_on="ps_partkey", right_on="p_partkey")
    offers = offers.merge(suppliers, left_on="ps_suppkey", right_on="s_suppkey")
    offers["cheapest"] = offers.groupby("p_partkey")["ps_supplycost"].transform("min")
    best = offers.filter(col("ps_supplycost") == col("cheapest"))
    best = best.sort_values(["s_acctbal", "n_name", "s_name", "p_partkey"], ascending=[False, True, True, True])
    names = ["s_acctbal", "s_name", "n_name", "p_partkey", "p_mfgr", "s_address", "s_phone", "s_comment"]
    return best.head(100)[names]


def q3(customer: DataFrame, orders: DataFrame, lineitem: DataFrame) -> DataFrame:
    """The orders of highest value that were not shipped on 15 March 1995."""
    day = date(1995, 3, 15)
    customers = customer[["c_custkey", "c_mktsegment"]].filter(col("c_mktsegment") == "BUILDING")
    ordered = orders[["o_orderkey", "o_custkey", "o_orderdate", "o_shippriority"]].filter(col("o_orderdate") < day)
    ordered = ordered.merge(customers, left_on="o_custkey", right_on="c_custkey", how="left_semi")
    lines = lineitem[["l_orderkey", "l_extendedprice", "l_discount", "l_shipdate"]].filter(col("l_shipdate") > day)
    lines = lines.merge(ordered, left_on="l_orderkey", right_on="o_orderkey")
    keys = ["l_orderkey", "o_orderdate", "o_shippriority"]
    lines = lines.select(*keys, revenue=REVENUE)
    sums = lines.groupby(keys, as_index=False, sort=False).agg(revenue=("revenue", "sum"))
    sums = sums.sort_values(["revenue", "o_orderdate", "l_orderkey"], ascending=[False, True, True])
    return sums.head(10)[["l_orderkey", "revenue", "o_orderdate", "o_shippriority"]]


def q4(orders: DataFrame, lineitem: DataFrame) -> DataFrame:
    """Orders of a quarter of which a line came too late, by priority."""
    ordered = orders[["o_orderkey", "o_orderdate", "o_orderpriority"]]
    ordered = ordered.filter((col("o_orderdate") >= date(1993, 7, 1)) & (col("o_orderdate") < date(1993, 10, 1)))
    lines = lineitem[["l_orderkey", "l_commitdate", "l_receiptdate"]]
    lines = lines.merge(ordered, left_on="l_orderkey", right_on="o_orderkey", how="left_semi")
    late = lines.filter(col("l_commitdate") < col("l_receiptdate"))
    ordered = ordered.merge(late, left_on="o_orderkey", right_on="l_orderkey", how="left_semi")
    return ordered.groupby("o_orderpriority", as_index=False).agg(order_count=("o_orderkey", "size"))


def q5(
    customer: DataFrame,
    orders: DataFrame,
    lineitem: DataFrame,
    supplier: DataFrame,
    nation: DataFrame,
    region: DataFrame,
) -> DataFrame:
    """Revenue of Asian suppliers from customers of their own nation in 1994."""
    nations = nations_of(nation, region, "ASIA")
    suppliers = supplier[["s_suppkey", "s_nationkey"]]
    suppliers = suppliers.merge(nations, left_on="s_nationkey", right_on="n_nationkey")
    customers = customer[["c_custkey", "c_nationkey"]]
    customers = customers.merge(nations, left_on="c_nationkey", right_on="n_nationkey", how="left_semi")
    ordered = orders[["o_orderkey", "o_custkey", "o_orderdate"]]
    ordered = ordered.filter((col("o_orderdate") >= date(1994, 1, 1)) & (col("o_orderdate") < date(1995, 1, 1)))
    ordered = ordered.merge(customers, left_on="o_custkey", right_on="c_custkey", columns=["o_orderkey", "c_nationkey"])
    lines = lineitem[["l_orderkey", "l_suppkey", "l_extendedprice", "l_discount"]]
    lines = lines.merge(ordered, left_on="l_orderkey", right_on="o_orderkey")
    lines = lines.merge(suppliers, left_on=["l_suppkey", "c_nationkey"], right_on=["s_suppkey", "s_nationkey"])
    lines = lines.select("n_name", revenue=REVENUE)
    sums = lines.groupby("n_name", as_index=False, sort=False).agg(revenue=("revenue", "sum"))
    return sums.sort_values("revenue", ascending=False)


def q6(lineitem: DataFrame) -> float:
    """What would have come in without small discounts on small lines of 1994."""
    lines = lineitem[["l_quantity", "l_extendedprice", "l_discount", "l_shipdate"]]
    lines = lines.filter(
        (col("l_shipdate") >= date(1994, 1, 1))
        & (col("l_shipdate") < date(1995, 1, 1))
        & (col("l_discount") >= 0.05)
        & (col("l_discount") <= 0.07)
        & (col("l_quantity") < 24)
    )
    return float(lines.select(revenue=col("l_extendedprice") * col("l_discount"))["revenue"].sum())


def q7(
    supplier: DataFrame, lineitem: DataFrame, orders: DataFrame, customer: DataFrame, nation: DataFrame
) -> DataFrame:
    """What France and Germany sold to each other, by year."""
    two = nation[["n_nationkey", "n_name"]].filter(col("n_name").isin(["FRANCE", "GERMANY"]))
    sellers = supplier[["s_suppkey", "s_nationkey"]]
    sellers = sellers.merge(
        two.rename(columns={"n_nationkey": "s_nationkey", "n_name": "supp_nation"}), on="s_nationkey"
    )
    buyers = customer[["c_custkey", "c_nationkey"]]
    buyers = buyers.merge(two.rename(columns={"n_nationkey": "c_nationkey", "n_name": "cust_nation"}), on="c_nationkey")
    lines = lineitem[["l_orderkey", "l_suppkey", "l_extendedprice", "l_discount", "l_shipdate"]]
    lines = lines.merge(sellers, left_on="l_suppkey", right_on="s_suppkey")
    lines = lines.filter((col("l_shipdate") >= date(1995, 1, 1)) & (col("l_shipdate") <= date(1996, 12, 31)))
    ordered = orders[["o_orderkey", "o_custkey"]].merge(buyers, left_on="o_custkey", right_on="c_custkey")
    lines = lines.merge(ordered[["o_orderkey", "cust_nation"]], left_on="l_orderkey", right_on="o_orderkey")
    lines = lines.filter(col("supp_nation") != col("cust_nation"))
    keys = ["supp_nation", "cust_nation", "l_year"]
    lines = lines.select("supp_nation", "cust_nation", l_year=col("l_shipdate").dt.year, revenue=REVENUE)
    return lines.groupby(keys, as_index=False).agg(revenue=("revenue", "sum"))


def q8(
    part: DataFrame,
    supplier: DataFrame,
    lineitem: DataFrame,
    orders: DataFrame,
    customer: DataFrame,
    nation: DataFrame,
    region: DataFrame,
) -> DataFrame:
    """Brazil's share of the American market for a kind of steel, by year."""
    parts = part[["p_partkey", "p_type"]].filter(col("p_type") == "ECONOMY ANODIZED STEEL")
    lines = lineitem[["l_orderkey", "l_partkey", "l_suppkey", "l_extendedprice", "l_discount"]]
    lines = lines.merge(parts, left_on="l_partkey", right_on="p_partkey", how="left_semi")
    nations = nations_of(nation, region, "AMERICA")
    customers = customer[["c_custkey", "c_nationkey"]]
    customers = customers.merge(nations, left_on="c_nationkey", right_on="n_nationkey", how="left_semi")
    ordered = orders[["o_orderkey", "o_custkey", "o_orderdate"]]
    ordered = ordered.filter((col("o_orderdate") >= date(1995, 1, 1)) & (col("o_orderdate") <= date(1996, 12, 31)))
    lines = lines.merge(ordered, left_on="l_orderkey", right_on="o_orderkey")
    lines = lines.merge(customers, left_on="o_custkey", right_on="c_custkey", how="left_semi")
    sellers = supplier[["s_suppkey", "s_nationkey"]]
    sellers = sellers.merge(nation[["n_nationkey", "n_name"]], left_on="s_nationkey", right_on="n_nationkey")
    lines = lines.merge(sellers, left_on="l_suppkey", right_on="s_suppkey")
    lines = lines.select("n_name", o_year=col("o_orderdate").dt.year, volume=REVENUE)
    lines = lines.assign(brazil=col("volume").where(col("n_name") == "BRAZIL", 0.0))
    sums = lines.groupby("o_year", as_index=False).agg(brazil=("brazil", "sum"), volume=("volume", "sum"))
    return sums.select("o_year", mkt_share=col("brazil") / col("volume"))


def q9(
    part: DataFrame,
    supplier: DataFrame,
    lineitem: DataFrame,
    partsupp: DataFrame,
    orders: DataFrame,
    nation: DataFrame,
) -> DataFrame:
    """Profit on green parts, by nation and year."""
    parts = part[["p_partkey", "p_name"]].filter(col("p_name").str.contains("green", regex=False))
    lines = lineitem[["l_orderkey", "l_partkey", "l_suppkey", "l_quantity", "l_extendedprice", "l_discount"]]
    lines = lines.merge(parts, left_on="l_partkey", right_on="p_partkey", how="left_semi")
    costs = partsupp[["ps_partkey", "ps_suppkey", "ps_supplycost"]]
    costs = costs.merge(parts, left_on="ps_partkey", right_on="p_partkey", how="left_semi")
    lines = lines.merge(costs, left_on=["l_partkey", "l_suppkey"], right_on=["ps_partkey", "ps_suppkey"])
    amount = REVENUE - col("ps_supplycost") * col("l_quantity")
    lines = lines.select("l_orderkey", "l_suppkey", amount=amount)
    sellers = supplier[["s_suppkey", "s_nationkey"]]
    sellers = sellers.merge(nation[["n_nationkey", "n_name"]], left_on="s_nationkey", right_on="n_nationkey")
    lines = lines.merge(sellers[["s_suppkey", "n_name"]], left_on="l_suppkey", right_on="s_suppkey")
    lines = lines.merge(orders[["o_orderkey", "o_orderdate"]], left_on="l_orderkey", right_on="o_orderkey")
    lines = lines.select("amount", nation=col("n_name"), o_year=col("o_orderdate").dt.year)
    sums = lines.groupby(["nation", "o_year"], as_index=False, sort=False).agg(sum_profit=("amount", "sum"))
    return sums.sort_values(["nation", "o_year"], ascending=[True, False])


def q10(customer: DataFrame, orders: DataFrame, lineitem: DataFrame, nation: DataFrame) -> DataFrame:
    """The customers who returned most in a quarter."""
    ordered = orders[["o_orderkey", "o_custkey", "o_orderdate"]]
    ordered = ordered.filter((col("o_orderdate") >= date(1993, 10, 1)) & (col("o_orderdate") < date(1994, 1, 1)))
    lines = lineitem[["l_orderkey", "l_extendedprice", "l_discount", "l_returnflag"]]
    lines = lines.filter(col("l_returnflag") == "R")
    lines = lines.merge(ordered[["o_orderkey", "o_custkey"]], left_on="l_orderkey", right_on="o_orderkey")
    lines = lines.select(c_custkey=col("o_custkey"), revenue=REVENUE)
    sums = lines.groupby("c_custkey", as_index=False, sort=False).agg(revenue=("revenue", "sum"))
    # A customer's key says all else of him: only the rows of the answer are joined with it.
    best = sums.sort_values(["revenue", "c_custkey"], ascending=[False, True]).head(20).merge(customer, on="c_custkey")
    best = best.merge(nation[["n_nationkey", "n_name"]], left_on="c_nationkey", right_on="n_nationkey")
    names = ["c_custkey", "c_name", "revenue", "c_acctbal", "n_name", "c_address", "c_phone", "c_comment"]
    return best.sort_values(["revenue", "c_custkey"], ascending=[False, True])[names]


def q11(partsupp: DataFrame, supplier: DataFrame, nation: DataFrame, fraction: float) -> DataFrame:
    """The parts that are an important share of what German suppliers have in stock: more than `fraction` of it."""
    german = nation.filter(col("n_name") == "GERMANY")
    sellers = supplier[["s_suppkey", "s_nationkey"]]
    sellers = sellers.merge(german, left_on="s_nationkey", right_on="n_nationkey", how="left_semi")
    stock = partsupp[["ps_partkey", "ps_suppkey", "ps_availqty", "ps_supplycost"]]
    stock = stock.merge(sellers, left_on="ps_suppkey", right_on="s_suppkey", how="left_semi")
    stock = stock.select("ps_partkey", value=col("ps_supplycost") * col("ps_availqty"))
    sums = stock.groupby("ps_partkey", as_index=False, sort=False).agg(value=("value", "sum"))
    sums = sums.filter(col("value") > stock["value"].sum() * fraction)
    return sums.sort_values(["value", "ps_partkey"], ascending=[False, True])
