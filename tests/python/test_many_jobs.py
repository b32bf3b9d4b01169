"""Twenty jobs at once on one rendezvous server, with one key: each has its own ranks, values and files, and nothing of
another's; where some of them fail the others do not notice."""

from __future__ import annotations

import os
import re
import signal
import sys
import time

import pyarrow.parquet as pq
import pytest
from rendezvous_program import Server

SOAK = bool(os.environ.get("WEFT_SOAK"))
JOBS = 20
RANKS = 3 if SOAK else 2
#: Its own rows, told apart from every other job's by a base; all jobs have ranks, epochs, checkpoints of one name.
JOB = """
    import os, signal, sys, time
    import numpy as np
    import weft
    base, seconds, fate = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    env = weft.init(connect_timeout=120, timeout=120)
    open(f"up-{base}-{env.rank}", "w").write(f"{os.getpid()}\\n")
    keys = np.arange(env.rank, 2000, env.world_size) + base
    frame = weft.DataFrame({"k": keys, "a": keys * 7}, env=env)
    end, rounds = time.monotonic() + seconds, 0
    while env.allreduce(int(time.monotonic() < end), "min"):
        made = frame.merge(frame.rename(columns={"a": "b"}), on="k")
        assert made.total_rows() == 2000 and made["k"].min() == base and made["k"].max() == base + 1999
        assert env.allreduce(base + env.rank) == env.world_size * base + env.world_size * (env.world_size - 1) // 2
        with env.stage(f"round-{rounds}") as s:
            if s.todo:
                s.made = made
        assert s.made["k"].min() == base
        rounds += 1
        if fate == "fail" and env.rank == 1:
            raise RuntimeError(f"job {base} fails")
    made.sort_values("k").to_parquet(f"out-{base}")
    print(f"job {base} rank {env.rank} rounds {rounds}", flush=True)
    env.close()
"""


def start(launch, server: Server, base: int, seconds: float, fate: str):
    """Ranks by hand, all from one folder."""
    path = launch.folder / "script.py"
    if not path.exists():
        launch.write(JOB)
    return [
        launch.start_by(
            [sys.executable], path, [str(base), str(seconds), fate],
            WEFT_RENDEZVOUS=f"127.0.0.1:{server.port}", WEFT_RENDEZVOUS_KEY="one key", WEFT_JOB=f"job-{base}",
            WEFT_SECRET=f"{base:064x}", WEFT_RANK=str(rank), WEFT_WORLD_SIZE=str(RANKS), WEFT_THREADS="1",
            WEFT_CHECKPOINT_DIR="kept",
        )
        for rank in range(RANKS)
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["program", "python"] if SOAK else ["program"])
def test_twenty_jobs_at_once(launch, wait_for, form, figure):
    """Every fifth fails by itself, one loses a rank; all others have their rows, their checkpoints, their output."""
    seconds = 30.0 if SOAK else 1.0
    server = Server([], form, WEFT_RENDEZVOUS_KEY="one key")
    try:
        begin = time.monotonic()
        fates = {10_000 * (number + 1): "fail" if number % 5 == 4 else "well" for number in range(JOBS)}
        killed = 10_000 * 3
        fates[killed] = "killed"
        jobs = {base: start(launch, server, base, seconds, fate) for base, fate in fates.items()}
        victim = launch.folder / f"up-{killed}-1"
        wait_for(lambda: victim.exists() and victim.read_text().endswith("\n"), 240)
        os.kill(int(victim.read_text()), signal.SIGKILL)
        rounds = 0
        for base, processes in jobs.items():
            done = [launch.finish(process, begin, 300) for process in processes]
            text = "".join(one.text for one in done)
            # No word of another job, whatever becomes of this one.
            others = {int(found) for found in re.findall(r"job[- ](\d{5,})", text)} - {base}
            assert not others, text
            if fates[base] == "well":
                assert all(one.code == 0 for one in done), text
                rounds += min(int(found) for found in re.findall(r"rounds (\d+)", text))
                table = pq.read_table(launch.folder / f"out-{base}")
                assert table["k"].to_pylist() == list(range(base, base + 2000))
                assert table["a"].equals(table["b"]) and not (launch.folder / "kept" / f"job-{base}").exists()
            else:
                assert all(one.code != 0 for one in done), text
                assert not (launch.folder / f"out-{base}").exists()
                assert (f"job {base} fails" if fates[base] == "fail" else "rank 1") in text, text
        figure(f"{JOBS} jobs of {RANKS} ranks: {rounds} rounds, {time.monotonic() - begin:.1f} s in all")
    finally:
        server.process.kill()
        server.process.wait()
