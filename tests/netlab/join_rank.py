"""One rank of the paper's join in the NAT lab (see examples/scaling_join.py).

join_rank.py ROWS FILE [IDLE]    rank 0 writes the whole joined table to FILE; each prints a line of JSON. With IDLE each
                                 prints "linked" first, and does nothing for so many seconds before the join and after
"""

import json
import sys
import time

import numpy as np

import weft


def sides(rank: int, world: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The two tables of a rank, as the paper's experiment makes them."""
    rng = np.random.default_rng(seed=rank)
    most = int(rows * world * 0.9)
    return rng.integers(0, most, size=(rows, 2)), rng.integers(0, most, size=(rows, 2))


def main() -> None:
    rows, file = int(sys.argv[1]), sys.argv[2]
    idle = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    with weft.init() as env:
        if idle:
            env.barrier()
            print("linked", flush=True)
            time.sleep(idle)
        left, right = sides(env.rank, env.world_size, rows)
        columns = ["col0", "col1"]
        joined = weft.DataFrame(left, columns=columns, env=env).merge(
            weft.DataFrame(right, columns=columns, env=env), on=["col0"], algorithm="sort"
        )
        time.sleep(idle)
        whole = joined.gather(0)
        if env.rank == 0:
            whole.local().to_pandas().to_parquet(file)
        print(json.dumps({"ok": True, "rank": env.rank, "links": [x for x in env.links() if x["peer"] != env.rank]}))


if __name__ == "__main__":
    main()
