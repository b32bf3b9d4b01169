"""Figures that are no question to an engine: starting, and shuffling beside a plain socket.

Each gives a `Row` of the table; where something that it needs is missing it says so and gives none.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import machine

HERE = Path(__file__).parent
ROOT = HERE.parent
BUILD = Path(os.environ.get("WEFT_BUILD", ROOT / "build" / "release"))
#: Where `make bench-setup` puts what cannot live beside the tests' packages.
BENCH_PYTHON = ROOT / "build" / "bench-venv" / "bin" / "python"


@dataclass
class Row:
    """One row of the table: seconds by engine (names that begin with "weft" are ours), and the bound beside them."""

    name: str
    seconds: dict[str, list[float]]
    #: Bytes that must be moved, reads and writes alike, and the seconds in which this machine can.
    moved: int | None = None
    limit: float | None = None
    #: What the aim is a ratio to: the fastest of the peers, or the limit.
    beside_limit: bool = False
    aim: float | None = None
    aim_ranks: float | None = None
    notes: list[str] = field(default_factory=list)


class Missing(Exception):
    """What a figure needs and this machine has not."""


def weft_run(ranks: int, threads: int, arguments: list[str], mark: str) -> list[str]:
    """What rank 0 of `weft run` printed behind `mark`, line by line."""
    found = shutil.which("weft", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    # A package that is not installed, but named by PYTHONPATH, has its command line as a module.
    command = [found] if found and "PYTHONPATH" not in os.environ else [sys.executable, "-m", "weft.cli"]
    command += ["run", "-n", str(ranks), "--threads", str(max(1, threads // ranks)), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
    if done.returncode != 0:
        raise SystemExit(f"weft run failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    return [line.split(mark, 1)[1] for line in done.stdout.splitlines() if mark in line]


def _seconds_of_python(code: str) -> float:
    """By the clock of a new process, from its first line on."""
    whole = f"import time; begin = time.perf_counter()\n{code}\nprint(time.perf_counter() - begin)"
    done = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, timeout=60, check=True)
    return float(done.stdout.split()[-1])


def importing(repeat: int) -> Row:
    """What `import weft` and `weft.init()` add to `import pyarrow`."""
    rounds = [
        (_seconds_of_python("import pyarrow"), _seconds_of_python("import pyarrow, weft; weft.init()"))
        for _ in range(2 * repeat + 1)
    ]
    seconds = [ours - base for base, ours in rounds]
    base = statistics.median(one for one, _ in rounds)
    return Row(
        "import and init",
        {"weft": seconds},
        limit=0.15,
        beside_limit=True,
        aim=1,
        notes=[f"beyond pyarrow's own {base:.3f} s; the limit is the aim"],
    )


def many_ranks(repeat: int, ranks: int = 64) -> Row:
    """From the first process to the end of the last one: linked all to all, one message each way."""
    rank, server = BUILD / "tests" / "netlab_rank", BUILD / "cli" / "weft-rendezvous"
    for program in (rank, server):
        if not program.exists():
            raise Missing(f"{program} is not built")
    serving = subprocess.Popen([str(server), "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    seconds = []
    try:
        assert serving.stdout is not None
        address = serving.stdout.readline().strip()
        for _ in range(repeat):
            job = {
                "WEFT_RENDEZVOUS": address,
                "WEFT_JOB": secrets.token_hex(6),
                "WEFT_SECRET": secrets.token_hex(32),
                "WEFT_WORLD_SIZE": str(ranks),
            }
            begin = time.perf_counter()
            started = [
                subprocess.Popen(
                    [str(rank), "--bytes", "8"], env={**job, "WEFT_RANK": str(number)}, stdout=subprocess.DEVNULL
                )
                for number in range(ranks)
            ]
            codes = [process.wait(timeout=120) for process in started]
            seconds.append(time.perf_counter() - begin)
            if any(codes):
                raise SystemExit(f"{ranks} ranks: exit codes {codes}")
    finally:
        serving.kill()
        serving.wait()
    return Row(
        f"{ranks} C++ ranks",
        {"weft": seconds},
        limit=2,
        beside_limit=True,
        aim=1,
        notes=["from the first process to the end of the last; the limit is the aim"],
    )


SHUFFLE_MARK = "weft-shuffle-result "


def run_shuffle(rows: int, repeat: int) -> None:
    """One rank: rows of two int64 columns to the ranks of one of them; rank 0 prints the seconds of the slowest rank,
    the bytes that each sends, and how."""
    import numpy as np

    import weft

    with weft.init() as env:
        data = np.random.default_rng(env.rank).integers(0, rows, size=(rows, 2))
        frame = weft.DataFrame(data, columns=["col0", "col1"], env=env)
        seconds = []
        for _ in range(repeat + 1):
            env.barrier()
            begin = time.perf_counter()
            frame.repartition(by="col0")
            seconds.append(float(env.allreduce(time.perf_counter() - begin, "max")))
        path = next(link["path"] for link in env.links() if link["peer"] != env.rank)
        if env.rank == 0:
            sent = data.nbytes * (env.world_size - 1) // env.world_size
            print(SHUFFLE_MARK + json.dumps({"seconds": seconds[1:], "bytes": sent, "path": path}), flush=True)


def _shuffle_row(name: str, found: dict[str, Any], plain: list[float], aim: float, how: str = "") -> Row:
    """What `run_shuffle` printed beside a plain socket's rounds, of which the first warms up."""
    return Row(
        name,
        {"weft, 2 ranks": found["seconds"], "plain socket": plain[1:]},
        moved=found["bytes"],
        limit=statistics.median(plain[1:]),
        aim_ranks=aim,
        notes=[f"path: {found['path']}{how}"],
    )


