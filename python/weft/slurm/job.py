"""Launcher ``slurm``: a batch job of the cluster whose sbatch is here; its state by squeue and sacct."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from weft.serverless import package
from weft.serverless.jobs import GOING, JobFailed, JobHandle, job_folder, remember
from weft.serverless.plan import Plan
from weft.serverless.submission import Submission, pack
from weft.slurm.folder import JobFolder

__all__ = ["TAKES", "Handle", "find_script", "plan", "submit"]

TAKES = frozenset({"memory", "cpus", "nodes", "time_limit", "partition", "bootstrap", "shared", "sbatch"})

#: Slurm's states in Weft's words; others are failures.
_STATES = {
    "PENDING": "waiting", "CONFIGURING": "waiting", "REQUEUED": "waiting", "REQUEUE_HOLD": "waiting",
    "RUNNING": "running", "COMPLETING": "running", "SUSPENDED": "running", "STOPPED": "running", "SIGNALING": "running",
    "STAGE_OUT": "running", "RESIZING": "running", "COMPLETED": "done", "CANCELLED": "cancelled",
}  # fmt: skip
#: What to do about a state, where it says so by itself.
_WAYS_OUT = {
    "TIMEOUT": "the job ran into its time limit: give a longer --time-limit",
    "OUT_OF_MEMORY": "a rank took more memory than the job asked for: give more --memory",
    "NODE_FAIL": "a node of the job failed (sinfo -R says which are down): submit it again",
    "PREEMPTED": "another job took its nodes: submit it again",
    "DEADLINE": "its deadline passed",
}
#: Seconds that a cancelled job has to end: Slurm's KillWait is 30 by default.
CANCEL_SECONDS = 90.0


def find_script(bootstrap: str) -> Path:
    """The job script, in the tree that this package is in or in the package itself."""
    name = Path("deploy/slurm") / f"{bootstrap}.sbatch"
    places = [Path(__file__).parents[3] / name, Path(__file__).parents[1] / name]
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(f"there is no job script {name} in {' or '.join(str(place) for place in places)}")


def _slurm(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    if shutil.which(command[0]) is None:
        raise ValueError(f"there is no {command[0]} here: --launcher slurm works on a login node of a Slurm cluster")
    environment = {**os.environ, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def _check(submission: Submission) -> int:
    """The number of nodes; ValueError for what cannot be asked for."""
    nodes = submission.world_size if submission.nodes is None else submission.nodes
    if not 1 <= nodes <= submission.world_size:
        raise ValueError(f"--nodes {nodes}: it is 1 to the world size, {submission.world_size}")
    for option, value in (("--cpus", submission.cpus), ("--memory", submission.memory)):
        if value is not None and value < 1:
            raise ValueError(f"{option} {value} is below 1")
    return nodes


def _options(submission: Submission, name: str, nodes: int, folder: JobFolder) -> list[str]:
    found = [
        "--parsable", f"--job-name={name}", f"--nodes={nodes}", f"--ntasks={submission.world_size}",
        f"--output={folder.batch_log}", "--open-mode=append", "--no-requeue",
    ]  # fmt: skip
    if submission.memory is not None:
        found.append(f"--mem={submission.memory * math.ceil(submission.world_size / nodes)}M")
    for option, value in (
        ("--cpus-per-task", submission.cpus),
        ("--time", submission.time_limit),
        ("--partition", submission.partition),
    ):
        if value is not None:
            found.append(f"{option}={value}")
    return [*found, *submission.sbatch]


def plan(submission: Submission) -> Plan:
    """There is none."""
    raise ValueError("dry_run: a cluster's job has no price that is known here")


def submit(submission: Submission) -> JobHandle:
    """Puts the program into the job's folder and gives the job to sbatch."""
    nodes = _check(submission)
    bootstrap = submission.bootstrap or "rendezvous"
    script = find_script(bootstrap)
    made, entry = pack(submission)
    name = submission.name()
    above = None if submission.shared is None else Path(submission.shared).absolute()
    folder = JobFolder(job_folder(name, above))
    entries = package.parse_manifest(made.manifest, made.digest)
    package.unpack(entries, made.files.__getitem__, folder.path / "package")
    folder.make()
    variables = dict(submission.environment)
    for key, value in (("WEFT_INPUT", submission.input), ("WEFT_OUTPUT", submission.output)):
        if value is not None:
            variables[key] = value
    command = ["sbatch", *_options(submission, name, nodes, folder), str(script), "--folder", str(folder.path)]
    command += ["--name", name, *(f"--env={key}={value}" for key, value in variables.items())]
    command += [str(folder.path / "package" / entry), *submission.arguments]
    done = _slurm(*command, WEFT_PYTHON=os.environ.get("WEFT_PYTHON") or sys.executable)
    if done.returncode != 0:
        shutil.rmtree(folder.path)
        raise ValueError(f"sbatch refused the job: {done.stderr.strip()}")
    record = {
        "job": name, "launcher": "slurm", "world_size": submission.world_size, "nodes": nodes, "begin": time.time(),
        "slurm_job": done.stdout.strip().partition(";")[0], "folder": str(folder.path), "bootstrap": bootstrap,
    }  # fmt: skip
    remember(record)
    return Handle(record)


