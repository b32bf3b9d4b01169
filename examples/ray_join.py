"""A join in Ray actors, each of which is a rank: python examples/ray_join.py --store file:///shared/dir

The store is anything that all actors reach: a folder on a shared file system, redis://, or a rendezvous server.
"""

import argparse
import secrets
from typing import Any

import numpy as np
import pandas as pd
import ray

import weft


@ray.remote(num_cpus=1)
class Rank:
    """One rank, for as long as the actor lives."""

    def __init__(self, **place: Any) -> None:
        self.env = weft.init(**place)

    def join(self, rows: int) -> pd.DataFrame:
        """This rank's part of the join of two tables of `rows` rows a rank."""
        rng = np.random.default_rng(self.env.rank)
        keys = rows * self.env.world_size
        left = weft.DataFrame({"k": rng.integers(0, keys, rows), "a": rng.random(rows)}, env=self.env)
        right = weft.DataFrame({"k": rng.integers(0, keys, rows), "b": rng.random(rows)}, env=self.env)
        part: pd.DataFrame = left.merge(right, on="k").to_pandas()
        return part

    def close(self) -> None:
        """Leaves in good order."""
        self.env.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", required=True)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    ray.init(num_cpus=options.ranks, include_dashboard=False)
    job = {"store": options.store, "job": f"ray-{secrets.token_hex(8)}", "secret": secrets.token_hex(32)}
    start: Any = Rank
    ranks = [start.remote(**job, rank=rank, world_size=options.ranks) for rank in range(options.ranks)]
    parts = ray.get([rank.join.remote(options.rows) for rank in ranks])
    ray.get([rank.close.remote() for rank in ranks])
    joined = pd.concat(parts)
    print(f"{len(joined)} rows, a {joined['a'].sum():.6f}, b {joined['b'].sum():.6f}")
    ray.shutdown()


if __name__ == "__main__":
    main()
