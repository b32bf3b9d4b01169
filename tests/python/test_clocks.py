"""A wall clock that jumps by an hour in the middle of a job, on one rank: the rows are right, and nothing takes it for a
failure. Time limits go by the clock that never jumps."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from conftest import pids

from weft import _core

SOAK = bool(os.environ.get("WEFT_SOAK"))
BUILT = [one["name"] for one in _core.backends() if one["built"]]
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
HOUR = 3600

pytestmark = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed (tools/setup.sh all)")

#: Rank 1 begins again with libfaketime before it. That library makes nonsense of absolute sleeps (Python's) by the clock
#: that it leaves alone.
HEAD = """
    import os, select, sys, time
    if os.environ["WEFT_RANK"] == "1" and "LD_PRELOAD" not in os.environ:
        os.environ.update(
            LD_PRELOAD=os.environ["FAKETIME_LIBRARY"], FAKETIME_DONT_FAKE_MONOTONIC="1", FAKETIME_CACHE_DURATION="1",
            FAKETIME_TIMESTAMP_FILE=os.path.abspath("clock"), NO_FAKE_STAT="1",
        )
        os.execv(sys.executable, [sys.executable, *sys.argv])
    time.sleep = lambda seconds: select.select([], [], [], seconds)
    import numpy as np
    import weft

    def jump(by):
        if os.environ["WEFT_RANK"] == "1":
            before = time.time()
            with open("clock.new", "w") as file:
                file.write(f"{by:+d}\\n")
            os.rename("clock.new", "clock")
            while abs(time.time() - before) < 1800:
                time.sleep(0.05)
"""

WORK = (
    HEAD
    + """
    env = weft.init(timeout=30, connect_timeout=30)
    rng = np.random.default_rng(env.rank)
    left = weft.DataFrame({"k": np.arange(env.rank, 60_000, env.world_size), "a": np.arange(env.rank, 60_000, env.world_size)}, env=env)
    right = left.rename(columns={"a": "b"})
    wall, begin, seen = time.time(), time.monotonic(), 0
    seconds = float(sys.argv[1])
    jumps = [int(word) for word in sys.argv[2:]]
    for number in range(len(jumps) + 1):
        end = time.monotonic() + seconds
        while env.allreduce(int(time.monotonic() < end), "min"):
            joined = left.merge(right, on="k")
            assert joined.total_rows() == 60_000 and (joined["a"] == joined["b"]).all()
            seen += 1
        # Idle for some heartbeats, with the jump in the middle.
        time.sleep(0.7)
        if number < len(jumps):
            jump(jumps[number])
        env.barrier()
    joined.sort_values("k").to_parquet("out")
    print(f"rank {env.rank}: {seen} joins, wall {time.time() - wall - (time.monotonic() - begin):.0f}", flush=True)
    env.close()
"""
)


def start_clock(folder: Path) -> dict[str, str]:
    (folder / "clock").write_text("+0\n")
    return {"FAKETIME_LIBRARY": str(LIBRARY)}


def check(done, folder: Path, offset: int) -> None:
    import pyarrow.parquet as pq

    assert done.code == 0, done.text
    walls = {int(rank): int(wall) for rank, wall in re.findall(r"rank (\d): \d+ joins, wall (-?\d+)", done.out)}
    # The jump was there.
    assert abs(walls[1] - offset) < 60 and abs(walls[0]) < 60 and abs(walls[2]) < 60, done.out
    assert pq.read_table(folder / "out")["k"].to_pylist() == list(range(60_000))
    assert done.err == "", done.err


CASES = [(name, by) for name in ("tcp", "gloo", "libfabric", "ucx", "ucc") for by in (HOUR, -HOUR)]


@pytest.mark.parametrize(("backend", "by"), CASES if SOAK else [*CASES[:3]])
def test_a_jump_in_the_middle(launch, backend, by):
    if backend not in BUILT:
        pytest.skip(f"{backend} is not built")
    jumps = [by, 0, by, -by] if SOAK else [by]
    done = launch(
        WORK, 3, [str(3 if SOAK else 0.5), *map(str, jumps)], ["--backend", backend], **start_clock(launch.folder)
    )
    check(done, launch.folder, jumps[-1])


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_ranks_that_meet_in_files(launch, by, tmp_path):
    """What the store holds for a while is held by the wall clock: an hour does not matter to ranks that have joined."""
    done = launch(WORK, 3, ["0.5", str(by)], WEFT_STORE=f"file://{tmp_path}/store", **start_clock(launch.folder))
    check(done, launch.folder, by)


LIMIT = (
    HEAD
    + """
    if os.environ["WEFT_EPOCH"] == "0":
        os.environ["WEFT_DEADLINE"] = str(time.time() + float(sys.argv[2]))
    env = weft.init()
    print("epoch", env.epoch, flush=True)
    begin = time.monotonic()
    for number in range(8):
        with env.stage(f"s{number}") as s:
            if s.todo:
                s.frame = weft.DataFrame({"a": [number]}, env=env)
                time.sleep(0.5)
                if number == 1 and env.epoch == 0:
                    jump(int(sys.argv[1]))
    print(f"rank {env.rank} ended in epoch {env.epoch}", flush=True)
    env.close()
"""
)


@pytest.mark.parametrize(("by", "limit", "last"), [(HOUR, 600, 0), (-HOUR, 4, 1)])
def test_a_time_limit_is_where_it_was(launch, by, limit, last):
    """A limit that is far away does not come nearer by a jump; one that is near does not go away."""
    done = launch(
        LIMIT, 3, [str(by), str(limit)], ["--checkpoint-dir", "kept"], hang=60, **start_clock(launch.folder)
    )  # fmt: skip
    assert done.code == 0 and done.out.count(f"ended in epoch {last}") == 3, done.text
    assert ("its time limit" in done.err) == (last == 1), done.err


def test_a_kill_after_a_jump_is_found_in_time(launch, wait_for, figure):
    """Heartbeats are counted by the clock that never jumps: no later and no sooner."""
    script = (
        HEAD
        + """
    env = weft.init(timeout=60)
    env.barrier()
    jump(-3600)
    with open(f"pid-{env.rank}", "w") as file:
        file.write(f"{os.getpid()}\\n")
    try:
        while True:
            env.allreduce(1)
    except weft.CommunicatorError as problem:
        print(f"rank {env.rank} lost rank {problem.peer} at {time.monotonic():.3f}", flush=True)
        raise
"""
    )
    process = launch.start(script, 3, **start_clock(launch.folder))
    victim = pids(launch.folder, 3, wait_for)[2]
    begin = time.monotonic()
    os.kill(victim, 19)
    done = launch.finish(process, begin)
    found = {
        int(rank): float(when) - begin for rank, when in re.findall(r"rank (\d) lost rank 2 at ([\d.]+)", done.out)
    }
    assert sorted(found) == [0, 1] and all(4 < seconds < 10 for seconds in found.values()), done.text
    figure(f"a stopped rank is lost after {max(found.values()):.1f} s")
