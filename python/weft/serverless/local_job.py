"""Launcher ``local``: the same program as processes of this host, to their end."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from weft.serverless import package
from weft.serverless.jobs import JobFailed, JobHandle, home, job_folder, remember
from weft.serverless.plan import Plan
from weft.serverless.submission import Submission, pack

__all__ = ["TAKES", "Handle", "plan", "submit"]

TAKES: frozenset[str] = frozenset()


def submit(submission: Submission) -> JobHandle:
    """Runs it in a folder of its own; JobFailed where it does not end well."""
    from weft.launcher import Launch, run

    made, entry = pack(submission)
    name = submission.name()
    folder = job_folder(name)
    entries = package.parse_manifest(made.manifest, made.digest)
    package.unpack(entries, made.files.__getitem__, folder / "package")
    results = folder / "results"
    results.mkdir()
    variables = {**submission.environment, "WEFT_JOB": name, "WEFT_RESULTS": str(results)}
    for key, value in (("WEFT_INPUT", submission.input), ("WEFT_OUTPUT", submission.output)):
        if value is not None:
            variables[key] = value
    begin, here = time.time(), os.getcwd()
    record = {"job": name, "launcher": "local", "world_size": submission.world_size, "begin": begin, "pid": os.getpid()}
    remember(record)
    code = 1
    try:
        os.chdir(results)
        code = run(
            Launch(
                [str(folder / "package" / entry), *submission.arguments],
                submission.world_size,
                environment=variables,
                log=folder / "log",
            )
        )
    finally:
        os.chdir(here)
        record |= {"code": code, "end": time.time()}
        remember(record)
    if code != 0:
        raise JobFailed(name, f"exit code {code}", f"`weft logs {name}` has its output")
    return Handle(record)


def plan(submission: Submission) -> Plan:
    """There is none."""
    raise ValueError("dry_run: a run on this host has no price")


class Handle(JobHandle):
    """One run on this host."""

    def status(self) -> dict[str, Any]:
        code = self.record.get("code")
        state = "running" if code is None else "done" if code == 0 else "failed"
        if code is None and not Path(f"/proc/{self.record['pid']}").exists():
            state = "failed"
        end = self.record.get("end", time.time())
        return {
            "job": self.job, "state": state, "world_size": self.world_size, "seconds": end - self.record["begin"],
            **({"error": f"exit code {code}", "cause": ""} if state == "failed" else {}),
        }  # fmt: skip

    def describe(self, status: dict[str, Any]) -> str:
        return f"{self.job}: {status['state']}, {status['world_size']} ranks, {status['seconds']:.0f} s"

    def result(self) -> dict[str, Any]:
        status = self.status()
        if status["state"] == "done":
            return {**status, "files": []}
        raise JobFailed(self.job, status.get("error", "still running"), status.get("cause", ""))

    def used(self, result: dict[str, Any]) -> str:
        return f"used: {result['seconds']:.1f} s of this host"

    def fetch(self, folder: Path | None = None) -> Path:
        """Where they lie; where a folder is named they are copied there."""
        lie = home() / self.job / "results"
        return lie if folder is None else Path(shutil.copytree(lie, folder, dirs_exist_ok=True))

    def logs(self, rank: int | None = None) -> str:
        path = home() / self.job / "log"
        text = path.read_text(errors="replace") if path.exists() else ""
        if rank is None:
            return text
        lead = f"[{rank}] "
        return "".join(line.removeprefix(lead) for line in text.splitlines(True) if line.startswith(lead))

    def cancel(self) -> None:
        if self.status()["state"] == "running":
            os.kill(self.record["pid"], signal.SIGTERM)
