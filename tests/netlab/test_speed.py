"""How long links through NATs take. The aims are for a machine that does nothing else; the bounds here are wide."""

from __future__ import annotations

import re
import secrets
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SOAK
from lab import RANK, SERVER, Lab, Site

PUNCHER = Path(__file__).with_name("puncher.py")


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


@pytest.mark.skipif(not SOAK, reason="figures, not checks: WEFT_SOAK=1")
@pytest.mark.parametrize("kind", ["cone", "symmetric"])
def test_bytes_a_second_beside_plain_sockets(kind, capsys):
    """One way between two ranks behind NATs, in turn: a plain punched socket, Weft in the clear, Weft by TLS.

    Behind symmetric NATs no plain socket gets through: by the relay, beside the punched path of the other kind.
    """
    total, rates = 4 << 30, {"plain": [], "off": [], "on": []}
    off = "off-even-relayed" if kind == "symmetric" else "off"
    with Lab([kind, kind]) as lab:
        for _ in range(3):
            if kind == "cone":
                server = lab.start(lab.public, [sys.executable, str(PUNCHER), "serve", "5000"], stdout=subprocess.PIPE)
                assert server.stdout is not None and server.stdout.readline() == "ready\n"
                punched = [
                    lab.start(
                        worker.namespace,
                        [sys.executable, str(PUNCHER), "punch", lab.server_address, "5000", what, str(total)],
                        stdout=subprocess.PIPE,
                    )
                    for worker, what in zip(lab.workers, ("send", "receive"), strict=True)
                ]
                rates["plain"].append(float(punched[0].communicate(timeout=120)[0]))
                punched[1].communicate(timeout=120)
                server.kill()
                server.wait()
            for encryption in ("off", "on"):
                command = [str(RANK), "--bytes", str(1 << 20), "--stream", str(total)]
                outcomes = lab.run(command, WEFT_ENCRYPTION=off if encryption == "off" else "on")
                assert {outcome.link(1 - outcome.rank)["path"] for outcome in outcomes} == {
                    "punched" if kind == "cone" else "relay"
                }
                rates[encryption].append(outcomes[0].said["bytes_per_second"])
    with capsys.disabled():
        print(
            f"\n{kind}: " + ", ".join(f"{name} {statistics.median(r) / 1e9:.2f} GB/s" for name, r in rates.items() if r)
        )
        if rates["plain"]:
            ratio = statistics.median(rates["off"]) / statistics.median(rates["plain"])
            print(f"in the clear {ratio:.0%} of the plain socket")
    assert all(rate > 0 for found in rates.values() for rate in found)
