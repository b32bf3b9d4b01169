"""``weft run``: starts the ranks of a job on this host or, by `weft.hosts`, on others, passes on what they print, and
ends them together.

The rendezvous server lives in this process. Each rank is the leader of a session of its own, so that a signal reaches
a rank and all that it started, once. Nothing is left behind: a rank's end is followed by SIGKILL to its session's
process group; ranks ask the kernel for SIGKILL when this process dies; and a warden, a small process that waits at a
pipe for this one's end, kills their groups even after ``kill -9`` of this process.
"""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from weft import settings
from weft.errors import HANDOVER_CODE
from weft.hosts import HostLink, HostShare, own_address

__all__ = ["GRACE", "HANDOVER_GRACE", "Launch", "Warden", "children_of", "die_with_parent", "kill_group", "run"]

#: Seconds that the other ranks have, after the first failure, to fail by themselves with an error of their own.
FAIL_BY_THEMSELVES = 2.0
#: Seconds between SIGTERM and SIGKILL; and where ranks then save what they have.
GRACE = 5.0
HANDOVER_GRACE = 30.0
#: Lines of a failed rank's output that are shown again.
LAST_LINES = 20
#: A line without an end is passed on when it is this long.
LINE_BYTES = 1 << 16

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Launch:
    """What to start.

    command
        A script and its arguments, or with `module` a module's name and its arguments.
    hosts
        Hosts and their ranks, `ranks` in all; by default all are on this one. Variables that are `named` go with them.
    listen
        The address of this host that those reach; by default the one on the way to them.
    log
        A file that gets all that the ranks print, too.
    checkpoint_dir
        Where checkpoints go; by default where the environment says, if it does.
    restarts
        How often a job that has failed is started again, as its next epoch, where that makes sense.
    restart_ranks
        How many ranks it has from then on; by default as many as before, or as the hosts that are left have.
    """

    command: Sequence[str]
    ranks: int
    module: bool = False
    threads: int | None = None
    backend: str | None = None
    tag_output: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    hosts: Sequence[HostShare] = ()
    named: Sequence[str] = ()
    listen: str | None = None
    log: Path | None = None
    checkpoint_dir: str | None = None
    restarts: int = 0
    restart_ranks: int | None = None


@dataclass
class _Rank:
    rank: int
    process: subprocess.Popen[bytes] | None  # None: behind `link`
    link: HostLink | None = None
    last: deque[bytes] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    pending: dict[int | str, bytearray] = field(default_factory=dict)
    code: int | None = None
    report: dict[str, Any] | None = None
    open_files: int = 0

    def signal(self, number: int) -> None:
        """To the rank and what it has started."""
        if self.process is not None:
            kill_group(self.process.pid, number)
        elif self.link is not None:
            self.link.signal(self.rank, number)


def die_with_parent(parent: int) -> None:
    """Runs in a child before exec: SIGKILL when the thread that started it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(137)


class Warden:
    """A process that kills what is left of the ranks when this process has died without doing so."""

    def __init__(self) -> None:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            self._watch(read, write)
        os.close(read)
        self._pid = child
        self._pipe = write

    @staticmethod
    def _watch(read: int, write: int) -> None:
        try:
            os.setsid()
            os.close(write)
            os.closerange(3, read)
            os.closerange(read + 1, 4096)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in range(3):
                os.dup2(null, descriptor)
            groups: set[int] = set()
            with os.fdopen(read, "r") as lines:
                for line in lines:
                    group = int(line[1:])
                    (groups.add if line[0] == "+" else groups.discard)(group)
            for group in groups:
                kill_group(group, signal.SIGKILL)
        finally:
            os._exit(0)

    def add(self, group: int) -> None:
        """Takes a process group in its care."""
        os.write(self._pipe, b"+%d\n" % group)

    def remove(self, group: int) -> None:
        """Lets go of a group that has ended."""
        os.write(self._pipe, b"-%d\n" % group)

    def close(self) -> None:
        """Ends it and what is in its care."""
        os.close(self._pipe)
        os.waitpid(self._pid, 0)


def kill_group(group: int, number: int) -> None:
    """Sends a signal to a process group that may have ended."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass


