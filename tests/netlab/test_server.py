"""The rendezvous server as ranks behind NATs meet it: through TLS, and killed between two pairings."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from lab import SERVER_PORT, Lab


def certificate(folder: Path, address: str) -> tuple[Path, Path]:
    """One that signs itself, and its key."""
    certificate_file, key_file = folder / "server.crt", folder / "server.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(key_file), "-out", str(certificate_file), "-days", "2", "-subj", "/CN=lab"),
            *("-addext", f"subjectAltName=IP:{address}"),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return certificate_file, key_file


@pytest.mark.parametrize(("kinds", "path"), [(["cone", "shift"], "punched"), (["symmetric", "symmetric"], "relay")])
def test_links_by_a_server_with_tls(kinds, path, tmp_path):
    certificate_file, key_file = certificate(tmp_path, "198.18.0.1")
    options = ["--tls-certificate", str(certificate_file), "--tls-key", str(key_file)]
    with Lab(kinds, server_options=options) as lab:
        through_tls = {
            "WEFT_RENDEZVOUS": f"rendezvous+tls://{lab.server_address}:{SERVER_PORT}",
            "WEFT_RENDEZVOUS_CA": str(certificate_file),
            "WEFT_RELAY_AFTER": "1",
        }
        for outcome in lab.run(**through_tls):
            assert set(outcome.paths().values()) == {path}
        found = lab.metrics()
        relayed = found["weft_rendezvous_relay_bytes_total"]
        assert relayed > 500_000 if path == "relay" else relayed == 0
        assert found["weft_rendezvous_tls_handshakes_total"] >= (4 if path == "relay" else 2)
        assert found["weft_rendezvous_tls_failures_total"] == 0


def test_the_server_is_killed_between_two_pairings():
    """A hole that swallows what goes through makes the pair ask again, of a server that knows nothing of it."""
    with Lab(["cone", "cone", "cone"]) as lab:
        lab.black_hole(0, 16 << 10)
        processes = lab.launch(WEFT_RELAY_AFTER="20", WEFT_CONNECT_TIMEOUT="60")
        end = time.monotonic() + 30
        while lab.metrics()["weft_rendezvous_gos_total"] < 3:
            assert time.monotonic() < end, "no pair was told to go"
        lab.server.kill()
        lab.server.wait()
        time.sleep(0.3)
        lab.server = lab.start_server(SERVER_PORT)
        outcomes = lab.collect(processes)
        for outcome in outcomes:
            assert outcome.code == 0, (outcome.text, outcome.err[-4000:])
        # Rank 0's links go through the new server, the other one was made by the old one or the new.
        assert outcomes[0].paths() == {1: "relay", 2: "relay"}
        assert outcomes[1].paths()[2] == "punched"
        found = lab.metrics()
        assert found['weft_rendezvous_requests_total{type="enter"}'] >= 3
        assert found["weft_rendezvous_relay_pairs_total"] == 2
