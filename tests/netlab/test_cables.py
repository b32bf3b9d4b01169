"""Every backend that has its links over TCP, one rank a network namespace: cables that are cut in the middle of a job, and
lines that lose packets and are slow."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import namespaces as ns
import pytest
from conftest import SOAK
from lab import Lab, Site

from weft import _core

BUILT = [one["name"] for one in _core.backends() if one["built"]]
COMMAND = [sys.executable, str(Path(__file__).with_name("backend_rank.py"))]
RANKS = 3
#: Seconds that a survivor may take from the fault on.
SILENT = 10.0

#: What each library is told, so that it keeps to TCP.
BACKENDS = {
    "tcp": {},
    "gloo": {},
    "libfabric": {"FI_PROVIDER": "tcp"},
    "ucx": {"UCX_TLS": "tcp,self"},
    "ucc": {"UCX_TLS": "tcp,self"},
}


def launch(lab: Lab, backend: str, seconds: float, **variables: str) -> list[subprocess.Popen[str]]:
    """No rank has a way out of its network by which it could tell what its own address is, as Gloo wants to know."""
    each = {rank: {"WEFT_ADVERTISE": lab.wan_address(rank)} for rank in range(RANKS)} if backend == "gloo" else {}
    return lab.launch(
        [*COMMAND, str(seconds), "30000"], each=each, WEFT_BACKEND=backend, **BACKENDS[backend], **variables
    )


def drop(lab: Lab, victim: int, _: subprocess.Popen[str]) -> None:
    lab.cut(victim)


def pull(lab: Lab, victim: int, _: subprocess.Popen[str]) -> None:
    ns.ip(["link set wan down"], lab.nat(victim))


def stop(_: Lab, __: int, process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGSTOP)


FAULTS: dict[str, Callable[[Lab, int, subprocess.Popen[str]], None]] = {"drop": drop, "pull": pull, "stop": stop}


def wait_for_links(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "linked\n", line + process.communicate(timeout=30)[1]


@pytest.fixture(params=BACKENDS)
def backend(request) -> str:
    if request.param not in BUILT:
        pytest.skip(f"{request.param} is not built")
    return str(request.param)


@pytest.mark.parametrize("victim", [0, 1, 2] if SOAK else [1])
def test_cut_in_the_middle(backend, victim, figure):
    """All three at once: most of the time is spent on waiting."""
    took: dict[str, float] = {}
    with ExitStack() as stack:
        labs = {fault: stack.enter_context(Lab(["none"] * RANKS)) for fault in FAULTS}
        launched = {fault: launch(lab, backend, 60) for fault, lab in labs.items()}
        struck = {}
        for processes in launched.values():
            wait_for_links(processes)
        time.sleep(0.5)
        for fault, strike in FAULTS.items():
            struck[fault] = time.time()
            strike(labs[fault], victim, launched[fault][victim])
        for fault, lab in labs.items():
            others = [process for rank, process in enumerate(launched[fault]) if rank != victim]
            for outcome in lab.collect(others, hang=40):
                assert outcome.said.get("ok") is False, (fault, outcome.text, outcome.err[-3000:])
                assert outcome.said["peer"] == victim and f"rank {victim}" in outcome.said["error"], (
                    fault,
                    outcome.said,
                )
                took[fault] = max(took.get(fault, 0.0), outcome.said["at"] - struck[fault])
    figure(f"{backend}: " + ", ".join(f"{fault} {seconds:.1f} s" for fault, seconds in took.items()))
    assert all(0 < seconds < SILENT for seconds in took.values()), took


@pytest.mark.parametrize(("percent", "delay_ms"), [(1, 0), (0, 100), (1, 100)] if SOAK else [(1, 100)])
def test_lossy_and_slow(backend, percent, delay_ms, figure):
    """`delay_ms` one way between two ranks, half of it on the line of each. The rows are right, and nobody is lost."""
    with Lab([Site("none", delay_ms=delay_ms / 2)] * RANKS) as lab:
        lab.serve()
        # Loss at every rank and at the server, of packets that come in; from before the first one on.
        lab.lose(percent)
        seconds = 60 if SOAK else 8
        processes = launch(lab, backend, seconds, WEFT_CONNECT_TIMEOUT="60")
        outcomes = lab.collect(processes, hang=seconds + 120)
        for outcome in outcomes:
            assert outcome.code == 0 and outcome.said["ok"], (outcome.said, outcome.text, outcome.err[-3000:])
        joins = statistics.median(outcome.said["joins"] for outcome in outcomes)
        assert joins > 0
        figure(f"{backend}: {joins:.0f} joins in {seconds} s with {percent} % lost and {delay_ms} ms one way")


@pytest.mark.skipif(not SOAK, reason="a minute: WEFT_SOAK=1")
def test_a_line_that_gets_worse_in_the_middle(backend):
    with Lab([Site("none", delay_ms=25)] * RANKS) as lab:
        processes = launch(lab, backend, 50)
        wait_for_links(processes)
        for percent in (1, 5, 0, 10, 1):
            lab.lose(percent)
            time.sleep(8)
        for outcome in lab.collect(processes, hang=150):
            assert outcome.code == 0 and outcome.said["ok"], (outcome.said, outcome.text, outcome.err[-3000:])
