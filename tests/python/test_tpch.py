"""The 22 queries of examples/tpch/ answer what DuckDB answers in SQL, at scale 0.1; at scale 1 while soaking."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
import tpch_sql

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "tpch"
TABLES = ("customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier")
SCALE = 1.0 if os.environ.get("WEFT_SOAK") else 0.1


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tpch")
    command = [sys.executable, str(EXAMPLE / "generate.py"), "--data", str(folder), "--scale", str(SCALE)]
    subprocess.run(command, check=True, timeout=600)
    return folder


@pytest.fixture(scope="module")
def expected(data):
    """DuckDB's answers, amounts being exact decimals."""
    connection = duckdb.connect()
    for name in TABLES:
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{data / name}.parquet')")
    found = {}
    for number, sql in tpch_sql.statements(SCALE).items():
        relation = connection.sql(sql)
        found[number] = (relation.columns, relation.fetchall())
    assert sorted(found) == list(range(1, 23))
    return found


def same(found: Any, wanted: Any) -> bool:
    """Whether two values are the same, numbers but for rounding."""
    if isinstance(wanted, int | float | Decimal) and not isinstance(wanted, bool):
        return isinstance(found, int | float | Decimal) and math.isclose(found, wanted, rel_tol=1e-9)
    return bool(found == wanted)


@pytest.mark.parametrize("ranks", [1, 4])
def test_queries(launch, data, expected, ranks):
    arguments = ["--data", str(data), "--output", "answers"]
    done = launch.ok(EXAMPLE / "run.py", ranks=ranks, arguments=arguments, hang=600.0)
    assert len(done.out.splitlines()) == 22
    wrong = []
    for number, (columns, rows) in expected.items():
        table = pq.read_table(launch.folder / "answers" / f"{number}.parquet")
        assert rows, f"query {number} has no answer to compare"
        if table.column_names != ["value"]:
            assert table.column_names == columns, number
        found = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
        agree = len(found) == len(rows) and all(
            same(a, b) for row, other in zip(found, rows, strict=True) for a, b in zip(row, other, strict=True)
        )
        if not agree:
            wrong.append((number, found[:3], rows[:3]))
    assert not wrong


def test_the_peers_agree(tmp_path):
    """Polars' expressions, and DuckDB and DataFusion on doubles, answer what Weft does."""
    command = [sys.executable, str(ROOT / "benchmarks" / "peers.py"), "--work", "tpch", "--scale", "0.01"]
    command += ["--repeat", "1", "--threads", "2", "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == [f"tpch {number}" for number in range(1, 23)]
    assert all({"weft", "duckdb", "polars", "datafusion"} <= set(seconds) for seconds in found.values())


def test_chosen_queries(launch, data):
    done = launch.ok(EXAMPLE / "run.py", ranks=2, arguments=["--data", str(data), "--queries", "6,1", "--show"])
    told = [line for line in done.out.splitlines() if " s  " in line]
    assert [line.split()[0] for line in told] == ["1", "6"]
    assert "l_returnflag" in done.out
    failed = launch(EXAMPLE / "run.py", ranks=1, arguments=["--data", str(data), "--queries", "23"])
    assert failed.code != 0 and "a query is a number from 1 to 22" in failed.err
