"""The function `finish`: what the ranks' reports mean, and the one conditional write that makes a result."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from weft.serverless.aws import split_uri
from weft.serverless.event import MAX_HANDOVERS, Job, verify
from weft.serverless.job_store import JobStore, rank_name
from weft.serverless.rank_report import billed_seconds, judge
from weft.serverless.secret_store import job_secret

__all__ = ["finish", "handovers", "read_reports", "write_result"]

#: Step Functions takes 32 KiB of a cause.
CAUSE_BYTES = 24 << 10
#: Seconds until the reports are looked at again while ranks still run, and before the next epoch, doubled each time.
PAUSE = 5
BACK_OFF = 2
BACK_OFF_MOST = 60


def read_reports(store: JobStore, epoch: int, world_size: int) -> dict[int, dict[str, Any] | None]:
    """The ranks' last words by rank."""
    with ThreadPoolExecutor(16) as pool:
        names = [f"{rank_name(epoch, rank)}.json" for rank in range(world_size)]
        return dict(enumerate(pool.map(store.get_json, names)))


def handovers(store: JobStore, epoch: int) -> int:
    """How many epochs before this one have handed over."""
    return sum(store.exists(f"epoch-{number}/handover.json") for number in range(epoch))


def write_result(job: Job, store: JobStore, epoch: int, reports: dict[int, dict[str, Any] | None]) -> dict[str, Any]:
    """Puts the result of ranks that are all done, once a job, and copies what is to be published. Returns the result
    that counts, which may be another's."""
    result = _result(job, epoch, reports, [read_reports(store, number, job.world_size) for number in range(epoch)])
    if not store.put_new_json("result.json", result):
        result = store.get_json("result.json")
    _publish(job, store, result)
    return result


def _links(reports: list[dict[str, Any]]) -> dict[str, int]:
    """Links between two ranks by path; both ends have told of each."""
    ends: Counter[str] = Counter()
    for report in reports:
        ends.update(report.get("links", {}))
    return {path: (count + 1) // 2 for path, count in sorted(ends.items())}


def _result(
    job: Job, epoch: int, reports: dict[int, dict[str, Any] | None], earlier: list[dict[int, dict[str, Any] | None]]
) -> dict[str, Any]:
    """`earlier` are the reports of the epochs before, which cost something too."""
    done = [report for _, report in sorted(reports.items()) if report is not None]
    return {
        "job": job.job,
        "epoch": epoch,
        "world_size": job.world_size,
        "files": [entry for report in done for entry in report.get("files", ())],
        "logs": [f"{rank_name(epoch, rank)}.log" for rank in range(job.world_size)],
        "rows": sum(report.get("rows", 0) for report in done),
        "bytes": sum(report.get("bytes", 0) for report in done),
        "links": _links(done),
        "seconds": max((report.get("seconds", 0.0) for report in done), default=0.0),
        "billed_seconds": sum(billed_seconds(each.values(), time.time()) for each in (*earlier, reports)),
        "output": job.output,
        "time": time.time(),
    }


def _publish(job: Job, store: JobStore, result: dict[str, Any]) -> None:
    """Copies what was asked for. May run again with the same outcome: it goes by the result that counts."""
    files = {entry["name"]: entry["key"] for entry in reversed(result["files"])}
    for name, uri in job.publish.items():
        if name in files:
            store.copy_to(files[name], *split_uri(uri, "publish"))


def finish(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Takes what `init` returned, with the map's ``error`` where it failed, and adds ``verdict`` to it."""
    epoch = event["epoch"]
    store = JobStore(event["storage"])
    job = Job.from_json(store.get_json("job.json"))
    verify(job, job_secret(job.secret, job.job))
    reports = read_reports(store, epoch, job.world_size)
    error = event.get("error") or {}
    earlier = handovers(store, epoch)
    found = judge(reports, job.world_size, epoch - earlier, job.max_epochs, str(error.get("Error", "")))
    state = {key: value for key, value in event.items() if key != "result"}
    if store.exists("cancelled") and found.next != "done":
        return {**state, "verdict": "failed", "error": "Weft.Cancelled", "cause": f"the job {job.job} was cancelled"}
    if found.next == "done":
        return {**state, "verdict": "done", "result": write_result(job, store, epoch, reports)}
    if found.next == "wait":
        return {**state, "verdict": "wait", "wait_seconds": PAUSE}
    if found.next == "handover" and earlier < MAX_HANDOVERS:
        store.put_json(f"epoch-{epoch}/handover.json", {"cause": found.cause, "time": time.time()})
        print(f"epoch {epoch} of job {job.job} has handed over: {found.cause}")
        return {**state, "error": {}, "verdict": "handover", "epoch": epoch + 1}
    if found.next == "retry":
        print(f"epoch {epoch} of job {job.job} failed and is tried again: {found.cause}")
        wait = min(BACK_OFF_MOST, BACK_OFF << (epoch - earlier))
        return {**state, "error": {}, "verdict": "retry", "epoch": epoch + 1, "wait_seconds": wait}
    cause = found.cause.encode()[:CAUSE_BYTES].decode(errors="ignore")
    store.put_json("failure.json", {"epoch": epoch, "error": found.error, "cause": cause, "time": time.time()})
    return {**state, "verdict": "failed", "error": found.error, "cause": cause}
