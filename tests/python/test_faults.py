"""What bad input and bad luck get: a clear error on every rank, in time, and no output half written."""

from __future__ import annotations

import os
import signal
import time

import pytest
from conftest import pids

#: Ranks join without end; each says when it is in the middle of it.
ENDLESS = """
    import os, sys, time
    import numpy as np
    import weft
    env = weft.init(timeout=60)
    rng = np.random.default_rng(env.rank)
    data = rng.integers(0, 100_000, size=(200_000, 2))
    left, right = weft.DataFrame(data, env=env), weft.DataFrame(data[::-1], env=env)
    env.barrier()
    with open(f"pid-{env.rank}", "w") as file:
        file.write(f"{os.getpid()}\\n")
    begin = time.monotonic()
    try:
        while True:
            left.merge(right, on=[0])
    except weft.CommunicatorError as problem:
        print(f"rank {env.rank} got {type(problem).__name__}: {problem}", flush=True)
        with open(f"failed-{env.rank}", "w") as file:
            file.write(f"{time.time()} {problem.peer} {problem.rank} {problem.operation}\\n")
        raise
"""


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("delay", [0.0, 0.7])
def test_a_killed_rank(launch, wait_for, ranks, delay):
    process = launch.start(ENDLESS, ranks=ranks)
    victim = pids(launch.folder, ranks, wait_for)[-1]
    time.sleep(delay)
    killed = time.time()
    begin = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    done = launch.finish(process, begin)
    assert done.code == 128 + signal.SIGKILL
    assert f"rank {ranks - 1} failed first: signal 9" in done.err
    for rank in range(ranks - 1):
        when, peer, _, _ = (launch.folder / f"failed-{rank}").read_text().split()
        # Five seconds, and what a busy machine adds.
        assert float(when) - killed < 10
        assert f"rank {rank} got" in done.out
        assert peer == str(ranks - 1) or f"{ranks - 1}" in done.out


def test_a_stopped_rank(launch, wait_for, figure):
    process = launch.start(ENDLESS, ranks=3)
    victim = pids(launch.folder, 3, wait_for)[1]
    stopped = time.time()
    begin = time.monotonic()
    os.kill(victim, signal.SIGSTOP)
    done = launch.finish(process, begin)
    assert done.code != 0
    took = []
    for rank in (0, 2):
        when, peer, _, _ = (launch.folder / f"failed-{rank}").read_text().split()
        assert peer == "1" and f"rank {rank} got PeerLost: " in done.out, done.text
        took.append(float(when) - stopped)
    assert max(took) < 10, took
    figure(f"tcp: {max(took):.1f} s")


def test_a_rank_that_never_comes(launch):
    done = launch(
        """
        import os, sys, time
        import weft
        if os.environ["WEFT_RANK"] == "2":
            time.sleep(600)
        try:
            weft.init(connect_timeout=3)
        except weft.TimedOut as problem:
            print(f"rank {os.environ['WEFT_RANK']}: {problem}", flush=True)
            raise
        """,
        ranks=3,
    )
    assert done.code == 1 and done.seconds < 60
    assert done.out.count("rank 2") >= 1


def test_a_wrong_secret(launch):
    done = launch(
        """
        import os, weft
        if os.environ["WEFT_RANK"] == "1":
            os.environ["WEFT_SECRET"] = "0" * 64
        try:
            weft.init(connect_timeout=20)
        except weft.CommunicatorError as problem:
            print(type(problem).__name__, problem, flush=True)
            raise
        """
    )
    assert done.code == 1
    assert "AuthenticationFailed" in done.out
    assert "0" * 64 not in done.text


def test_a_wrong_rendezvous_key(launch):
    done = launch(
        """
        import os, weft
        os.environ["WEFT_RENDEZVOUS_KEY"] = "wrong"
        weft.init(connect_timeout=10)
        """
    )
    assert done.code == 1 and "AuthenticationFailed" in done.text


def test_nobody_listens(launch):
    done = launch(
        """
        import os, weft
        os.environ["WEFT_RENDEZVOUS"] = "127.0.0.1:1"
        weft.init(connect_timeout=3)
        """
    )
    assert done.code == 1 and "127.0.0.1:1" in done.text and done.seconds < 60


def test_an_exception_on_one_rank_is_named_on_all(launch):
    done = launch(
        """
        import weft
        env = weft.init()
        try:
            if env.rank == 1:
                raise RuntimeError("my own mistake")
            env.barrier()
        except weft.CommunicatorError as problem:
            print("peer", problem.peer, problem, flush=True)
            raise
        """,
        ranks=3,
    )
    assert done.code == 1
    assert done.out.count("my own mistake") >= 2 and done.out.count("peer 1 ") == 2, done.text
    assert "rank 1 failed first" in done.err


def test_different_collectives(launch):
    done = launch(
        """
        import weft
        env = weft.init()
        try:
            env.barrier() if env.rank == 0 else env.scan(__import__("numpy").zeros(3))
            env.barrier()
        except weft.CommunicatorError as problem:
            print("found", problem, flush=True)
            raise
        """
    )
    assert done.code == 1 and done.seconds < 60
    assert done.out.count("found") == 2


