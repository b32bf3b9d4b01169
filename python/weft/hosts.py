"""``weft run --hosts``: ranks on other hosts, by ssh. The far end is `weft.remote`."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

__all__ = ["HostLink", "HostShare", "own_address", "parse_hosts", "share_out", "ssh_command"]

#: Variables that go with the job, by what they begin with; others are named by ``--env``.
PASSED = ("WEFT_", "PYTHON", "ARROW_", "AWS_", "OMP_", "UCX_", "OMPI_", "FI_")
#: Seconds between signs of life to each host.
SIGN_OF_LIFE = 10.0

#: All that the command line holds: the rest comes over standard input.
_FAR_END = (
    "import json, os, sys; job = json.loads(sys.stdin.buffer.readline()); os.environ.update(job['environment']); "
    "sys.path[:0] = job['path']; from weft.remote import serve; sys.exit(serve(job))"
)


@dataclass
class HostShare:
    """A host and the ranks that it has."""

    name: str
    ranks: range


def parse_hosts(text: str) -> list[tuple[str, int]]:
    """Names and slots from ``"a,b:4,[::1]:2"``; one slot where none are given."""
    found = []
    for item in text.split(","):
        match = re.fullmatch(r"\s*(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9_.@-]+)(?::([0-9]+))?\s*", item)
        if match is None or match.group(1).startswith("-"):
            raise ValueError(f"--hosts {text!r}: {item.strip()!r} is no HOST or HOST:SLOTS")
        slots = int(match.group(2) or 1)
        if slots < 1:
            raise ValueError(f"--hosts {text!r}: {item.strip()!r} has no slot")
        found.append((match.group(1).strip("[]"), slots))
    return found


def share_out(hosts: Sequence[tuple[str, int]], ranks: int | None) -> list[HostShare]:
    """The hosts in order, each filled before the next; without `ranks` all are full."""
    slots = sum(count for _, count in hosts)
    if ranks is not None and ranks > slots:
        raise ValueError(f"-n {ranks}, but --hosts has {slots} slots: write HOST:SLOTS for more than one rank a host")
    shares = []
    first, left = 0, slots if ranks is None else ranks
    for name, count in hosts:
        if left == 0:
            break
        take = min(left, count)
        shares.append(HostShare(name, range(first, first + take)))
        first, left = first + take, left - take
    return shares


def ssh_command() -> list[str]:
    """``WEFT_SSH``, else ssh that asks for nothing and notices a host that is gone."""
    given = os.environ.get("WEFT_SSH")
    if given:
        return shlex.split(given)
    return ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=15"]


def own_address(host: str) -> str:
    """The address of this host on the way to `host`, which may be a name that only ssh's configuration knows."""
    name = host.rpartition("@")[2]
    asked = subprocess.run([*ssh_command(), "-G", host], capture_output=True, text=True, timeout=30, check=False)
    for line in asked.stdout.splitlines():
        key, _, value = line.partition(" ")
        if key == "hostname":
            name = value
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(name, 22, type=socket.SOCK_DGRAM)[0]
    except OSError as problem:
        raise ValueError(f"--hosts: {host!r} has no address: {problem.strerror}; name one, or give --listen") from None
    with socket.socket(family, kind, protocol) as probe:
        # Sends nothing: only the route is looked up.
        probe.connect(address)
        return str(probe.getsockname()[0])


class HostLink:
    """One host's ssh and the ranks behind it."""

    def __init__(self, share: HostShare) -> None:
        self.share = share
        self.code: int | None = None  # of ssh, once it has ended
        self._buffer = bytearray()
        self._spoken = time.monotonic()

    def start(
        self,
        command: Sequence[str],
        environment: dict[str, str],
        named: Sequence[str],
        threads: int | None,
        before_exec: Callable[[], None],
    ) -> None:
        """`environment` is the job's; of this process' own goes what `PASSED` says and what is `named`."""
        passed = {
            key: value
            for key, value in os.environ.items()
            if (key.startswith(PASSED) and key != "WEFT_SSH") or key in named
        }
        path = [part for part in passed.get("PYTHONPATH", "").split(os.pathsep) if part]
        job = {
            "environment": {**passed, **environment},
            "path": path,
            "command": list(command),
            "ranks": list(self.share.ranks),
            "threads": threads,
            "folder": os.getcwd(),
        }
        python = os.environ.get("WEFT_REMOTE_PYTHON") or sys.executable
        self.process = subprocess.Popen(
            [*ssh_command(), self.share.name, shlex.join(["exec", python, "-c", _FAR_END])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=before_exec,  # noqa: PLW1509
        )
        self._write(json.dumps(job).encode() + b"\n")

    def _write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self._spoken = time.monotonic()
        try:
            self.process.stdin.write(line)
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            pass  # its end is seen by its exit code

    def signal(self, rank: int, number: int) -> None:
        """Sends a signal to a rank and what it has started."""
        self._write(b"signal %d %d\n" % (rank, number))

    def keep_alive(self) -> None:
        """Tells the far end that this one is there; to be called often."""
        if time.monotonic() - self._spoken > SIGN_OF_LIFE:
            self._write(b"alive\n")

    def frames(self, data: bytes) -> Iterator[tuple[str, int, bytes]]:
        """What the far end has said: (kind, rank, bytes)."""
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            head = bytes(self._buffer[:end]).split()
            if len(head) != 3 or head[0] not in (b"o", b"e", b"r", b"x"):
                # A remote shell that greets on standard output.
                del self._buffer[: end + 1]
                continue
            length = int(head[2])
            if len(self._buffer) < end + 1 + length:
                return
            body = bytes(self._buffer[end + 1 : end + 1 + length])
            del self._buffer[: end + 1 + length]
            yield head[0].decode(), int(head[1]), body

    def close(self) -> None:
        """Ends the connection; the far end then ends what is left of its ranks."""
        if self.process.stdin is not None:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
