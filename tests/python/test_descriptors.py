"""File descriptors that are used up, of a rank, before it links up and in the middle, of the launcher, of the rendezvous
server: a clear error on all ranks, and no hang; the server goes on when there are some again."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time

import pytest
from rendezvous_program import PROGRAM

from weft import _core

SOAK = bool(os.environ.get("WEFT_SOAK"))
BUILT = [one["name"] for one in _core.backends() if one["built"]]

#: Rank 1 has `spare` descriptors left, before it links up or afterwards.
SCRIPT = """
    import os, resource, sys, time
    import numpy as np
    import pandas, pyarrow, pyarrow.fs, pyarrow.parquet
    import weft
    what, spare = sys.argv[1], int(sys.argv[2])
    rank = int(os.environ["WEFT_RANK"])
    held = []

    def use_up():
        if rank != 1:
            return
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        while True:
            try:
                held.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                break
        for _ in range(spare):
            os.close(held.pop())

    begin = time.monotonic()
    try:
        if what == "init":
            use_up()
        spill = {"memory_limit": "200MB", "spill_dir": "."} if what == "spill" else {}
        env = weft.init(connect_timeout=60, **spill)
        rng = np.random.default_rng(env.rank)
        frame = weft.DataFrame(rng.integers(0, 1000, (20_000, 2)), columns=["a", "b"], env=env)
        env.barrier()
        if what != "init":
            use_up()
            begin = time.monotonic()
        if what in ("init", "merge"):
            assert frame.merge(frame.head(100), on="a").total_rows() > 0
            frame.sort_values("a").repartition(by="b")
        elif what == "write":
            frame.to_parquet("out")
        elif what == "read":
            weft.read_csv("in/*.csv", env=env)
        elif what == "checkpoint":
            env.checkpoint("x", frame, wait=True)
        elif what == "spill":
            pieces = [weft.DataFrame({"k": rng.integers(0, 1 << 40, 500_000), "v": rng.random(500_000)}, env=env) for _ in range(12)]
            weft.concat(pieces).sort_values("k")
        env.barrier()
        print(rank, "well", flush=True)
    except (weft.CommunicatorError, OSError) as problem:
        for one in held:
            os.close(one)
        print(rank, f"told after {time.monotonic() - begin:.1f} s:", problem, flush=True)
        sys.exit(3)
"""


def told(out: str) -> dict[int, tuple[float, str]]:
    """What each rank was told, and after how many seconds."""
    return {
        int(rank): (float(seconds), text)
        for rank, seconds, text in re.findall(r"^(\d) told after ([\d.]+) s: (.*)$", out, re.MULTILINE)
    }


def check(done, operation: str) -> None:
    found = told(done.out)
    assert done.code == 3 and sorted(found) == [0, 1, 2], done.text
    for rank, (seconds, text) in found.items():
        assert "rank 1" in text and operation in text and "Too many open files" in text, (rank, text)
        assert "ulimit -n" in text and seconds < 10, (rank, seconds, text)


@pytest.mark.parametrize("spare", range(17) if SOAK else [4, 9])
def test_a_rank_that_cannot_link_up(launch, spare, figure):
    """Every rank has the error, in a second or so; with none left at all the launcher ends the others."""
    done = launch(SCRIPT, 3, ["init", str(spare)])
    if spare < 3:
        assert done.code == 3 and "rank 1 failed first" in done.err, done.text
        assert "Too many open files" in done.out and "ulimit -n" in done.out and done.seconds < 20, done.text
    else:
        check(done, "init")
    figure(f"{spare} left: {max(seconds for seconds, _ in told(done.out).values()):.1f} s until the last rank was told")


def test_as_many_as_are_needed_are_enough(launch):
    done = launch.ok(SCRIPT, 3, arguments=["init", "24"])
    assert done.out.count("well") == 3


@pytest.mark.parametrize("backend", ["gloo", "libfabric", "ucx", "ucc"])
@pytest.mark.parametrize("spare", [0, 3, 6, 9, 12, 15, 20, 30, 40, 50] if SOAK else [8])
def test_of_libraries(launch, backend, spare):
    """The rank's own error says what is missing before the library says something else; the launcher ends the others."""
    if backend not in BUILT:
        pytest.skip(f"{backend} is not built")
    done = launch(SCRIPT, 3, ["init", str(spare)], ["--backend", backend])
    if done.code == 0:
        assert spare >= 20 and done.out.count("well") == 3, done.text
        return
    assert "rank 1" in told(done.out)[1][1] and "Too many open files" in done.out and "ulimit -n" in done.out, done.text
    assert done.code == 3 and done.seconds < 20 and told(done.out)[1][0] < 10, done.text


