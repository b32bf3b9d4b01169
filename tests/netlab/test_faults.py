"""Ranks that die, stop or are cut off while the others look for them: each survivor has an error that names the rank."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import pytest
from conftest import SOAK
from lab import RANK, Lab, Outcome, Site

#: Seconds that a survivor may take from the fault on.
KILLED = 5.0
SILENT = 10.0

FAULTS = ["kill", "stop", "cut"]
WORLD = [Site("cone", delay_ms=5), Site("cone", delay_ms=5), Site("shift", delay_ms=5), "symmetric"]


def strike(lab: Lab, fault: str, victim: int, processes: list[subprocess.Popen[str]]) -> None:
    """Does the harm. `ip netns exec` has become the program that it started, so its process is the rank."""
    if fault == "kill":
        os.kill(processes[victim].pid, signal.SIGKILL)
    elif fault == "stop":
        os.kill(processes[victim].pid, signal.SIGSTOP)
    else:
        lab.cut(lab.workers[victim].site)


def check(outcomes: list[Outcome], fault: str, victim: int, struck_at: float) -> None:
    for outcome in outcomes:
        assert outcome.said.get("ok") is False, (fault, outcome.text, outcome.err)
        assert outcome.said["peer"] == victim, (fault, outcome.said)
        assert f"rank {victim}" in outcome.said["error"]
        took = outcome.said["at"] - struck_at
        assert 0 < took < (KILLED if fault == "kill" else SILENT), (fault, took, outcome.said)


def try_all(
    victim: int,
    moment: Callable[[list[subprocess.Popen[str]]], None],
    command: Sequence[str] = (str(RANK),),
    late: int | None = None,
    **variables: str,
) -> None:
    """A lab for each fault, all at once: most of the time is spent on waiting."""
    with ExitStack() as stack:
        labs = [stack.enter_context(Lab(WORLD)) for _ in FAULTS]
        launched = [lab.launch(command, late=late, **variables) for lab in labs]
        for processes in launched:
            moment(processes)
        struck = []
        for lab, fault, processes in zip(labs, FAULTS, launched, strict=True):
            struck.append(time.time())
            strike(lab, fault, victim, processes)
        for lab, fault, processes, at in zip(labs, FAULTS, launched, struck, strict=True):
            others = [process for rank, process in enumerate(processes) if rank not in (victim, late)]
            check(lab.collect(others, hang=40), fault, victim, at)


def wait(seconds: float) -> Callable[[list[subprocess.Popen[str]]], None]:
    return lambda processes: time.sleep(seconds / len(FAULTS))


def wait_for_links(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "linked\n"


def test_at_the_rendezvous():
    """Before all have come: one rank is still missing when another, which has come, is struck."""
    try_all(1, wait(1.5), late=3)


@pytest.mark.parametrize("victim", [0, 3] if SOAK else [3])
def test_while_connecting(victim):
    """The symmetric one is waited for until the relay's time has come; somebody is struck before."""
    try_all(victim, wait(2), WEFT_RELAY_AFTER="20", WEFT_CONNECT_TIMEOUT="60")


@pytest.mark.parametrize("victim", [0, 2])
def test_while_linked(victim):
    try_all(victim, wait_for_links, [str(RANK), "--hold", "60"], WEFT_RELAY_AFTER="0.1")


def test_in_the_handshake():
    """The holes are opened within a second of the start; each try is another moment of it."""
    try_all(1, wait(1.2), WEFT_RELAY_AFTER="20", WEFT_CONNECT_TIMEOUT="60")


@pytest.mark.parametrize(("bytes_", "victim"), [(16, 0), (8 << 20, 1)], ids=["header", "payload"])
def test_while_bytes_flow(bytes_, victim):
    """Of short messages most bytes are headers, of long ones payload."""
    command = [str(RANK), "--bytes", str(bytes_), "--flow", "60"]
    try_all(victim, wait_for_links, command, WEFT_RELAY_AFTER="0.1")


def test_another_secret_is_found_out_behind_nats():
    """No address of a peer can be dialed, and still it is seen at once that the secrets differ."""
    with Lab(["cone", "cone"]) as lab:
        begin = time.monotonic()
        outcomes = lab.collect(lab.launch(each={1: {"WEFT_SECRET": "0" * 64}}))
        assert time.monotonic() - begin < 10
        for outcome in outcomes:
            assert outcome.said["ok"] is False
            assert "WEFT_SECRET" in outcome.said["error"]
            assert outcome.said["peer"] == 1 - outcome.rank


@pytest.mark.skipif(not SOAK, reason="200 runs take half an hour: WEFT_SOAK=1")
def test_at_any_moment():
    """60 times three runs at a random moment, of linking up or of the work; with those above more than 200."""
    import random

    chance = random.Random(6)
    for _ in range(60):
        victim = chance.randrange(4)
        work = chance.choice(
            [["--hold", "60"], ["--bytes", "16", "--flow", "60"], ["--bytes", "4000000", "--flow", "60"]]
        )
        try_all(victim, wait(0.3 + chance.random() * 5), [str(RANK), *work], WEFT_RELAY_AFTER="1")
