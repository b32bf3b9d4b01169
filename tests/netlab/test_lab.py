"""The lab is what it claims to be: proved by a puncher and by sockets that know nothing of Weft."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import namespaces as ns
import pytest
from conftest import SOAK
from lab import Lab, Site

HERE = Path(__file__).parent
PUNCHER = [sys.executable, str(HERE / "puncher.py")]
KINDS = ["cone", "shift", "rst", "fullcone", "symmetric"]


def listen(lab: Lab, worker: int, port: int) -> None:
    process = lab.start(lab.workers[worker].namespace, [*PUNCHER, "listen", str(port)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"


def dial(lab: Lab, worker: int, host: str, port: int) -> str:
    process = lab.start(lab.workers[worker].namespace, [*PUNCHER, "dial", host, str(port)], stdout=subprocess.PIPE)
    return process.communicate(timeout=20)[0].strip()


def punch(lab: Lab, first: int, second: int) -> list[str]:
    server = lab.start(lab.public, [*PUNCHER, "serve", "9000"], stdout=subprocess.PIPE)
    assert server.stdout is not None and server.stdout.readline() == "ready\n"
    both = [
        lab.start(
            lab.workers[worker].namespace, [*PUNCHER, "punch", lab.server_address, "9000"], stdout=subprocess.PIPE
        )
        for worker in (first, second)
    ]
    said = [process.communicate(timeout=30)[0].strip() for process in both]
    server.kill()
    return said


@pytest.mark.parametrize("kind", KINDS)
def test_a_nat_blocks_what_comes_in(kind):
    with Lab([kind, "none"]) as lab:
        listen(lab, 0, 40500)
        listen(lab, 1, 40500)
        # Out it goes; in it does not, but where that is what the kind is about.
        assert dial(lab, 0, lab.wan_address(1), 40500) == "ok"
        inward = dial(lab, 1, lab.wan_address(0), 40500)
        assert (inward == "ok") if kind == "fullcone" else inward.startswith("failed"), inward
        if kind == "rst":
            assert "refused" in inward


@pytest.mark.parametrize("kind", ["cone", "shift", "fullcone"])
def test_a_plain_puncher_gets_through(kind):
    with Lab([kind, kind]) as lab:
        assert punch(lab, 0, 1) == ["ok", "ok"]


def test_a_plain_puncher_gets_through_resets_when_packets_cross():
    with Lab([Site("rst", delay_ms=10), Site("rst", delay_ms=10)]) as lab:
        assert punch(lab, 0, 1) == ["ok", "ok"]


@pytest.mark.parametrize("other", ["symmetric", "cone"])
def test_no_hole_through_a_symmetric_nat(other):
    with Lab(["symmetric", other]) as lab:
        said = punch(lab, 0, 1)
        assert all(word.startswith("failed") for word in said), said


def test_ipv6_is_behind_a_firewall():
    with Lab(["cone", "cone"], ipv6=True) as lab:
        listen(lab, 0, 40500)
        assert dial(lab, 1, "2001:db8:1:1::a", 40500).startswith("failed")
        assert punch(lab, 0, 1) == ["ok", "ok"]


def test_two_workers_behind_one_nat_reach_each_other():
    with Lab([Site("cone", workers=2)]) as lab:
        listen(lab, 0, 40500)
        assert dial(lab, 1, "192.168.77.10", 40500) == "ok"


def round_trip(lab: Lab, worker: int) -> float:
    """Milliseconds of a TCP connect to the server's namespace."""
    code = (
        "import socket, time; t = time.perf_counter(); "
        f"socket.create_connection(({lab.server_address!r}, 40500), 5); print(time.perf_counter() - t)"
    )
    namespace = lab.workers[worker].namespace
    times = []
    for _ in range(6):
        process = lab.start(namespace, [sys.executable, "-c", code], stdout=subprocess.PIPE)
        times.append(float(process.communicate(timeout=20)[0]) * 1e3)
    return min(times)


def test_delay_rate_loss_cut_and_black_hole_do_what_they_say():
    with Lab([Site("cone", delay_ms=10), Site("none", delay_ms=5)]) as lab:
        server = lab.start(lab.public, [*PUNCHER, "listen", "40500"], stdout=subprocess.PIPE)
        assert server.stdout is not None and server.stdout.readline() == "ready\n"
        assert 20 <= round_trip(lab, 0) < 500
        assert 10 <= round_trip(lab, 1) < 500
        lab.lose(100)
        assert dial(lab, 0, lab.server_address, 40500).startswith("failed")
        lab.lose(0)
        assert dial(lab, 0, lab.server_address, 40500) == "ok"
        lab.cut(0)
        assert dial(lab, 0, lab.server_address, 40500).startswith("failed")
        lab.mend(0)
        assert dial(lab, 0, lab.server_address, 40500) == "ok"
        # A connection between workers dies after so many bytes; one with the server does not.
        listen(lab, 1, 40600)
        assert dial(lab, 0, lab.wan_address(1), 40600) == "ok"
        lab.black_hole(0, 200)
        assert dial(lab, 0, lab.wan_address(1), 40600) != "ok"
        assert dial(lab, 0, lab.server_address, 40500) == "ok"


def test_nothing_is_left_of_a_lab_whose_owner_was_killed(tmp_path):
    script = (
        f"import sys, time; sys.path.insert(0, {str(HERE)!r})\n"
        "from lab import Lab\n"
        "with Lab(['cone', 'none']) as lab:\n"
        "    lab.start(lab.public, ['sleep', '600'])\n"
        "    print(lab.public, flush=True)\n"
        "    time.sleep(600)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    public = owner.stdout.readline().strip()
    assert public in ns.run(["ip", "netns", "list"])
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    end = time.monotonic() + 5
    while ns.run(["ip", "netns", "pids", public]).split() and time.monotonic() < end:
        time.sleep(0.05)
    assert public in ns.sweep()
    assert public not in ns.run(["ip", "netns", "list"])


def test_a_lab_that_fails_is_taken_down():
    before = set(ns.run(["ip", "netns", "list"]).split())
    with pytest.raises(RuntimeError):
        with Lab(["cone"]):
            raise RuntimeError("in the middle")
    assert set(ns.run(["ip", "netns", "list"]).split()) <= before


@pytest.mark.skipif(not SOAK, reason="a lab of 64 sites: WEFT_SOAK=1")
def test_a_large_lab():
    with Lab(["cone"] * 64) as lab:
        assert punch(lab, 0, 63) == ["ok", "ok"]
