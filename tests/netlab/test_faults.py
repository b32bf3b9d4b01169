"""Ranks that die, stop or are cut off while the others look for them: each survivor has an error that names the rank."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
from conftest import SOAK
from lab import RANK, Lab, Outcome, Site

#: Seconds that a survivor may take from the fault on.
KILLED = 5.0
SILENT = 10.0

WORLD = [Site("cone", delay_ms=5), Site("cone", delay_ms=5), Site("shift", delay_ms=5), "symmetric"]


def worker_pid(process: subprocess.Popen[str]) -> int:
    """`ip netns exec` becomes the program that it starts."""
    return process.pid


def strike(lab: Lab, fault: str, victim: int, processes: list[subprocess.Popen[str]]) -> float:
    """Does the harm and returns how long survivors may take."""
    if fault == "kill":
        os.kill(worker_pid(processes[victim]), signal.SIGKILL)
        return KILLED
    if fault == "stop":
        os.kill(worker_pid(processes[victim]), signal.SIGSTOP)
    else:
        lab.cut(lab.workers[victim].site)
    return SILENT


def survivors(lab: Lab, processes: list[subprocess.Popen[str]], victim: int, bound: float) -> list[Outcome]:
    begin = time.monotonic()
    outcomes = lab.collect([process for rank, process in enumerate(processes) if rank != victim], hang=bound + 20)
    took = time.monotonic() - begin
    processes[victim].kill()
    for outcome in outcomes:
        assert outcome.said.get("ok") is False, (outcome.text, outcome.err)
        assert outcome.said["peer"] == victim, outcome.said
        assert f"rank {victim}" in outcome.said["error"]
    assert took < bound, (took, [outcome.said for outcome in outcomes])
    return outcomes


@pytest.mark.parametrize("fault", ["kill", "stop", "cut"])
def test_at_the_rendezvous(fault):
    """Before all have come: one rank is still missing when another, which has come, is struck."""
    with Lab(WORLD) as lab:
        processes = lab.launch(late=3)
        time.sleep(1.5)
        bound = strike(lab, fault, 1, processes)
        processes.pop().kill()
        survivors(lab, processes, 1, bound)


@pytest.mark.parametrize("fault", ["kill", "stop", "cut"])
@pytest.mark.parametrize("victim", [0, 3] if SOAK else [3])
def test_while_connecting(fault, victim):
    """The symmetric one is waited for until the relay's time has come; it is struck before."""
    with Lab(WORLD) as lab:
        processes = lab.launch(WEFT_RELAY_AFTER="20", WEFT_CONNECT_TIMEOUT="60")
        time.sleep(2)
        bound = strike(lab, fault, victim, processes)
        survivors(lab, processes, victim, bound)


@pytest.mark.parametrize("fault", ["kill", "stop", "cut"])
def test_while_linked(fault):
    with Lab(WORLD) as lab:
        processes = lab.launch([str(RANK), "--hold", "60"], WEFT_RELAY_AFTER="0.1")
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "linked\n"
        bound = strike(lab, fault, 2, processes)
        survivors(lab, processes, 2, bound)


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


@pytest.mark.skipif(not SOAK, reason="random moments take minutes: WEFT_SOAK=1")
def test_at_any_moment(request):
    import random

    chance = random.Random(6)
    for _ in range(20):
        fault = chance.choice(["kill", "stop", "cut"])
        victim = chance.randrange(4)
        with Lab(WORLD) as lab:
            processes = lab.launch([str(RANK), "--hold", "60"])
            time.sleep(0.3 + chance.random() * 3)
            bound = strike(lab, fault, victim, processes)
            survivors(lab, processes, victim, bound)
