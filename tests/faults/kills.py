"""One rank of a job is killed in a phase of its life: what becomes of the others, of the output and of what lay around.

A run is a join of two tables over ranks on a backend, written as Parquet (job.cc). ``kill -9`` falls on one rank at the n-th
place of a phase that it comes by; rank and place are drawn. Each run is checked::

    python tests/faults/kills.py --runs 1000 --csv kills.csv
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import queue
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import duckdb

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WEFT_BUILD", ROOT / "build" / "release"))
RANKS = BUILD / "tests" / "fault_ranks"
SERVER = BUILD / "cli" / "weft-rendezvous"

PHASES = ["rendezvous", "connect", "handshake", "header", "payload", "local operator", "write", "finalise"]
BACKENDS = ["tcp", "ucx", "gloo", "libfabric", "mpi"]
WORLDS = [2, 4, 16]
#: Seconds that a survivor may take from the kill on until its process has ended.
IN_TIME = 5.0
#: A run that does not come to its place is drawn again, with an earlier one, so often at most.
DRAWS = 8
ROWS = 60_000


@dataclass(frozen=True)
class Cell:
    """One row of the table."""

    phase: str
    backend: str
    ranks: int


@dataclass
class Run:
    """What one kill led to."""

    cell: Cell
    victim: int
    number: int
    folder: Path
    slowest: float = 0.0
    hung: list[int] = field(default_factory=list)
    #: "none", "whole" or "wrong".
    output: str = "none"
    #: Survivors that had an error, those of them that named the lost rank and a phase or operation, and those that were
    #: done before.
    failed: int = 0
    named: int = 0
    done: int = 0
    troubles: list[str] = field(default_factory=list)


class Tables:
    """The job's input, and the output as DuckDB has it."""

    def __init__(self, folder: Path) -> None:
        self.left, self.right = folder / "left.parquet", folder / "right.parquet"
        with duckdb.connect() as db:
            db.execute("SELECT setseed(0.25)")
            for path, column in ((self.left, "l"), (self.right, "r")):
                db.execute(f"""
                    COPY (SELECT (random() * {ROWS})::BIGINT AS k, i AS {column}, random() AS {column}_x,
                                 'text ' || (random() * 1e6)::INT AS {column}_t FROM range({ROWS}) AS t(i))
                    TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)""")

    def hold(self, output: Path) -> bool:
        """Whether a directory holds the join of the two, each row as often as it is there."""
        joined = f"SELECT * FROM '{self.left}' JOIN '{self.right}' USING (k)"
        written = f"SELECT * FROM '{output}/*.parquet'"
        with duckdb.connect() as db:
            db.execute("SET threads = 1")
            try:
                query = f"SELECT count(*) FROM (({joined}) EXCEPT ALL ({written}))"
                more = f"SELECT count(*) FROM (({written}) EXCEPT ALL ({joined}))"
                return db.execute(query).fetchall() == [(0,)] and db.execute(more).fetchall() == [(0,)]
            except duckdb.Error:
                return False


