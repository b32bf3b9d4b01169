"""The local stack with each function behind a NAT of its own; S3, state machine and rendezvous server are public.

    python tests/netlab/nat_stack.py [--nats cone,symmetric] -- weft submit script.py --launcher lambda --world-size 8

Where there can be no namespaces the functions share one loopback, and it says so.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import namespaces as ns
import nat
from lab import Lab, Site, Worker

from weft.serverless import local_stack
from weft.serverless.function_host import Place

PUNCHER = [sys.executable, str(Path(__file__).parent / "puncher.py")]
#: Where `dial` listens: none of the ports that are given out.
PORT = nat.PORTS.stop + 500


class FunctionNats:
    """Makes a site of the lab for each sandbox, and takes it away with it. Thread-safe.

    kinds
        The n-th sandbox gets the n-th of them, and so round again.
    """

    def __init__(self, lab: Lab, kinds: Sequence[str] = ("cone",)) -> None:
        self.lab, self._order = lab, list(kinds)
        #: By the sandbox's number.
        self.kinds: dict[int, str] = {}
        self.workers: dict[int, Worker] = {}
        self._lock = threading.Lock()

    def place(self, number: int) -> Place:
        kind = self._order[(number - 1) % len(self._order)]
        with self._lock:
            worker = self.lab.add(Site(kind))
            self.kinds[number], self.workers[number] = kind, worker
        lead = ("ip", "netns", "exec", worker.namespace)
        return Place(lead, self.lab.server_address, lambda: self._gone(number))

    def _gone(self, number: int) -> None:
        with self._lock:
            worker = self.workers.pop(number, None)
            if worker is not None:
                # What cannot be taken away now goes with the lab; a job does not fail by it.
                with contextlib.suppress(ns.LabError):
                    self.lab.remove(worker.site)


def dial(lab: Lab, first: Worker, second: Worker) -> str:
    """What a connection from one worker to another's public address comes to: "ok", or why not."""
    listener = lab.start(second.namespace, [*PUNCHER, "listen", str(PORT)], stdout=subprocess.PIPE)
    try:
        assert listener.stdout is not None and listener.stdout.readline() == "ready\n"
        where = [lab.wan_address(second.site), str(PORT)]
        dialer = lab.start(first.namespace, [*PUNCHER, "dial", *where], stdout=subprocess.PIPE)
        return dialer.communicate(timeout=30)[0].strip()
    finally:
        listener.kill()
        listener.wait()


def closed(lab: Lab, kinds: Sequence[str]) -> str:
    """Proves on two sites of these kinds that workers cannot dial each other, and says how it went."""
    both = [lab.add(Site(kinds[number % len(kinds)])) for number in range(2)]
    said = [dial(lab, both[0], both[1]), dial(lab, both[1], both[0])]
    for worker in both:
        lab.remove(worker.site)
    if "ok" in said:
        raise ns.LabError(f"a function can dial another one: {said}")
    return said[0]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nats", default="cone", help=f"kinds, one a function: {', '.join(nat.KINDS)} (default: cone)")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run, after --")
    options = parser.parse_args(arguments)
    kinds = options.nats.split(",")
    unknown = [kind for kind in kinds if kind not in nat.KINDS]
    if unknown:
        parser.error(f"--nats: {', '.join(unknown)} is not known; there are {', '.join(nat.KINDS)}")
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        parser.error("name a command after --")
    why = ns.missing(switch=False)
    if why is not None:
        print(f"functions share one loopback, none is behind a NAT: {why}", flush=True)
        return local_stack.run(command)
    with Lab([]) as lab:
        word = "symmetric" if set(kinds) == {"symmetric"} else "of its own"
        print(
            f"each function is behind a NAT {word} ({options.nats}); one dials another: {closed(lab, kinds)}",
            flush=True,
        )
        with ns.inside(lab.public):
            return local_stack.run(command, address=lab.server_address, place=FunctionNats(lab, kinds).place)


if __name__ == "__main__":
    sys.exit(main())
