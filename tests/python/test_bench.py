"""``weft bench collectives``: a quick form, its table and its file."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import pytest

from weft import _core, bench
from weft.bench_ranks import COLLECTIVES


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "weft.cli", "bench", "collectives", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, env=dict(os.environ))


def test_the_quick_form_runs_every_contender(tmp_path):
    done = run("--quick", "--sizes", "8,64KiB", "--json", str(tmp_path / "out.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "out.json").read_text())
    contenders = {one["contender"] for one in found["results"]}
    expected = {backend["name"] for backend in _core.backends() if backend["built"]} - {"local"}
    mpi = shutil.which("mpirun") and importlib.util.find_spec("mpi4py")
    assert contenders == expected | {"socket", "tcp-tls"} | ({"openmpi", "openmpi-tcp"} if mpi else set())
    for contender in contenders - {"socket"}:
        mine = [one for one in found["results"] if one["contender"] == contender]
        assert {(one["collective"], one["bytes"]) for one in mine} == {("barrier", 0)} | {
            (name, size) for name in COLLECTIVES if name != "barrier" for size in (8, 1 << 16)
        }
        assert all(one["seconds"] > 0 and one["deviation"] >= 0 and one["ranks"] == 2 for one in mine)
    assert {one["collective"] for one in found["results"] if one["contender"] == "socket"} == {"pingpong", "alltoall"}
    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["ranks", "collective", "bytes", "contender"]
    assert len([line for line in lines if " alltoall " in line]) == 2 * len(contenders)


def test_ratios_and_marks():
    def one(contender, ranks, seconds):
        return {
            "contender": contender,
            "ranks": ranks,
            "collective": "alltoall",
            "bytes": 1 << 20,
            "seconds": seconds,
            "deviation": seconds / 10,
            "oversubscribed": ranks > 2,
        }

    lines = bench.table([one("tcp", 2, 2e-3), one("socket", 2, 1e-3), one("tcp", 4, 6e-3)])
    assert lines[0].split()[-2:] == ["x", "socket"]
    assert lines[1].split() == ["2", "alltoall", "1", "MiB", "tcp", "2.00", "ms", "10%", "0.52", "2.00"]
    assert lines[2].split()[-3:] == ["ms", "10%", "1.05"]
    # Three blocks go out, and there is no yardstick on four ranks.
    assert lines[3].split() == ["4*", "alltoall", "1", "MiB", "tcp", "6.00", "ms", "10%", "0.52"]
    assert lines[4].startswith("* more ranks than")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ranks", "1"], "begin at 2"),
        (["--ranks", "x"], "is no whole number"),
        (["--sizes", "8,huge"], "'huge'"),
        (["--collectives", "alltoone"], "there is no collective 'alltoone'"),
        (["--contenders", "pigeon"], "'pigeon' cannot be run"),
        (["--seconds", "0"], "above 0"),
    ],
)
def test_what_it_refuses(arguments, words):
    done = run(*arguments)
    assert done.returncode == 2 and words in done.stderr, done.stderr
