"""Tasks on this machine: real processes behind moto's ECS API, with the lives of tasks and a metadata endpoint each.

moto keeps the API and what was asked for; here a task that it has made becomes a process in a session of its own,
goes through PROVISIONING, PENDING, RUNNING and STOPPED as on AWS, and gets SIGTERM and, `STOP_SECONDS` later, SIGKILL
when it is stopped.
"""

from __future__ import annotations

import datetime
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from weft.launcher import die_with_parent, kill_group

__all__ = ["LocalTask", "TaskHost"]

#: Seconds between SIGTERM and SIGKILL; 30 on AWS.
STOP_SECONDS = 5.0
#: moto's state is one for all servers of a process: who runs a cluster's tasks is looked up by the cluster's name.
_hosts: dict[str, TaskHost] = {}


class LocalTask:
    """One task. `model` is moto's, which DescribeTasks shows."""

    def __init__(self, host: TaskHost, model: Any, number: int, container: dict[str, Any]) -> None:
        self.host, self.model, self.number, self.container = host, model, number, container
        self.folder = host.folder / f"task-{number}"
        self.process: subprocess.Popen[bytes] | None = None
        self.stop_asked = threading.Event()
        self._thread = threading.Thread(target=self._live, name=f"task-{number}", daemon=True)

    @property
    def arn(self) -> str:
        return str(self.model.task_arn)

    def start(self) -> None:
        self.model.last_status = "PROVISIONING"
        self._thread.start()

    def environment(self) -> dict[str, str]:
        overrides = self.model.overrides.get("containerOverrides", [])
        given = [*self.container.get("environment", ()), *(e for o in overrides for e in o.get("environment", ()))]
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            **self.host.environment,
            **{entry["name"]: entry["value"] for entry in given},
            "WEFT_EPHEMERAL": str(self.folder / "ephemeral"),
            "ECS_CONTAINER_METADATA_URI_V4": f"{self.host.metadata_url}/v4/{self.number}",
        }

    def metadata(self) -> dict[str, dict[str, Any]]:
        """What the endpoint says, by what stands behind the task's own path."""
        mode = "host" if self.model.launch_type == "EC2" else "awsvpc"
        network = {"NetworkMode": mode, "IPv4Addresses": [self.host.address]}
        return {
            "": {"Name": self.container["name"], "Networks": [network]},
            "/task": {"Cluster": self.model.cluster_arn, "TaskARN": self.arn, "LaunchType": self.model.launch_type},
        }

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def kill(self) -> None:
        """As a host that fails, or a kernel that is out of memory."""
        if self.process is not None:
            kill_group(self.process.pid, signal.SIGKILL)

    def _stopped(self, reason: str, code: int | None) -> None:
        container = self.model.containers[0]
        container.last_status, container.exitCode = "STOPPED", code
        self.model.stopped_reason = self.model.stopped_reason or reason
        self.model.desired_status = "STOPPED"
        self.model.stopped_at = datetime.datetime.now(datetime.UTC)
        self.model.last_status = "STOPPED"

    def _live(self) -> None:
        try:
            self._run()
        except Exception as problem:
            self._stopped(f"CannotStartContainerError: {problem}", None)

    def _run(self) -> None:
        self.model.containers[0].exitCode = None
        self.model.last_status = "PENDING"
        self.model.pull_started_at = datetime.datetime.now(datetime.UTC)
        refused = self.host.pending(self)
        if refused is not None or self.stop_asked.is_set():
            self._stopped(refused or "Task stopped before it was started", None)
            return
        parent = os.getpid()
        self.folder.mkdir()
        with (self.folder / "log").open("wb") as sink:
            self.process = subprocess.Popen(
                [sys.executable, *self.container["command"]],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=self.environment(),
                cwd=self.folder,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509
            )
        self.model.started_at = datetime.datetime.now(datetime.UTC)
        self.model.containers[0].last_status = "RUNNING"
        self.model.last_status = "RUNNING"
        self.host.running(self)
        kill_at: float | None = None
        while self.process.poll() is None:
            if self.stop_asked.wait(0.05) and kill_at is None:
                os.kill(self.process.pid, signal.SIGTERM)
                kill_at = time.monotonic() + STOP_SECONDS
            if kill_at is not None:
                time.sleep(0.02)
                if time.monotonic() > kill_at:
                    self.kill()
        kill_group(self.process.pid, signal.SIGKILL)
        code = self.process.returncode
        self._stopped("Essential container in task exited", code if code >= 0 else 128 - code)

    def join(self) -> None:
        self._thread.join()


