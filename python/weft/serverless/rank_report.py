"""What a rank says in the end, and what the ranks' reports together mean for the job."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["STALE", "Verdict", "billed_seconds", "judge", "may_retry"]

#: Seconds after which a rank that was running and says nothing more is lost.
STALE = 45.0
#: Exceptions of the program itself: another try would end in the same way.
_PROGRAM_ERRORS = {
    "ArithmeticError", "AssertionError", "AttributeError", "FileNotFoundError", "ImportError", "IndentationError",
    "IndexError", "KeyError", "LookupError", "ModuleNotFoundError", "NameError", "NotImplementedError", "SyntaxError",
    "TypeError", "ValueError", "ZeroDivisionError",
}  # fmt: skip
#: How the reports of ranks are ordered when one of them is to stand for all.
_ORDER = {
    "failed": 0, "out_of_time": 0, "refused": 0, "lost": 1, "cancelled": 2, "superseded": 3, "missing": 4,
    "handover": 5,
}  # fmt: skip


def billed_seconds(reports: Iterable[dict[str, Any] | None], now: float) -> float:
    """Seconds of functions of these ranks. One that fell silent is counted up to its last sign of life."""
    total = 0.0
    for report in reports:
        if report is not None and report["state"] != "running":
            total += report["seconds"]
        elif report is not None:
            total += (now if now - report["time"] <= STALE else report["time"]) - report["begin"]
    return total


@dataclass
class Verdict:
    """What comes next: ``done``, ``wait`` (for ranks that still run), ``handover`` (the next epoch at once), ``retry``
    or ``failed``, and why."""

    next: str
    error: str = ""
    cause: str = ""


def may_retry(report: dict[str, Any]) -> bool:
    if report["state"] in ("out_of_time", "refused", "cancelled"):
        return False
    if report["state"] != "failed":
        return True
    kind = str(report.get("error", "")).partition(":")[0]
    # A script that ends by an exit code of its own has decided so.
    own_exit = report.get("code", 0) > 0 and not report.get("exception") and not report.get("stopped")
    return kind not in _PROGRAM_ERRORS and not own_exit


def _own(report: dict[str, Any]) -> bool:
    """Whether it began on this rank."""
    return not report.get("about_peer", False)


def _describe(report: dict[str, Any]) -> str:
    text = f"rank {report['rank']} {report['state'].replace('_', ' ')}: {report.get('error') or 'no report'}"
    lines = report.get("lines") or []
    return text + ("\nlast lines of its output:\n" + "\n".join(lines) if lines else "")


def judge(
    reports: dict[int, dict[str, Any] | None],
    world_size: int,
    epoch: int,
    max_epochs: int,
    map_error: str,
    process: str = "function",
) -> Verdict:
    """`reports` are the ranks' last words by rank, None where there are none; `epoch` counts the attempts that did not
    end by a hand-over; `map_error` is what the state machine said of the map, empty where it succeeded. `process` is
    what a rank runs in, for people."""
    now = time.time()
    found: list[dict[str, Any]] = []
    for rank in range(world_size):
        report = reports.get(rank)
        if report is None:
            report = {"rank": rank, "state": "missing", "error": f"its {process} was never heard of"}
        elif report["state"] == "running" and now - report["time"] > STALE:
            report = {**report, "state": "lost", "error": f"its {process} went silent {now - report['time']:.0f} s ago"}
        found.append(report)
    progress = any(report.get("checkpoints") for report in found)
    states = {report["state"] for report in found}
    if states == {"handover", "running"} and not map_error:
        return Verdict("wait")
    bad = [report for report in found if report["state"] not in ("done", "running", "missing")]
    running = [report for report in found if report["state"] == "running"]
    missing = [report for report in found if report["state"] == "missing"]
    if not bad and not running and not missing:
        return Verdict("done")
    if not bad and running and not map_error and not missing:
        return Verdict("wait")
    if not bad:
        # The map has ended, and so have the functions of those that say they run.
        bad = [
            {**r, "state": "lost", "error": f"its {process} ended without a word ({map_error})"} for r in running
        ] + missing
    bad.sort(key=lambda report: (not _own(report), _ORDER.get(report["state"], 9), report["rank"]))
    cause = _describe(bad[0])
    if bad[0]["state"] in ("handover", "out_of_time") and not progress:
        cause = f"no stage and no checkpoint was finished in the time there is: make them shorter\n{cause}"
    others = [f"rank {report['rank']} {report['state']}" for report in bad[1:9]]
    if others:
        cause += f"\nalso: {', '.join(others)}" + (f" and {len(bad) - 9} more" if len(bad) > 9 else "")
    own = [report for report in bad if _own(report)]
    in_order = bool(own) and all(report["state"] in ("handover", "out_of_time") for report in own)
    if in_order and progress and not missing:
        # Also where an operator took longer than there was time: the next epoch begins where this one had come to.
        return Verdict("handover", "Weft.HandOver", cause)
    # An error that all ranks have agreed on names the rank where it arose, and is no rank's own: it counts itself.
    retry = all(may_retry(report) for report in own or bad[:1])
    if retry and epoch + 1 < max_epochs:
        return Verdict("retry", "Weft.EpochFailed", cause)
    if retry and max_epochs > 1:
        cause = f"after {max_epochs} epochs: {cause}"
    return Verdict("failed", f"Weft.{bad[0]['state'].title().replace('_', '')}", cause)
