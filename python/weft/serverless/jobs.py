"""Jobs that were submitted from here: how they do, what they said, what came of them, and how to end them.

A record of each lies in ``~/.weft/jobs`` (or ``WEFT_HOME``), so that a job id is enough. What a job is made of is its
launcher's: one module each, `LAUNCHERS`.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from weft.serverless.plan import Plan
    from weft.serverless.submission import Submission

__all__ = ["LAUNCHERS", "JobFailed", "JobHandle", "home", "job_folder", "launcher", "load", "remember"]

#: Seconds between two looks.
POLL = 1.0
#: States in which a job has not ended.
GOING = ("waiting", "running")

#: The module of each launcher; see `Launcher`.
LAUNCHERS = {
    "lambda": "weft.serverless.function_job",
    "local": "weft.serverless.local_job",
    "slurm": "weft.slurm.job",
    "ecs": "weft.ecs.job",
}


class JobFailed(RuntimeError):
    """A job that ended without a result. `error` is its kind, `cause` names rank, exception and last lines."""

    def __init__(self, job: str, error: str, cause: str) -> None:
        super().__init__(f"job {job}: {error}: {cause}")
        self.job, self.error, self.cause = job, error, cause


class Launcher(Protocol):
    """What the module of a launcher has."""

    #: Fields of `Submission` that it takes beside the common ones; others are refused by name.
    TAKES: frozenset[str]
    #: The class of its jobs.
    Handle: type[JobHandle]

    def submit(self, submission: Submission) -> JobHandle:
        """Starts the job, and returns when it is known under its name."""

    def plan(self, submission: Submission) -> Plan:
        """What would be run, and its price; ValueError where there is none."""


def launcher(name: str) -> Launcher:
    """The launcher of this name; ValueError where there is none."""
    if name not in LAUNCHERS:
        raise ValueError(f"launcher {name!r} is not known; there are {', '.join(LAUNCHERS)}")
    return cast(Launcher, importlib.import_module(LAUNCHERS[name]))


def home() -> Path:
    """Where records, and jobs of this host, lie."""
    return Path(os.environ.get("WEFT_HOME") or Path.home() / ".weft") / "jobs"


def _check(job: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,80}", job) or job in (".", ".."):
        raise ValueError(f"a job's name is 1 to 80 of [A-Za-z0-9._-], not {job!r}")
    return job


def job_folder(job: str, above: Path | None = None) -> Path:
    """A new directory for a job, in `above` or where the jobs of this host lie."""
    folder = (above or home()) / _check(job)
    if folder.exists():
        raise ValueError(f"there is a job {job!r} already: give this one another name")
    folder.mkdir(parents=True)
    return folder


def remember(record: dict[str, Any]) -> None:
    folder = home()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_check(record['job'])}.json"
    path.with_suffix(".new").write_text(json.dumps(record))
    path.with_suffix(".new").replace(path)


def load(job: str) -> JobHandle:
    """The job of this name; ValueError where none was submitted from here."""
    path = home() / f"{_check(job)}.json"
    if not path.exists():
        raise ValueError(f"no job {job!r} was submitted from here ({home()})")
    record = json.loads(path.read_text())
    return launcher(record["launcher"]).Handle(record)


class JobHandle(ABC):
    """One submitted job."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record
        self.job: str = record["job"]
        self.world_size: int = record["world_size"]

    @abstractmethod
    def status(self) -> dict[str, Any]:
        """``state`` (waiting, running, done, failed, cancelled), ``world_size``, ``seconds``; ``error`` and ``cause``
        where it failed; and what else its launcher knows."""

    @abstractmethod
    def describe(self, status: dict[str, Any]) -> str:
        """One line; what changes all the time stands behind ``, N s``."""

    @abstractmethod
    def result(self) -> dict[str, Any]:
        """The result, with its ``files``; JobFailed where the job has ended without one."""

    @abstractmethod
    def used(self, result: dict[str, Any]) -> str:
        """One line on what a result took, and its price where there is one."""

    @abstractmethod
    def fetch(self, folder: Path | None = None) -> Path:
        """The files that the ranks left: rank 0's as they are named, the others' below ``rank-00001`` and so on."""

    @abstractmethod
    def logs(self, rank: int | None = None) -> str:
        """What the ranks printed; one rank's, or all with the rank before each line."""

    @abstractmethod
    def cancel(self) -> None:
        """Ends the job and all that it has started."""

    def look(self) -> dict[str, Any]:
        """`status`, by one who will look again: what is the submitter's to do between two looks is done here."""
        return self.status()

    def follow(self, out: IO[str]) -> dict[str, Any]:
        """Prints how it goes until it has ended, and returns its result; JobFailed where it has none."""
        said = ""
        while True:
            status = self.look()
            line = self.describe(status)
            # Without the seconds and the cost, which change all the time.
            key = re.sub(r", [0-9]+ s.*", "", line)
            if key != said:
                print(line, file=out, flush=True)
                said = key
            if status["state"] not in GOING:
                break
            time.sleep(POLL)
        return self.result()
