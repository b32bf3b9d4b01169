"""The paper's join over ranks behind NATs equals the local one, whatever the network does."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import SOAK
from join_rank import sides
from lab import ROOT, Lab, Site

RANKS = 8 if SOAK else 4
ROWS = 20_000
SCRIPT = Path(__file__).parent / "join_rank.py"


def local(ranks: int) -> pd.DataFrame:
    """The join of all rows by pandas."""
    tables = [sides(rank, ranks, ROWS) for rank in range(ranks)]
    left, right = (
        pd.DataFrame(np.concatenate([table[side] for table in tables]), columns=["col0", "col1"]) for side in (0, 1)
    )
    return ordered(left.merge(right, on="col0"))


def ordered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values(list(frame.columns)).reset_index(drop=True)


def join(
    tmp_path: Path,
    sites: list[str | Site],
    before: Callable[[Lab], None] | None = None,
    linked: Callable[[Lab], None] | None = None,
    idle: float = 0.0,
    **options: object,
) -> Counter[str]:
    """Runs the join in a lab, compares it, and returns how many links took each path. `before` is done before the ranks
    start, `linked` when all are linked; with `idle` they do nothing for so long before the join and in its middle."""
    file = tmp_path / "joined.parquet"
    with Lab(sites, **options) as lab:  # type: ignore[arg-type]
        lab.serve()
        if before is not None:
            before(lab)
        python = os.environ.get("PYTHONPATH", str(ROOT / "python"))
        command = [sys.executable, str(SCRIPT), str(ROWS), str(file), *([str(idle)] if idle else [])]
        processes = lab.launch(command, PYTHONPATH=python)
        if linked is not None:
            for process in processes:
                assert process.stdout is not None and process.stdout.readline() == "linked\n"
            linked(lab)
        outcomes = lab.collect(processes)
        assert all(outcome.code == 0 for outcome in outcomes), [(o.rank, o.text, o.err[-4000:]) for o in outcomes]
        pd.testing.assert_frame_equal(ordered(pd.read_parquet(file)), local(len(sites)))
        return Counter(name for outcome in outcomes for name in outcome.paths().values())


soak = pytest.mark.skipif(not SOAK, reason="eight Python processes a case: WEFT_SOAK=1")


def test_punched(tmp_path):
    """Eight ranks also where only a sample of the rest is run."""
    assert join(tmp_path, ["cone"] * 8) == {"punched": 56}


def test_half_of_the_links_relayed(tmp_path):
    sites = ["cone"] * 6 + ["symmetric"] * 2 if SOAK else ["cone"] * 3 + ["symmetric"]
    paths = join(tmp_path, sites)
    assert paths == ({"punched": 30, "relay": 26} if SOAK else {"punched": 6, "relay": 6})


@soak
def test_loss(tmp_path):
    join(tmp_path, [Site("cone", delay_ms=2)] * RANKS, lambda lab: lab.lose(1))


@soak
def test_ipv6_alone(tmp_path):
    assert set(join(tmp_path, ["cone"] * RANKS, ipv6=True)) == {"punched"}


@pytest.mark.parametrize("kibibytes", [16, 32, 64] if SOAK else [32])
def test_black_hole(tmp_path, kibibytes):
    paths = join(tmp_path, ["cone"] * RANKS, lambda lab: lab.black_hole(1, kibibytes * 1024))
    assert paths["relay"] == 2 * (RANKS - 1)
    assert paths["punched"] == (RANKS - 1) * (RANKS - 2)


def stop_server(lab: Lab) -> None:
    assert lab.server is not None
    lab.server.kill()
    lab.server.wait()


def test_the_server_is_killed_after_start_up(tmp_path):
    assert join(tmp_path, ["cone"] * RANKS, linked=stop_server, idle=2.0) == {"punched": RANKS * (RANKS - 1)}


def test_a_nat_that_forgets_after_three_idle_seconds(tmp_path):
    join(tmp_path, ["cone"] * RANKS, lambda lab: lab.forget_after(3), idle=7.0)


def test_links_that_are_reset_in_the_middle(tmp_path):
    join(tmp_path, ["cone"] * RANKS, linked=lambda lab: lab.reset_links(1), idle=3.0)
