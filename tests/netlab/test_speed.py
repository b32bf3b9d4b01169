"""How long links through NATs take. The aims are for a machine that does nothing else; the bounds here are wide."""

from __future__ import annotations

import re
import secrets
import subprocess

import pytest
from conftest import SOAK
from lab import RANK, SERVER, Lab, Site


def after_go(text: str, what: str) -> list[float]:
    """Milliseconds after "go" at which a rank says that this happened."""
    return [float(number) for number in re.findall(rf"{what} .*?([\d.]+(?:e[-+]\d+)?) ms after go", text)]


@pytest.mark.skipif(not SOAK, reason="figures, not checks: WEFT_SOAK=1")
@pytest.mark.parametrize("ranks", [8, 16])
@pytest.mark.parametrize("kind", ["cone", "rst"])
def test_a_mesh_at_20_ms(ranks, kind, capsys):
    """5 ms a line: 10 ms from NAT to NAT, 20 ms there and back."""
    with Lab([Site(kind, delay_ms=5)] * ranks) as lab:
        for _ in range(3):
            outcomes = lab.run(WEFT_LOG="debug")
            text = "".join(outcome.err for outcome in outcomes)
            figures = {what: sorted(after_go(text, what)) for what in ("punched to", "nominated a", "linked to")}
            with capsys.disabled():
                parts = [
                    f"{what.split()[0]} {times[len(times) // 2]:.0f} to {times[-1]:.0f} ms"
                    for what, times in figures.items()
                ]
                print(f"\n{ranks} ranks, {kind}, from go, median to last: {', '.join(parts)}")
            assert len(figures["linked to"]) == ranks * (ranks - 1)
            assert {name for outcome in outcomes for name in outcome.paths().values()} == {"punched"}
            assert figures["nominated a"][-1] < 5000


@pytest.mark.skipif(not SOAK, reason="figures, not checks: WEFT_SOAK=1")
def test_64_ranks_on_one_host(capsys):
    server = subprocess.Popen([str(SERVER), "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    job = {
        "WEFT_RENDEZVOUS": server.stdout.readline().strip(),
        "WEFT_JOB": f"many-{secrets.token_hex(4)}",
        "WEFT_SECRET": secrets.token_hex(32),
        "WEFT_WORLD_SIZE": "64",
        "WEFT_LOG": "debug",
    }
    try:
        ranks = [
            subprocess.Popen(
                [str(RANK), "--bytes", "1000"],
                env={**job, "WEFT_RANK": str(rank)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(64)
        ]
        texts = [process.communicate(timeout=120) for process in ranks]
        assert all(process.returncode == 0 for process in ranks)
    finally:
        server.kill()
        server.wait()
    times = sorted(float(number) for _, err in texts for number in re.findall(r"linked to .* after ([\d.]+) ms", err))
    with capsys.disabled():
        print(f"\n64 ranks on one host: linked after {times[len(times) // 2]:.0f} to {times[-1]:.0f} ms")
    assert len(times) == 64 * 63
    assert times[-1] < 30_000
