"""One rank's script as a process: a clean environment, a bound on its time, its last lines and its exception.

The process is the leader of a session of its own, and nothing of it is left when `run` returns: what it has started and
left to itself becomes this process's child, and is killed too.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from weft.errors import HANDOVER_CODE
from weft.launcher import children_of, describe_code, die_with_parent, kill_group

__all__ = ["LAST_LINES", "Outcome", "Watch", "run"]

#: Lines of output that a report holds.
LAST_LINES = 100
#: Of each of them.
LINE_BYTES = 2000
#: Bytes of output that are kept for the log; what came before is dropped.
LOG_BYTES = 8 << 20
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)
_EXCEPTION = re.compile(
    r"[A-Za-z_][A-Za-z0-9_.]*(Error|Exception|Interrupt|Exceeded|Lost|TimedOut|Superseded|Failed)(: |$)"
)
#: Of a rank whose script ended in `weft.init`, before it could tell whose fault it was.
_ABOUT_PEER = re.compile(r"weft\.errors\.(CommunicatorError|PeerLost|TimedOut|AuthenticationFailed|Superseded)(: |$)")
#: What a script gets from the function's environment, beside what the executor sets.
INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass
class Outcome:
    """How a script ended. `stopped` is why it was ended from outside, if it was."""

    code: int
    lines: list[str]
    error: dict[str, Any] | None
    seconds: float
    stopped: str | None = None
    log: bytes = b""

    @property
    def exception(self) -> str | None:
        """``"Type: text"`` of the exception that ended the script, as it told, or as its traceback ends."""
        if self.error is not None:
            return str(self.error.get("error"))
        if self.code != 1:
            return None
        named = [line for line in self.lines if _EXCEPTION.match(line)]
        return named[-1] if named else None

    @property
    def about_peer(self) -> bool:
        """Whether it ended because of another rank."""
        if self.error is not None:
            return self.error.get("own") is False
        return _ABOUT_PEER.match(self.exception or "") is not None

    @property
    def handed_over(self) -> bool:
        """Whether all that it had saved was valid at its end. Also of one that was ended on its way out: it tells when
        all is saved, and the limit may come while the process ends."""
        told = self.error is not None and self.error.get("handover") is True
        ended = self.stopped == "out_of_time" or self.code in (-signal.SIGTERM, -signal.SIGKILL)
        return self.code == HANDOVER_CODE or (told and ended)

    @property
    def summary(self) -> str:
        """One line: the exception where there is one, else how the process ended."""
        return self.exception or describe_code(self.code)


@dataclass
class Watch:
    """What is looked at while a script runs.

    remaining
        Seconds that the function has left.
    margin
        A script is asked to end (SIGTERM) when no more than this is left, and half of it later it is killed.
        `near_limit` is called once, at that moment, and says why the script ends.
    should_stop
        Called every `interval` seconds; a text ends the script.
    """

    remaining: Callable[[], float]
    margin: float
    near_limit: Callable[[], str]
    should_stop: Callable[[], str | None] = lambda: None
    interval: float = 5.0


@dataclass
class _Output:
    last: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    log: deque[bytes] = field(default_factory=deque)
    size: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, line: bytes) -> None:
        with self.lock:
            self.last.append(line.decode(errors="replace").rstrip("\n")[:LINE_BYTES])
            self.log.append(line)
            self.size += len(line)
            while self.size > LOG_BYTES:
                self.size -= len(self.log.popleft())

    def pump(self, stream: IO[bytes], echo: Callable[[bytes], None]) -> None:
        while line := stream.readline(1 << 16):
            self.add(line)
            echo(line)


def environment(home: Path, variables: dict[str, str]) -> dict[str, str]:
    """The environment of a function's script: little of this process's, AWS' settings, and `variables`."""
    kept = {name: value for name, value in os.environ.items() if name in INHERITED}
    kept |= {
        name: value
        for name, value in os.environ.items()
        if name.startswith("AWS_") and not name.startswith("AWS_LAMBDA_")
    }
    kept |= {"HOME": str(home), "TMPDIR": str(home), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**kept, **variables}


def _kill_strays(others: set[int]) -> None:
    """Ends this process's children but `others`; their own children come to this process in turn."""
    while strays := set(children_of(os.getpid())) - others:
        for stray in strays:
            try:
                os.kill(stray, signal.SIGKILL)
                os.waitpid(stray, 0)
            except (ProcessLookupError, ChildProcessError):
                pass


def _read_report(descriptor: int) -> dict[str, Any] | None:
    with os.fdopen(descriptor, "rb") as file:
        os.set_blocking(file.fileno(), False)
        line = (file.read() or b"").partition(b"\n")[0]
    try:
        report = json.loads(line)
    except ValueError:
        return None
    return report if isinstance(report, dict) else None


def _wait(process: subprocess.Popen[bytes], watch: Watch) -> str | None:
    """Waits for the end, brought about if need be; returns why it was."""
    stopped: str | None = None
    kill_at: float | None = None
    look_at = time.monotonic() + watch.interval
    while True:
        try:
            process.wait(0.05)
            return stopped
        except subprocess.TimeoutExpired:
            pass
        now = time.monotonic()
        if stopped is None:
            if watch.remaining() <= watch.margin:
                stopped = watch.near_limit()
            elif now >= look_at:
                stopped = watch.should_stop()
                look_at = now + watch.interval
            if stopped is not None:
                kill_group(process.pid, signal.SIGTERM)
                kill_group(process.pid, signal.SIGCONT)
                kill_at = now + watch.margin / 2
        elif kill_at is not None and now >= kill_at:
            kill_group(process.pid, signal.SIGKILL)
            kill_at = None


def run(
    command: list[str],
    folder: Path,
    variables: dict[str, str],
    watch: Watch,
    inherited: dict[str, str] | None = None,
) -> Outcome:
    """Runs Python with the arguments `command` in the directory `folder` to its end. Its environment is a function's,
    or `inherited`, with `variables`."""
    begin, parent = time.monotonic(), os.getpid()
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    others = set(children_of(os.getpid()))
    read, write = os.pipe()
    output = _Output()
    variables = {**variables, "WEFT_FAILURE_FD": str(write)}
    given = environment(folder.parent, variables) if inherited is None else {**inherited, **variables}
    try:
        process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=given,
            pass_fds=[write],
            start_new_session=True,
            # A function's process that is killed takes its script with it.
            preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509
        )
    finally:
        os.close(write)
    assert process.stdout is not None

    def echo(line: bytes) -> None:
        print(line.decode(errors="replace"), end="", flush=True)

    pump = threading.Thread(target=output.pump, args=(process.stdout, echo), daemon=True)
    pump.start()
    try:
        stopped = _wait(process, watch)
    finally:
        # What the script has started goes with it.
        kill_group(process.pid, signal.SIGKILL)
        process.wait()
        _kill_strays(others)
    pump.join(5)
    report = _read_report(read)
    with output.lock:
        return Outcome(
            process.returncode, list(output.last), report, time.monotonic() - begin, stopped, b"".join(output.log)
        )
