"""Fixtures: scripts run by ``weft run``, with a bound on how long they may take."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from figures import figure, pytest_terminal_summary  # noqa: F401
from hypothesis import HealthCheck, Phase, settings
from servers import Servers

#: Of each generated test. While soaking each is run on worlds of 1, 2, 3, 4, 5 and 8 ranks, else on one of them.
EXAMPLES = int(os.environ.get("WEFT_EXAMPLES") or (60 if os.environ.get("WEFT_SOAK") else 8))
settings.register_profile(
    "weft",
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not os.environ.get("WEFT_SOAK"),
    suppress_health_check=list(HealthCheck),
)
# For a first look while writing: what fails is not made smaller.
settings.register_profile(
    "quick",
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
settings.load_profile(os.environ.get("WEFT_TEST_PROFILE", "weft"))

#: Files that take a minute and more begin first: of several processes none is left alone with one at the end.
LONG = [
    "test_serverless_stack.py", "test_serverless_faults.py", "test_handover_functions.py", "test_ecs.py", "test_s3_faults.py",
    "test_checkpoints.py", "test_boundaries.py", "test_backends.py", "test_descriptors.py", "test_restarts.py", "test_clocks.py",
    "test_many_jobs.py", "test_memory.py", "test_faults.py", "test_combine.py", "test_scaling.py", "test_rendezvous.py",
]  # fmt: skip

#: Root in a container is fine, and so are more ranks than cores.
MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe"]

#: Generous: what hangs, hangs for ever.
HANG = 120.0


@dataclass
class Done:
    """A launch that has come to its end."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def text(self) -> str:
        return self.out + self.err


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(LONG)))


class Launches:
    """Starts scripts as ranks and makes sure that none outlives the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []

    def write(self, script: str, name: str = "script.py") -> Path:
        path = self.folder / name
        path.write_text(textwrap.dedent(script))
        return path

    def start(
        self, script: str | Path, ranks: int = 2, arguments: Sequence[str] = (), options: Sequence[str] = (), **env: str
    ) -> subprocess.Popen[str]:
        # With hosts, those say how many there are.
        count = [] if "--hosts" in options else ["-n", str(ranks), "--threads", "1"]
        command = [sys.executable, "-m", "weft.cli", "run", *count, *options]
        return self.start_by(command, script, arguments, **env)

    def start_by(
        self, command: Sequence[str], script: str | Path, arguments: Sequence[str] = (), **env: str
    ) -> subprocess.Popen[str]:
        """Starts the script by another launcher's command."""
        path = self.write(script) if isinstance(script, str) else script
        # Unbuffered, print() writes its arguments one by one, and mpirun then mixes the ranks' lines.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        process = subprocess.Popen(
            [*command, str(path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**inherited, **env},
            start_new_session=True,
            cwd=self.folder,
        )
        self.started.append(process)
        return process

    def finish(self, process: subprocess.Popen[str], begin: float, hang: float = HANG) -> Done:
        try:
            out, err = process.communicate(timeout=hang)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            pytest.fail(f"hung for {hang} s\n--- stdout\n{out}\n--- stderr\n{err}")
        return Done(process.returncode, out, err, time.monotonic() - begin)

    def __call__(
        self,
        script: str | Path,
        ranks: int = 2,
        arguments: Sequence[str] = (),
        options: Sequence[str] = (),
        hang: float = HANG,
        **env: str,
    ) -> Done:
        begin = time.monotonic()
        return self.finish(self.start(script, ranks, arguments, options, **env), begin, hang)

    def mpirun(self, script: str | Path, ranks: int = 2, hang: float = HANG, well: bool = True, **env: str) -> Done:
        """Runs the script under mpirun; `well`: it must end well."""
        begin = time.monotonic()
        command = [*MPIRUN, "-n", str(ranks), sys.executable]
        done = self.finish(self.start_by(command, script, WEFT_THREADS="1", **env), begin, hang)
        assert not well or done.code == 0, f"exit code {done.code}\n--- stdout\n{done.out}\n--- stderr\n{done.err}"
        return done

    def ok(self, script: str | Path, ranks: int = 2, **more: object) -> Done:
        """As a call, and it must end well."""
        done = self(script, ranks, **more)  # type: ignore[arg-type]
        assert done.code == 0, f"exit code {done.code}\n--- stdout\n{done.out}\n--- stderr\n{done.err}"
        return done

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()


def pids(folder: Path, ranks: int, wait_for: Callable[[Callable[[], bool], float], None]) -> list[int]:
    """The ranks' processes, when each has written its own, and a line's end, to ``pid-RANK``."""
    files = [folder / f"pid-{rank}" for rank in range(ranks)]
    wait_for(lambda: all(file.exists() and file.read_text().endswith("\n") for file in files), 60)
    return [int(file.read_text()) for file in files]


@pytest.fixture
def make_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a file system in memory of so many MiB."""
    mount, made = shutil.which("mount"), []

    def make(mebibytes: int) -> Path:
        folder = tmp_path / f"disk{len(made)}"
        folder.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={mebibytes}m"]
        if mount is None or subprocess.run([mount, *options, "weft", folder]).returncode != 0:
            pytest.skip("no file system can be mounted here")
        made.append(folder)
        return folder

    yield make
    for folder in made:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    made = Servers(tmp_path_factory.mktemp("servers"))
    yield made
    made.close()


@pytest.fixture
def launch(tmp_path: Path):
    launches = Launches(tmp_path)
    yield launches
    launches.close()


@pytest.fixture
def wait_for() -> Callable[[Callable[[], bool], float], None]:
    def wait(condition: Callable[[], bool], seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                pytest.fail(f"it did not come true within {seconds} s")
            time.sleep(0.02)

    return wait
