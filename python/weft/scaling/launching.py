"""How one cell of a study is run by each launcher, and what comes back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft import _core
from weft.launcher import die_with_parent
from weft.scaling import rank as rank_script
from weft.scaling.study import Cell, Settings
from weft.starting import MPI_ENVIRONMENT, mpirun, start_command

__all__ = ["CellFailed", "Launching", "local_stack", "start_ranks", "why_not"]

#: Launchers by which a program is submitted.
_SUBMITTED = ("slurm", "lambda", "ecs")
#: A cell must end within this many seconds.
LIMIT = 3600.0
#: Lines of a failed cell's output that are shown.
LAST_LINES = 20


class CellFailed(RuntimeError):
    """A cell that did not come to its end; the text says why."""


@dataclass
class Launching:
    """How cells are started. `options` are `weft.submit`'s, for launchers that take them."""

    settings: Settings
    options: dict[str, Any] = field(default_factory=dict)
    said: Callable[[str], None] = lambda line: None

    def run(self, cell: Cell) -> list[dict[str, Any]]:
        """The records of a cell; CellFailed where there are none."""
        with tempfile.TemporaryDirectory(prefix="weft-cell-") as folder:
            begin = time.time()
            plan = self._plan(cell, folder)
            if cell.launcher in _SUBMITTED:
                more = self._submit(cell, plan, Path(folder))
            else:
                more = {}
                start_ranks(_command(cell), [str(rank_script.__file__), json.dumps(plan)], self._variables(cell),
                            cell.world_size, self.said)  # fmt: skip
            file = Path(folder) / "records.jsonl"
            if not file.exists():
                raise CellFailed("it ended well and left no records")
            common = {"launched_seconds": time.time() - begin, **more}
            lines = [json.loads(line) | common for line in file.read_text(encoding="utf-8").splitlines()]
        wanted = cell.world_size * (self.settings.warmups + self.settings.iterations)
        if len(lines) != wanted:
            raise CellFailed(f"it left {len(lines)} records where {wanted} belong")
        return lines

    def _plan(self, cell: Cell, folder: str) -> rank_script.Plan:
        settings = self.settings
        return {
            "operation": cell.operation, "algorithm": cell.algorithm, "scaling": cell.scaling, "rows": settings.rows,
            "columns": settings.columns, "unique": settings.unique, "seed": cell.run, "warmups": settings.warmups,
            "iterations": settings.iterations, "out": folder,
            "tags": {"launcher": cell.launcher, "asked_backend": cell.backend, "run": cell.run},
        }  # fmt: skip

    def _variables(self, cell: Cell) -> dict[str, str]:
        threads = str(self.settings.threads)
        return {"WEFT_BACKEND": cell.backend, "WEFT_THREADS": threads, "OMP_NUM_THREADS": threads}

    def _submit(self, cell: Cell, plan: rank_script.Plan, folder: Path) -> dict[str, Any]:
        """Runs it as a job, with its files in `folder`; what the job says of itself."""
        from weft.serverless import jobs
        from weft.serverless.submit import submit

        options = dict(self.options)
        if cell.launcher == "slurm" and cell.backend == "mpi":
            options.setdefault("bootstrap", "mpi")
        takes = jobs.launcher(cell.launcher).TAKES
        options = {name: value for name, value in options.items() if name in takes}
        variables = {**self._variables(cell), "OMP_NUM_THREADS": str(self.settings.threads)}
        handle = submit(
            str(rank_script.__file__), arguments=[json.dumps(plan)], launcher=cell.launcher,
            world_size=cell.world_size, environment=variables, follow=False, **options,
        )  # fmt: skip
        assert isinstance(handle, jobs.JobHandle)
        try:
            with open(os.devnull, "w", encoding="utf-8") as nowhere:
                result = handle.follow(nowhere)
        except jobs.JobFailed as failure:
            raise CellFailed(str(failure)) from None
        except BaseException:
            handle.cancel()
            raise
        handle.fetch(folder)
        memory = handle.record.get("memory") or handle.record.get("how", {}).get("memory")
        kept = {"cost": "cost", "currency": "currency", "billed_seconds": "billed_seconds"}
        return {
            "job": handle.job,
            "memory_mb": memory,
            **{to: result[key] for key, to in kept.items() if key in result},
        }


def _command(cell: Cell) -> list[str]:
    """What starts Python as the ranks of a cell on this host."""
    import sys

    if cell.launcher == "mpirun":
        start = mpirun()
        assert start is not None
        return [*start, "-n", str(cell.world_size), sys.executable]
    made = start_command(cell.backend, cell.world_size, [])
    assert made is not None
    return made


def start_ranks(
    command: Sequence[str], program: Sequence[str], variables: dict[str, str], world: int, said: Callable[[str], None],
    limit: float = LIMIT,
) -> None:  # fmt: skip
    """Runs `program` by a command of ranks on this host to its end; each of its lines goes to `said`. CellFailed where
    it ends badly or not within `limit` seconds; nothing of it is left then."""
    environment = {**os.environ, **MPI_ENVIRONMENT, **variables}
    parent = os.getpid()
    process = subprocess.Popen(
        [*command, *program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
        # Ranks of a study that was killed would disturb the next one.
        preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509
    )
    late = threading.Timer(limit, process.terminate)
    late.start()
    lines: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            said(line.rstrip("\n"))
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        out_of_time = not late.is_alive()
        late.cancel()
    if code != 0:
        why = f"it did not end within {limit:g} s" if out_of_time else f"exit code {code}"
        raise CellFailed(f"{world} ranks: {why}\n" + "".join(lines[-LAST_LINES:]))


def why_not(launcher: str, backend: str) -> str | None:
    """Why this backend cannot be run by this launcher from here; None where it can."""
    built = {str(known["name"]): known for known in _core.backends()}
    if backend not in built or backend == "local":
        return (
            f"there is no backend {backend!r} of several ranks; there are {', '.join(sorted(set(built) - {'local'}))}"
        )
    if launcher in ("lambda", "ecs"):
        return None if backend == "tcp" else f"{launcher} has tcp alone"
    if not built[backend]["built"]:
        return f"{backend} is not built: {built[backend]['detail']}"
    if launcher == "slurm":
        return None if shutil.which("sbatch") else "there is no sbatch here"
    if (launcher == "mpirun" or backend == "mpi") and mpirun() is None:
        return "there is no OpenMPI mpirun here"
    return None


@contextmanager
def local_stack(tasks: bool) -> Iterator[None]:
    """Functions, S3 and a state machine on this machine stand for AWS meanwhile, for this process; with `tasks` also a
    cluster of ECS."""
    from weft.serverless.local_stack import LocalStack

    folder = Path(tempfile.mkdtemp(prefix="weft-study-stack-"))
    before = dict(os.environ)
    parameters: dict[str, Any] = (
        {"WorkerImageUri": "000000000000.dkr.ecr.us-east-1.amazonaws.com/weft-worker:local"} if tasks else {}
    )
    try:
        with LocalStack(folder / "stack", **parameters) as stack:
            os.environ.update(stack.environment)
            os.environ["WEFT_HOME"] = str(folder / "home")
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(folder, ignore_errors=True)
