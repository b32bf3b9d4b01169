"""One rank of a shuffle in the lab.

shuffle_rank.py ROWS ITERATIONS    each prints a line of JSON: seconds of each iteration (the slowest rank's), seconds of
                                   a core for the partitioning, bytes that it sent for rows of so many bytes
"""

import json
import sys
import time

import numpy as np

import weft


def main() -> None:
    rows, iterations = int(sys.argv[1]), int(sys.argv[2])
    with weft.init() as env:
        data = np.random.default_rng(env.rank).integers(0, rows * env.world_size, size=(rows, 2))
        frame = weft.DataFrame(data, columns=["col0", "col1"], env=env)
        seconds = []
        for _ in range(iterations):
            env.barrier()
            begin = time.perf_counter()
            shuffled = frame.repartition(by="col0")
            seconds.append(env.allreduce(time.perf_counter() - begin, "max"))
        after = env.stats()
        total = env.allreduce(int(shuffled.to_numpy().sum()), "sum")
        work = after["phases"]["shuffle.partition"]["seconds"]
        print(
            json.dumps(
                {
                    "ok": total == env.allreduce(int(data.sum()), "sum"),
                    "seconds": seconds,
                    "partition": work / iterations,
                    "bytes": data.nbytes,
                    "links": [link for link in env.links() if link["peer"] != env.rank],
                }
            )
        )


if __name__ == "__main__":
    main()
