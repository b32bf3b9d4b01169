"""One rank that sends rows over a slow line.

compression_rank.py KIND    KIND is "texts" or "noise"; each prints a line of JSON: whether the rows came as they were, what
                            was chosen, bytes that were sent, and those of the rows that went to others
"""

import json
import sys

import numpy as np
import pyarrow as pa

import weft

ROWS = 400_000


def main() -> None:
    with weft.init() as env:
        random = np.random.default_rng(env.rank)
        key = random.integers(0, 1 << 62, ROWS)
        if sys.argv[1] == "texts":
            words = pa.array([f"a text that comes again, number {i:03}" for i in range(500)])
            value = words.take(pa.array(random.integers(0, 500, ROWS)))
        else:
            value = pa.py_buffer(random.integers(0, 256, ROWS * 36, dtype=np.uint8).tobytes())
            value = pa.FixedSizeBinaryArray.from_buffers(pa.binary(36), ROWS, [None, value])
        frame = weft.DataFrame(pa.table({"k": key, "v": value}), env=env)
        moved = frame.repartition(by="k")
        ok = env.allreduce(moved.local().shape[0], "sum") == ROWS * env.world_size
        # Each row's text is that of its key, wherever it is now.
        back = moved.merge(frame, on="k")
        ok = ok and env.allreduce(int((back["v_x"].to_pandas() == back["v_y"].to_pandas()).sum()), "sum") == (
            ROWS * env.world_size
        )
        stats = env.stats()
        print(json.dumps({"ok": bool(ok), "choices": stats["choices"], "phases": stats["phases"]}))


if __name__ == "__main__":
    main()
