"""One rank of joins that are checked, over any backend.

backend_rank.py SECONDS ROWS    joins for so many seconds; prints "linked" first, and a line of JSON at its end: how many
                                joins, or the error, its peer and when (seconds since 1970)
"""

import json
import sys
import time

import numpy as np

import weft


def main() -> int:
    seconds, rows = float(sys.argv[1]), int(sys.argv[2])
    rank, joins, problem = -1, 0, None
    try:
        env = weft.init(timeout=60)
        rank, world = env.rank, env.world_size
        keys = np.arange(rank, rows, world)
        left = weft.DataFrame({"k": keys, "a": keys * 3}, env=env)
        right = weft.DataFrame({"k": keys[::-1], "b": keys[::-1] * 5}, env=env)
        env.barrier()
        print("linked", flush=True)
        end = time.monotonic() + seconds
        while env.allreduce(int(time.monotonic() < end), "min"):
            made = left.merge(right, on="k")
            mine = made.to_pandas()
            assert (mine["a"] == mine["k"] * 3).all() and (mine["b"] == mine["k"] * 5).all()
            assert made.total_rows() == rows and made["k"].sum() == rows * (rows - 1) // 2
            joins += 1
        env.close()
    except weft.CommunicatorError as error:
        problem = error
    said = {"ok": problem is None, "rank": rank, "joins": joins, "at": time.time()}
    if problem is not None:
        said |= {"error": str(problem), "kind": type(problem).__name__, "peer": problem.peer}
    print(json.dumps(said), flush=True)
    # What a library does at its end to links that are dead is not looked at.
    return 0 if problem is None else 3


if __name__ == "__main__":
    sys.exit(main())
