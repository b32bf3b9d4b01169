"""``benchmarks/peers.py``: engines agree on every shape, and its table has what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def peers(*arguments: str) -> str:
    command = [sys.executable, str(ROOT / "benchmarks" / "peers.py"), *arguments, "--repeat", "1", "--threads", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_engine_gives_the_same_for_every_shape():
    found = json.loads(peers("--work", "join", "shapes", "sort", "group", "--rows", "3000", "--json"))
    assert len(found) == 15
    for name, seconds in found.items():
        assert {"weft", "weft, 2 ranks", "datafusion", "duckdb", "polars", "pyarrow", "pandas"} <= set(seconds), name


def test_the_table_and_its_limits():
    lines = peers("--work", "join", "shuffle", "memory", "--rows", "50000").splitlines()
    head = next(line for line in lines if line.startswith("work "))
    assert all(word in head for word in ("weft, 2 ranks", "duckdb", "plain socket", "x weft", "limit", "MB"))
    rows = [line for line in lines if line.startswith(("join", "shuffle", "memory of"))]
    # Without root there are no namespaces, and no row for them.
    assert len(rows) == (4 if os.geteuid() == 0 else 3)
    assert all(" of " in row for row in rows)


def test_choices(launch):
    done = launch.ok(ROOT / "benchmarks" / "choices.py", ranks=2, arguments=["--rows", "20000", "--repeat", "1"])
    told = [line for line in done.out.splitlines() if line.startswith(("filter", "in place", "copy"))]
    assert len(told) == 19
    assert any("join.filter," in line for line in told) and any("join.filter_declined" in line for line in told)
    assert sum("in_place" in line for line in told) >= 4 and sum("join.copy_right" in line for line in told) >= 3