def test_ctrl_c_ends_a_wait(launch, wait_for):
    process = launch.start(
        """
        import signal, time, weft
        env = weft.init()
        if env.rank == 0:
            # Only the other rank's wait is to be interrupted, not ended by this rank's failure.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            time.sleep(1)
            open("ready", "w").close()
            time.sleep(600)
        try:
            env.barrier()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            raise
        """
    )
    wait_for(lambda: (launch.folder / "ready").exists(), 60)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    done = launch.finish(process, begin)
    assert "interrupted" in done.out and done.code == 128 + signal.SIGINT and done.seconds < 30


def test_memory_limit_on_one_rank(launch):
    done = launch(
        """
        import numpy as np, weft
        env = weft.init(memory_limit="30MB")
        rows = 3_000_000 if env.rank == 1 else 10
        data = np.random.default_rng(0).integers(0, 1 << 60, (rows, 2))
        try:
            weft.DataFrame(data, env=env).sort_values(0)
        except MemoryError as problem:
            print(type(problem).__name__, problem, flush=True)
            raise
        """
    )
    assert done.code == 1
    assert done.out.count("MemoryLimitExceeded") >= 2 and "spill_dir" in done.out, done.text


READ = """
    import sys, weft
    env = weft.init()
    try:
        frame = weft.read_parquet("tables/*.parquet", env=env)
    except (OSError, weft.CommunicatorError) as problem:
        print(type(problem).__name__, problem, flush=True)
        raise
"""


def test_a_missing_file_on_every_rank(launch):
    done = launch(READ, ranks=3)
    # The first rank to fail may abort another before that has read the common error; the abort carries it.
    assert done.code == 1, done.text
    assert len(done.out.splitlines()) == 3 and done.out.count("tables/*.parquet") >= 3, done.text
    assert "FileNotFoundError" in done.out


def test_a_broken_file_on_every_rank(launch):
    import pyarrow as pa
    import pyarrow.parquet as pq

    (launch.folder / "tables").mkdir()
    for number in range(4):
        pq.write_table(pa.table({"a": list(range(10_000))}), launch.folder / "tables" / f"{number}.parquet")
    broken = launch.folder / "tables" / "3.parquet"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:200] + bytes(2000) + whole[2200:])
    done = launch(READ, ranks=3)
    assert done.code == 1, done.text
    assert done.out.count("3.parquet") >= 3, done.text


def test_no_partial_output(launch):
    done = launch(
        """
        import os, signal, threading, time
        import numpy as np, weft
        env = weft.init()
        data = np.random.default_rng(env.rank).integers(0, 1 << 60, (300_000, 4))
        frame = weft.DataFrame(data, env=env)
        env.barrier()
        if env.rank == 1:
            threading.Timer(0.02, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
        for number in range(1000):
            frame.to_parquet(f"out-{number}")
        """
    )
    assert done.code == 128 + signal.SIGKILL
    import pyarrow.parquet as pq

    whole = [path for path in launch.folder.iterdir() if path.name.startswith("out-")]
    for path in whole:
        assert pq.read_table(path).num_rows == 600_000, path


def test_output_is_not_overwritten_unasked(launch):
    done = launch(
        """
        import weft
        with weft.init() as env:
            frame = weft.DataFrame({"a": [env.rank]}, env=env)
            frame.to_parquet("out")
            assert weft.read_parquet("out", env=env).total_rows() == 2
            try:
                frame.to_parquet("out")
            except FileExistsError as problem:
                print("there:", problem, flush=True)
            frame.to_parquet("out", overwrite=True)
            frame.to_csv("text", index=False)
            assert weft.read_csv("text", env=env).sort_values("a").gather(0).to_pydict()["a"] == ([0, 1] if env.rank == 0 else [])
            print("well")
        """
    )
    assert done.code == 0, done.text
    assert done.out.count("there:") == 2 and done.out.count("well") == 2


def test_superseded(launch):
    """A second worker with the same rank of the same epoch is refused."""
    done = launch(
        """
        import os, subprocess, sys, weft
        if len(sys.argv) == 1:
            env = weft.init(epoch=1)
            env.barrier()
            if env.rank == 0:
                found = subprocess.run([sys.executable, __file__, "again"], capture_output=True, text=True)
                assert found.returncode == 1 and "Superseded" in found.stderr, found.stderr
            env.barrier()
            print("went on")
        else:
            weft.init(epoch=1, connect_timeout=5)
        """
    )
    assert done.code == 0 and done.out.count("went on") == 2, done.text


@pytest.mark.skipif(not os.environ.get("WEFT_SOAK"), reason="fifty kills take minutes: WEFT_SOAK=1")
def test_fifty_kills(tmp_path, wait_for):
    import random

    from conftest import Launches

    chance = random.Random(3)
    for number in range(50):
        folder = tmp_path / str(number)
        folder.mkdir()
        launches = Launches(folder)
        ranks = chance.choice([2, 3, 5])
        process = launches.start(ENDLESS, ranks=ranks)
        victim = chance.choice(pids(folder, ranks, wait_for))
        time.sleep(chance.random() * 2)
        begin = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        done = launches.finish(process, begin)
        assert done.code == 128 + signal.SIGKILL and done.seconds < 20
