"""Honest pairs link in time while the server has thousands of other connections and many clients that do not read."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SOAK
from lab import SERVER_PORT, Lab

#: Of a pair, from its first candidate to its link.
LINKED = 2.0
IDLE, SLOW = (9000, 1000) if SOAK else (2000, 200)
FLOOD = Path(__file__).with_name("flood.py")


@pytest.mark.parametrize("kinds", [["cone", "cone"]])
def test_pairs_link_beside_a_flood(kinds):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < IDLE + SLOW + 1000:  # of each process
        pytest.skip(f"at most {hard} open files are allowed here")
    with Lab(kinds) as lab:
        lab.serve()
        lab.run()  # once without the flood
        flood = lab.start(
            lab.public,
            [sys.executable, str(FLOOD), "127.0.0.1", str(SERVER_PORT), str(lab.key_file), str(IDLE), str(SLOW)],
            stdout=subprocess.PIPE,
        )
        assert flood.stdout.readline() == "ready\n"
        begin = lab.metrics()
        links: list[float] = []
        opens: list[float] = []
        for _ in range(10 if SOAK else 3):
            for outcome in lab.run():
                assert set(outcome.paths().values()) == {"punched"}
                links += [link["seconds"] for link in outcome.said["links"]]
                opens.append(outcome.said["open_seconds"])
        end = lab.metrics()
        said = json.loads(flood.stdout.readline())
        backlog = end["weft_rendezvous_output_backlog_bytes"]
        print(f"{said}; slowest link {max(links):.3f} s, start {statistics.median(opens):.3f} s, backlog {backlog:.0f}")
        assert said["admitted"] >= SLOW + IDLE // 2
        assert begin['weft_rendezvous_connections{state="serving"}'] >= IDLE // 2
        assert backlog < SLOW * (4 << 20)
        assert max(links) < LINKED, links
