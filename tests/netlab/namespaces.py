"""Network namespaces with names that nobody else has, and none of which outlives its owner for long."""

from __future__ import annotations

import ctypes
import itertools
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "weftlab"
_OWNER = re.compile(rf"^{_PREFIX}(\d+)_(\d+)x")
_PR_SET_PDEATHSIG = 1
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()


class LabError(Exception):
    """The lab could not be built; says which command failed and how."""


def run(command: Sequence[str], text: str = "") -> str:
    """Runs a command to its end, `text` on its standard input, and returns what it printed."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()}\n{text}")
    return done.stdout


def ip(lines: Sequence[str], namespace: str | None = None) -> None:
    """Commands of iproute2, one a line, all at once."""
    where = [] if namespace is None else ["-n", namespace]
    run(["ip", *where, "-batch", "-"], "\n".join(lines) + "\n")


def nft(namespace: str, rules: str) -> None:
    run(["ip", "netns", "exec", namespace, "nft", "-f", "-"], rules)


def sysctl(namespace: str, **values: object) -> None:
    """Settings of a namespace; a double underscore stands for a dot."""
    pairs = [f"{name.replace('__', '.')}={value}" for name, value in values.items()]
    run(["ip", "netns", "exec", namespace, "sysctl", "-q", "-w", *pairs])


#: Neighbours that the kernel keeps in one table for all namespaces together: 64 NATs in one network have 4,032, and
#: what does not fit is lost (1,024 by default).
NEIGHBOURS = 32768


@contextmanager
def many_neighbours() -> Iterator[None]:
    """Room for the neighbours of large labs; the host's setting is as before afterwards."""
    limits = [Path(f"/proc/sys/net/{family}/neigh/default/gc_thresh{n}") for family in ("ipv4", "ipv6") for n in (3, 2)]
    before = [(limit, int(limit.read_text())) for limit in limits if limit.exists()]
    raised = [(limit, value) for limit, value in before if value < NEIGHBOURS]
    try:
        for limit, _ in raised:
            limit.write_text(str(NEIGHBOURS))
        yield
    finally:
        for limit, value in reversed(raised):
            limit.write_text(str(value))


def start(namespace: str, command: Sequence[str], **options: object) -> subprocess.Popen[str]:
    """Starts a process in a namespace; it dies with this one."""
    parent = os.getpid()

    def die_with_parent() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(137)

    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        ["ip", "netns", "exec", namespace, *command],
        text=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509
        **options,
    )


def _enter(path: str) -> None:
    with open(path, "rb") as file:
        if _libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
            raise LabError(f"setns to {path}: {os.strerror(ctypes.get_errno())}")


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """This thread, and what it starts (threads and processes alike), are in the namespace meanwhile."""
    with open("/proc/thread-self/ns/net", "rb") as here:
        _enter(f"/run/netns/{namespace}")
        try:
            yield
        finally:
            _enter(f"/proc/self/fd/{here.fileno()}")


def _started(pid: int) -> str | None:
    """When a process was started, in the kernel's ticks; None where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None


def fresh_prefix() -> str:
    """A name that tells whose namespaces these are."""
    return f"{_PREFIX}{os.getpid()}_{_started(os.getpid())}x{next(_numbers)}"


def _names() -> list[str]:
    return [line.split()[0] for line in run(["ip", "netns", "list"]).splitlines() if line.strip()]


def remove(names: Sequence[str]) -> None:
    """Ends what runs in the namespaces and deletes them."""
    for name in names:
        for pid in run(["ip", "netns", "pids", name]).split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
    for name in names:
        run(["ip", "netns", "del", name])


def sweep() -> list[str]:
    """Removes the namespaces of labs whose owner is gone; returns their names."""
    left = []
    for name in _names():
        match = _OWNER.match(name)
        if match and _started(int(match[1])) != match[2]:
            left.append(name)
    remove(left)
    return left


def missing(switch: bool = True) -> str | None:
    """Why there can be no lab here (with or without what a `switch` needs); None where there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "nft", "sysctl"):
        if shutil.which(program) is None:
            return f"{program} is not installed (tools/setup.sh serverless)"
    if switch and not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun"
    name = fresh_prefix() + "-try"
    try:
        run(["ip", "netns", "add", name])
        try:
            nft(
                name,
                'table ip try {\n chain c {\n type nat hook postrouting priority srcnat; oifname "x" masquerade\n }\n}\n',
            )
        finally:
            run(["ip", "netns", "del", name])
    except LabError as problem:
        return str(problem).splitlines()[0]
    return None
