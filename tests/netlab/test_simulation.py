"""The simulation of a shuffle beside the shuffle itself, over lines with a rate and a delay."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import namespaces as ns
import pytest
from conftest import SOAK
from lab import Lab

from weft.scaling.simulate import Links, Work, play

RANK = [sys.executable, str(Path(__file__).parent / "shuffle_rank.py")]
#: Bytes a second of each line, each way; and seconds that a message takes over the bridge, at most.
RATE, LATENCY = 2_000_000, 0.0005


@pytest.mark.parametrize("ranks", [4, 8, 16] if SOAK else [4, 8])
def test_what_is_played_takes_what_it_takes(ranks, capsys):
    # Blocks of up to 240 KB. Longer messages are asked for first, which takes up to twice as long where two ranks have
    # some for each other, and is not played (docs/status.md).
    rows = 15_360 * ranks if ranks < 8 else 524_288 // ranks
    with Lab(["none"] * ranks) as lab:
        for site in range(ranks):
            lab.shape(site, RATE)
            # It keeps a line busy; BBR goes slow again and again to find out how fast that is.
            ns.sysctl(lab.nat(site), net__ipv4__tcp_congestion_control="reno")
        outcomes = lab.run([*RANK, str(rows), "5"])
    assert all(outcome.said["ok"] for outcome in outcomes)
    assert "relay" not in {link["path"] for outcome in outcomes for link in outcome.said["links"]}
    # Others' work on this machine makes it longer, and nothing makes it shorter.
    measured = min(outcomes[0].said["seconds"])
    size = outcomes[0].said["bytes"]
    work = Work(size, statistics.median(outcome.said["partition"] for outcome in outcomes) / size)
    played = play(ranks, work, Links(RATE, LATENCY)).seconds
    with capsys.disabled():
        print(f"\n{ranks} ranks, {rows} rows each: measured {outcomes[0].said['seconds']}, played {played:.3f} s")
    assert played == pytest.approx(measured, rel=0.25)
