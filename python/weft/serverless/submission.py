"""What is submitted, for every launcher; which of it a launcher takes is in the launcher's own module."""

from __future__ import annotations

import dataclasses
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from weft.serverless import package

__all__ = ["COMMON", "Submission", "pack"]

#: What every launcher takes.
COMMON = frozenset({"script", "arguments", "launcher", "world_size", "entry", "input", "output", "job", "environment"})


@dataclass(frozen=True)
class Submission:
    """What to run; `weft.serverless.submit.submit` describes the fields. None: not given."""

    script: str
    arguments: Sequence[str] = ()
    launcher: str = "lambda"
    world_size: int = 1
    memory: int | None = None
    entry: str | None = None
    input: str | None = None
    output: str | None = None
    job: str | None = None
    stack: str | None = None
    max_epochs: int | None = None
    kms_key: str | None = None
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    expect_seconds: float | None = None
    prices: str | None = None
    nodes: int | None = None
    cpus: int | None = None
    time_limit: str | None = None
    partition: str | None = None
    bootstrap: str | None = None
    shared: str | None = None
    sbatch: Sequence[str] = ()
    launch_type: str | None = None
    advertise: str | None = None

    def name(self) -> str:
        """The job's name: as given, or one of the script's that nobody else has."""
        if self.job is not None:
            return self.job
        stem = re.sub(r"[^A-Za-z0-9]+", "-", Path(self.script).resolve().stem).strip("-")[:40] or "job"
        return f"{stem}-{secrets.token_hex(5)}"

    def given(self) -> set[str]:
        """Fields that are not as they are by default."""
        empty = Submission(self.script)
        return {item.name for item in dataclasses.fields(self) if getattr(self, item.name) != getattr(empty, item.name)}


def pack(submission: Submission) -> tuple[package.Package, str]:
    """The program as files, and the script in it."""
    made, single = package.pack(Path(submission.script))
    entry = submission.entry or single or ("main.py" if "main.py" in made.files else None)
    if entry is None:
        raise ValueError(f"{submission.script!r} is a folder without main.py: name the script by --entry")
    if entry not in made.files:
        raise ValueError(f"--entry {entry!r} is not in {submission.script!r}")
    return made, entry