@pytest.mark.parametrize(
    ("what", "operation"),
    [("write", "write"), ("read", "read_csv"), ("checkpoint", "checkpoint 'x'"), ("spill", "spill_dir")],
)
def test_in_the_middle_of_a_job(launch, what, operation):
    (launch.folder / "in").mkdir()
    for number in range(3):
        (launch.folder / "in" / f"{number}.csv").write_text("a,b\n" + "1,2\n" * 1000)
    done = launch(SCRIPT, 3, [what, "0"], ["--checkpoint-dir", "kept"])
    check(done, operation)
    assert not (launch.folder / "out").exists() and not list(launch.folder.glob(".out*")), list(launch.folder.iterdir())


def test_what_needs_no_file_goes_on(launch):
    """Links that stand need no more files, whatever goes over them."""
    assert launch.ok(SCRIPT, 3, arguments=["merge", "0"]).out.count("well") == 3


def limited(number: int) -> list[str]:
    """Before a command: it may have so many files."""
    return ["prlimit", f"--nofile={number}:{number}"]


@pytest.mark.parametrize("number", [24, 40, 64] if SOAK else [40])
def test_the_launchers_own(tmp_path, number):
    """Three a rank: what cannot be started is said, and what was started is ended."""
    script = tmp_path / "script.py"
    script.write_text("import weft\nwith weft.init(connect_timeout=100) as env:\n    env.barrier()\n")
    begin = time.monotonic()
    done = subprocess.run(
        [*limited(number), sys.executable, "-m", "weft.cli", "run", "-n", "30", "--threads", "1", str(script)],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode != 0 and "Too many open files" in done.stderr and "ulimit -n" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and time.monotonic() - begin < 60


@pytest.mark.skipif(not PROGRAM.exists(), reason="weft-rendezvous is not built")
def test_a_rendezvous_server_that_has_no_more(tmp_path, launch, figure):
    """Strangers take all that it may have; it says so, keeps those that are there, and goes on when they have left."""
    log = tmp_path / "log"
    with log.open("wb") as sink:
        server = subprocess.Popen(
            [*limited(40), str(PROGRAM), "--listen", "127.0.0.1:0", "--open"],
            stdout=subprocess.PIPE, stderr=sink, text=True,
        )  # fmt: skip
    strangers: list[socket.socket] = []
    try:
        assert server.stdout is not None
        port = int(re.search(r"127\.0\.0\.1:(\d+)", server.stdout.readline())[1])
        for _ in range(100):
            strangers.append(socket.create_connection(("127.0.0.1", port), 5))
        job = """
            import weft
            with weft.init(connect_timeout=60) as env:
                assert env.allreduce(1) == 2
                print("well", flush=True)
        """
        variables = {"WEFT_RENDEZVOUS": f"127.0.0.1:{port}", "WEFT_JOB": "waits", "WEFT_SECRET": "ab" * 32}
        path = launch.write(job)
        begin = time.monotonic()
        ranks = [
            launch.start_by([sys.executable], path, WEFT_RANK=str(rank), WEFT_WORLD_SIZE="2", **variables)
            for rank in range(2)
        ]
        time.sleep(2)
        assert server.poll() is None and all(rank.poll() is None for rank in ranks)
        for one in strangers:
            one.close()
        for rank in ranks:
            done = launch.finish(rank, begin)
            assert done.code == 0 and "well" in done.out, done.text
        assert "Too many open files" in log.read_text()
        figure(f"the job was done {time.monotonic() - begin - 2:.1f} s after the strangers had left")
    finally:
        server.kill()
        server.wait()
        for one in strangers:
            one.close()