class _Metadata(BaseHTTPRequestHandler):
    server: _MetadataServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        _, version, number, rest = [*self.path.split("/", 3), ""][:4]
        task = self.server.host.tasks.get(int(number)) if version == "v4" and number.isdigit() else None
        found = None if task is None else task.metadata().get(f"/{rest}" if rest else "")
        body = json.dumps(found).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _MetadataServer(ThreadingHTTPServer):
    daemon_threads = True
    host: TaskHost


class TaskHost:
    """Runs the tasks of one cluster.

    environment
        What every task has beside its definition: the way to the local AWS, and credentials.
    pending
        Called before a task's process is started; a text is why it cannot be.
    running
        Called when it has been.
    """

    def __init__(self, folder: Path, cluster: str, environment: dict[str, str], address: str = "127.0.0.1") -> None:
        self.folder, self.cluster, self.environment, self.address = folder, cluster, environment, address
        self.pending: Callable[[LocalTask], str | None] = lambda task: None
        self.running: Callable[[LocalTask], None] = lambda task: None
        self.tasks: dict[int, LocalTask] = {}
        self._numbers = itertools.count()
        #: Tasks that the cluster has room for.
        self.room = 1 << 30
        folder.mkdir(parents=True)
        self._server = _MetadataServer((address, 0), _Metadata)
        self._server.host = self
        self.metadata_url = f"http://{address}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, name="task-metadata", daemon=True).start()
        _patch()
        _hosts[cluster] = self

    def add(self, models: list[Any], definition: Any) -> list[Any]:
        """Starts what moto has made; those that there is no room for are not."""
        alive = sum(task.model.last_status != "STOPPED" for task in self.tasks.values())
        taken = models[: max(0, self.room - alive)]
        for model in taken:
            task = LocalTask(self, model, next(self._numbers), definition.container_definitions[0])
            self.tasks[task.number] = task
            task.start()
        return taken

    def stop(self, model: Any) -> None:
        for task in self.tasks.values():
            if task.model is model:
                task.stop_asked.set()

    def close(self) -> None:
        _hosts.pop(self.cluster, None)
        for task in self.tasks.values():
            task.stop_asked.set()
            task.kill()
        for task in self.tasks.values():
            task.join()
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _patch() -> None:
    """moto's RunTask and StopTask reach the host of the cluster, once a process."""
    from moto.ecs.models import EC2ContainerServiceBackend as Backend
    from moto.moto_api import state_manager

    if getattr(Backend.run_task, "runs", False):
        return
    # moto moves a task on whenever it is described; here its process does.
    state_manager.set_transition("ecs::task", {"progression": "manual", "times": 1 << 60})
    original_run, original_stop = Backend.run_task, Backend.stop_task

    def run_task(self: Any, cluster: str, definition: str, *rest: Any, **named: Any) -> list[Any]:
        models: list[Any] = original_run(self, cluster, definition, *rest, **named)
        host = _hosts.get(cluster.rpartition("/")[2])
        if host is None:
            return models
        taken = host.add(models, self.describe_task_definition(definition))
        for model in models[len(taken) :]:
            del self.tasks[host.cluster][model.task_arn]
        return taken

    def stop_task(self: Any, cluster: str, task: str, reason: str) -> Any:
        host = _hosts.get(cluster.rpartition("/")[2])
        if host is None:
            return original_stop(self, cluster, task, reason)
        model = self.tasks[host.cluster][task]
        if model.last_status != "STOPPED":
            model.stopped_reason, model.desired_status = reason, "STOPPED"
            host.stop(model)
        return model

    run_task.runs = True  # type: ignore[attr-defined]
    setattr(Backend, "run_task", run_task)  # noqa: B010
    setattr(Backend, "stop_task", stop_task)  # noqa: B010