class Mother:
    """The process that forks ranks, and a rendezvous server for them."""

    def __init__(self) -> None:
        server = [str(SERVER), "--listen", "127.0.0.1:0"]
        self.server = subprocess.Popen(server, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.process = subprocess.Popen([str(RANKS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.server.stdout is not None
        self.rendezvous = self.server.stdout.readline().split()[-1]
        self.own_memory: bool = self.read()["own_memory"]

    def read(self) -> dict[str, Any]:
        out: IO[str] | None = self.process.stdout
        assert out is not None
        line = out.readline()
        if not line:
            raise RuntimeError("fault_ranks has ended")
        said: dict[str, Any] = json.loads(line)
        return said

    def run(self, **orders: Any) -> dict[str, Any]:
        if orders["backend"] != "mpi":
            orders |= {
                "rendezvous": self.rendezvous,
                "job": f"kill-{secrets.token_hex(6)}",
                "secret": secrets.token_hex(32),
            }
        assert self.process.stdin is not None
        self.process.stdin.write("|".join(f"{key}={value}" for key, value in orders.items()) + "\n")
        self.process.stdin.flush()
        return self.read()

    def __enter__(self) -> Mother:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in (self.process, self.server):
            process.kill()
            process.wait()


class Matrix:
    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.tables = Tables(folder)
        self.seed = seed
        self.runs: list[Run] = []
        self.until = float("inf")
        self._counts: dict[tuple[str, int], list[list[int]]] = {}
        self._counting: dict[tuple[str, int], threading.Lock] = {}
        self._lock = threading.Lock()

    def start(self, mother: Mother, name: str, cell: Cell, **orders: Any) -> tuple[Path, dict[str, Any]]:
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        for part in (folder, folder / "tmp", folder / "results"):
            part.mkdir()
        said = mother.run(
            backend=cell.backend,
            ranks=cell.ranks,
            folder=folder,
            left=self.tables.left,
            right=self.tables.right,
            out=folder / "results" / "out",
            **orders,
        )
        return folder, said

    def counts(self, mother: Mother, backend: str, ranks: int) -> list[list[int]]:
        """By rank and phase: the places that a job without a fault comes by. Its output must be right."""
        key = (backend, ranks)
        with self._lock:
            lock = self._counting.setdefault(key, threading.Lock())
        with lock:
            if key not in self._counts:
                folder, said = self.start(
                    mother, f"count-{backend}-{ranks}", Cell("none", backend, ranks), phase="none"
                )
                texts = [(folder / f"rank-{rank}") for rank in range(ranks)]
                if not all(text.exists() and text.read_text().splitlines()[1] == "ok" for text in texts):
                    raise AssertionError(f"{backend} with {ranks} ranks fails without a fault: see {folder}, {said}")
                if not self.tables.hold(folder / "results" / "out"):
                    raise AssertionError(f"{backend} with {ranks} ranks joins wrongly without a fault: see {folder}")
                self._counts[key] = [[int(n) for n in text.read_text().splitlines()[0].split()] for text in texts]
                shutil.rmtree(folder)
            return self._counts[key]

    def kill(self, mother: Mother, cell: Cell, number: int) -> Run:
        chance = random.Random(f"{self.seed} {cell} {number}")
        counts = self.counts(mother, cell.backend, cell.ranks)
        places = [by_rank[PHASES.index(cell.phase)] for by_rank in counts]
        # Rank 0 is in a third of them: it has more to do than others.
        victims = [rank for rank in range(cell.ranks) if places[rank] > 0]
        victim = 0 if number % 3 == 0 and 0 in victims else chance.choice(victims)
        most = places[victim]
        for _ in range(DRAWS):
            name = f"{cell.phase.replace(' ', '-')}-{cell.backend}-{cell.ranks}-{number}"
            place = chance.randint(1, most)
            folder, said = self.start(mother, name, cell, phase=cell.phase, victim=victim, **{"pass": place})
            if (folder / "killed").exists():
                run = Run(cell, victim, place, folder)
                self.judge(run, said)
                return run
            # It did not come by so many this time.
            most = max(1, place - 1)
        raise AssertionError(f"{cell}: rank {victim} did not come to its end in {DRAWS} runs: see {folder}, {said}")

    def judge(self, run: Run, said: dict[str, Any]) -> None:
        killed_at = int((run.folder / "killed").read_text())
        run.hung = said["hung"]
        launched = run.cell.backend == "mpi"
        for rank, (how, when) in said["ends"].items():
            if not launched and int(rank) == run.victim:
                continue
            run.slowest = max(run.slowest, (when - killed_at) / 1e9)
            if not launched and how.startswith("signal") and int(rank) not in run.hung:
                run.troubles.append(f"rank {rank} ended by {how}")
        output = run.folder / "results" / "out"
        if output.exists():
            run.output = "whole" if self.tables.hold(output) else "wrong"
        for rank in range(run.cell.ranks):
            if rank != run.victim:
                self.judge_survivor(run, rank, launched)
        if launched:
            # mpirun ends all ranks when one of them dies: its own word is the error.
            log = (run.folder / "log").read_text()
            run.failed, run.named = 1, int(f"process rank {run.victim} with PID" in log)
            if run.cell.phase == "rendezvous" and run.number == 1 and "1 process returned" in log:
                run.named = 1  # before MPI_Init; of a process that is not known yet mpirun says only that it ended
        if run.failed > run.named:
            run.troubles.append(f"{run.failed - run.named} errors that do not name rank {run.victim}")
        left = [f"results/{path.name}" for path in (run.folder / "results").iterdir() if path != output]
        left += [f"tmp/{path.name}" for path in (run.folder / "tmp").iterdir()]
        left += [f"shared memory {name}" for name in said["shared_memory"]]
        left += [f"{said['orphans']} processes"] if said["orphans"] else []
        if left:
            run.troubles.append("left behind: " + ", ".join(left))
        if run.hung:
            run.troubles.append(f"hung: ranks {run.hung}")
        elif run.slowest > IN_TIME:
            run.troubles.append(f"took {run.slowest:.1f} s")
        if run.output == "wrong":
            run.troubles.append("wrong output")

    def judge_survivor(self, run: Run, rank: int, launched: bool) -> None:
        path = run.folder / f"rank-{rank}"
        if not path.exists():
            if not launched:
                run.troubles.append(f"rank {rank} said nothing")
            return
        _, outcome, *facts = path.read_text().splitlines()
        if outcome == "ok":
            run.done += 1
            if run.output != "whole":
                run.troubles.append(f"rank {rank} was done, and the output is not there")
            return
        run.failed += 1
        peer, phase, operation, *text = facts
        named = peer == str(run.victim) and f"rank {run.victim}" in " ".join(text)
        run.named += named and bool(phase or operation)

    def work(self, todo: queue.SimpleQueue[tuple[Cell, int]], errors: list[BaseException], verbose: bool) -> None:
        try:
            with Mother() as mother:
                while not errors and time.monotonic() < self.until:
                    cell, number = todo.get_nowait()
                    run = self.kill(mother, cell, number)
                    with self._lock:
                        self.runs.append(run)
                        if verbose and len(self.runs) % 100 == 0:
                            print(f"{len(self.runs)} runs", file=sys.stderr, flush=True)
                    if run.troubles and verbose:
                        print(
                            run.cell, f"rank {run.victim}, place {run.number}:", *run.troubles, sep="\n    ", flush=True
                        )
                    if not run.troubles:
                        shutil.rmtree(run.folder)
        except queue.Empty:
            pass
        except BaseException as error:
            errors.append(error)

    def run_all(
        self, plan: Iterable[tuple[Cell, int]], jobs: int, verbose: bool = True, seconds: float = float("inf")
    ) -> None:
        self.until = time.monotonic() + seconds
        todo: queue.SimpleQueue[tuple[Cell, int]] = queue.SimpleQueue()
        for one in plan:
            todo.put(one)
        errors: list[BaseException] = []
        threads = [threading.Thread(target=self.work, args=(todo, errors, verbose)) for _ in range(jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    @property
    def bad(self) -> list[Run]:
        return [run for run in self.runs if run.troubles]


HEAD = [
    *("phase", "backend", "ranks", "runs", "hangs", "wrong outputs", "visible, whole"),
    *("slowest survivor (s)", "errors", "that named the rank", "left behind"),
]


def rows(runs: Sequence[Run], cells: Sequence[Cell]) -> list[list[str]]:
    """The table's rows. A cell's attribute that is "all" takes any."""
    table = []
    for cell in cells:
        own = [
            run
            for run in runs
            if all(getattr(cell, name) in ("all", 0, getattr(run.cell, name)) for name in ("phase", "backend", "ranks"))
        ]
        if not own:
            continue
        numbers = [
            len(own),
            sum(bool(run.hung) for run in own),
            sum(run.output == "wrong" for run in own),
            sum(run.output == "whole" for run in own),
            f"{max(run.slowest for run in own):.2f}",
            sum(run.failed for run in own),
            sum(run.named for run in own),
            sum(any(text.startswith("left behind") for text in run.troubles) for run in own),
        ]
        table.append([cell.phase, cell.backend, str(cell.ranks or "all"), *map(str, numbers)])
    return table


def show(table: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in table)


def whole_plan(cells: Sequence[Cell], runs: int, seed: int) -> list[tuple[Cell, int]]:
    """At least `runs`, as many of each cell, in an order in which the large worlds are spread."""
    each = -(-runs // len(cells))
    plan = [(cell, number) for cell in cells for number in range(each)]
    random.Random(seed).shuffle(plan)
    return plan


def cells_of(phases: Sequence[str], backends: Sequence[str], worlds: Sequence[int]) -> list[Cell]:
    return [Cell(phase, backend, ranks) for phase in phases for backend in backends for ranks in worlds]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="at least so many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at once")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no run begins later")
    parser.add_argument("--phases", nargs="+", default=PHASES, choices=PHASES)
    parser.add_argument("--backends", nargs="+", default=BACKENDS, choices=BACKENDS)
    parser.add_argument("--ranks", nargs="+", type=int, default=WORLDS)
    parser.add_argument("--csv", type=Path, help="where to write the table, too")
    parser.add_argument("--keep", type=Path, help="directory for the folders of runs that went wrong")
    arguments = parser.parse_args()
    cells = cells_of(arguments.phases, arguments.backends, arguments.ranks)
    folder = Path(tempfile.mkdtemp(prefix="weft-kills-", dir=arguments.keep))
    matrix = Matrix(folder, arguments.seed)
    begin = time.monotonic()
    matrix.run_all(whole_plan(cells, arguments.runs, arguments.seed), arguments.jobs, seconds=arguments.seconds)
    table = [HEAD, *rows(matrix.runs, cells)]
    by_backend = [Cell(phase, backend, 0) for phase in ["all", *PHASES] for backend in ["all", *BACKENDS]]
    print(show(table), show([HEAD, *rows(matrix.runs, by_backend)]), sep="\n\n")
    print(f"{len(matrix.runs)} runs in {time.monotonic() - begin:.0f} s, {len(matrix.bad)} of them not as they must be")
    if arguments.csv:
        with arguments.csv.open("w", newline="") as file:
            csv.writer(file).writerows(table)
    if not matrix.bad:
        shutil.rmtree(folder)
    else:
        print(f"their folders are in {folder}")
    return 1 if matrix.bad else 0


if __name__ == "__main__":
    sys.exit(main())
