"""What a task runs: one rank of a job that lies on S3.

    WEFT_TASK_JOB=s3://bucket/prefix WEFT_TASK_EPOCH=0 python -m weft.ecs.task

All tasks of a call of RunTask are alike, so each takes its rank from a counter: the claims on S3, one conditional put a
rank. Whoever is done last writes the result.
"""

from __future__ import annotations

import math
import os
import random
import signal
import sys
from typing import Any

from weft.ecs import metadata
from weft.serverless.aws import split_uri
from weft.serverless.event import Job, RankEvent, verify
from weft.serverless.finishing import read_reports, write_result
from weft.serverless.job_store import JobStore
from weft.serverless.rank_report import judge
from weft.serverless.running import Rank
from weft.serverless.secret_store import job_secret

__all__ = ["claims", "main"]


def claims(store: JobStore, epoch: int) -> dict[int, str]:
    """Ranks that are taken, and the names of their claims."""
    names = [name for name in store.list(f"epoch-{epoch}/rank-") if name.endswith(".claim")]
    return {int(name.removesuffix(".claim").rpartition("-")[2]): name for name in names}


def _take(job: Job, epoch: int, secret: str, store: JobStore, task: metadata.Task, address: str) -> Rank | None:
    """A rank that nobody has; None where all are taken, or the work is not wanted any more."""
    while free := sorted(set(range(job.world_size)) - set(claims(store, epoch))):
        # Tasks start at the same time: they need not all try the same one.
        number = random.choice(free)
        rank = Rank(RankEvent(job, number, epoch), secret, lambda: math.inf, {"WEFT_ADVERTISE": address})
        if (reason := rank.reason_to_stop()) is not None:
            print(f"weft: epoch {epoch} of job {job.job}: {reason}, nothing was run", flush=True)
            return None
        if rank.claim(task=task.arn):
            return rank
    print(f"weft: epoch {epoch} of job {job.job}: all ranks are taken, nothing was run", flush=True)
    return None


def main() -> int:
    """Runs a rank; 0 where it is done, has handed over, or is superseded or cancelled."""
    bucket, prefix = split_uri(os.environ["WEFT_TASK_JOB"], "WEFT_TASK_JOB")
    epoch = int(os.environ["WEFT_TASK_EPOCH"])
    store = JobStore({"bucket": bucket, "prefix": prefix})
    job = Job.from_json(store.get_json("job.json"))
    secret = job_secret(job.secret, job.job)
    verify(job, secret)
    task = metadata.look()
    stopped: list[str] = []
    rank: Rank | None = None

    def stop(number: int, _: Any) -> None:
        # StopTask; SIGKILL follows after the task definition's stopTimeout.
        stopped.append(signal.Signals(number).name)
        if rank is not None:
            rank.stop("cancelled")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    rank = _take(job, epoch, secret, store, task, metadata.advertised(task, os.environ["WEFT_TASK_ADVERTISE"]))
    if rank is None:
        return 0
    if stopped:
        rank.stop("cancelled")
    report = rank.work()
    print(f"weft: rank {rank.event.rank} of epoch {epoch} of job {job.job}: {report['state']}", flush=True)
    if report["state"] == "done":
        reports = read_reports(store, epoch, job.world_size)
        if judge(reports, job.world_size, epoch, job.max_epochs, "", process="task").next == "done":
            write_result(job, store, epoch, reports)
    return 0 if report["state"] in ("done", "handover", "superseded", "cancelled") else 1


if __name__ == "__main__":
    sys.exit(main())
