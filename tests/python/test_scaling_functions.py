"""A study on functions: the local stack stands for AWS, and each run says what it cost."""

from __future__ import annotations

import pytest
from test_scaling import records, study, weft


def test_functions_and_processes_in_one_study(tmp_path):
    pytest.importorskip("moto.server")
    pytest.importorskip("awslambdaric")
    out = tmp_path / "out"
    options = study(
        out, "--runs", 1, "--iterations", 1, "--backend", "tcp,mpi", "--launcher", "local,lambda,ecs", "--local-stack"
    )
    done = weft(*options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "left out: lambda with mpi: lambda has tcp alone" in done.stdout
    for launcher in ("lambda", "ecs"):
        mine = [record for record in records(out) if record["launcher"] == launcher]
        assert {record["world_size"] for record in mine} == {1, 2}
        assert all(record["cost"] > 0 and record["currency"] == "USD" for record in mine)
        assert all(record["asked_backend"] == "tcp" for record in mine)
        assert {record["memory_mb"] for record in mine} == {1024 if launcher == "lambda" else 2048}
    report = weft("bench", "report", out, "--no-plots")
    assert report.returncode == 0, report.stderr
    text = (out / "report" / "tables.md").read_text()
    assert "lambda 1024 MB, tcp" in text and "ecs 2048 MB, tcp" in text and "### Cost of a run" in text
    again = weft(*options)
    assert again.returncode == 0 and "cells in" in again.stdout and ", 0 done before" not in again.stdout
