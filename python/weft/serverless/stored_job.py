"""Jobs whose reports, results and logs lie on S3 (`job_store`)."""

from __future__ import annotations

import re
import secrets
import time
from pathlib import Path
from typing import Any

from weft.serverless import package, stack
from weft.serverless.event import Job, sign
from weft.serverless.finishing import read_reports
from weft.serverless.job_store import JobStore, rank_name
from weft.serverless.jobs import JobFailed, JobHandle
from weft.serverless.rank_report import billed_seconds
from weft.serverless.secret_store import job_secret, wrap
from weft.serverless.submission import Submission

__all__ = ["StoredJob", "make_job", "upload"]

#: Attempts in all where nothing is said.
MAX_EPOCHS = 3


class StoredJob(JobHandle):
    """What functions and tasks have in common."""

    #: What a rank runs in, in the plural, for people.
    processes: str

    def __init__(self, record: dict[str, Any]) -> None:
        super().__init__(record)
        #: Of the ranks of earlier epochs.
        self._last_words: dict[int, dict[int, dict[str, Any] | None]] = {}

    @property
    def store(self) -> JobStore:
        return JobStore(self.record["storage"])

    def epoch(self) -> int:
        """The last epoch that was begun."""
        names = self.store.list("epoch-")
        return max((int(match[1]) for name in names if (match := re.match(r"epoch-(\d+)/", name))), default=0)

    def reports(self, epoch: int) -> dict[int, dict[str, Any] | None]:
        """The ranks' last words by rank."""
        return read_reports(self.store, epoch, self.world_size)

    def progress(self, epoch: int, reports: dict[int, dict[str, Any] | None]) -> dict[str, Any]:
        """The part of a status that reports give; ``billed_seconds`` are those of all ranks, in this epoch
        and those before."""
        ranks = [report for report in reports.values() if report is not None]
        now = time.time()
        phases = [str(report.get("phase", "")) for report in ranks if report["state"] == "running"]
        return {
            "job": self.job,
            "epoch": epoch,
            "world_size": self.world_size,
            "ranks": len(ranks),
            "phase": max(set(phases), key=phases.count) if phases else "",
            "rows": sum(report.get("rows", 0) for report in ranks),
            "bytes": sum(report.get("bytes", 0) for report in ranks),
            "billed_seconds": billed_seconds(ranks, now) + sum(map(self._billed, range(epoch))),
        }

    def _billed(self, epoch: int) -> float:
        """Seconds of the ranks of an earlier epoch, of which late ones may still run."""
        known = self._last_words.get(epoch)
        if known is None:
            known = self._last_words[epoch] = self.reports(epoch)
        for rank, report in known.items():
            if report is not None and report["state"] == "running":
                known[rank] = self.store.get_json(f"{rank_name(epoch, rank)}.json")
        return billed_seconds(known.values(), time.time())

    def describe(self, status: dict[str, Any]) -> str:
        return (
            f"{self.job}: {status['state']}, epoch {status['epoch']}, {status['ranks']}/{status['world_size']} ranks "
            f"up, phase {status['phase'] or '-'}, {status['rows']} rows, {status['bytes']} bytes, "
            f"{status['seconds']:.0f} s, {status['cost']:.6f} {status['currency']}"
        )

    def result(self) -> dict[str, Any]:
        status = self.status()
        result = self.store.get_json("result.json")
        if result is not None:
            return {**result, "cost": status["cost"], "currency": status["currency"]}
        raise JobFailed(self.job, status.get("error", status["state"]), status.get("cause", ""))

    def used(self, result: dict[str, Any]) -> str:
        return (
            f"cost: {result['cost']:.6f} {result['currency']}, epoch {result['epoch']}, "
            f"{result['billed_seconds']:.1f} s of {self.processes}"
        )

    def fetch(self, folder: Path | None = None) -> Path:
        folder = folder or Path("weft-results") / self.job
        store = self.store
        for entry in self.result()["files"]:
            place = folder if entry["rank"] == 0 else folder / f"rank-{entry['rank']:05d}"
            target = place / entry["name"]
            if not target.resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"the result has a file {entry['name']!r}, outside of its folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(store.get(entry["key"]) or b"")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def logs(self, rank: int | None = None) -> str:
        """What the ranks printed, in the last epoch that has it; one rank's, or all with the rank before each line."""
        names = sorted(name for name in self.store.list("epoch-") if name.endswith(".log"))
        last = max((int(name.split("/")[0].removeprefix("epoch-")) for name in names), default=0)
        texts = []
        for number in range(self.world_size) if rank is None else [rank]:
            text = (self.store.get(f"{rank_name(last, number)}.log") or b"").decode(errors="replace")
            texts += [text] if rank is not None else [f"[{number}] {line}\n" for line in text.splitlines()]
        return "".join(texts)


def make_job(submission: Submission, name: str, entry: str, made: package.Package, target: stack.Stack) -> Job:
    """The job as it is sent, not signed yet."""
    reference = {"secretsmanager": target.secret}
    if submission.kms_key is not None:
        reference = wrap(secrets.token_hex(32), submission.kms_key)
    return Job(
        job=name,
        world_size=submission.world_size,
        script=entry,
        manifest=made.digest,
        storage={"bucket": target.bucket, "prefix": f"weft-jobs/{name}"},
        rendezvous=target.rendezvous,
        rendezvous_key={"secretsmanager": target.rendezvous_key} if target.rendezvous_key else None,
        secret=reference,
        arguments=tuple(submission.arguments),
        environment=dict(submission.environment),
        input=submission.input,
        output=submission.output,
        max_epochs=MAX_EPOCHS if submission.max_epochs is None else submission.max_epochs,
        memory=submission.memory,
        network=target.network,
    )


def upload(job: Job, made: package.Package) -> Job:
    """Puts the program where ranks fetch it, and returns the job signed; ValueError where another job has its name."""
    store = JobStore(job.storage)
    known, own = store.get_json("job.json"), job.to_json()
    if known is not None and any(known.get(key) != own.get(key) for key in ("manifest", "world_size", "arguments")):
        raise ValueError(
            f"there is a job {job.job!r} already, of another program, world or arguments: give this one another name"
        )
    for name, content in made.files.items():
        store.put(f"package/files/{name}", content)
    store.put("package/manifest.json", made.manifest)
    return sign(job, job_secret(job.secret, job.job))