class Handle(JobHandle):
    """One batch job."""

    def __init__(self, record: dict[str, Any]) -> None:
        super().__init__(record)
        self.folder = JobFolder(Path(record["folder"]))

    def _asked(self) -> str:
        """Slurm's state of the job; empty where Slurm does not know it any more."""
        number = self.record["slurm_job"]
        done = _slurm("squeue", "--noheader", "--states=all", f"--jobs={number}", "--format=%T")
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.split()[0]
        if done.returncode != 0 and "Invalid job id" not in done.stderr:
            raise RuntimeError(f"squeue: {done.stderr.strip()}")
        # A queue forgets what has ended; the accounting, where a cluster has one, does not.
        done = _slurm("sacct", "-n", "-P", "-X", f"--jobs={number}", "--format=State")
        return done.stdout.split()[0] if done.returncode == 0 and done.stdout.strip() else ""

    def _state(self, end: dict[str, Any] | None) -> str:
        known = self.record.get("slurm_state")
        state: str = known or self._asked()
        if not state and end is not None:
            state = "COMPLETED" if end["code"] == 0 else "FAILED"
        if known is None and state and _STATES.get(state, "") not in GOING:
            # The keys of a job that was killed before it could take them away go now.
            self.folder.forget_store()
            self.record |= {"slurm_state": state, "end": (end or {}).get("end", time.time())}
            remember(self.record)
        return state

    def status(self) -> dict[str, Any]:
        """Also ``slurm``, Slurm's own word for the state, ``ranks`` up, ``phase``, ``rows`` and ``bytes``."""
        end = self.folder.read(self.folder.path / "end.json")
        slurm = self._state(end)
        reports = [report for report in self.folder.reports(self.world_size).values() if report is not None]
        phases = [str(report.get("phase", "")) for report in reports if report["state"] == "running"]
        status = {
            "job": self.job,
            "state": _STATES.get(slurm, "failed"),
            "slurm": slurm or "unknown",
            "slurm_job": self.record["slurm_job"],
            "world_size": self.world_size,
            "ranks": len(reports),
            "phase": max(set(phases), key=phases.count) if phases else "",
            "rows": sum(report.get("rows", 0) for report in reports),
            "bytes": sum(report.get("bytes", 0) for report in reports),
            "seconds": self.record.get("end", time.time()) - self.record["begin"],
        }
        if status["state"] == "failed":
            way = _WAYS_OUT.get(slurm, "")
            error, cause = f"Slurm.{slurm.title().replace('_', '')}" if slurm else "Slurm.Forgotten", way
            if end is not None and "error" in end:
                own = slurm in ("FAILED", "")
                error, cause = (end["error"] if own else error), "\n".join(filter(None, (way, end["cause"])))
            elif slurm:
                cause = "\n".join(filter(None, (way, self.folder.why(self.world_size, f"Slurm: {slurm}")[1])))
            else:
                cause = "Slurm knows the job no more, and it has left no last word: look at its batch.log"
            status |= {"error": error, "cause": cause}
        return status

    def describe(self, status: dict[str, Any]) -> str:
        return (
            f"{self.job}: {status['state']} (Slurm job {status['slurm_job']}, {status['slurm']}), "
            f"{status['ranks']}/{status['world_size']} ranks up, phase {status['phase'] or '-'}, "
            f"{status['rows']} rows, {status['bytes']} bytes, {status['seconds']:.0f} s"
        )

    def result(self) -> dict[str, Any]:
        status = self.status()
        if status["state"] != "done":
            raise JobFailed(self.job, status.get("error", status["state"]), status.get("cause", ""))
        names = [
            path.relative_to(self.folder.results).as_posix()
            for path in sorted(self.folder.results.rglob("*"))
            if path.is_file()
        ]
        return {**status, "files": names}

    def used(self, result: dict[str, Any]) -> str:
        end = self.folder.read(self.folder.path / "end.json") or {}
        seconds = end.get("end", 0.0) - end.get("begin", 0.0)
        nodes = self.record["nodes"]
        return f"used: {nodes} nodes for {seconds:.1f} s ({nodes * seconds / 3600:.4f} node-hours)"

    def fetch(self, folder: Path | None = None) -> Path:
        folder = folder or Path("weft-results") / self.job
        shutil.copytree(self.folder.results, folder, dirs_exist_ok=True)
        return folder

    def logs(self, rank: int | None = None) -> str:
        """What the ranks printed, and what the job script and srun did, led by ``[batch]``."""
        if rank is not None:
            return _text(self.folder.log_of(rank))
        lines = [
            f"[{number}] {line}\n"
            for number in range(self.world_size)
            for line in _text(self.folder.log_of(number)).splitlines()
        ]
        return "".join([*lines, *(f"[batch] {line}\n" for line in _text(self.folder.batch_log).splitlines())])

    def cancel(self) -> None:
        """Ends it by scancel, and waits until nothing of it runs."""
        done = _slurm("scancel", self.record["slurm_job"])
        if done.returncode != 0 and "Invalid job id" not in done.stderr:
            raise RuntimeError(f"scancel: {done.stderr.strip()}")
        until = time.monotonic() + CANCEL_SECONDS
        while self.status()["state"] in GOING:
            if time.monotonic() > until:
                raise RuntimeError(f"the Slurm job {self.record['slurm_job']} has not ended after {CANCEL_SECONDS:g} s")
            time.sleep(0.2)


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
