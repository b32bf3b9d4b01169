"""Whole jobs on functions of which each is behind a NAT of its own (nat_stack.py), and nothing of them is left."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import namespaces as ns
import numpy as np
import pandas as pd
import psutil
import pytest
from conftest import SOAK
from lab import ROOT, Lab
from nat_stack import FunctionNats, dial
from test_links import expected

sys.path.insert(0, str(ROOT / "tests/python"))
from local_stacks import Jobs, jobs_on

JOIN = ROOT / "examples/scaling_join.py"
STACK = [sys.executable, str(Path(__file__).parent / "nat_stack.py")]
SUBMIT = [sys.executable, "-m", "weft.cli", "submit"]

#: Each rank listens, and dials every other one where the rendezvous server sees it: neither there nor at the address
#: that it has itself does anybody answer, though the listener is there and the ranks are linked. Its port is none that
#: the system gives to others (nat.PORTS).
LOOK = """
import json, socket, sys, time, weft

def dial(address, port):
    try:
        socket.create_connection((address, port), 1.5).close()
        return "ok"
    except OSError as problem:
        return f"{type(problem).__name__}: {problem}"

env = weft.init()
listener = socket.create_server(("0.0.0.0", 41100))
env.barrier()
links = [link for link in env.links() if link["path"] != "self"]
said = {"self": dial("127.0.0.1", 41100)}
for link in links:
    if link["path"] == "punched":
        said[str(link["peer"])] = dial(link["remote_address"].rpartition(":")[0], 41100)
total = env.allreduce(env.rank + 1)
env.barrier()
with open("seen.json", "w") as file:
    json.dump({"links": links, "said": said, "total": total, "address": socket.gethostbyname("localhost")}, file)
env.close()
"""


@contextmanager
def functions(folder: Path, *kinds: str, **options: Any) -> Iterator[tuple[Jobs, FunctionNats]]:
    with Lab([]) as lab, ns.inside(lab.public):
        nats = FunctionNats(lab, kinds)
        with jobs_on(folder, address=lab.server_address, place=nats.place, **options) as jobs:
            yield jobs, nats
        # With the sandboxes their NATs are gone, before the lab is.
        assert lab._names == [lab.public] and nats.workers == {}
    assert lab.public not in ns.run(["ip", "netns", "list"])


@pytest.fixture(scope="module")
def cones(tmp_path_factory):
    with functions(tmp_path_factory.mktemp("cones"), "cone") as made:
        yield made


def joined_rows(world: int, rows: int) -> int:
    """The paper's weak join, by pandas."""
    sides: list[list[np.ndarray]] = [[], []]
    for rank in range(world):
        rng = np.random.default_rng(seed=rank)
        for side in sides:
            side.append(rng.integers(0, int(rows * world * 0.9), size=(rows, 2)))
    left, right = (pd.DataFrame(np.concatenate(side)) for side in sides)
    return len(left.merge(right, on=[0]))


def sandboxes(jobs: Jobs, job: str, epoch: int = 0) -> dict[int, int]:
    """The sandbox's number by rank."""
    assert jobs.stack.host is not None
    return {
        invocation.event["rank"]: invocation.sandbox.number
        for invocation in jobs.stack.host.invocations
        if "rank" in invocation.event and invocation.event["job"]["job"] == job and invocation.event["epoch"] == epoch
    }


@pytest.mark.parametrize("world", [1, 8] if not SOAK else [1, 2, 4, 8, 16, 64])
def test_the_papers_join(cones, world):
    jobs, _ = cones
    arguments = ["--rows", "2000", "--iterations", "2", "--csv", "join.csv"]
    # Many processes start one after another on a few cores.
    waits = {"WEFT_CONNECT_TIMEOUT": "400"} if world > 8 else {}
    hang = 900.0 if world > 8 else 240.0
    result = jobs.run(JOIN, world, hang=hang, arguments=arguments, environment=waits)
    lines = list(csv.DictReader(io.StringIO(jobs.file(result, "join.csv").decode())))
    assert {int(line["tot_l"]) for line in lines} == {joined_rows(world, 2000)}
    links = world * (world - 1) // 2
    assert sum(result["links"].values()) == links
    # On a crowded machine a few holes come too late.
    assert result["links"].get("punched", 0) >= links * (1.0 if world <= 8 else 0.9), result["links"]
    assert set(result["links"]) <= {"punched", "relay"}
    assert len(set(sandboxes(jobs, result["job"]).values())) == world
    jobs.idle()


