"""Jobs that were submitted from here: how they do, what they said, what came of them, and how to end them.

A record of each lies in ``~/.weft/jobs`` (or ``WEFT_HOME``), so that a job id is enough.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import IO, Any

from weft.serverless import plan
from weft.serverless.aws import client
from weft.serverless.finishing import read_reports
from weft.serverless.job_store import JobStore, rank_name
from weft.serverless.rank_report import billed_seconds

__all__ = ["JobFailed", "JobHandle", "job_folder", "load", "remember"]

#: Seconds between two looks.
POLL = 1.0


class JobFailed(RuntimeError):
    """A job that ended without a result. `error` is its kind, `cause` names rank, exception and last lines."""

    def __init__(self, job: str, error: str, cause: str) -> None:
        super().__init__(f"job {job}: {error}: {cause}")
        self.job, self.error, self.cause = job, error, cause


def _home() -> Path:
    return Path(os.environ.get("WEFT_HOME") or Path.home() / ".weft") / "jobs"


def _check(job: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,80}", job) or job in (".", ".."):
        raise ValueError(f"a job's name is 1 to 80 of [A-Za-z0-9._-], not {job!r}")
    return job


def job_folder(job: str) -> Path:
    """A new directory for a job of this host."""
    folder = _home() / _check(job)
    if folder.exists():
        raise ValueError(f"there is a job {job!r} already: give this one another name")
    folder.mkdir(parents=True)
    return folder


def remember(record: dict[str, Any]) -> None:
    folder = _home()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_check(record['job'])}.json"
    path.with_suffix(".new").write_text(json.dumps(record))
    path.with_suffix(".new").replace(path)


def load(job: str) -> JobHandle:
    """The job of this name; ValueError where none was submitted from here."""
    path = _home() / f"{_check(job)}.json"
    if not path.exists():
        raise ValueError(f"no job {job!r} was submitted from here ({_home()})")
    return JobHandle(json.loads(path.read_text()))


class JobHandle:
    """One submitted job."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record
        self.job: str = record["job"]
        self.world_size: int = record["world_size"]
        #: Of the ranks of earlier epochs.
        self._last_words: dict[int, dict[int, dict[str, Any] | None]] = {}

    @property
    def _local(self) -> bool:
        return bool(self.record["launcher"] == "local")

    @property
    def _store(self) -> JobStore:
        return JobStore(self.record["storage"])

    # -- how it does ---------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """``state`` (running, done, failed, cancelled), ``epoch``, ``ranks`` up, ``phase``, ``rows``, ``bytes``,
        ``seconds``, ``cost``; ``error`` and ``cause`` where it failed."""
        if self._local:
            return self._local_status()
        found = client("stepfunctions").describe_execution(executionArn=self.record["execution"])
        states = {"RUNNING": "running", "SUCCEEDED": "done", "ABORTED": "cancelled"}
        store = self._store
        epochs = [int(match[1]) for name in store.list("epoch-") if (match := re.match(r"epoch-(\d+)/ranks", name))]
        epoch = max(epochs, default=0)
        ranks = [report for report in read_reports(store, epoch, self.world_size).values() if report is not None]
        now = time.time()
        billed = billed_seconds(ranks, now) + sum(map(self._billed, range(epoch)))
        phases = [str(report.get("phase", "")) for report in ranks if report["state"] == "running"]
        status = {
            "job": self.job,
            "state": states.get(found["status"], "failed"),
            "epoch": epoch,
            "world_size": self.world_size,
            "ranks": len(ranks),
            "phase": max(set(phases), key=phases.count) if phases else "",
            "rows": sum(report.get("rows", 0) for report in ranks),
            "bytes": sum(report.get("bytes", 0) for report in ranks),
            "seconds": (found["stopDate"].timestamp() if found.get("stopDate") else now) - self.record["begin"],
        }
        prices = plan.Prices.load(self.record["prices"])
        parts = plan.cost(
            prices, world_size=self.world_size, memory=self.record["memory"],
            billed_seconds=billed, wall_seconds=status["seconds"], epochs=epoch + 1,
            network=self.record["network"], bytes_out=status["bytes"],
        )  # fmt: skip
        status |= {"cost": sum(parts.values()), "currency": prices.currency}
        if status["state"] == "failed":
            status |= {"error": found.get("error", found["status"]), "cause": found.get("cause", "")}
        return status

    def _billed(self, epoch: int) -> float:
        """Seconds of functions of an earlier epoch, of which late ranks may still run."""
        store, known = self._store, self._last_words.get(epoch)
        if known is None:
            known = self._last_words[epoch] = read_reports(store, epoch, self.world_size)
        for rank, report in known.items():
            if report is not None and report["state"] == "running":
                known[rank] = store.get_json(f"{rank_name(epoch, rank)}.json")
        return billed_seconds(known.values(), time.time())

    def _local_status(self) -> dict[str, Any]:
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
        """One line."""
        if self._local:
            return f"{self.job}: {status['state']}, {status['world_size']} ranks, {status['seconds']:.0f} s"
        return (
            f"{self.job}: {status['state']}, epoch {status['epoch']}, {status['ranks']}/{status['world_size']} ranks "
            f"up, phase {status['phase'] or '-'}, {status['rows']} rows, {status['bytes']} bytes, "
            f"{status['seconds']:.0f} s, {status['cost']:.6f} {status['currency']}"
        )

    # -- its end -------------------------------------------------------------------------------------------------

    def follow(self, out: IO[str]) -> dict[str, Any]:
        """Prints how it goes until it has ended, and returns its result; JobFailed where it has none."""
        said = ""
        while True:
            status = self.status()
            line = self.describe(status)
            # Without the seconds and the cost, which change all the time.
            key = re.sub(r", [0-9]+ s.*", "", line)
            if key != said:
                print(line, file=out, flush=True)
                said = key
            if status["state"] != "running":
                break
            time.sleep(POLL)
        return self.result()

    def result(self) -> dict[str, Any]:
        """The result; JobFailed where the job has ended without one."""
        status = self.status()
        if self._local:
            if status["state"] == "done":
                return {**status, "files": []}
            raise JobFailed(self.job, status.get("error", "still running"), status.get("cause", ""))
        result = self._store.get_json("result.json")
        if result is not None:
            return {**result, "cost": status["cost"], "currency": status["currency"]}
        raise JobFailed(self.job, status.get("error", status["state"]), status.get("cause", ""))

    def fetch(self, folder: Path | None = None) -> Path:
        """The files that the ranks left: rank 0's as they are named, the others' below ``rank-00001`` and so on."""
        if self._local:
            return _home() / self.job / "results"
        folder = folder or Path("weft-results") / self.job
        store = self._store
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
        if self._local:
            path = _home() / self.job / "log"
            return path.read_text(errors="replace") if path.exists() else ""
        names = sorted(name for name in self._store.list("epoch-") if name.endswith(".log"))
        last = max((int(name.split("/")[0].removeprefix("epoch-")) for name in names), default=0)
        texts = []
        for number in range(self.world_size) if rank is None else [rank]:
            text = (self._store.get(f"{rank_name(last, number)}.log") or b"").decode(errors="replace")
            texts += [text] if rank is not None else [f"[{number}] {line}\n" for line in text.splitlines()]
        return "".join(texts)

    def cancel(self) -> None:
        """Ends the execution, and its functions: they look for this every few seconds."""
        if self._local:
            if self.status()["state"] == "running":
                os.kill(self.record["pid"], signal.SIGTERM)
            return
        self._store.put("cancelled", b"")
        client("stepfunctions").stop_execution(
            executionArn=self.record["execution"], error="Weft.Cancelled", cause="weft cancel"
        )
