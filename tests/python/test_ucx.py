"""Backends ucx and ucc between processes: results, ranks that die or stop, signals, and the address to advertise."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from weft import _core

BUILT = {backend["name"]: backend for backend in _core.backends()}

#: What UCX_TLS is set to; "" leaves UCX its choice.
CHOICES = {"default": "", "tcp": "tcp,self", "shm": "posix,sysv,cma,self"}


@pytest.fixture(params=["ucx", "ucc"])
def backend(request) -> str:
    name: str = request.param
    if not BUILT[name]["built"]:
        pytest.skip(f"{name} is not built: {BUILT[name]['detail']}")
    return name


@pytest.fixture(params=CHOICES)
def ucx(request) -> dict[str, str]:
    return {"UCX_TLS": CHOICES[request.param]} if CHOICES[request.param] else {}


#: Ranks join without end; each says when it is in the middle of it.
ENDLESS = """
    import os, time
    import numpy as np
    import weft
    env = weft.init(timeout=60)
    rng = np.random.default_rng(env.rank)
    data = rng.integers(0, 100_000, size=(100_000, 2))
    left, right = weft.DataFrame(data, env=env), weft.DataFrame(data[::-1], env=env)
    env.barrier()
    with open(f"pid-{env.rank}", "w") as file:
        file.write(f"{os.getpid()}\\n")
    try:
        while True:
            left.merge(right, on=[0])
            env.allreduce(np.ones(1000, dtype=np.int64))
    except weft.CommunicatorError as problem:
        with open(f"failed-{env.rank}", "w") as file:
            file.write(f"{time.time()} {type(problem).__name__} {problem.peer}\\n")
        raise
"""


def pids(folder: Path, ranks: int, wait_for) -> list[int]:
    files = [folder / f"pid-{rank}" for rank in range(ranks)]
    wait_for(lambda: all(file.exists() and file.read_text().endswith("\n") for file in files), 60)
    return [int(file.read_text()) for file in files]


def test_the_merge_equals_pandas(launch, backend, ucx):
    done = launch.ok(
        """
        import numpy as np
        import pandas as pd
        import weft
        env = weft.init()
        def table(seed):
            rng = np.random.default_rng(seed)
            return rng.integers(0, 50_000, size=(40_000, 2))
        parts = [(table(10 + rank), table(20 + rank)) for rank in range(env.world_size)]
        mine = parts[env.rank]
        got = weft.DataFrame(mine[0], env=env).merge(weft.DataFrame(mine[1], env=env), on=[0]).gather(0).to_pandas()
        assert env.backend == "BACKEND"
        env.close()
        if env.rank == 0:
            left, right = (pd.DataFrame(np.concatenate([part[side] for part in parts])) for side in (0, 1))
            expected = left.merge(right, on=0)
            order = lambda frame: np.sort(np.ascontiguousarray(frame.to_numpy()).view("i8,i8,i8").ravel())
            assert len(got) == len(expected) > 10_000
            assert (order(got) == order(expected)).all()
            print("equal")
        """.replace("BACKEND", backend),
        ranks=3,
        options=["--backend", backend],
        **ucx,
    )
    # And UCX says nothing of its own accord.
    assert done.text == "equal\n"


@pytest.mark.parametrize("delay", [0.0, 0.7])
def test_a_killed_rank(launch, wait_for, backend, ucx, delay):
    process = launch.start(ENDLESS, ranks=3, options=["--backend", backend], **ucx)
    victim = pids(launch.folder, 3, wait_for)[1]
    time.sleep(delay)
    killed = time.time()
    begin = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    done = launch.finish(process, begin)
    assert done.code == 128 + signal.SIGKILL
    for rank in (0, 2):
        failed = launch.folder / f"failed-{rank}"
        if backend == "ucc" and ucx and not failed.exists():
            # UCC 1.1 itself crashes when it sends over a connection that has just broken: seldom, and no hang.
            assert f"rank {rank}: signal 11" in done.err and done.seconds < 20, done.text
            continue
        when, kind, peer = failed.read_text().split()
        assert float(when) - killed < 10
        assert (kind, peer) == ("PeerLost", "1"), done.text


def test_a_stopped_rank(launch, wait_for, backend, ucx):
    process = launch.start(ENDLESS, ranks=3, options=["--backend", backend], **ucx)
    victim = pids(launch.folder, 3, wait_for)[1]
    stopped = time.time()
    begin = time.monotonic()
    os.kill(victim, signal.SIGSTOP)
    done = launch.finish(process, begin)
    assert done.code != 0
    for rank in (0, 2):
        assert (launch.folder / f"failed-{rank}").exists(), done.text
        when, kind, peer = (launch.folder / f"failed-{rank}").read_text().split()
        assert float(when) - stopped < 10
        assert (kind, peer) == ("PeerLost", "1"), done.text


def test_a_rank_that_computes_is_not_lost(launch, backend):
    done = launch.ok(
        """
        import time, weft
        env = weft.init()
        env.barrier()
        if env.rank == 1:
            end = time.monotonic() + 8
            while time.monotonic() < end:
                pass
        env.barrier()
        print("both")
        """,
        options=["--backend", backend],
    )
    assert done.out.count("both") == 2


def test_ctrl_c_ends_a_wait(launch, wait_for, backend):
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
        """,
        options=["--backend", backend],
    )
    wait_for(lambda: (launch.folder / "ready").exists(), 60)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    done = launch.finish(process, begin)
    assert "interrupted" in done.out and done.code == 128 + signal.SIGINT and done.seconds < 30


