"""Disks that are full, while checkpoints are written and while output is: rank, operation and path are named on all ranks,
what was there before is there still, and of what did not fit nothing is left."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

SOAK = bool(os.environ.get("WEFT_SOAK"))
FULL = "No space left on device"


@pytest.fixture
def disk(make_disk) -> Path:
    return make_disk(12)


def lines(out: str, mark: str) -> list[str]:
    return [line for line in out.splitlines() if mark in line]


#: Two checkpoints of 5 MB fit, and a third one beside them does not.
CHECKPOINTS = """
    import os, sys
    import numpy as np
    import weft
    env = weft.init()
    found = env.restore("loop")
    step = 0 if found is None else found.state
    print("from step", step, flush=True)
    if found is not None:
        frame = found.frames[0]
        assert frame["a"].min() == frame["a"].max() == step and frame.total_rows() == 600_000
    while step < int(sys.argv[1]):
        step += 1
        frame = weft.DataFrame({"a": np.full(300_000, step)}, env=env)
        try:
            env.checkpoint("loop", frame, state=step, wait=sys.argv[2] == "wait")
        except OSError as problem:
            print("told in step", step, ":", problem, flush=True)
            raise
    env.checkpoint("end", wait=True)
    print("well", flush=True)
"""


@pytest.mark.parametrize("wait", ["wait", "later"])
def test_checkpoints(launch, disk, wait):
    """The error comes with the call that waits, or with the next one; the last one that was valid is there."""
    script, options = launch.write(CHECKPOINTS), ["--checkpoint-dir", str(disk)]
    done = launch(script, 2, ["9", wait], options, WEFT_JOB="full")
    told = lines(done.out, "told in step")
    assert done.code == 1 and len(told) == 2, done.text
    for line in told:
        assert re.search(r"rank [01]", line) and "checkpoint 'loop'" in line and FULL in line, line
        assert str(disk / "full" / "checkpoint-loop") in line and "make room" in line, line
    assert all(
        line.startswith(("told in step 3",) if wait == "wait" else ("told in step 4", "told in step 5"))
        for line in told
    )
    # The part that did not fit is gone; the other rank's goes with the next checkpoint.
    assert shutil.disk_usage(disk).free > 256 << 10
    again = launch(script, 3, ["0", wait], [*options], WEFT_JOB="full", WEFT_EPOCH="1")
    assert again.code == 0 and again.out.count("from step 2") == 3, again.text
    assert "passed over" not in again.text


def test_a_restart_when_there_is_room_again(launch, disk):
    """What stands in the way is gone, and the same command goes on from the last valid one; leftovers are cleared."""
    (disk / "others").write_bytes(bytes(6 << 20))
    script, options = launch.write(CHECKPOINTS), ["--checkpoint-dir", str(disk)]
    done = launch(script, 2, ["2", "wait"], options, WEFT_JOB="other")
    assert done.code == 1 and FULL in done.out and "told in step 2" in done.out, done.text
    (disk / "others").unlink()
    done = launch(script, 2, ["2", "wait"], options, WEFT_JOB="other", WEFT_EPOCH="1")
    assert done.code == 0 and done.out.count("from step 1") == 2, done.text
    assert not (disk / "other").exists()


OUTPUT = """
    import sys
    import numpy as np
    import weft
    env = weft.init()
    # Rank 1 has what does not fit.
    rows = 3_000_000 if env.rank == 1 else 1000
    frame = weft.DataFrame({"a": np.random.default_rng(env.rank).integers(0, 1 << 60, rows)}, env=env)
    small = frame.head(1000)
    try:
        for number in range(int(sys.argv[3])):
            getattr(small, sys.argv[1])(f"{sys.argv[2]}/small", overwrite=True)
        getattr(frame, sys.argv[1])(f"{sys.argv[2]}/out", overwrite=True)
    except OSError as problem:
        print("told:", env.rank, problem.errno, problem, flush=True)
        raise
"""


@pytest.mark.parametrize("writer", ["to_parquet", "to_csv"] if not SOAK else ["to_parquet", "to_csv", "to_feather"])
@pytest.mark.parametrize("old", [False, True])
def test_output(launch, disk, writer, old):
    """An output that was to be overwritten is whole; there is none where there was none."""
    if old:
        launch.ok(
            f"""
            import weft
            with weft.init() as env:
                weft.DataFrame({{"a": [env.rank]}}, env=env).{writer}("{disk}/out")
            """
        )
        before = {path.name: path.read_bytes() for path in (disk / "out").iterdir()}
    done = launch(OUTPUT, 3, [writer, str(disk), "1"])
    told = lines(done.out, "told:")
    assert done.code == 1 and len(told) == 3, done.text
    for line in told:
        assert "rank 1" in line and f" {28} " in line and FULL in line and "write" in line, line
        assert str(disk) in line and "part-00001" in line, line
    if old:
        assert {path.name: path.read_bytes() for path in (disk / "out").iterdir()} == before
    else:
        assert not (disk / "out").exists()
    # What was written before is whole, and what did not fit has been taken away.
    assert sorted(path.name for path in disk.iterdir()) == (["out", "small"] if old else ["small"])
    if writer == "to_parquet":
        assert pq.read_table(disk / "small").num_rows == 1000
    assert shutil.disk_usage(disk).used < 1 << 20


def test_one_file(launch, disk):
    """A local frame into one file."""
    done = launch(
        f"""
        import numpy as np, weft
        frame = weft.DataFrame({{"a": np.random.default_rng(0).integers(0, 1 << 60, 3_000_000)}})
        for name, write in [("one.parquet", frame.to_parquet), ("one.csv", frame.to_csv)]:
            try:
                write("{disk}/" + name)
            except OSError as problem:
                print("told:", problem.errno, problem, flush=True)
        """,
        1,
    )
    told = lines(done.out, "told:")
    assert len(told) == 2 and all("28" in line and FULL in line for line in told), done.text
    assert "one.parquet" in told[0] and "one.csv" in told[1]
    assert list(disk.iterdir()) == []
