"""A long join that outlasts killed ranks, time limits and preempted hosts:

    weft run -n 4 --checkpoint-dir checkpoints --restarts 3 examples/checkpointed_join.py --rows 10000000

The merge is in a stage, so ranks that are asked to end do so between two parts of it, and a later attempt begins with
the first part that is not done; one that comes after the stage has its result at once. What is written does not depend
on how often it was begun again, nor on how many ranks. WEFT_BOUNDARY_BYTES=1MB makes parts of small tables, too.
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
parser.add_argument("--output", default="joined")
options = parser.parse_args()

env = weft.init()
with env.stage("joined") as s:
    if s.todo:
        left, right = table(env, options.rows, "a", 7919), table(env, options.rows, "b", 104729)
        s.joined = left.merge(right, on="key", suffixes=("", "_right"))
whole = s.joined.groupby("group").agg({"a": "sum", "b": "max", "key": "count"})
whole.to_parquet(options.output, overwrite=True)
whole.show()
env.close()
