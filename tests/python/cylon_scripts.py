"""Scripts for pycylon in the shape of the paper's: they import it, and say nothing of Weft."""

from __future__ import annotations

#: Weak or strong scaling of a join over MPI, with timers.
JOIN_OVER_MPI = """
import argparse
import time

import pandas as pd
from mpi4py import MPI
from numpy.random import default_rng
from pycylon.frame import CylonEnv, DataFrame
from pycylon.net import MPIConfig


class StopWatch:
    timers = {}

    @classmethod
    def start(cls, name):
        cls.timers[name] = [time.time(), None]

    @classmethod
    def stop(cls, name):
        cls.timers[name][1] = time.time() - cls.timers[name][0]

    @classmethod
    def benchmark(cls, tag):
        for name, (begin, seconds) in cls.timers.items():
            print("timer", name, f"{seconds:.6f}", tag["scaling"])


def cylon_join(data):
    StopWatch.start(f"join_total_{data['rows']}_{data['it']}")
    comm = MPI.COMM_WORLD
    config = MPIConfig(comm)
    env = CylonEnv(config=config, distributed=True)
    if data["scaling"] == "w":
        num_rows = data["rows"]
        max_val = num_rows * env.world_size
    else:
        max_val = data["rows"]
        num_rows = int(data["rows"] / env.world_size)
    rng = default_rng(seed=env.rank)
    data1 = rng.integers(0, int(max_val * data["unique"]), size=(num_rows, 2))
    data2 = rng.integers(0, int(max_val * data["unique"]), size=(num_rows, 2))
    df1 = DataFrame(pd.DataFrame(data1).add_prefix("col"))
    df2 = DataFrame(pd.DataFrame(data2).add_prefix("col"))
    for i in range(data["it"]):
        env.barrier()
        StopWatch.start(f"join_{i}_{data['rows']}_{data['it']}")
        t1 = time.time()
        df3 = df1.merge(df2, on=[0], algorithm="sort", env=env)
        env.barrier()
        t = time.time() - t1
        sum_t = comm.reduce(t)
        tot_l = comm.reduce(len(df3))
        if env.rank == 0:
            print("###", data["scaling"], env.world_size, num_rows, max_val, i, sum_t / env.world_size, tot_l)
            StopWatch.stop(f"join_{i}_{data['rows']}_{data['it']}")
    StopWatch.stop(f"join_total_{data['rows']}_{data['it']}")
    if env.rank == 0:
        StopWatch.benchmark(tag=data)
    env.finalize()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="scaling")
    parser.add_argument("-n", dest="rows", type=int, required=True)
    parser.add_argument("-i", dest="it", type=int, default=2)
    parser.add_argument("-u", dest="unique", type=float, default=0.9)
    parser.add_argument("-s", dest="scaling", type=str, default="w", choices=["s", "w"])
    cylon_join(vars(parser.parse_args()))
"""

#: The same over links that a rendezvous server pairs, sums by the communicator of the context.
JOIN_OVER_FMI = """
import os
import sys

import numpy as np
import pandas as pd
from pycylon.frame import CylonEnv, DataFrame
from pycylon.net.fmi_config import FMIConfig
from pycylon.net.reduce_op import ReduceOp
from pycylon.util.logging import log_level

log_level(100)
rank, world_size, host, port, rows = (os.environ[name] for name in ("RANK", "WORLD", "HOST", "PORT", "ROWS"))
config = FMIConfig(
    int(rank), int(world_size), f"{host}", int(port), 60000, True, "fmi_pair", True, f"{None}", -1, f"{None}", False
)
env = CylonEnv(config=config, distributed=True)
communicator = env.context.get_communicator()
rows = int(rows)
max_val = rows * env.world_size
rng = np.random.default_rng(seed=env.rank)
df1 = DataFrame(pd.DataFrame(rng.integers(0, int(max_val * 0.9), size=(rows, 2))).add_prefix("col"))
df2 = DataFrame(pd.DataFrame(rng.integers(0, int(max_val * 0.9), size=(rows, 2))).add_prefix("col"))
df3 = df1.merge(df2, on=[0], algorithm="sort", env=env)
env.barrier()
tot_l = communicator.allreduce(len(df3), ReduceOp.SUM)
longest = communicator.allreduce(float(env.rank), ReduceOp.MAX)
print("###", env.rank, env.world_size, tot_l, longest, flush=True)
env.finalize()
"""

#: Operators over all ranks; each rank writes its part of each result into the folder that it is given.
OPERATORS = """
import sys

import pandas as pd
import pycylon as cn
from pycylon import CylonEnv, DataFrame, Table
from pycylon.data.table import SortOptions
from pycylon.net import MPIConfig

folder = sys.argv[1]
env = CylonEnv(config=MPIConfig())
ctx = env.context


def share(name):
    return pd.read_parquet(f"{folder}/{name}.parquet").iloc[env.rank :: env.world_size].reset_index(drop=True)


def keep(name, made):
    made.to_pandas().reset_index(drop=True).to_parquet(f"{folder}/{name}-{env.rank}.parquet")


left, right = share("left"), share("right")
df1, df2 = DataFrame(left), DataFrame(right)
for how in ("inner", "left", "right", "outer"):
    for algorithm in ("sort", "hash"):
        keep(f"merge_{how}_{algorithm}", df1.merge(df2, how=how, on=["k"], algorithm=algorithm, env=env))
indexed = DataFrame(right)
indexed.set_index(["k"], inplace=True)
keep("join", df1.join(indexed, on=["k"], how="inner", env=env))
keep("sorted", df1.sort_values(by=["a", "k"], ascending=[False, True], num_bins=4, num_samples=4, env=env))
keep("unique", df1.drop_duplicates(subset=["k"], env=env))
keep("grouped", df1.groupby(by=0, env=env).agg({"a": ["sum", "max"], 2: "mean"}))
keep("minimum", df1.groupby(by="k", env=env).min())
keep("part", df1[0:7, env])
tb1, tb2 = Table.from_pandas(ctx, left), Table.from_pandas(ctx, right)
joined = tb1.distributed_join(tb2, "inner", "hash", left_on=["k"], right_on=[0], left_prefix="l_", right_prefix="r_")
keep("table_join", joined)
keep("table_sorted", tb1.distributed_sort("a", sort_options=SortOptions(0, 0)))
keep("table_union", tb1.project(["k"]).distributed_union(tb2.project(["k"])))
keep("table_intersect", tb1.project(["k"]).distributed_intersect(tb2.project(["k"])))
keep("table_subtract", tb1.project(["k"]).distributed_subtract(tb2.project(["k"])))
keep("table_unique", tb1.distributed_unique(["k"]))
keep("table_grouped", tb1.groupby("k", {"a": "sum"}, groupby_type="mapred_hash"))
even = tb1.evenly_partition()
print("rows", env.rank, even.row_count, tb1.sum("a").to_pydict()["a"][0], tb1.max("a").to_pydict()["a"][0], flush=True)
assert tb1.distributed_equals(tb1) and df1.equals(df1, env=env)
assert tb1.shuffle(["k"]).context.get_world_size() == env.world_size
env.finalize()
"""