def test_two_jobs_at_once(launch, backend, ucx):
    script = launch.write(
        """
        import sys
        import numpy as np
        import weft
        env = weft.init()
        base = int(sys.argv[1])
        for round in range(200):
            total = env.allreduce(np.array([base + round, env.rank]))
            assert total.tolist() == [3 * (base + round), 3], total
        env.close()
        """
    )
    options = ["--backend", backend]
    started = [launch.start(script, 3, [str(base)], options, **ucx) for base in (1000, 5000)]
    for process in started:
        done = launch.finish(process, time.monotonic())
        assert done.code == 0, done.text


def test_signals_stay_the_programs_own(launch, backend):
    done = launch(
        """
        import ctypes, faulthandler, os, weft
        def caught():
            return next(line for line in open("/proc/self/status") if line.startswith("SigCgt"))
        faulthandler.enable()
        # The C library catches one of its own for threads, from the first on.
        import threading
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
        before = caught()
        env = weft.init()
        env.barrier()
        now = int(caught().split()[1], 16) & 0x7fffffff
        assert now == int(before.split()[1], 16) & 0x7fffffff, (before, caught())
        print("kept", flush=True)
        env.barrier()
        if env.rank == 1:
            ctypes.string_at(0)
        env.barrier()
        """,
        options=["--backend", backend],
    )
    assert done.out.count("kept") == 2, done.text
    # The crash is told by Python, and the process ends by it.
    assert "Fatal Python error: Segmentation fault" in done.err and done.code == 128 + signal.SIGSEGV


def test_a_rank_advertises_an_address(launch):
    if not BUILT["ucx"]["built"]:
        pytest.skip(f"ucx is not built: {BUILT['ucx']['detail']}")
    # Rank 1 is reached through a listener: by the loopback interface, where that is what it advertises.
    script = """
        import os
        import numpy as np
        import weft
        env = weft.init(advertise=os.environ["ADDRESS"] if os.environ["WEFT_RANK"] == "1" else "", connect_timeout=20)
        for size in (1, 1000, 1_000_000):
            assert (env.allreduce(np.full(size, env.rank + 1)) == 6).all()
        links = [link["remote_address"] for link in env.links() if link["path"] == "ucx"]
        assert all("tcp/" in link for link in links), links
        if env.rank != 1:
            print(env.links()[1]["remote_address"])
        env.barrier()
        env.close()
        """
    done = launch.ok(script, ranks=3, options=["--backend", "ucx"], ADDRESS="127.0.0.1", UCX_TLS="tcp,self")
    assert done.out.splitlines() == ["tcp/lo.0"] * 2
    done = launch(script, ranks=3, options=["--backend", "ucx"], ADDRESS="no.such.host.invalid", UCX_TLS="tcp,self")
    assert done.code == 1 and "no.such.host.invalid" in done.err


def test_versions_and_what_is_refused(launch):
    if not BUILT["ucx"]["built"]:
        pytest.skip(f"ucx is not built: {BUILT['ucx']['detail']}")
    done = launch(
        """
        import weft
        weft.init(encryption="on")
        """,
        options=["--backend", "ucx"],
    )
    assert done.code == 1 and "UCX does not encrypt" in done.err
    done = launch("import weft; weft.init()", options=["--backend", "ucx"], UCX_TLS="nonsense")
    assert done.code == 1 and "UCX_TLS" in done.err
