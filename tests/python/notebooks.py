"""What notebooks do, written for pandas and run with Weft in its place: each gives its answers one by one.

A notebook is a function of the package, pandas or Weft, and of its data, a frame of that package.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import oracle
import pandas as pd
import pyarrow as pa
import tables

import weft

Notebook = Callable[[Any, Any], Iterator[Any]]
ROWS = 60


def _pick(number: int, *values: Any) -> Any:
    return values[number * 7919 // 13 % len(values)]


def passengers() -> pa.Table:
    rows = range(ROWS)
    return pa.table(
        {
            "Survived": [_pick(i, 0, 1, 1, 0, 0) for i in rows],
            "Pclass": [1 + i % 3 for i in rows],
            "Name": [f"Smith{i}, {_pick(i, 'Mr', 'Mrs', 'Miss', 'Dr', 'Master', 'Mr')}. John" for i in rows],
            "Sex": [_pick(i, "male", "female", "male") for i in rows],
            "Age": [None if i % 5 == 2 else float(i * 11 % 70) for i in rows],
            "SibSp": [i * 3 % 4 for i in rows],
            "Fare": [i * 37 % 101 + 0.25 for i in rows],
            "Cabin": [f"C{i}" if i % 4 == 0 else None for i in rows],
            "Embarked": [None if i == 7 else _pick(i, "S", "C", "Q", "S") for i in rows],
        }
    )


def orders() -> pa.Table:
    rows = range(ROWS)
    begin = datetime.datetime(2024, 1, 3, 8)
    return pa.table(
        {
            "date": pa.array([begin + i * datetime.timedelta(hours=31) for i in rows], pa.timestamp("us")),
            "store": [_pick(i, "A", "B", "C") for i in rows],
            "cust": [i * 7 % 11 for i in rows],
            "qty": [1 + i * 5 % 9 for i in rows],
            "price": [(i * 13 % 40) / 4 for i in rows],
            "order": list(rows),
        }
    )


def texts() -> pa.Table:
    some = ["  Hello, World!! ", "Foo   BAR", "http://x.com visit NOW", "e-mail: a@b.com", None, "123 numbers|more"]
    return pa.table({"text": some * 3, "label": [i % 2 for i in range(18)]})


def requests() -> pa.Table:
    lines = [
        f'10.0.0.{i % 7} - - [0{1 + i % 3}/Jan/2024:1{i % 10}:00:00] "GET /p{i % 4} HTTP/1.1" {_pick(i, 200, 404, 500)} {i * 37}'
        for i in range(ROWS)
    ]
    return pa.table({"raw": lines})


def survival(m: Any, df: Any) -> Iterator[Any]:
    yield df.isnull().sum().sort_values(ascending=False, kind="stable")
    missing = df.isnull().mean() * 100
    yield missing[missing > 0].round(1)
    df["Age"] = df["Age"].fillna(df["Age"].median())
    df["Embarked"] = df["Embarked"].fillna(df["Embarked"].mode()[0])
    df["Title"] = df["Name"].str.extract(r" ([A-Za-z]+)\.", expand=False)
    df["Title"] = df["Title"].replace(["Dr", "Master"], "Rare")
    df["IsAlone"] = 0
    df.loc[df["SibSp"] == 0, "IsAlone"] = 1
    df["Sex"] = df["Sex"].map({"female": 0, "male": 1}).astype(int)
    df["AgeBand"] = m.cut(df["Age"], 5, labels=False)
    df["Deck"] = df["Cabin"].str[0].fillna("U")
    yield df[["Title", "Survived"]].groupby("Title", as_index=False).mean()
    yield df.groupby(["Sex", "Pclass"])["Survived"].mean()
    yield df.drop(["Name", "Cabin"], axis=1)
    yield df.pivot_table(index="Sex", columns="Pclass", values="Survived", aggfunc="mean")
    yield m.crosstab(df["Deck"], df["Survived"])
    yield m.get_dummies(df[["Embarked", "Title", "Fare"]], columns=["Embarked", "Title"], drop_first=True)
    yield df.select_dtypes("number").corr()["Survived"].round(9)
    numbers = df[["Age", "Fare"]]
    yield (numbers - numbers.min()) / (numbers.max() - numbers.min())


def sales(m: Any, df: Any) -> Iterator[Any]:
    df["revenue"] = df["qty"] * df["price"]
    df["month"] = df["date"].dt.strftime("%Y-%m")
    by_month = df.groupby("month")["revenue"].sum()
    yield by_month
    yield by_month.pct_change()
    yield by_month.idxmax()
    yield df.groupby("month").agg(total=("revenue", "sum"), orders=("order", "nunique"), price=("price", "mean"))
    yield (
        df.groupby(["store", "month"])["revenue"]
        .sum()
        .reset_index()
        .pivot(index="month", columns="store", values="revenue")
    )
    yield df.sort_values(["store", "revenue"], ascending=[True, False], kind="stable").groupby("store").head(2)
    daily = df.set_index("date")["revenue"].resample("W").sum()
    yield daily.rolling(3).mean()
    yield df.set_index("date")["2024-01-10":"2024-01-20"].qty
    yield df.set_index("date").between_time("09:00", "17:30").store
    yield daily.autocorr()


def customers(m: Any, df: Any) -> Iterator[Any]:
    last_day = df["date"].max() + pd.Timedelta(days=1)
    df["paid"] = df["qty"] * df["price"]
    found = df.groupby("cust").agg(last=("date", "max"), often=("order", "nunique"), paid=("paid", "sum"))
    found["days"] = (last_day - found["last"]).dt.days
    found["R"] = m.qcut(found["days"], 3, labels=[3, 2, 1]).astype(int)
    found["F"] = m.qcut(found["often"].rank(method="first"), 3, labels=[1, 2, 3]).astype(int)
    found["M"] = m.qcut(found["paid"], 3, labels=[1, 2, 3]).astype(int)
    found["score"] = found[["R", "F", "M"]].sum(axis=1)
    found["segment"] = found["R"].astype(str) + found["F"].astype(str) + found["M"].astype(str)
    found["level"] = found["score"].apply(lambda one: "gold" if one > 7 else "silver" if one > 5 else "bronze")
    yield found
    yield found["level"].value_counts().sort_index()
    df["month"] = df["date"].dt.year * 12 + df["date"].dt.month
    df["first"] = df.groupby("cust")["month"].transform("min")
    df["age"] = df["month"] - df["first"]
    cohorts = df.groupby(["first", "age"])["cust"].nunique().reset_index()
    table = cohorts.pivot(index="first", columns="age", values="cust")
    yield table
    yield table.divide(table.iloc[:, 0], axis=0)


def words(m: Any, df: Any) -> Iterator[Any]:
    df.columns = df.columns.str.strip().str.lower()
    df["clean"] = (
        df["text"]
        .str.lower()
        .str.strip()
        .str.replace(r"http\S+", "", regex=True)
        .str.replace(r"[^a-z\s]", "", regex=True)
        .str.replace(r"\s+", " ", regex=True)
    )
    df["n"] = df["clean"].str.split().str.len()
    yield df
    yield df["clean"].str.split().explode().value_counts().sort_index()
    yield df["text"].str.findall(r"[A-Z]\w+").str.len()
    yield df["text"].str.partition(",")
    yield df["text"].fillna("").str.casefold().str.rfind("o")
    yield df["text"].str.get_dummies("|").columns.tolist()
    yield df[df["text"].str.contains("o", na=False)].groupby("label")["n"].mean()


def logs(m: Any, df: Any) -> Iterator[Any]:
    pattern = r'(?P<ip>\S+) - - \[(?P<ts>[^\]]+)\] "(?P<method>\w+) (?P<path>\S+) [^"]*" (?P<status>\d+) (?P<size>\d+)'
    parts = df["raw"].str.extract(pattern)
    parts["status"] = parts["status"].astype(int)
    parts["size"] = m.to_numeric(parts["size"])
    yield parts["status"].value_counts().sort_index()
    yield parts.groupby("path")["size"].agg(["sum", "max"])
    yield parts[parts.status >= 400].groupby("ip").size()
    parts["hour"] = parts["ts"].str[12:14].astype(int)
    yield parts.groupby(["path", "status"]).size().reset_index(name="n")
    yield (parts["status"] // 100).astype(str) + "xx"
    quarters = parts["size"].quantile([0.25, 0.75])
    low, high = quarters.iloc[0], quarters.iloc[1]
    yield parts[~parts["size"].between(low - 0.2 * (high - low), high + 0.2 * (high - low))]
    yield np.log1p(parts["size"].clip(upper=high))


NOTEBOOKS: dict[str, tuple[Notebook, Callable[[], pa.Table]]] = {
    "survival": (survival, passengers),
    "sales": (sales, orders),
    "customers": (customers, orders),
    "words": (words, texts),
    "logs": (logs, requests),
}


def answers(name: str, m: Any, df: Any) -> list[Any]:
    """All answers of a notebook as plain values; of frames the rows of all ranks."""
    return [_plain(one) for one in NOTEBOOKS[name][0](m, df)]


def _plain(made: Any) -> Any:
    """Rows, behind the names of a frame's columns; an index without a name does not count, nor does a Series' name."""
    frame = made.to_frame() if isinstance(made, weft.Series) else made
    if isinstance(frame, weft.DataFrame):
        whole = frame.allgather()
        if whole.index_names and whole.index.names == [None]:
            whole = whole.reset_index(drop=True)
        rows = tuple(tables.rows_of(whole.to_arrow()))
        return rows if isinstance(made, weft.Series) else (tuple(whole.to_arrow().column_names), *rows)
    if isinstance(made, dict):
        return tuple((oracle.plain_value(value),) for value in made.values())
    frame = made.to_frame("0") if isinstance(made, pd.Series) else made
    if isinstance(frame, pd.DataFrame):
        frame = frame.reset_index(drop=frame.index.names == [None])
        rows = tuple(tables.rows_of_pandas(frame))
        return rows if isinstance(made, pd.Series) else (tuple(map(str, frame.columns)), *rows)
    return tuple(made) if isinstance(made, list) else oracle.plain_value(made)