def test_nobody_can_be_dialed(cones):
    """The links are there, though no function can open a connection to another one."""
    jobs, nats = cones
    result = jobs.run(LOOK, 3)
    for rank in range(3):
        seen = jobs.json(result, "seen.json", rank)
        assert {link["path"] for link in seen["links"]} == {"punched"} and len(seen["links"]) == 2
        assert seen["said"].pop("self") == "ok" and seen["total"] == 6
        assert len(seen["said"]) == 2 and all(word.startswith("TimeoutError") for word in seen["said"].values()), seen
    # The same from outside of the program, between the places where these ranks ran.
    places = [nats.workers[number] for number in sandboxes(jobs, result["job"]).values()]
    for first, second in combinations(places, 2):
        assert dial(nats.lab, first, second).startswith("failed")


KINDS = ["cone", "symmetric", "shift", "fullcone", "symmetric", "cone", "shift"] if SOAK else ["symmetric", "cone"]


def test_mixed(tmp_path):
    """Each link takes the path that the two NATs leave, and the job's result is the same."""
    world = 8 if SOAK else 4
    with functions(tmp_path, *KINDS) as (jobs, nats):
        result = jobs.run(LOOK, world)
        kinds = {rank: nats.kinds[number] for rank, number in sandboxes(jobs, result["job"]).items()}
        seen = [jobs.json(result, "seen.json", rank) for rank in range(world)]
        paths = {(rank, link["peer"]): link["path"] for rank in range(world) for link in seen[rank]["links"]}
        for a, b in combinations(range(world), 2):
            assert paths[a, b] == paths[b, a] == expected(kinds[a], kinds[b]), (a, b, kinds)
        assert result["links"] == dict(Counter(paths[pair] for pair in combinations(range(world), 2)))
        assert set(result["links"]) == {"punched", "relay"}
        jobs.idle()


def test_a_function_that_dies(cones):
    """The next epoch's function is behind another NAT; the dead one's is gone."""
    jobs, nats = cones
    script = """
    import os, signal, time, weft
    env = weft.init()
    if env.epoch == 0 and env.rank == 1:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    assert env.allreduce(1) == 2
    """
    result = jobs.run(script, 2)
    assert result["epoch"] == 1 and result["links"] == {"punched": 1}
    old, new = (sandboxes(jobs, result["job"], epoch)[1] for epoch in range(2))
    jobs.idle()
    assert old != new and old not in nats.workers and new in nats.workers


def submit(*more: str, folder: Path, world: int = 2) -> list[str]:
    return [*STACK, *more, "--", *SUBMIT, str(JOIN), "--world-size", str(world), "--follow", "--results", str(folder)]


def test_the_demo(tmp_path):
    """As `make demo-serverless` runs it."""
    command = [*submit(folder=tmp_path / "out"), "--", "--rows", "1000", "--csv", "join.csv"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, "WEFT_HOME": str(tmp_path)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "one dials another: failed: timed out" in done.stdout and "links: 1 punched" in done.stdout
    assert "cost: 0.0" in done.stdout and (tmp_path / "out/join.csv").exists() and (tmp_path / "out/weft.log").exists()
    assert "weft-local-stack" not in " ".join(path.name for path in Path(os.environ.get("TMPDIR", "/tmp")).iterdir())


def test_where_there_can_be_no_namespaces(tmp_path):
    """It says why, and goes on."""
    less = ["setpriv", "--bounding-set=-sys_admin,-net_admin", "--inh-caps=-all"]
    command = [*less, *STACK, "--", sys.executable, "-c", "import os; print('stack', os.environ['WEFT_STACK'])"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "share one loopback, none is behind a NAT: ip netns add" in done.stdout and "stack /" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM] if SOAK else [signal.SIGTERM])
def test_nothing_is_left_where_it_is_ended(tmp_path, number):
    script = tmp_path / "sleep.py"
    script.write_text("import time, weft\nweft.init()\ntime.sleep(600)\n")
    command = [*STACK, "--", *SUBMIT, str(script), "--world-size", "2", "--follow"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={**os.environ, "WEFT_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}, cwd=tmp_path,
    )  # fmt: skip
    assert process.stdout is not None
    while "2/2 ranks up" not in (line := process.stdout.readline()):
        assert line
    below = psutil.Process(process.pid).children(recursive=True)
    assert len(below) >= 4
    # Ctrl-C reaches all in the foreground; a termination this process alone.
    os.killpg(process.pid, number) if number == signal.SIGINT else process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else 128 + number)
    end = time.monotonic() + 10
    while left := [child for child in below if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < end, left
        time.sleep(0.1)
    assert f"weftlab{process.pid}_" not in ns.run(["ip", "netns", "list"])
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(("weft-local-stack", "weft-netlab"))] == []
