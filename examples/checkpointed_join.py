"""A long join that outlasts killed ranks, time limits and preempted hosts:

    weft run -n 4 --checkpoint-dir checkpoints --restarts 3 examples/checkpointed_join.py --rows 10000000

It is made in pieces by key, a stage each: an attempt that comes later begins at the first piece that is not done. The
result does not depend on how often it was begun again, nor on how many ranks.
"""

import argparse

import numpy as np

import weft


def table(env: weft.Env, rows: int, column: str, factor: int) -> weft.DataFrame:
    """This rank's share of a table that is the same for every world."""
    row = np.arange(rows * env.rank // env.world_size, rows * (env.rank + 1) // env.world_size)
    return weft.DataFrame({"key": row * factor % rows, "group": row % 10, column: row * 0.5}, env=env)


parser = argparse.ArgumentParser()
parser.add_argument("--rows", type=int, default=1_000_000)
parser.add_argument("--pieces", type=int, default=4)
parser.add_argument("--output", default="joined")
options = parser.parse_args()

env = weft.init()
left = table(env, options.rows, "a", 7919)
right = table(env, options.rows, "b", 104729)
sums = []
for piece in range(options.pieces):
    with env.stage(f"piece-{piece}") as s:
        if s.todo:
            few = left[left["key"] % options.pieces == piece]
            joined = few.merge(right[right["key"] % options.pieces == piece], on="key", suffixes=("", "_right"))
            s.sums = joined.groupby("group", as_index=False).agg({"a": "sum", "b": "max", "key": "count"})
    sums.append(s.sums)
whole = weft.concat(sums).groupby("group").agg({"a": "sum", "b": "max", "key": "sum"})
whole.to_parquet(options.output, overwrite=True)
whole.show()
env.close()
