"""Backends on Gloo, libfabric, UCX and UCC between processes: results, ranks that die or stop, signals, two jobs at once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from conftest import pids
from tables import PAYLOADS

from weft import _core

BUILT = {backend["name"]: backend for backend in _core.backends()}

#: Name of a choice, its backend, and what narrows that.
CHOICES: dict[str, tuple[str, dict[str, str]]] = {
    "gloo": ("gloo", {}),
    "libfabric-tcp": ("libfabric", {"FI_PROVIDER": "tcp"}),
    "libfabric-shm": ("libfabric", {"FI_PROVIDER": "shm"}),
    "ucx": ("ucx", {}),
    "ucx-tcp": ("ucx", {"UCX_TLS": "tcp,self"}),
    "ucx-shm": ("ucx", {"UCX_TLS": "posix,sysv,cma,self"}),
    "ucc": ("ucc", {}),
    "ucc-tcp": ("ucc", {"UCX_TLS": "tcp,self"}),
}


def needs(backend: str) -> None:
    if not BUILT[backend]["built"]:
        pytest.skip(f"{backend} is not built: {BUILT[backend]['detail']}")


class Choice:
    """A backend as the launcher is told of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.backend, self.variables = CHOICES[name]
        self.options = ["--backend", self.backend]


@pytest.fixture(params=CHOICES)
def choice(request) -> Choice:
    made = Choice(request.param)
    needs(made.backend)
    return made


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


def left_in_shm(processes: Iterable[int]) -> list[Path]:
    return [path for path in Path("/dev/shm").iterdir() if path.name.split(":")[0] in map(str, processes)]


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_the_merge_equals_pandas(launch, choice, ranks):
    done = launch.ok(
        """
        import os
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
        assert env.backend == os.environ["WEFT_BACKEND"]
        env.close()
        if env.rank == 0:
            left, right = (pd.DataFrame(np.concatenate([part[side] for part in parts])) for side in (0, 1))
            expected = left.merge(right, on=0)
            order = lambda frame: np.sort(np.ascontiguousarray(frame.to_numpy()).view("i8,i8,i8").ravel())
            assert len(got) == len(expected) > 10_000
            assert (order(got) == order(expected)).all()
            print("equal")
        """,
        ranks=ranks,
        options=choice.options,
        **choice.variables,
    )
    # And the library says nothing of its own accord.
    assert done.text == "equal\n"


def test_tables_of_every_type(launch, choice):
    done = launch.ok(
        """
        import pyarrow as pa
        import weft
        from tables import PAYLOADS
        env = weft.init()
        for name, (kind, values) in PAYLOADS.items():
            rows = [*values, None] * 3
            keys = [(row + env.rank) % 7 for row in range(len(rows))]
            mine = pa.table({"k": pa.array(keys, pa.int64()), "v": pa.array(rows, kind)})
            got = weft.DataFrame(mine, env=env).gather(0).to_arrow()
            moved = weft.DataFrame(mine, env=env).sort_values("k").gather(0).to_arrow()
            if env.rank != 0:
                continue
            assert got.num_rows == moved.num_rows == len(rows) * env.world_size, name
            # repr tells NaN and the zeros apart; to_pylist is Arrow's.
            expected = sorted(map(repr, pa.array(rows, kind).to_pylist() * env.world_size))
            for table in (got, moved):
                assert table.schema.field("v").type == kind, (name, table.schema)
                assert sorted(map(repr, table["v"].to_pylist())) == expected, name
            print(name)
        env.close()
        """,
        ranks=3,
        options=choice.options,
        PYTHONPATH=os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
        **choice.variables,
    )
    assert done.out.split() == list(PAYLOADS)


def test_collectives_equal_numpy(launch, choice):
    done = launch.ok(
        """
        import numpy as np
        import weft
        env = weft.init()
        n, me = env.world_size, env.rank
        for size in (0, 1, 7, 1000, 20_001, 500_000):
            for kind in (np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64, np.float16, np.float32, np.float64):
                mine = ((np.arange(size) * 7 + me) % 5 + 1).astype(kind)
                all_ = [((np.arange(size) * 7 + rank) % 5 + 1).astype(kind) for rank in range(n)]
                for op, reduce in (("sum", np.sum), ("min", np.min), ("max", np.max), ("prod", np.prod)):
                    got = env.allreduce(mine, op)
                    assert got.dtype == kind
                    assert (got == reduce(np.stack(all_), axis=0).astype(kind)).all(), (kind, op, size)
            got = env.broadcast(mine if me == 1 else np.zeros_like(mine), root=1)
            assert (got == all_[1]).all(), size
            env.barrier()
        print("same")
        env.close()
        """,
        ranks=3,
        options=choice.options,
        **choice.variables,
    )
    assert done.out.split() == ["same"] * 3


def told_by(launch, done, rank: int) -> list[str] | None:
    """What a survivor wrote. None where the launcher ended it first: once one has failed the others have two seconds to
    fail by themselves, which can be too short on a busy machine."""
    failed = launch.folder / f"failed-{rank}"
    if failed.exists():
        return failed.read_text().split()
    assert f"rank {rank}: signal 15" in done.err, done.text
    return None