def children_of(parent: int) -> list[int]:
    """Processes that this one has started and that are there, ended ones that nobody has waited for included."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(entry.name))
    return found


def _say(text: str) -> None:
    print(f"weft run: {text}", file=sys.stderr, flush=True)


def describe_code(code: int) -> str:
    """An exit code of `subprocess` in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"


class _Run:
    """One epoch of a job from start to end.

    own
        What the ranks find in their environment about the job: its name and such.
    """

    def __init__(self, launch: Launch, own: dict[str, str]) -> None:
        self._launch, self._own = launch, own
        self.lost_hosts: set[str] = set()
        self._ranks: list[_Rank] = []
        self._links: list[HostLink] = []
        self._selector = selectors.DefaultSelector()
        self._failed: list[_Rank] = []
        self._signals: list[int] = []
        self._asked_at: float | None = None  # when the ranks were asked to end
        self._first_failure_at: float | None = None
        self._killed = False
        self._log: BinaryIO | None = None if launch.log is None else launch.log.open("ab")

    # -- starting ------------------------------------------------------------------------------------------------

    def _command(self) -> list[str]:
        head = [sys.executable, "-m"] if self._launch.module else [sys.executable]
        return [*head, *self._launch.command]

    def _environment(self, rank: int, rendezvous: dict[str, str], report: int) -> dict[str, str]:
        launch = self._launch
        threads = settings.number("threads", launch.threads, max(1, settings.cores() // launch.ranks), 1)
        environment = {**os.environ, **launch.environment, **rendezvous}
        environment.update(
            WEFT_RANK=str(rank),
            WEFT_WORLD_SIZE=str(launch.ranks),
            WEFT_THREADS=str(threads),
            WEFT_FAILURE_FD=str(report),
        )
        # Lines are seen when they are printed, and those of a rank that is killed are not lost.
        environment.setdefault("PYTHONUNBUFFERED", "1")
        if launch.backend is not None:
            environment["WEFT_BACKEND"] = launch.backend
        return environment

    def _start(self, rank: int, rendezvous: dict[str, str], warden: Warden) -> None:
        parent = os.getpid()
        read, write = os.pipe()
        try:
            process = subprocess.Popen(
                self._command(),
                stdin=None if rank == 0 and not sys.stdin.isatty() else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment(rank, rendezvous, write),
                pass_fds=[write],
                start_new_session=True,
                # Only two system calls: nothing that a thread of the server may have locked at the fork.
                preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509
            )
        finally:
            os.close(write)
        warden.add(process.pid)
        state = _Rank(rank, process)
        self._ranks.append(state)
        for stream, out in ((process.stdout, sys.stdout.buffer), (process.stderr, sys.stderr.buffer)):
            assert stream is not None
            self._watch(stream.fileno(), ("output", state, out))
        self._watch(read, ("report", state, None))

    def _watch(self, descriptor: int, data: tuple[str, _Rank, BinaryIO | None]) -> None:
        os.set_blocking(descriptor, False)
        data[1].pending[descriptor] = bytearray()
        data[1].open_files += 1
        self._selector.register(descriptor, selectors.EVENT_READ, data)

    # -- other hosts ---------------------------------------------------------------------------------------------

    def _listen_at(self) -> str:
        if not self._launch.hosts:
            return "127.0.0.1"
        if self._launch.listen:
            return self._launch.listen
        found = {own_address(share.name): share.name for share in self._launch.hosts}
        if len(found) > 1:
            ways = ", ".join(f"{name} by {address}" for address, name in found.items())
            raise ValueError(f"--hosts reach this one by several addresses ({ways}): choose one by --listen ADDRESS")
        return next(iter(found))

    def _start_host(self, share: HostShare, rendezvous: dict[str, str], warden: Warden) -> None:
        launch, parent, link = self._launch, os.getpid(), HostLink(share)
        environment = {**launch.environment, **rendezvous, "WEFT_WORLD_SIZE": str(launch.ranks)}
        if launch.backend is not None:
            environment["WEFT_BACKEND"] = launch.backend
        threads = settings.number("threads", launch.threads, 0, 1) or None
        command = self._command()[1:]
        link.start(command, environment, launch.named, threads, lambda: die_with_parent(parent))
        warden.add(link.process.pid)
        self._links.append(link)
        for rank in share.ranks:
            state = _Rank(rank, None, link)
            state.pending.update({kind: bytearray() for kind in ("o", "e", "r")})
            self._ranks.append(state)
        assert link.process.stdout is not None and link.process.stderr is not None
        os.set_blocking(link.process.stdout.fileno(), False)
        os.set_blocking(link.process.stderr.fileno(), False)
        self._selector.register(link.process.stdout.fileno(), selectors.EVENT_READ, link)
        self._selector.register(
            link.process.stderr.fileno(), selectors.EVENT_READ, (link, link.process.stderr.fileno())
        )

    def _hear(self, link: HostLink) -> None:
        """What a host's far end says about its ranks."""
        assert link.process.stdout is not None
        try:
            data = os.read(link.process.stdout.fileno(), 1 << 16)
        except BlockingIOError:
            return
        mine = {state.rank: state for state in self._ranks if state.link is link}
        for kind, rank, body in link.frames(data):
            state = mine[rank]
            if kind == "x":
                self._ended(state, int(body))
            else:
                out = sys.stdout.buffer if kind == "o" else sys.stderr.buffer
                self._take(state, kind, "report" if kind == "r" else "output", body, out)
        if data:
            return
        self._selector.unregister(link.process.stdout.fileno())
        link.code = link.process.wait()
        lost = [state for state in mine.values() if state.code is None]
        if lost and not self._signals:
            _say(f"the connection to host {link.share.name} ended ({describe_code(link.code)}): its ranks are lost")
            self.lost_hosts.add(link.share.name)
        for state in lost:
            self._ended(state, link.code or 255)

    def _complaints(self, link: HostLink, descriptor: int) -> None:
        """What ssh itself, or the far end before it has ranks, writes to standard error."""
        try:
            data = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            self._selector.unregister(descriptor)
        for line in data.splitlines():
            _say(f"host {link.share.name}: {line.decode(errors='replace')}")

    # -- output --------------------------------------------------------------------------------------------------

    def _read(self, descriptor: int, kind: str, state: _Rank, out: BinaryIO | None) -> None:
        try:
            data = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            self._selector.unregister(descriptor)
            state.open_files -= 1
            if kind == "report":
                os.close(descriptor)
        self._take(state, descriptor, kind, data, out)

    def _take(self, state: _Rank, channel: int | str, kind: str, data: bytes, out: BinaryIO | None) -> None:
        """Bytes that a rank wrote, none at the end: whole lines are passed on."""
        buffer = state.pending[channel]
        buffer += data
        end = len(buffer) if not data or len(buffer) > LINE_BYTES else buffer.rfind(b"\n") + 1
        lines = bytes(buffer[:end]).splitlines(keepends=True)
        del buffer[:end]
        for line in lines:
            if kind == "report":
                state.report = state.report or _parse_report(line)
                continue
            assert out is not None
            self._pass_on(state, line if line.endswith(b"\n") else line + b"\n", out)

    def _pass_on(self, state: _Rank, line: bytes, out: BinaryIO) -> None:
        state.last.append(line)
        if self._log is not None:
            self._log.write(b"[%d] %s" % (state.rank, line))
            self._log.flush()
        try:
            out.write(b"[%d] %s" % (state.rank, line) if self._launch.tag_output else line)
            out.flush()
        except (BrokenPipeError, ValueError):
            # Nobody reads our output any more; the job ends as by SIGPIPE.
            if signal.SIGPIPE not in self._signals:
                self._signals.append(signal.SIGPIPE)

    # -- ending --------------------------------------------------------------------------------------------------

    def _forward(self, number: int) -> None:
        for state in self._ranks:
            if state.code is None:
                state.signal(number)

    def _reap(self, warden: Warden) -> None:
        for state in self._ranks:
            if state.code is not None or state.process is None:
                continue
            code = state.process.poll()
            if code is None:
                continue
            # What the rank has started goes with it.
            kill_group(state.process.pid, signal.SIGKILL)
            warden.remove(state.process.pid)
            self._ended(state, code)

    def _ended(self, state: _Rank, code: int) -> None:
        state.code = code
        if code != 0:
            self._failed.append(state)
            if self._first_failure_at is None:
                self._first_failure_at = time.monotonic()

    def _press(self) -> None:
        """Ends the ranks that are left, gently first."""
        now = time.monotonic()
        if self._asked_at is None:
            handing_over = all(state.code == HANDOVER_CODE for state in self._failed)
            patience = HANDOVER_GRACE if handing_over else FAIL_BY_THEMSELVES
            if self._first_failure_at is None or now - self._first_failure_at < patience:
                return
            self._forward(signal.SIGTERM)
            # A stopped process takes SIGTERM only when it goes on.
            self._forward(signal.SIGCONT)
            self._asked_at = now
        elif now - self._asked_at > self._grace and not self._killed:
            self._forward(signal.SIGKILL)
            self._killed = True

    @property
    def _grace(self) -> float:
        """Ranks that were asked to end by somebody else than this process may have something to save."""
        return HANDOVER_GRACE if self._signals and self._own.get("WEFT_CHECKPOINT_DIR") else GRACE

    def _loop(self, warden: Warden) -> None:
        handled = 0
        drained_by: float | None = None
        while True:
            for key, _ in self._selector.select(0.05):
                if isinstance(key.data, HostLink):
                    self._hear(key.data)
                elif isinstance(key.data[0], HostLink):
                    self._complaints(*key.data)
                else:
                    self._read(key.fd, *key.data)
            for link in self._links:
                link.keep_alive()
            while handled < len(self._signals):
                number = self._signals[handled]
                handled += 1
                # The second signal of a person who is tired of waiting is SIGKILL.
                self._forward(signal.SIGKILL if handled > 2 else signal.SIGTERM if number == signal.SIGPIPE else number)
                if self._asked_at is None:
                    self._asked_at = time.monotonic()
            self._reap(warden)
            if any(state.code is None for state in self._ranks):
                self._press()
                continue
            # All have ended; their last words may still be in the pipes, or a stranger holds these open.
            drained_by = drained_by or time.monotonic() + 1.0
            if all(state.open_files == 0 for state in self._ranks) or time.monotonic() > drained_by:
                return

    def _culprit(self) -> _Rank | None:
        """The rank with which it began: one that a signal killed unasked, else one whose own error was not about
        another rank, else the first to end."""
        if not self._failed:
            return None
        by_signal = [s for s in self._failed if s.code in (-signal.SIGKILL, -signal.SIGSEGV, -signal.SIGABRT)]
        if by_signal and not self._killed:
            return by_signal[0]
        own = [state for state in self._failed if state.report is not None and state.report.get("own")]
        unreported = [state for state in self._failed if state.report is None]
        return (own or unreported or self._failed)[0]

    @property
    def signalled(self) -> bool:
        """Whether this process was asked to end the job."""
        return bool(self._signals)

    @property
    def handed_over(self) -> bool:
        """Whether the ranks have ended so that the next epoch goes on from what they saved."""
        codes = [state.code for state in self._ranks]
        return HANDOVER_CODE in codes and all(code in (0, HANDOVER_CODE) for code in codes)

    @property
    def saved(self) -> int:
        """Checkpoints of an epoch that has handed over."""
        return max((int(state.report.get("saved", 0)) for state in self._ranks if state.report is not None), default=0)

    @property
    def may_try_again(self) -> bool:
        """Whether the failure may be one that another attempt does not meet."""
        from weft.serverless.rank_report import may_retry

        culprit = self._culprit()
        if culprit is None or culprit.code is None or self.lost_hosts:
            return bool(self.lost_hosts)
        error = None if culprit.report is None else str(culprit.report.get("error", ""))
        return may_retry({"state": "failed", "code": culprit.code, "error": error, "exception": error})

    def _summary(self) -> int:
        culprit = self._culprit()
        if self._signals:
            number = self._signals[0]
            if self.handed_over:
                _say(
                    f"ended by signal {number} ({signal.Signals(number).name}), after the ranks had saved what they had"
                )
                return HANDOVER_CODE
            _say(f"ended by signal {number} ({signal.Signals(number).name})")
            return 128 + number
        if culprit is None:
            return 0
        assert culprit.code is not None
        if self.handed_over:
            return HANDOVER_CODE
        _say(f"rank {culprit.rank} failed first: {describe_code(culprit.code)}")
        others = [f"rank {s.rank}: {describe_code(s.code or 0)}" for s in self._failed if s is not culprit]
        if others:
            shown = "; ".join(others[:8]) + (f" and {len(others) - 8} more" if len(others) > 8 else "")
            _say(f"then {shown}")
        if culprit.last:
            _say(f"last lines of rank {culprit.rank}:")
            for line in culprit.last:
                sys.stderr.buffer.write(b"  | " + line)
            sys.stderr.flush()
        return culprit.code if culprit.code > 0 else 128 - culprit.code

    def run(self) -> int:
        from weft import _core

        key = secrets.token_hex(32)
        warden = Warden()
        server = None
        previous = {}
        try:
            server = _core.RendezvousServer.start(self._listen_at(), 0, key, False)
            rendezvous = {
                "WEFT_RENDEZVOUS": server.address,
                "WEFT_RENDEZVOUS_KEY": key,
                "WEFT_SECRET": secrets.token_hex(32),
                **self._own,
            }
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                previous[number] = signal.signal(number, lambda got, _: self._signals.append(got))
            for share in self._launch.hosts:
                self._start_host(share, rendezvous, warden)
            for rank in range(0 if self._launch.hosts else self._launch.ranks):
                if self._signals:
                    break  # those that are there are ended, and no more are started
                self._start(rank, rendezvous, warden)
            self._loop(warden)
        finally:
            self._forward(signal.SIGKILL)
            for state in self._ranks:
                if state.process is not None:
                    state.process.wait()
            for link in self._links:
                link.close()
                warden.remove(link.process.pid)
            if server is not None:
                server.stop()
            warden.close()
            if self._log is not None:
                self._log.close()
            self._selector.close()
            for number, handler in previous.items():
                signal.signal(number, handler)
        return self._summary()


def _parse_report(line: bytes) -> dict[str, Any] | None:
    try:
        report = json.loads(line)
    except ValueError:
        return None
    return report if isinstance(report, dict) else None


def run(launch: Launch) -> int:
    """Runs a job to its end, in several epochs where it is to be restarted or hands over, and returns the exit code: 0,
    the code of the rank that failed first, 128 and the number of the signal that ended it, or `HANDOVER_CODE` where the
    ranks had saved what they had when a signal ended it."""
    from weft.restarting import Restarts

    plan = Restarts(launch)
    while True:
        attempt = _Run(plan.launch, plan.variables())
        code = attempt.run()
        again = plan.after(code, attempt)
        if again is None:
            return code
        _say(again)
