"""A join in Dask workers, each of which is a rank: python examples/dask_join.py --store file:///shared/dir

Without --scheduler it starts a cluster of processes on this host. The store is anything that all workers reach.
"""

import argparse
import secrets
from typing import Any

import numpy as np
import pandas as pd
from dask.distributed import Client, LocalCluster

import weft


def join(rows: int, **place: Any) -> pd.DataFrame:
    """Runs in a worker: this rank's part of the join of two tables of `rows` rows a rank."""
    with weft.init(**place) as env:
        rng = np.random.default_rng(env.rank)
        keys = rows * env.world_size
        left = weft.DataFrame({"k": rng.integers(0, keys, rows), "a": rng.random(rows)}, env=env)
        right = weft.DataFrame({"k": rng.integers(0, keys, rows), "b": rng.random(rows)}, env=env)
        part: pd.DataFrame = left.merge(right, on="k").to_pandas()
        return part


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", required=True)
    parser.add_argument("--scheduler", help="address of one that runs already")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    target = options.scheduler or LocalCluster(
        n_workers=options.ranks, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    )
    with Client(target) as client:
        # One task a worker, all at once: ranks wait for each other.
        workers = sorted(client.scheduler_info(n_workers=-1)["workers"])[: options.ranks]
        job = {"store": options.store, "job": f"dask-{secrets.token_hex(8)}", "secret": secrets.token_hex(32)}
        parts = client.gather(
            [
                client.submit(
                    join,
                    options.rows,
                    **job,
                    rank=rank,
                    world_size=options.ranks,
                    workers=[worker],
                    pure=False,
                    retries=0,
                )
                for rank, worker in enumerate(workers)
            ]
        )
    joined = pd.concat(parts)
    print(f"{len(joined)} rows, a {joined['a'].sum():.6f}, b {joined['b'].sum():.6f}")


if __name__ == "__main__":
    main()
