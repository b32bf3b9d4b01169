"""Servers of ranks, one a world size, started when they are first asked for and kept for the whole test run."""

from __future__ import annotations

import json
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

HERE = Path(__file__).parent
HANG = 120.0


@dataclass
class Outcome:
    """What the ranks made of a case: all rows by rank, or each rank's error."""

    table: pa.Table | None
    rows: list[int]
    errors: list[list[str] | None]
    #: "DataFrame", "Series" or "value"; the names of index columns; each rank's value where it is no frame.
    kind: str
    index: list[str]
    values: list[Any]


class Server:
    """One ``weft run -n ranks``, or what else `command` starts as many ranks with, that serves cases."""

    def __init__(self, ranks: int, folder: Path, command: list[str] | None = None) -> None:
        self.ranks = ranks
        self.folder = folder
        self.number = 0
        command = command or [sys.executable, "-m", "weft.cli", "run", "-n", str(ranks), "--threads", "1"]
        self.process = subprocess.Popen(
            [*command, str(HERE / "serve.py"), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "WEFT_CHECK_COLLECTIVES": "1"},
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.errors: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors.extend(self.process.stderr)

    def run(self, spec: dict[str, Any], tables: list[pa.Table], cuts: list[list[int]]) -> Outcome:
        self.number += 1
        folder = self.folder / str(self.number)
        folder.mkdir()
        (folder / "spec.json").write_text(json.dumps({**spec, "cuts": cuts}))
        for number, table in enumerate(tables):
            with pa.OSFile(str(folder / f"input-{number}.arrow"), "wb") as sink:
                with pa.ipc.new_file(sink, table.schema, options=_options()) as writer:
                    writer.write_table(table)
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{self.number}\n")
            self.process.stdin.flush()
            line = self.lines.get(timeout=HANG)
        except (BrokenPipeError, queue.Empty):
            line = ""
        if line.split() != ["done", str(self.number)]:
            self.process.kill()
            self.process.wait()
            pytest.fail(f"the server of {self.ranks} ranks failed or hung in {spec}: {line}\n{''.join(self.errors)}")
        outcomes = [pickle.loads((folder / f"outcome-{rank}.pickle").read_bytes()) for rank in range(self.ranks)]
        result = folder / "result.arrow"
        table = None
        if result.exists():
            with pa.OSFile(str(result)) as file:
                table = pa.ipc.open_file(file).read_all()
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        return Outcome(
            table,
            [outcome["rows"] for outcome in outcomes],
            [outcome["error"] for outcome in outcomes],
            outcomes[0]["kind"],
            outcomes[0]["index"],
            [outcome["value"] for outcome in outcomes],
        )

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        if self.alive:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(timeout=HANG)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        assert self.process.returncode == 0, "".join(self.errors)


def _options() -> pa.ipc.IpcWriteOptions:
    # Chunks of a dictionary column may have different dictionaries; a file holds one.
    return pa.ipc.IpcWriteOptions(unify_dictionaries=True)


class Servers:
    """By world size. `command` makes what starts as many ranks."""

    def __init__(self, folder: Path, command: Callable[[int], list[str]] | None = None) -> None:
        self.folder = folder
        self.command = command
        self.by_ranks: dict[int, Server] = {}

    def __getitem__(self, ranks: int) -> Server:
        server = self.by_ranks.get(ranks)
        if server is None or not server.alive:
            folder = self.folder / f"world-{ranks}-{len(list(self.folder.iterdir()))}"
            folder.mkdir()
            command = self.command(ranks) if self.command else None
            server = self.by_ranks[ranks] = Server(ranks, folder, command)
        return server

    def close(self) -> None:
        for server in self.by_ranks.values():
            server.close()
