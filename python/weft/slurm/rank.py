"""One task of a step: a rank. It runs the script in the job's folder, and tells how it does.

    srun ... python -m weft.slurm.rank FOLDER SCRIPT [argument ...]

A failed rank's task ends a little later than its script: srun ends the others at once then, and they shall first have
had the time to fail by themselves, with an error of their own.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from weft import settings
from weft.launcher import FAIL_BY_THEMSELVES
from weft.serverless import script_process
from weft.slurm.folder import JobFolder

__all__ = ["main"]

#: Seconds between two signs of life.
HEARTBEAT = 2.0
#: Twice the seconds between SIGTERM and SIGKILL for the script, which may have something to save; within Slurm's own
#: KillWait, as it is by default.
MARGIN = 40.0


def _threads() -> int:
    """The cores of a task: as they were asked for, else its share of what the job has of this node."""
    if os.environ.get("SLURM_CPUS_PER_TASK"):
        return int(os.environ["SLURM_CPUS_PER_TASK"])
    tasks = os.environ.get("SLURM_STEP_TASKS_PER_NODE", "1").split(",")[0].partition("(")[0]
    return max(1, int(os.environ.get("SLURM_CPUS_ON_NODE") or settings.cores()) // int(tasks))


class _Rank:
    def __init__(self, folder: JobFolder, rank: int, world_size: int) -> None:
        self.folder, self.rank, self.world_size = folder, rank, world_size
        self.progress = Path(f"{folder.report_of(rank)}.progress")
        self.state: dict[str, Any] = {
            "rank": rank, "world_size": world_size, "state": "running", "phase": "starting", "begin": time.time(),
            "node": os.environ.get("SLURMD_NODENAME", ""),
        }  # fmt: skip
        self.stopped: str | None = None
        self._ended = threading.Event()

    def tell(self, **more: Any) -> None:
        try:
            self.state |= json.loads(self.progress.read_text())
        except (OSError, ValueError):
            pass
        self.state |= more
        self.folder.write(self.folder.report_of(self.rank), {**self.state, "time": time.time()})

    def beat(self) -> None:
        while not self._ended.wait(HEARTBEAT):
            try:
                self.tell(phase="script")
            except OSError as problem:
                print(f"weft: rank {self.rank}: no sign of life could be given: {problem}", file=sys.stderr)

    def variables(self) -> dict[str, str]:
        found = {
            "WEFT_RESULTS": str(self.folder.results_of(self.rank)),
            "WEFT_PROGRESS_FILE": str(self.progress),
            "WEFT_THREADS": os.environ.get("WEFT_THREADS") or str(_threads()),
        }
        # Under MPI both are MPI's.
        if "WEFT_SECRET" in os.environ:
            found |= {"WEFT_RANK": str(self.rank), "WEFT_WORLD_SIZE": str(self.world_size)}
        return found

    def run(self, command: list[str]) -> int:
        results = self.folder.results_of(self.rank)
        results.mkdir(parents=True, exist_ok=True)
        self.tell()
        beating = threading.Thread(target=self.beat, name="weft-heartbeat", daemon=True)
        beating.start()
        watch = script_process.Watch(lambda: math.inf, MARGIN, lambda: "", lambda: self.stopped, interval=0.2)
        outcome = script_process.run(command, results, self.variables(), watch, inherited=dict(os.environ))
        self._ended.set()
        beating.join()
        last = {"code": outcome.code, "lines": outcome.lines, "seconds": outcome.seconds}
        if outcome.handed_over:
            self.tell(state="handover", error=outcome.summary, **last)
            self.progress.unlink(missing_ok=True)
            # srun must not end the others for it.
            return 0
        # Slurm's SIGTERM reaches the script by itself, too.
        if outcome.code != 0 and self.stopped and not outcome.exception:
            self.tell(state=self.stopped, error=f"it was {self.stopped}", stopped=self.stopped, **last)
        elif outcome.code != 0:
            blame = {"exception": outcome.exception, "about_peer": outcome.about_peer}
            self.tell(state="failed", error=outcome.summary, **blame, **last)
            time.sleep(FAIL_BY_THEMSELVES)
        else:
            self.tell(state="done", phase="", **last)
        self.progress.unlink(missing_ok=True)
        return outcome.code if outcome.code >= 0 else 128 - outcome.code


def main(arguments: list[str]) -> int:
    """Runs the rank that Slurm says this task is; its script's exit code."""
    try:
        rank, world_size = int(os.environ["SLURM_PROCID"]), int(os.environ["SLURM_STEP_NUM_TASKS"])
    except KeyError as missing:
        print(f"weft.slurm.rank: {missing.args[0]} is not set: this is started by srun", file=sys.stderr)
        return 2
    mine = _Rank(JobFolder(Path(arguments[0])), rank, world_size)

    def stop(number: int, _: Any) -> None:
        mine.stopped = mine.stopped or "cancelled"

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return mine.run(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
