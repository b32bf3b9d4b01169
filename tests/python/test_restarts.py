"""``weft run --restarts`` and hand-over: killed ranks, SIGTERM, other worlds; the same rows as a run that nobody disturbed."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from pathlib import Path

import pandas as pd
import pytest

from weft.launcher import children_of

SOAK = bool(os.environ.get("WEFT_SOAK"))
ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/checkpointed_join.py"

#: Stages of a join, each with a word about who ran it; something happens in one of them, in epoch 0.
STAGES = """
    import os, signal, sys, time
    import numpy as np
    import weft
    what, rank, stage = (sys.argv[1:] + ["", "-1", "-1"])[:3]
    env = weft.init()
    print("epoch", env.epoch, "of", env.world_size, flush=True)

    def maybe(now):
        if env.epoch == 0 and env.rank == int(rank) and now == int(stage):
            with open("when", "w") as file:
                file.write(str(time.time()))
            if what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            elif what == "term":
                os.kill(os.getpid(), signal.SIGTERM)
            elif what == "raise":
                raise ValueError("the program's own")
            elif what == "code":
                sys.exit(7)

    def table(column):
        rows = 30_000
        i = np.arange(rows * env.rank // env.world_size, rows * (env.rank + 1) // env.world_size)
        return weft.DataFrame({"k": i * 7919 % rows, column: i}, env=env)

    with env.stage("joined") as s:
        if s.todo:
            print("run joined", flush=True)
            left, right = table("a"), table("b")
            maybe(0)
            s.joined = left.merge(right, on="k")
    joined = s.joined
    for number in range(1, 4):
        with env.stage(f"step-{number}") as s:
            if s.todo:
                print("run", number, flush=True)
                maybe(number)
                s.joined = joined.assign(a=joined["a"] + number)
                time.sleep(0.2)
        joined = s.joined
    joined.sort_values("k").to_parquet("out", overwrite=True)
    env.close()
"""

KEPT = ["--checkpoint-dir", "kept"]


def check(folder: Path) -> None:
    found = pd.read_parquet(folder / "out").sort_values("k").reset_index(drop=True)
    rows = pd.DataFrame({"a": range(30_000)})
    rows["k"] = rows["a"] * 7919 % 30_000
    rows = rows.sort_values("k").reset_index(drop=True)
    expected = pd.DataFrame({"k": rows["k"], "a": rows["a"] + 6, "b": rows["a"]})
    pd.testing.assert_frame_equal(found[["k", "a", "b"]], expected, check_dtype=False)
    assert not list((folder / "kept").glob("*"))


def epochs(text: str) -> dict[int, int]:
    """World sizes by epoch."""
    return {int(epoch): int(size) for epoch, size in re.findall(r"^epoch (\d+) of (\d+)$", text, re.MULTILINE)}


@pytest.mark.parametrize(
    ("stage", "size"),
    [(2, None), (0, None), (3, 2)] if not SOAK else [(s, n) for s in range(4) for n in (None, 1, 2, 4)],
)
def test_a_killed_rank(launch, stage, size):
    more = [] if size is None else ["--restart-world-size", str(size)]
    done = launch.ok(STAGES, 3, arguments=["kill", "1", str(stage)], options=[*KEPT, "--restarts", "2", *more])
    check(launch.folder)
    assert epochs(done.out) == {0: 3, 1: size or 3}
    assert "epoch 0 failed, 1 more restarts; epoch 1 starts with" in done.err
    # What was finished before is not run again, but for the stage whose manifest was not there yet.
    counts = {name: done.out.count(f"run {name}") for name in ("joined", "1", "2", "3")}
    late = ["joined", "1", "2", "3"][stage:]
    for name, count in counts.items():
        assert count >= 3 and (name in late or count <= 3 + (size or 3)), counts
    if stage == 3:
        assert counts["joined"] == 3, counts


def test_a_restart_takes_seconds(launch):
    done = launch.ok(STAGES, 3, arguments=["kill", "1", "2"], options=[*KEPT, "--restarts", "1"])
    killed = float((launch.folder / "when").read_text())
    lost = os.path.getmtime(launch.folder / "out")
    print(f"from the kill to the output: {lost - killed:.1f} s")
    assert lost - killed < 40 and done.code == 0


def test_restarts_are_bounded(launch):
    done = launch(
        """
        import os, signal, weft
        env = weft.init()
        print("epoch", env.epoch, "of", env.world_size, flush=True)
        env.barrier()
        if env.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        env.barrier()
        """,
        2,
        options=["--restarts", "2"],
    )
    assert done.code == 137 and set(epochs(done.out)) == {0, 1, 2}, done.text
    assert done.err.count("rank 1 failed first: signal 9") == 3


@pytest.mark.parametrize(("what", "code"), [("raise", 1), ("code", 7)])
def test_the_programs_own_failure_is_not_tried_again(launch, what, code):
    done = launch(STAGES, 2, [what, "1", "2"], [*KEPT, "--restarts", "3"])
    assert done.code == code and set(epochs(done.out)) == {0}, done.text
    assert "weft run: not started again: its error is the program's own" in done.err


@pytest.mark.parametrize(
    ("stage", "size"), [(1, None), (2, 3)] if not SOAK else [(s, n) for s in range(4) for n in (None, 1, 3)]
)
def test_sigterm_hands_over(launch, stage, size):
    """One rank's host is preempted: all ranks end at the next boundary, and the next epoch goes on; no restart is spent."""
    more = [] if size is None else ["--restart-world-size", str(size)]
    done = launch(STAGES, 2, ["term", "1", str(stage)], [*KEPT, *more])
    if stage == 0:
        # Nothing was saved: another attempt is one of --restarts.
        assert done.code == 75 and epochs(done.out) == {0: 2} and "0 checkpoints were written" in done.err, done.text
        return
    assert done.code == 0, done.text
    check(launch.folder)
    assert epochs(done.out) == {0: 2, 1: size or 2}
    assert re.search(r"weft: epoch 0 hands over at .*: rank 1 is asked to end \(SIGTERM\)", done.err), done.err
    assert "epoch 0 handed over with" in done.err
    # The stage in which it came was finished, or given up at an operator; none before it is run again.
    assert done.out.count("run joined") == 2
    assert all(done.out.count(f"run {number}") == 2 for number in range(1, stage)), done.out


def test_sigterm_to_the_launcher_and_the_job_again(launch, wait_for):
    """The job ends with what it has saved; the same command under its name goes on."""
    process = launch.start(STAGES, 2, options=KEPT, WEFT_JOB="mine")
    folder, begin = launch.folder / "kept" / "mine", time.monotonic()
    wait_for(lambda: len(list(folder.glob("stage-step-1/manifest*"))) > 0, 60)
    process.send_signal(signal.SIGTERM)
    first = launch.finish(process, begin)
    assert first.code == 75 and "after the ranks had saved what they had" in first.err, first.text
    second = launch.ok(launch.folder / "script.py", 3, options=KEPT, WEFT_JOB="mine")
    check(launch.folder)
    assert epochs(second.out) == {1: 3} and "run joined" not in second.out and "run 1" not in second.out


def test_a_script_that_never_comes_to_a_boundary(launch, wait_for):
    """SIGTERM is then followed by SIGKILL."""
    process = launch.start(
        """
        import time, weft
        env = weft.init()
        env.checkpoint("x", wait=True)
        open(f"up-{env.rank}", "w").close()
        while True:
            time.sleep(1)
        """,
        2,
        options=KEPT,
    )
    wait_for(lambda: all((launch.folder / f"up-{rank}").exists() for rank in range(2)), 60)
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    done = launch.finish(process, begin)
    assert done.code == 128 + signal.SIGTERM and 25 < done.seconds < 60


def test_without_checkpoints_sigterm_is_as_ever(launch, wait_for):
    process = launch.start(
        "import time, weft\nenv = weft.init()\nopen(f'up-{env.rank}', 'w').close()\ntime.sleep(600)\n", 2, options=KEPT
    )
    wait_for(lambda: all((launch.folder / f"up-{rank}").exists() for rank in range(2)), 60)
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    done = launch.finish(process, begin)
    assert done.code == 128 + signal.SIGTERM and done.seconds < 10


def test_a_deadline(launch):
    """As functions have one; what is raised passes `except Exception`, and the ranks agree where they end."""
    done = launch(
        """
        import os, time, weft
        if os.environ["WEFT_EPOCH"] == "0":
            os.environ["WEFT_DEADLINE"] = str(time.time() + (6 if os.environ["WEFT_RANK"] == "1" else 600))
        with weft.init() as env:
            print("epoch", env.epoch, "of", env.world_size, flush=True)
            for number in range(100 if env.epoch == 0 else 3):
                try:
                    with env.stage(f"s{number}") as s:
                        if s.todo:
                            s.frame = weft.DataFrame({"a": [number]}, env=env).sort_values("a")
                            time.sleep(0.5)
                except Exception as error:
                    print("swallowed", error)
            print("came to", number, flush=True)
        """,
        3,
        options=KEPT,
    )
    assert done.code == 0 and epochs(done.out) == {0: 3, 1: 3}, done.text
    assert "rank 1 is asked to end (its time limit" in done.err and "swallowed" not in done.out
    assert done.out.count("came to 2") == 3 and "came to 99" not in done.out


def expected_example(rows: int) -> pd.DataFrame:
    row = pd.Series(range(rows))
    left = pd.DataFrame({"key": row * 7919 % rows, "group": row % 10, "a": row * 0.5})
    right = pd.DataFrame({"key": row * 104729 % rows, "group": row % 10, "b": row * 0.5})
    joined = left.merge(right, on="key", suffixes=("", "_right"))
    return joined.groupby("group").agg({"a": "sum", "b": "max", "key": "count"}).reset_index()


def test_the_example(launch):
    done = launch.ok(
        EXAMPLE, 2, arguments=["--rows", "20000"], options=[*KEPT, "--restarts", "1"], WEFT_BOUNDARY_BYTES="50KB"
    )
    found = pd.read_parquet(launch.folder / "joined").reset_index()[["group", "a", "b", "key"]]
    pd.testing.assert_frame_equal(
        found.sort_values("group", ignore_index=True), expected_example(20000), check_dtype=False
    )
    assert done.err == ""


def ranks_of(launcher: int) -> list[int]:
    """The ranks' process ids; the launcher's warden has the launcher's own command line."""
    found = []
    for pid in children_of(launcher):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"checkpointed_join" in line and b"weft.cli" not in line:
            found.append(pid)
    return found


@pytest.mark.skipif(not SOAK, reason="a hundred kills take minutes: WEFT_SOAK=1")
def test_kills_at_any_time(tmp_path, wait_for):
    """Ranks of the example are killed at random moments, also while they start; the rows are those of a quiet run."""
    from conftest import Launches

    chance = random.Random(5)
    for turn in range(int(os.environ.get("WEFT_SOAK_TURNS", "30"))):
        folder = tmp_path / str(turn)
        folder.mkdir()
        launches = Launches(folder)
        begin = time.monotonic()
        process = launches.start(
            EXAMPLE, 3, ["--rows", "300000"],
            [*KEPT, "--restarts", "9", "--restart-world-size", str(chance.choice([2, 3, 4]))],
            WEFT_BOUNDARY_BYTES="200KB",
        )  # fmt: skip
        for _ in range(chance.randrange(1, 4)):
            time.sleep(chance.uniform(0.3, 3.0))
            if ranks := ranks_of(process.pid):
                try:
                    os.kill(chance.choice(ranks), chance.choice([signal.SIGKILL, signal.SIGTERM]))
                except ProcessLookupError:
                    pass
        done = launches.finish(process, begin, 300)
        assert done.code == 0, f"turn {turn}: {done.text}"
        found = pd.read_parquet(folder / "joined").reset_index()[["group", "a", "b", "key"]]
        found = found.sort_values("group", ignore_index=True)
        pd.testing.assert_frame_equal(found, expected_example(300_000), check_dtype=False)
