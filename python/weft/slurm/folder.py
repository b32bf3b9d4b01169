"""Everything of one job under Slurm, below one directory that all its nodes see.

```
package/                 the program, where `weft submit` put it there
results/                 rank 0's working directory; the others' are results/rank-00001 and so on
ranks/rank-00000.log     what a rank printed;  ranks/rank-00000.json  how it does, and in the end its report
batch.log                what the job script and srun printed
store/                   the file store of ``--bootstrap file``, while the job runs
checkpoints/             what the ranks saved, where nothing else is said, until the job is done
end.json                 how it ended
```
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from weft.serverless.rank_report import judge

__all__ = ["JobFolder"]


class JobFolder:
    """The names in it, and its small files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.results = path / "results"
        self.ranks = path / "ranks"
        self.store = path / "store"
        self.checkpoints = path / "checkpoints"
        self.batch_log = path / "batch.log"

    def make(self) -> None:
        """Makes what is not there."""
        for folder in (self.results, self.ranks):
            folder.mkdir(parents=True, exist_ok=True)

    def results_of(self, rank: int) -> Path:
        return self.results if rank == 0 else self.results / f"rank-{rank:05d}"

    def log_of(self, rank: int) -> Path:
        return self.ranks / f"rank-{rank:05d}.log"

    def report_of(self, rank: int) -> Path:
        return self.ranks / f"rank-{rank:05d}.json"

    def forget_reports(self) -> None:
        """Of an attempt before this one."""
        for path in self.ranks.glob("rank-*.json"):
            path.unlink(missing_ok=True)

    def forget_store(self) -> None:
        """Keys are of no use to anybody once the job has ended."""
        shutil.rmtree(self.store, ignore_errors=True)

    # -- small files ---------------------------------------------------------------------------------------------

    @staticmethod
    def write(path: Path, value: dict[str, Any]) -> None:
        """Nobody reads half of it."""
        new = path.with_suffix(f".{os.getpid()}")
        new.write_text(json.dumps(value))
        os.replace(new, path)

    @staticmethod
    def read(path: Path) -> dict[str, Any] | None:
        try:
            value = json.loads(path.read_text())
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def reports(self, world_size: int) -> dict[int, dict[str, Any] | None]:
        """The ranks' last words by rank."""
        return {rank: self.read(self.report_of(rank)) for rank in range(world_size)}

    def why(self, world_size: int, ended: str) -> tuple[str, str]:
        """Kind and cause of a failure, from the ranks' reports; `ended` is what Slurm says."""
        found = judge(self.reports(world_size), world_size, 0, 1, ended, process="task")
        if found.next == "done":
            return "Weft.Failed", ended
        return found.error, found.cause
