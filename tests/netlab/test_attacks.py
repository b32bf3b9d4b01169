"""A relay that cheats, between ranks which have no other path: it can hold up their link, and nothing else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from lab import SERVER_PORT, Lab, Outcome

ATTACKER = Path(__file__).with_name("attacker.py")
PORT = 7071
#: Seconds until both ranks must be done: 2 till they are relayed, 3 for each silence, and the machine's.
WITHIN = 30.0


def run_attacked(lab: Lab, attack: str, **variables: str) -> list[Outcome]:
    lab.serve()
    attacker = lab.start(
        lab.public,
        [sys.executable, str(ATTACKER), attack, str(PORT), lab.server_address, str(SERVER_PORT)],
        stdout=-1,
        env={**os.environ, **variables},
    )
    assert attacker.stdout is not None
    assert attacker.stdout.readline() == "ready\n"
    rendezvous = {"WEFT_RENDEZVOUS": f"{lab.server_address}:{PORT}", "WEFT_RELAY_AFTER": "0.5"}
    return lab.collect(lab.launch(**rendezvous, **variables))


def test_who_only_carries_breaks_nothing_and_reads_nothing(tmp_path):
    heard = {}
    for choice in ("auto", "off", "off-even-relayed"):
        file = tmp_path / choice
        with Lab(["symmetric", "symmetric"]) as lab:
            outcomes = run_attacked(lab, "pass", HEARD=str(file), WEFT_ENCRYPTION=choice)
            assert [outcome.said.get("ok") for outcome in outcomes] == [True, True], [o.said for o in outcomes]
            for outcome in outcomes:
                (link,) = outcome.said["links"]
                assert link["path"] == "relay"
                assert link["cipher"].startswith("TLS_") == (choice != "off-even-relayed")
            heard[choice] = file.read_bytes()
    # What rank 0 sends rank 1 is the same in each run: a piece of it tells whether it was to be read.
    begin = pattern(64, seed=1)
    assert begin in heard["off-even-relayed"]
    assert begin not in heard["auto"]
    assert begin not in heard["off"]


def pattern(size: int, seed: int) -> bytes:
    """The bytes that rank.cc makes."""
    word = (1 << 64) - 1
    state = (seed * 0x9E3779B97F4A7C15 + 1) & word
    out = bytearray()
    for _ in range(size):
        state ^= (state << 13) & word
        state ^= state >> 7
        state ^= (state << 17) & word
        out.append(state & 0xFF)
    return bytes(out)


@pytest.mark.parametrize("attack", ["alter", "drop", "reorder", "truncate", "silence"])
def test_a_relay_that_cheats(attack):
    """What has come of each connection before it was attacked counts: the ranks get what was sent them, byte for byte,
    over links that are made again and again."""
    with Lab(["symmetric", "symmetric"]) as lab:
        outcomes = run_attacked(lab, attack)
        for outcome in outcomes:
            assert outcome.said.get("ok") is True, (attack, outcome.text, outcome.err)
            (link,) = outcome.said["links"]
            assert link["path"] == "relay" and link["remade"] > 0 and link["errors"] > 0, outcome.said
            assert outcome.seconds < WITHIN, outcome.said


def test_ranks_with_different_choices_are_refused():
    with Lab(["cone", "cone"]) as lab:
        processes = lab.launch(each={0: {"WEFT_ENCRYPTION": "on"}, 1: {"WEFT_ENCRYPTION": "auto"}})
        for outcome in lab.collect(processes):
            assert outcome.said.get("ok") is False, outcome.text
            assert "encryption=on" in outcome.said["error"]
            assert "encryption=auto" in outcome.said["error"]