def shuffle_on_one_host(rows: int, repeat: int) -> Row:
    script = [str(HERE / "figures.py"), "shuffle", str(rows), str(repeat)]
    found = json.loads(weft_run(2, 2, script, SHUFFLE_MARK)[0])
    return _shuffle_row("shuffle, one host", found, machine.socket_seconds(found["bytes"], repeat + 1), 2)


@contextmanager
def two_namespaces() -> Iterator[list[str]]:
    """Two network namespaces of our own with a line between them; their addresses are 198.18.7.1 and .2."""
    sys.path.insert(0, str(ROOT / "tests" / "netlab"))
    import namespaces

    if why := namespaces.missing(switch=False):
        raise Missing(why)
    prefix = namespaces.fresh_prefix()
    names = [f"{prefix}-a", f"{prefix}-b"]
    made: list[str] = []
    try:
        for name in names:
            namespaces.ip([f"netns add {name}"])
            made.append(name)
        namespaces.ip([f"link add e0 netns {names[0]} type veth peer name e0 netns {names[1]}"])
        for number, name in enumerate(names, 1):
            namespaces.ip(["link set lo up", f"addr add 198.18.7.{number}/24 dev e0", "link set e0 up"], name)
        yield names
    finally:
        namespaces.remove(made)


def ranks_in_namespaces(names: list[str], job: str, script: list[str], timeout: float) -> list[str]:
    """What ranks of one thread each print that run `script` over tcp in the clear, one in each namespace."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "WEFT_STORE": f"file://{folder}",
            "WEFT_JOB": job,
            "WEFT_SECRET": secrets.token_hex(32),
            "WEFT_WORLD_SIZE": str(len(names)),
            "WEFT_ENCRYPTION": "off",
            "WEFT_THREADS": "1",
            "WEFT_BACKEND": "tcp",
        }
        ranks = [
            subprocess.Popen(
                ["ip", "netns", "exec", name, sys.executable, *script],
                env={**os.environ, **environment, "WEFT_RANK": str(number)},
                stdout=subprocess.PIPE,
                text=True,
            )
            for number, name in enumerate(names)
        ]
        texts = [rank.communicate(timeout=timeout)[0] for rank in ranks]
    if any(rank.returncode for rank in ranks):
        raise SystemExit(f"the ranks of {job} between namespaces failed")
    return texts


def shuffle_between_namespaces(rows: int, repeat: int) -> Row:
    with two_namespaces() as names:
        script = [str(HERE / "figures.py"), "shuffle", str(rows), str(repeat)]
        texts = ranks_in_namespaces(names, "bench", script, 600)
        found = json.loads(texts[0].split(SHUFFLE_MARK)[1].splitlines()[0])
        first, second = (["ip", "netns", "exec", name] for name in names)
        plain = machine.socket_seconds(found["bytes"], repeat + 1, host="198.18.7.1", within=(first, second))
    return _shuffle_row("shuffle, two namespaces", found, plain, 0.95, ", encryption=off")


def figures(rows: int, repeat: int) -> dict[str, list[Callable[[], Row]]]:
    """By the kind of work, what makes its rows."""
    return {
        "start": [lambda: importing(repeat), lambda: many_ranks(repeat)],
        "shuffle": [lambda: shuffle_on_one_host(rows, repeat), lambda: shuffle_between_namespaces(rows, repeat)],
    }


if __name__ == "__main__":
    run_shuffle(int(sys.argv[2]), int(sys.argv[3]))
