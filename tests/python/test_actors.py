"""Ranks inside real Ray actors and Dask workers: the examples, against pandas."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
ROWS = 5000


def expected(ranks: int) -> pd.DataFrame:
    sides: list[list[pd.DataFrame]] = [[], []]
    for rank in range(ranks):
        rng = np.random.default_rng(rank)
        for side, name in zip(sides, "ab", strict=True):
            side.append(pd.DataFrame({"k": rng.integers(0, ROWS * ranks, ROWS), name: rng.random(ROWS)}))
    return pd.concat(sides[0]).merge(pd.concat(sides[1]), on="k")


@pytest.mark.parametrize(("example", "package"), [("ray_join.py", "ray"), ("dask_join.py", "distributed")])
def test_two_ranks_join_as_pandas_does(tmp_path, example, package):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    (tmp_path / "store").mkdir()
    process = subprocess.Popen(
        [sys.executable, EXAMPLES / example, "--store", f"file://{tmp_path}/store", "--rows", str(ROWS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
        env={
            **os.environ,
            "RAY_AUTH_MODE": "disabled",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_TMPDIR": "/tmp",
            "DASK_DISTRIBUTED__WORKER__DAEMON": "True",
        },
    )
    try:
        out, err = process.communicate(timeout=200)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, f"{out}\n{err}"
    found = re.search(r"(\d+) rows, a ([0-9.]+), b ([0-9.]+)", out)
    assert found is not None, out
    whole = expected(2)
    assert int(found[1]) == len(whole)
    assert float(found[2]) == pytest.approx(whole["a"].sum()) and float(found[3]) == pytest.approx(whole["b"].sum())
    # All have left: nothing but the marks is in the store.
    names = {path.name.split("%")[0].removesuffix(".v") for path in (tmp_path / "store").rglob("*") if path.is_file()}
    assert names == {".lock", "fence", "world", "taken", "rank"}