@pytest.mark.parametrize("delay", [0.0, 0.7])
def test_a_killed_rank(launch, wait_for, choice, delay):
    process = launch.start(ENDLESS, ranks=3, options=choice.options, **choice.variables)
    processes = pids(launch.folder, 3, wait_for)
    victim = processes[1]
    time.sleep(delay)
    killed = time.time()
    begin = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    done = launch.finish(process, begin)
    assert done.code == 128 + signal.SIGKILL
    told = 0
    for rank in (0, 2):
        if choice.name.startswith("ucc") and not (launch.folder / f"failed-{rank}").exists():
            # UCC 1.1 itself crashes when it sends over a connection that has just broken: seldom, and no hang.
            assert f"rank {rank}: signal 11" in done.err and done.seconds < 20, done.text
            told += 1
        elif (words := told_by(launch, done, rank)) is not None:
            when, kind, peer = words
            assert float(when) - killed < 10
            assert (kind, peer) == ("PeerLost", "1"), done.text
            told += 1
    assert told, done.text
    assert not left_in_shm(processes)


def test_a_stopped_rank(launch, wait_for, choice, figure):
    process = launch.start(ENDLESS, ranks=3, options=choice.options, **choice.variables)
    victim = pids(launch.folder, 3, wait_for)[1]
    stopped = time.time()
    begin = time.monotonic()
    os.kill(victim, signal.SIGSTOP)
    done = launch.finish(process, begin)
    assert done.code != 0
    told = 0
    for rank in (0, 2):
        if (words := told_by(launch, done, rank)) is not None:
            when, kind, peer = words
            assert float(when) - stopped < 10
            assert (kind, peer) == ("PeerLost", "1"), done.text
            figure(f"{choice.name}, rank {rank}: {float(when) - stopped:.1f} s")
            told += 1
    assert told, done.text


def test_a_rank_that_computes_is_not_lost(launch, choice):
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
        options=choice.options,
        **choice.variables,
    )
    assert done.out.count("both") == 2


def test_an_exception_on_one_rank_is_named_on_all(launch, choice):
    done = launch(
        """
        import weft
        env = weft.init()
        try:
            env.barrier()
            if env.rank == 1:
                raise RuntimeError("my own mistake")
            env.barrier()
        except weft.CommunicatorError as problem:
            print("peer", problem.peer, problem, flush=True)
            raise
        """,
        ranks=3,
        options=choice.options,
        **choice.variables,
    )
    assert done.code == 1
    assert done.out.count("my own mistake") >= 2 and done.out.count("peer 1 ") == 2, done.text


def test_ctrl_c_ends_a_wait(launch, wait_for, choice):
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
        options=choice.options,
        **choice.variables,
    )
    wait_for(lambda: (launch.folder / "ready").exists(), 60)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    done = launch.finish(process, begin)
    assert "interrupted" in done.out and done.code == 128 + signal.SIGINT and done.seconds < 30


def test_two_jobs_at_once(launch, choice):
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
    started = [launch.start(script, 3, [str(base)], choice.options, **choice.variables) for base in (1000, 5000)]
    for process in started:
        done = launch.finish(process, time.monotonic())
        assert done.code == 0, done.text


def test_signals_stay_the_programs_own(launch, choice):
    done = launch(
        """
        import ctypes, faulthandler, weft
        def caught():
            # Above 31 are those of the C library's threads.
            return next(int(line.split()[1], 16) & 0x7fffffff for line in open("/proc/self/status") if "SigCgt" in line)
        faulthandler.enable()
        before = caught()
        env = weft.init()
        env.barrier()
        assert caught() == before, (hex(before), hex(caught()))
        print("kept", flush=True)
        env.barrier()
        if env.rank == 1:
            ctypes.string_at(0)
        env.barrier()
        """,
        options=choice.options,
        **choice.variables,
    )
    assert done.out.count("kept") == 2, done.text
    # The crash is told by Python, and the process ends by it.
    assert "Fatal Python error: Segmentation fault" in done.err and done.code == 128 + signal.SIGSEGV


def test_encryption_is_refused(launch, choice):
    done = launch("import weft; weft.init(encryption='on')", options=choice.options, **choice.variables)
    assert done.code == 1 and "encryption=on" in done.err and "backend 'tcp'" in done.err


def test_shm_leaves_nothing_behind(launch):
    needs("libfabric")
    done = launch.ok(
        """
        import os, weft
        with weft.init() as env:
            env.barrier()
        print(os.getpid())
        """,
        options=["--backend", "libfabric"],
        FI_PROVIDER="shm",
    )
    assert not left_in_shm(map(int, done.out.split()))


def test_a_provider_that_is_not_there(launch):
    needs("libfabric")
    done = launch("import weft; weft.init()", options=["--backend", "libfabric"], FI_PROVIDER="nonsense")
    assert done.code == 1 and "FI_PROVIDER=nonsense" in done.err, done.text


def test_an_address_that_nobody_has(launch):
    needs("gloo")
    done = launch("import weft; weft.init(advertise='192.0.2.77')", options=["--backend", "gloo"])
    assert done.code == 1 and "gloo: opening" in done.err, done.text


def test_a_rank_advertises_an_address(launch):
    needs("ucx")
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


def test_transports_that_are_not_there(launch):
    needs("ucx")
    done = launch("import weft; weft.init()", options=["--backend", "ucx"], UCX_TLS="nonsense")
    assert done.code == 1 and "UCX_TLS" in done.err
