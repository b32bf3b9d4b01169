"""The backend mpi and the store mpi: the same scripts under mpirun."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time

import pytest
import tables
from conftest import MPIRUN, pids
from hypothesis import given
from hypothesis import strategies as st
from servers import Servers
from test_env import COLLECTIVES
from test_operators import check

from weft import _core

pytestmark = pytest.mark.skipif(
    shutil.which("mpirun") is None or not any(b["name"] == "mpi" and b["built"] for b in _core.backends()),
    reason="needs mpirun and a Weft that is built with MPI",
)


@pytest.fixture(scope="session")
def mpi_servers(tmp_path_factory):
    def command(ranks: int) -> list[str]:
        return [*MPIRUN, "-n", str(ranks), "-x", "WEFT_CHECK_COLLECTIVES", sys.executable]

    made = Servers(tmp_path_factory.mktemp("mpi-servers"), command)
    yield made
    made.close()


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_collectives(launch, ranks):
    done = launch.mpirun(COLLECTIVES, ranks)
    assert done.out.count("all well") == ranks


def test_mpi_is_what_mpirun_implies(launch):
    done = launch.mpirun(
        """
        import weft
        with weft.init() as env:
            assert env.backend == "mpi"
            # Job and epoch are the same on all ranks, and each env has a job of its own.
            first = env.allgather(f"{env.job} {env.epoch}")
        with weft.init() as env:
            second = env.allgather(f"{env.job} {env.epoch}")
        assert len({*first}) == 1 and len({*second}) == 1 and first != second, (first, second)
        print("well")
        """,
        3,
    )
    assert done.out.count("well") == 3


@pytest.mark.parametrize("backend", ["mpi", "tcp"])
def test_the_papers_merge(launch, backend):
    done = launch.mpirun(
        """
        import numpy as np, pandas as pd
        import weft
        with weft.init() as env:
            rng = np.random.default_rng(5)
            left = pd.DataFrame({"k": rng.integers(0, 3000, 30_000), "a": np.arange(30_000)})
            right = pd.DataFrame({"k": rng.integers(0, 3000, 20_000), "b": np.arange(20_000) * 0.5})
            r, n = env.rank, env.world_size
            made = weft.DataFrame(left[r::n], env=env).merge(weft.DataFrame(right[r::n], env=env), on="k").gather(0)
            if r == 0:
                order = ["k", "a", "b"]
                found = made.to_pandas().sort_values(order, ignore_index=True)
                expected = left.merge(right, on="k").sort_values(order, ignore_index=True)
                pd.testing.assert_frame_equal(found, expected)
                print("equal by", env.backend)
        """,
        3,
        WEFT_BACKEND=backend,
    )
    assert done.out == f"equal by {backend}\n"


@given(data=st.data())
def test_tables_of_every_type(mpi_servers, data):
    keys = [data.draw(st.sampled_from(sorted(tables.KEYS)))]
    left = data.draw(tables.tables(keys, payloads=3, prefix="p"))
    right = data.draw(tables.tables(keys, payloads=2, prefix="q"))
    how = data.draw(st.sampled_from(["inner", "left", "right", "outer"]))
    check(data, mpi_servers, {"op": "merge", "how": how, "on": ["k0"]}, [left, right])


def test_each_type_once(mpi_servers):
    import pyarrow as pa

    table = pa.table(
        {name: tables.column(type, values, [0, -1, 1, 2]) for name, (type, values) in tables.PAYLOADS.items()}
    )
    outcome = mpi_servers[2].run({"op": "eval", "code": "df.sort_values('int64')", "names": {}}, [table], [[0, 2, 4]])
    assert outcome.errors == [None, None]
    tables.same_rows(tables.rows_of(outcome.table), tables.rows_of(table))


def test_a_communicator_of_mpi4py(launch):
    done = launch.mpirun(
        """
        from mpi4py import MPI
        import weft
        world = MPI.COMM_WORLD
        part = world.Split(world.rank % 2, -world.rank)
        for given in (part, world):
            with weft.init(backend="mpi", comm=given) as env:
                assert (env.rank, env.world_size) == (given.rank, given.size)
                assert env.allreduce(world.rank) == given.allreduce(world.rank)
        part.Free()
        # The same ranks by another backend: MPI brings them together.
        half = world.Split(world.rank // 2, 0)
        with weft.init(backend="tcp", store="mpi", comm=half) as env:
            assert env.backend == "tcp" and env.allgather(world.rank) == half.allgather(world.rank)
        assert world.allreduce(1) == 4, "it is still mpi4py's"
        print("well")
        """,
        4,
    )
    assert done.out.count("well") == 4


def test_mpi4py_after_weft(launch):
    done = launch.mpirun(
        """
        import weft
        env = weft.init()
        from mpi4py import MPI
        assert MPI.COMM_WORLD.allreduce(1) == env.allreduce(1) == 2
        env.close()
        assert MPI.COMM_WORLD.allreduce(1) == 2
        print("well")
        """
    )
    assert done.out.count("well") == 2


def test_wrong_arguments(launch):
    done = launch.mpirun(
        """
        import weft
        from mpi4py import MPI
        for arguments, text in [
            ({"world_size": 3, "backend": "mpi"}, "world_size is 3"),
            ({"rank": 1 - MPI.COMM_WORLD.rank, "world_size": 2, "backend": "mpi"}, "leave rank out"),
            ({"encryption": "on"}, "encryption=on"),
            ({"advertise": "1.2.3.4"}, "advertise"),
            ({"comm": MPI.COMM_NULL}, "comm="),
            ({"comm": 7}, "comm="),
            ({"comm": MPI.COMM_WORLD, "backend": "tcp"}, "comm"),
            ({"backend": "tcp", "store": "mpi", "world_size": 7}, "world_size is 7"),
            ({"backend": "tcp", "store": "mpi://x"}, "no address"),
        ]:
            try:
                weft.init(**arguments)
                raise AssertionError(f"taken: {arguments}")
            except ValueError as problem:
                assert text in str(problem), (arguments, problem)
        with weft.init() as env:
            print("well", env.allreduce(1))
        """
    )
    assert done.out.count("well 2") == 2


def test_local_is_alone(launch):
    done = launch.mpirun(
        """
        import weft
        with weft.init(backend="local") as env:
            print(env.backend, env.world_size)
        """
    )
    assert done.out == "local 1\n" * 2


def test_a_world_of_one_without_mpirun(launch):
    script = launch.write("import weft\nwith weft.init(backend='mpi') as env:\n    print(env, env.allreduce(5))\n")
    done = launch.finish(launch.start_by([sys.executable], script), time.monotonic())
    assert done.code == 0 and "rank 0 of 1" in done.out and done.out.strip().endswith("5"), done.text


def test_different_collectives(launch):
    done = launch.mpirun(
        """
        import weft
        env = weft.init(timeout=60)
        try:
            env.barrier() if env.rank == 1 else env.session.broadcast(bytearray(8), 0)
            env.barrier()
        except weft.CommunicatorError as problem:
            print("told:", problem, flush=True)
        """,
        well=False,
    )
    assert done.out.count("different collectives") == 2 and done.seconds < 30, done.text


def test_an_exception_on_one_rank_is_named_on_all(launch):
    done = launch.mpirun(
        """
        import atexit, time
        # When one process has ended mpirun ends the others, who then have not yet told what they were told.
        atexit.register(time.sleep, 2)
        import weft
        env = weft.init()
        env.barrier()
        try:
            if env.rank == 1:
                raise KeyError("no such column")
            env.barrier()
        except weft.CommunicatorError as problem:
            print("told:", problem, flush=True)
            raise
        """,
        3,
        well=False,
    )
    assert done.code != 0 and done.seconds < 30
    assert done.out.count("no such column") == 2 and "rank 1" in done.out, done.text


def test_a_killed_rank(launch, wait_for):
    process = launch.start_by(
        [*MPIRUN, "-n", "3", sys.executable],
        """
        import os, numpy as np, weft
        env = weft.init(timeout=60)
        frame = weft.DataFrame(np.random.default_rng(env.rank).integers(0, 1000, (20_000, 2)), env=env)
        env.barrier()
        with open(f"pid-{env.rank}", "w") as file:
            file.write(f"{os.getpid()}\\n")
        while True:
            frame.merge(frame.head(1000), on=[0])
        """,
    )
    processes = pids(launch.folder, 3, wait_for)
    begin = time.monotonic()
    os.kill(processes[1], signal.SIGKILL)
    done = launch.finish(process, begin)
    assert done.code != 0 and done.seconds < 10, done.text
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in processes), 10)


def test_ctrl_c(launch, wait_for):
    process = launch.start_by(
        [*MPIRUN, "-n", "2", sys.executable],
        """
        import os, time, weft
        env = weft.init()
        open(f"up-{env.rank}", "w").close()
        if env.rank == 1:
            time.sleep(600)
        env.barrier()
        """,
    )
    wait_for(lambda: all((launch.folder / f"up-{rank}").exists() for rank in range(2)), 60)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    done = launch.finish(process, begin)
    assert done.code != 0 and done.seconds < 15


def test_a_stopped_rank(launch, wait_for, figure):
    """MPI itself would wait for ever: `timeout` ends it, and the error names the rank."""
    process = launch.start_by(
        [*MPIRUN, "-n", "3", sys.executable],
        """
        import os, sys, time, numpy as np, weft
        env = weft.init(timeout=6)
        frame = weft.DataFrame(np.random.default_rng(env.rank).integers(0, 1000, (20_000, 2)), env=env)
        env.barrier()
        with open(f"pid-{env.rank}", "w") as file:
            file.write(f"{os.getpid()}\\n")
        begin = time.monotonic()
        try:
            while True:
                frame.merge(frame.head(1000), on=[0])
        except weft.CommunicatorError as problem:
            with open(f"failed-{env.rank}", "w") as file:
                file.write(f"{time.time()} {type(problem).__name__} {problem}\\n")
            raise
        """,
    )
    victim = pids(launch.folder, 3, wait_for)[1]
    stopped, begin = time.time(), time.monotonic()
    os.kill(victim, signal.SIGSTOP)
    told = [launch.folder / f"failed-{rank}" for rank in (0, 2)]
    wait_for(lambda: any(file.exists() and file.read_text().endswith("\n") for file in told), 40)
    done = launch.finish(process, begin)
    texts = [file.read_text().split(maxsplit=2) for file in told if file.exists()]
    assert done.code != 0 and texts, done.text
    for when, kind, text in texts:
        assert "rank 1" in text and kind in ("TimedOut", "PeerLost", "CommunicatorError"), texts
        assert 5 < float(when) - stopped < 16, texts
    figure(
        f"with a timeout of 6 s a stopped rank is named after {max(float(t[0]) for t in texts) - stopped:.1f} s; all ended after {done.seconds:.1f} s"
    )
    wait_for(lambda: not os.path.exists(f"/proc/{victim}"), 10)
