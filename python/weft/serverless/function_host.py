"""Functions on this machine: real processes that talk to a Runtime API, pooled as Lambda does it.

A sandbox is one process and one server of the Runtime API. It takes one invocation at a time; when it is free it stays
warm for the next. A function's end, its time-out and its error are told apart exactly.
"""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from weft.launcher import children_of, kill_group

__all__ = ["Function", "FunctionError", "FunctionHost", "Invocation", "Place"]

_API = "/2018-06-01/runtime"
#: Seconds in which a new process must ask for its first invocation.
START_SECONDS = 120.0


class FunctionError(RuntimeError):
    """What Lambda answers with ``FunctionError``: the payload has ``errorType`` and ``errorMessage``."""

    def __init__(self, kind: str, message: str, payload: dict[str, Any] | None = None) -> None:
        super().__init__(f"{kind}: {message}")
        self.payload = payload or {"errorType": kind, "errorMessage": message}


@dataclass(frozen=True)
class Function:
    """A function as it was deployed."""

    name: str
    handler: str
    timeout: float
    memory: int = 1024
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Where a sandbox's process is started: a command that leads its own (such as ``ip netns exec NAME``), and the
    address at which its Runtime API listens, reachable from there. This is where a lab of networks is put in; `gone`
    is called when the sandbox has ended."""

    lead: tuple[str, ...] = ()
    address: str = "127.0.0.1"
    gone: Callable[[], None] = lambda: None


@dataclass
class Invocation:
    """One delivery of one event."""

    function: Function
    event: Any
    request: str = field(default_factory=lambda: str(uuid.uuid4()))
    deadline: float = 0.0
    answer: queue.Queue[tuple[str, Any]] = field(default_factory=queue.Queue)
    sandbox: Sandbox | None = None


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _ApiServer

    def log_message(self, *_: Any) -> None:
        pass

    def _send(self, code: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {
            **(headers or {}),
            "Content-Length": str(len(body)),
            "Content-Type": "application/json",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_GET(self) -> None:
        sandbox = self.server.sandbox
        if self.path != f"{_API}/invocation/next":
            self._send(404)
            return
        sandbox.ready.set()
        invocation = sandbox.inbox.get()
        if invocation is None:
            self.close_connection = True
            return
        arn = f"arn:aws:lambda:us-east-1:{'0' * 12}:function:{invocation.function.name}"
        self._send(
            200,
            json.dumps(invocation.event).encode(),
            {
                "Lambda-Runtime-Aws-Request-Id": invocation.request,
                "Lambda-Runtime-Deadline-Ms": str(int(invocation.deadline * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": arn,
                "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000;Sampled=0",
            },
        )

    def do_POST(self) -> None:
        body = self._body()
        sandbox = self.server.sandbox
        match = re.fullmatch(rf"{_API}/invocation/([^/]+)/(response|error)", self.path)
        current = sandbox.current
        if match and current is not None and match[1] == current.request:
            current.answer.put((match[2], json.loads(body or b"null")))
            self._send(202, b'{"status":"OK"}')
        elif self.path == f"{_API}/init/error":
            sandbox.init_error = json.loads(body or b"null")
            self._send(202, b'{"status":"OK"}')
        else:
            self._send(400, b'{"errorMessage":"no such invocation","errorType":"InvalidRequestID"}')


class _ApiServer(ThreadingHTTPServer):
    daemon_threads = True
    sandbox: Sandbox


class Sandbox:
    """One process of one function."""

    def __init__(self, host: FunctionHost, function: Function, number: int) -> None:
        self.function, self.number = function, number
        self.inbox: queue.Queue[Invocation | None] = queue.Queue()
        self.ready = threading.Event()
        self.current: Invocation | None = None
        self.init_error: Any = None
        self.folder = Path(tempfile.mkdtemp(prefix=f"sandbox-{number}-", dir=host.folder))
        self.log = self.folder / "log"
        place = host.place(number)
        self._gone = place.gone
        self._server = _ApiServer((place.address, 0), _Api)
        self._server.sandbox = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in ("PATH", "LANG", "PYTHONPATH", "LD_LIBRARY_PATH")
        }
        environment = {
            **kept,
            **host.environment,
            **function.environment,
            "AWS_LAMBDA_RUNTIME_API": f"{place.address}:{self._server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "WEFT_EPHEMERAL": str(self.folder / "ephemeral"),
            "PYTHONUNBUFFERED": "1",
        }
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                [*place.lead, sys.executable, "-m", "awslambdaric", function.handler],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd=self.folder,
                env=environment,
                start_new_session=True,
            )

    def children(self) -> list[int]:
        """Groups of processes that this sandbox's process has started: the scripts."""
        return children_of(self.process.pid)

    def invoke(self, invocation: Invocation) -> Any:
        """The answer of one invocation; FunctionError for any other end, after which this sandbox may be dead."""
        self.current, invocation.sandbox = invocation, self
        begin = time.monotonic()
        while not self.ready.wait(0.02):
            if self.process.poll() is not None or time.monotonic() - begin > START_SECONDS:
                raise FunctionError("Runtime.InitError", f"{self.init_error or self.tail()}")
        invocation.deadline = time.time() + self.function.timeout
        self.inbox.put(invocation)
        try:
            return self._await(invocation)
        finally:
            self.current = None

    def _await(self, invocation: Invocation) -> Any:
        while True:
            try:
                kind, value = invocation.answer.get(timeout=0.05)
            except queue.Empty:
                if self.process.poll() is not None:
                    if not invocation.answer.empty():
                        continue
                    message = f"RequestId: {invocation.request} Error: Runtime exited ({self.process.returncode})"
                    raise FunctionError("Runtime.ExitError", message) from None
                if time.time() > invocation.deadline:
                    self.kill()
                    limit = self.function.timeout
                    message = f"RequestId: {invocation.request} Error: Task timed out after {limit:.2f} seconds"
                    raise FunctionError("Sandbox.Timedout", message) from None
                continue
            if kind == "response":
                return value
            payload = value if isinstance(value, dict) else {"errorType": "Unknown", "errorMessage": str(value)}
            raise FunctionError(str(payload.get("errorType")), str(payload.get("errorMessage")), payload)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def kill(self) -> None:
        """As the end of a sandbox on Lambda: every process in it is gone at once."""
        groups = [self.process.pid, *self.children()]
        for group in groups:
            kill_group(group, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        self.kill()
        self.inbox.put(None)
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._gone()


class FunctionHost:
    """Functions by name, and their sandboxes. Thread-safe.

    place
        Where the n-th sandbox runs; called by many threads at once.
    deliver
        Called in place of a plain delivery, with the invocation and what delivers it; tests deliver twice by it.
    """

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        place: Callable[[int], Place] = lambda number: Place(),
        deliver: Callable[[Invocation, Callable[[Invocation], Any]], Any] | None = None,
    ) -> None:
        self.folder, self.environment, self.place, self.deliver = folder, environment, place, deliver
        self.functions: dict[str, Function] = {}
        self.invocations: list[Invocation] = []
        self._lock = threading.Lock()
        self._warm: dict[str, list[Sandbox]] = {}
        self._all: set[Sandbox] = set()
        self._number = 0
        self._closed = False

    def invoke(self, name: str, event: Any) -> Any:
        """Runs one function with one event, in a warm sandbox if there is one."""
        function = self.functions[name]
        invocation = Invocation(function, event)
        return self.run(invocation) if self.deliver is None else self.deliver(invocation, self.run)

    def run(self, invocation: Invocation) -> Any:
        sandbox = self._take(invocation.function)
        with self._lock:
            self.invocations.append(invocation)
        try:
            return sandbox.invoke(invocation)
        finally:
            self._give_back(sandbox)

    def _take(self, function: Function) -> Sandbox:
        with self._lock:
            if self._closed:
                raise FunctionError("Lambda.ServiceException", "the host is closed")
            warm = self._warm.setdefault(function.name, [])
            while warm:
                sandbox = warm.pop()
                if sandbox.alive:
                    return sandbox
            self._number += 1
            number = self._number
        # Not under the lock: a place may take a while to be made, and a world starts at once.
        try:
            sandbox = Sandbox(self, function, number)
        except Exception as problem:
            raise FunctionError("Lambda.ServiceException", f"no sandbox could be started: {problem}") from problem
        with self._lock:
            self._all.add(sandbox)
            if not self._closed:
                return sandbox
            self._all.discard(sandbox)
        sandbox.close()
        raise FunctionError("Lambda.ServiceException", "the host is closed")

    def _give_back(self, sandbox: Sandbox) -> None:
        with self._lock:
            if sandbox.alive and not self._closed:
                self._warm[sandbox.function.name].append(sandbox)
                return
            self._all.discard(sandbox)
        sandbox.close()

    def busy(self) -> list[Sandbox]:
        """Sandboxes that have an invocation."""
        with self._lock:
            return [sandbox for sandbox in self._all if sandbox.current is not None]

    def close(self) -> None:
        with self._lock:
            self._closed = True
            sandboxes = list(self._all)
        for sandbox in sandboxes:
            sandbox.close()
