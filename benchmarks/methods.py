"""Methods beside pandas, one by one: processor time of both in one process, milliseconds, the least of some calls, and
the ratio of pandas to Weft. Processor time, so that a machine that others use says something too; Weft shares most of
these out over its threads, pandas does not.

    python benchmarks/methods.py [--rows 1000000] [--match groupby] [--slower 1.0]
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import weft

#: `df` has integers i (1,000 values) and j, doubles x, y and z (a tenth missing), texts s (20,000 values), moments t,
#: truth values b, and a dictionary c of 20 texts; `small` a row for each i; `pkg` is pandas or weft.
CALLS = """
df["x"] + df["y"] * 2
df["x"] ** 2
df["i"] // 7
df["x"].round(2)
np.log1p(df["x"])
(df["x"] > 0.5) & df["b"]
df["x"].where(df["b"], 0)
df["z"].fillna(0)
df["z"].ffill()
df["z"].interpolate()
df["x"].diff()
df["x"].cumsum()
df["x"].rank()
df["x"].quantile([0.1, 0.5, 0.9])
df["x"].sum()
df["b"].sum()
df["x"].idxmax()
df["x"].describe()
df.isna().sum()
df.corr(numeric_only=True)
df[["x", "y", "z"]].sum(axis=1)
df[["x", "y", "z"]].max(axis=1)
df[df["x"] > 0.5]
df.query("x > 0.5 and i < 100")
df.dropna()
df.sort_values("x")
df.sort_values(["i", "x"])
df.sort_values("s")
df.sort_values("c")
df.nlargest(10, "x")
df.drop_duplicates("s")
df.drop_duplicates(["i", "c"])
df["s"].value_counts()
df["c"].value_counts()
df["s"].nunique()
df["i"].isin([1, 2, 3])
df["i"].map({1: 10, 2: 20})
df.groupby("i")["x"].sum()
df.groupby("s")["x"].mean()
df.groupby("c", observed=True)["x"].sum()
df.groupby(["i", "c"], observed=True)["x"].sum()
df.groupby("i")["x"].median()
df.groupby("i")["s"].nunique()
df.groupby("i")["x"].transform("mean")
df.groupby("i")["x"].cumsum()
df.groupby("i")["x"].shift()
df.groupby("i")["x"].ffill()
df.groupby("i")["x"].rank()
df.groupby("i")["x"].nlargest(3)
df.groupby("i")["x"].rolling(5).mean()
df.groupby("i")["x"].agg(lambda values: values.max() - values.min())
df["x"].rolling(10).mean()
df["x"].rolling(10).max()
df["x"].rolling(10).median()
df["x"].ewm(span=10).mean()
df.merge(small, on="i")
df.merge(small, on="i", how="left")
df[["j", "x"]].merge(df[["j", "y"]], on="j")
df["s"].str.upper()
df["s"].str.len()
df["s"].str.contains("12")
df["s"].str.find("1")
df["s"].str.replace("w", "v")
df["s"].str.slice(0, 3)
df["s"].str.split("0")
df["s"] + "_x"
df["t"].dt.year
df["t"].dt.floor("D")
df["t"].dt.strftime("%Y-%m-%d")
pkg.to_datetime(df["d"])
df["i"].astype(str)
df["s"].astype("category")
pkg.cut(df["x"], 10)
pkg.get_dummies(df["c"])
pkg.concat([df, df])
df[["i", "x", "y"]].melt(id_vars="i")
df.pivot_table(index="i", columns="c", values="x", aggfunc="mean", observed=True)
df.set_index("j").sort_index()
df.sample(frac=0.5, random_state=1)
pkg.read_csv(folder / "a.csv")
pkg.read_parquet(folder / "a.parquet")
pkg.read_feather(folder / "a.feather")
pkg.read_json(folder / "a.json", lines=True)
"""


def make(rows: int) -> pd.DataFrame:
    chance = np.random.default_rng(0)
    words = np.array([f"w{number:05d}" for number in range(20_000)])
    seconds = chance.integers(0, 10**8, rows)
    frame = pd.DataFrame(
        {
            "i": chance.integers(0, 1000, rows),
            "j": chance.integers(0, 1 << 40, rows),
            "x": chance.random(rows),
            "y": chance.normal(size=rows),
            "z": np.where(chance.random(rows) < 0.1, np.nan, chance.random(rows)),
            "s": words[chance.integers(0, len(words), rows)],
            "t": pd.to_datetime("2020-01-01") + pd.to_timedelta(seconds, unit="s"),
            "b": chance.random(rows) < 0.5,
        }
    )
    frame["d"] = frame["t"].dt.strftime("%Y-%m-%d")
    frame["c"] = frame["s"].str[:3].astype("category")
    return frame


def measure(code: str, names: dict[str, Any], repeat: int) -> float:
    """Milliseconds of processor time; calls of more than half a second are made twice."""
    call = compile(code, code, "eval")
    least = float("inf")
    for number in range(repeat):
        gc.collect()
        begin = time.process_time()
        made = eval(call, names)
        took = time.process_time() - begin
        del made
        least = min(least, took)
        if number and least > 0.5:
            break
    return least * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=6)
    parser.add_argument("--match", default="", help="only calls with this text")
    parser.add_argument("--slower", type=float, default=float("inf"), help="print ratios below this alone")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    frame = make(options.rows)
    small = pd.DataFrame({"i": range(1000), "name": [f"n{number}" for number in range(1000)]})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = frame.drop(columns="c")
        plain.to_csv(folder / "a.csv", index=False)
        plain.to_parquet(folder / "a.parquet")
        plain.to_feather(folder / "a.feather")
        plain.head(options.rows // 10).to_json(folder / "a.json", orient="records", lines=True)
        sides = {
            "pandas": {"df": frame, "small": small, "pkg": pd},
            "weft": {"df": weft.DataFrame(frame), "small": weft.DataFrame(small), "pkg": weft},
        }
        print(f"{'ratio':>7} {'pandas':>9} {'weft':>9}")
        for code in CALLS.strip().splitlines():
            if options.match not in code:
                continue
            pandas, ours = (
                measure(code, {**names, "np": np, "folder": folder}, options.repeat) for names in sides.values()
            )
            if pandas / ours < options.slower:
                print(f"{pandas / ours:7.2f} {pandas:9.2f} {ours:9.2f}  {code}", flush=True)


if __name__ == "__main__":
    main()
