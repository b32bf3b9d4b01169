"""What a job script of ``deploy/slurm`` runs, on the first node of the allocation: it brings the ranks together, starts
them by one srun, and says how they ended.

    python -m weft.slurm.batch --bootstrap rendezvous|file|mpi [--folder F] SCRIPT [argument ...]

``rendezvous``: a server in this process, at the address by which Slurm knows the node. ``file``: a store in the job's
folder. Their secrets are made here and go to the ranks in the environment that srun passes on: they are on no command
line and in no file, and gone with the job. ``mpi``: nothing but srun with PMI.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from weft.errors import HANDOVER_CODE
from weft.slurm.folder import JobFolder

__all__ = ["main"]

#: Seconds before the job's time limit by which its ranks hand over.
BEFORE_LIMIT = 15

#: Lines of srun's that go into the cause of a failure.
COMPLAINTS = 10


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m weft.slurm.batch", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--bootstrap", choices=("rendezvous", "file", "mpi"), required=True, help="how ranks meet")
    parser.add_argument("--folder", type=Path, help="the job's, on all nodes (default weft-results/slurm-JOB)")
    parser.add_argument("--name", help="the job's (default slurm-JOB)")
    parser.add_argument("--listen", metavar="ADDRESS", help="of the server (default: Slurm's of this node)")
    parser.add_argument("--mpi", default="pmix", metavar="TYPE", help="srun's --mpi, for --bootstrap mpi")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="for the script")
    parser.add_argument("script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser.parse_args(arguments)


def _job_id() -> str:
    """Also one element of an array has a name of its own."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ["SLURM_JOB_ID"]


def _tasks(text: str) -> int:
    """How many tasks are meant by ``"4(x3),2"``."""
    return sum(int(match[1]) * int(match[2] or 1) for match in re.finditer(r"(\d+)(?:\(x(\d+)\))?", text))


def _own_address() -> str:
    """By which Slurm knows this node, and other nodes reach it."""
    node = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    try:
        asked = _slurm("scontrol", "getaddrs", node)
        address = asked.stdout.split()[1].rpartition(":")[0] if asked.returncode == 0 else ""
    except (OSError, IndexError):
        address = ""
    try:
        return socket.gethostbyname(address.strip("[]") or node)
    except OSError as problem:
        raise ValueError(f"this node, {node}, has no address: {problem.strerror}; name one by --listen") from None


