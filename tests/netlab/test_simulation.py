"""The simulation of a shuffle beside the shuffle itself, over lines with a rate and a delay."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import pytest
from conftest import SOAK
from lab import Lab, Site

from weft.scaling.simulate import Links, Work, play

RANK = [sys.executable, str(Path(__file__).parent / "shuffle_rank.py")]
#: Bytes a second of each line; the switch's lines carry one way at a time.
RATE = 2_000_000
DELAY_MS = 1.0


@pytest.mark.parametrize("ranks", [4, 8, 16] if SOAK else [4])
def test_what_is_played_takes_what_it_takes(ranks, capsys):
    rows = 131_072 if SOAK else 65_536
    with Lab([Site("none", delay_ms=DELAY_MS)] * ranks, rate=RATE) as lab:
        outcomes = lab.run([*RANK, str(rows), "3"])
    assert all(outcome.said["ok"] for outcome in outcomes)
    assert {link["path"] for outcome in outcomes for link in outcome.said["links"]} == {"host"}
    measured = statistics.median(outcomes[0].said["seconds"])
    size = outcomes[0].said["bytes"]
    work = Work(size, statistics.median(outcome.said["partition"] for outcome in outcomes) / size)
    # A frame is delayed by both lines that it passes.
    played = play(ranks, work, Links(RATE, 2 * DELAY_MS / 1e3, duplex=False)).seconds
    with capsys.disabled():
        print(f"\n{ranks} ranks, {rows} rows each: measured {measured:.3f} s, played {played:.3f} s")
    assert played == pytest.approx(measured, rel=0.25)
