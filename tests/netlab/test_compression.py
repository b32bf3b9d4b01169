"""Tables over a line that is slow: by LZ4 where they shrink by it, and as they are where they do not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from lab import ROOT, Lab

SCRIPT = Path(__file__).parent / "compression_rank.py"
BYTES_PER_SECOND = 4_000_000


@pytest.mark.parametrize(("kind", "way"), [("texts", "auto"), ("noise", "auto"), ("texts", "off"), ("texts", "lz4")])
def test_a_slow_line(kind, way):
    with Lab(["none", "none"]) as lab:
        for site in range(2):
            lab.shape(site, BYTES_PER_SECOND)
        python = os.environ.get("PYTHONPATH", str(ROOT / "python"))
        command = [sys.executable, str(SCRIPT), kind]
        outcomes = lab.run(command, PYTHONPATH=python, WEFT_COMPRESSION=way, WEFT_ENCRYPTION="off")
    assert all(outcome.said["ok"] for outcome in outcomes)
    for outcome in outcomes:
        choices, phases = outcome.said["choices"], outcome.said["phases"]
        assert ("shuffle.lz4" in choices) is (kind == "texts" and way == "auto"), choices
        assert ("shuffle.lz4_declined" in choices) is (kind == "noise"), choices
        if kind == "texts" and way != "off":
            assert phases["shuffle.lz4_made"]["bytes"] < 0.8 * phases["shuffle.lz4"]["bytes"]
        else:
            assert "shuffle.lz4" not in phases