def _slurm(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


class _Job:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.id = _job_id()
        folder = options.folder or Path("weft-results") / f"slurm-{self.id}"
        if options.folder and os.environ.get("SLURM_ARRAY_TASK_ID"):
            folder /= os.environ["SLURM_ARRAY_TASK_ID"]
        self.folder = JobFolder(folder.absolute())
        self.stopped: str | None = None
        self._server: Any = None
        self._srun: subprocess.Popen[bytes] | None = None
        self._said: list[str] = []

    def _meeting(self) -> dict[str, str]:
        """What ranks need to find each other."""
        found = {
            "WEFT_JOB": self.options.name or f"slurm-{self.id}",
            # A job that Slurm starts again is another attempt.
            "WEFT_EPOCH": os.environ.get("SLURM_RESTART_COUNT") or "0",
        }
        if self.options.bootstrap == "mpi":
            return {**found, "WEFT_BACKEND": "mpi"}
        found["WEFT_SECRET"] = secrets.token_hex(32)
        if self.options.bootstrap == "file":
            self.folder.forget_store()
            self.folder.store.mkdir(mode=0o700)
            return {**found, "WEFT_STORE": self.folder.store.as_uri()}
        from weft import _core

        key = secrets.token_hex(32)
        self._server = _core.RendezvousServer.start(self.options.listen or _own_address(), 0, key, False)
        return {**found, "WEFT_RENDEZVOUS": self._server.address, "WEFT_RENDEZVOUS_KEY": key}

    def _command(self) -> list[str]:
        mpi = self.options.mpi if self.options.bootstrap == "mpi" else "none"
        # What is not absolute is looked for here, not where the rank's results go.
        script = str(Path(self.options.script).absolute())
        output = self.folder.ranks / "rank-%5t.log"
        return [
            *("srun", f"--mpi={mpi}", "--export=ALL", "--kill-on-bad-exit=1", "--unbuffered", f"--output={output}"),
            "--open-mode=append",
            *(sys.executable, "-m", "weft.slurm.rank", str(self.folder.path), script, *self.options.arguments),
        ]

    def _stop(self, number: int, _: Any) -> None:
        self.stopped = self.stopped or signal.Signals(number).name
        # Slurm has told the ranks, too; srun takes one signal as one that is to be passed on.
        if self._srun is not None:
            self._srun.send_signal(signal.SIGTERM)

    def run(self) -> int:
        self.folder.make()
        (self.folder.path / "end.json").unlink(missing_ok=True)
        self.folder.forget_reports()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        begin = time.time()
        try:
            given = dict(pair.partition("=")[::2] for pair in self.options.env)
            environment = {**os.environ, **given, **self._meeting()}
            environment.setdefault("PYTHONUNBUFFERED", "1")
            environment.setdefault("WEFT_CHECKPOINT_DIR", str(self.folder.checkpoints))
            if os.environ.get("SLURM_JOB_END_TIME", "").isdigit():
                environment.setdefault("WEFT_DEADLINE", str(int(os.environ["SLURM_JOB_END_TIME"]) - BEFORE_LIMIT))
            self._srun = subprocess.Popen(self._command(), env=environment, stderr=subprocess.PIPE)
            code = self._wait()
        finally:
            self.folder.forget_store()
            if self._server is not None:
                self._server.stop()
        if code == 0 and self._handed_over():
            refused = self._requeue()
            if not refused:
                return 0
            code = HANDOVER_CODE
            self._said.append(f"srun: the ranks have handed over, and the job was not requeued: {refused}")
        elif code == 0:
            shutil.rmtree(self.folder.checkpoints, ignore_errors=True)
        self._say_end(code, begin)
        return code if code >= 0 else 128 - code

    def _handed_over(self) -> bool:
        """Whether the ranks saved what they had and ended, so that the job is started again and goes on."""
        reports = self.folder.reports(_tasks(os.environ["SLURM_TASKS_PER_NODE"]))
        return any(report is not None and report["state"] == "handover" for report in reports.values())

    def _requeue(self) -> str:
        """Asks Slurm to start the job again; why it will not, where it will not. Slurm then ends this script."""
        number = os.environ["SLURM_JOB_ID"]
        asked = _slurm("squeue", "--noheader", f"--jobs={number}", "--format=%T")
        if asked.stdout.strip() != "RUNNING":
            return f"it is {asked.stdout.strip() or 'gone'}"
        asked = _slurm("scontrol", "requeue", number)
        if asked.returncode == 0:
            return ""
        return f"{asked.stderr.strip()} (sbatch --requeue allows it)"

    def _wait(self) -> int:
        assert self._srun is not None and self._srun.stderr is not None
        for line in self._srun.stderr:
            text = line.decode(errors="replace")
            sys.stderr.write(text)
            sys.stderr.flush()
            self._said.append(text.rstrip())
        return self._srun.wait()

    def _say_end(self, code: int, begin: float) -> None:
        world_size = _tasks(os.environ["SLURM_TASKS_PER_NODE"])
        end: dict[str, Any] = {"code": code, "world_size": world_size, "begin": begin, "end": time.time()}
        if code != 0 or self.stopped:
            how = f"stopped by {self.stopped}" if self.stopped else f"srun ended with exit code {code}"
            complaints = [line for line in self._said if line.startswith(("srun:", "slurmstepd:"))]
            ended = "; ".join([how, *complaints[:COMPLAINTS]])
            error, cause = self.folder.why(world_size, ended)
            end |= {"stopped": self.stopped, "error": error, "cause": f"{cause}\n{ended}"}
            print(f"weft: {error}: {end['cause']}", file=sys.stderr, flush=True)
        self.folder.write(self.folder.path / "end.json", end)


def main(arguments: list[str] | None = None) -> int:
    """Runs a job in the allocation that it is in; srun's exit code."""
    options = _parse(sys.argv[1:] if arguments is None else arguments)
    if "SLURM_JOB_ID" not in os.environ:
        print("weft.slurm.batch: there is no allocation of Slurm here: start it by sbatch", file=sys.stderr)
        return 2
    try:
        return _Job(options).run()
    except (ValueError, OSError) as problem:
        print(f"weft.slurm.batch: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
