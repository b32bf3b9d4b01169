"""What ``weft run --hosts`` starts on each host, at the far end of ssh: it runs that host's ranks.

The launcher's half is `weft.hosts`. Orders come as lines on standard input, the first of them the job itself, with the
environment and the secrets, which so are on no command line. What the ranks print and how they end goes back as frames
on standard output: a line ``KIND RANK LENGTH`` and that many bytes. When standard input ends, or no order or sign of
life has come for `SILENCE` seconds, the launcher is gone: all ranks are killed.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from weft import settings
from weft.launcher import GRACE, HANDOVER_GRACE, Warden, die_with_parent, kill_group

__all__ = ["SILENCE", "serve"]

#: Seconds without a word from the launcher after which the connection counts as broken. It speaks every 10.
SILENCE = 60.0


class _Ranks:
    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job
        self._out = sys.stdout.buffer
        self._selector = selectors.DefaultSelector()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._heard = time.monotonic()
        self._orders: list[bytes] = []
        self._gone = False
        self._ended_by: float | None = None  # when, after this host's own SIGTERM
        self._wake_read, self._wake_write = os.pipe()

    def _send(self, kind: str, rank: int, data: bytes) -> None:
        try:
            self._out.write(b"%s %d %d\n%s" % (kind.encode(), rank, len(data), data))
            self._out.flush()
        except OSError:
            self._gone = True

    def _listen(self) -> None:
        """In a thread: orders, until the launcher or the connection is gone."""
        for line in sys.stdin.buffer:
            self._heard = time.monotonic()
            self._orders.append(line)
            os.write(self._wake_write, b".")
        self._gone = True
        os.write(self._wake_write, b".")

    def _start(self, rank: int, warden: Warden) -> None:
        job, parent = self._job, os.getpid()
        read, write = os.pipe()
        threads = job["threads"] or max(1, settings.cores() // len(job["ranks"]))
        environment = {
            **os.environ,
            "WEFT_RANK": str(rank),
            "WEFT_THREADS": str(threads),
            "WEFT_FAILURE_FD": str(write),
        }
        environment.setdefault("PYTHONUNBUFFERED", "1")
        try:
            process = subprocess.Popen(
                [sys.executable, *job["command"]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                pass_fds=[write],
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509
            )
        finally:
            os.close(write)
        warden.add(process.pid)
        self._processes[rank] = process
        assert process.stdout is not None and process.stderr is not None
        for kind, descriptor in (("o", process.stdout.fileno()), ("e", process.stderr.fileno()), ("r", read)):
            os.set_blocking(descriptor, False)
            self._selector.register(descriptor, selectors.EVENT_READ, (kind, rank))

    def _read(self, descriptor: int, kind: str, rank: int) -> None:
        try:
            data = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            self._selector.unregister(descriptor)
        self._send(kind, rank, data)

    def _obey(self) -> None:
        os.read(self._wake_read, 4096)
        while self._orders:
            word, *numbers = self._orders.pop(0).split()
            if word == b"signal":
                process = self._processes.get(int(numbers[0]))
                if process is not None and process.returncode is None:
                    kill_group(process.pid, int(numbers[1]))

    def _pump(self, seconds: float) -> bool:
        """Passes on what there is; whether there was anything."""
        ready = self._selector.select(seconds)
        for key, _ in ready:
            if key.data is None:
                self._obey()
            else:
                self._read(key.fd, *key.data)
        return bool(ready)

    def _loop(self, warden: Warden) -> None:
        running = dict(self._processes)
        while running and not self._gone:
            self._pump(0.05)
            now = time.monotonic()
            if now - self._heard > SILENCE or (self._ended_by is not None and now > self._ended_by):
                self._gone = True
            for rank, process in list(running.items()):
                code = process.poll()
                if code is None:
                    continue
                kill_group(process.pid, signal.SIGKILL)
                warden.remove(process.pid)
                del running[rank]
                # Its last words go before its end.
                end = time.monotonic() + 1.0
                while any(key.data is not None and key.data[1] == rank for key in self._selector.get_map().values()):
                    if not self._pump(0.05) and time.monotonic() > end:
                        break
                self._send("x", rank, b"%d" % code)

    def _preempted(self) -> None:
        """This host is to go down: ranks that keep checkpoints have a while to hand over."""
        if not self._job["environment"].get("WEFT_CHECKPOINT_DIR"):
            self._gone = True
            return
        self._ended_by = time.monotonic() + HANDOVER_GRACE
        for process in self._processes.values():
            if process.returncode is None:
                kill_group(process.pid, signal.SIGTERM)

    def run(self) -> int:
        os.set_blocking(self._wake_read, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "_gone", True))
        signal.signal(signal.SIGTERM, lambda *_: self._preempted())
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        warden = Warden()
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            for rank in self._job["ranks"]:
                self._start(rank, warden)
            self._loop(warden)
        finally:
            for process in self._processes.values():
                if process.poll() is None:
                    kill_group(process.pid, signal.SIGKILL)
            for process in self._processes.values():
                process.wait(GRACE)
            warden.close()
        return 1 if self._gone else 0


def serve(job: dict[str, Any]) -> int:
    """Runs the ranks of `job` and returns the exit code: 1 where the launcher went away."""
    folder = job["folder"]
    try:
        os.chdir(folder)
    except OSError as problem:
        print(f"weft run: there is no folder {folder!r} on this host: {problem.strerror}", file=sys.stderr)
        return 2
    return _Ranks(job).run()
