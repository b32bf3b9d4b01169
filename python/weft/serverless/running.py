"""The function `executor`: one rank of one epoch.

It takes the rank by a conditional write, fetches the program, runs it, tells how it is doing every few seconds, and
puts what came of it. A second delivery of the same rank leaves at once.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weft.serverless import package, script_process
from weft.serverless.event import RankEvent, verify
from weft.serverless.job_store import JobStore, rank_name
from weft.serverless.secret_store import job_secret, plain

__all__ = ["Rank", "RankFailed", "run_rank"]

#: Bytes of files that one rank may leave.
RESULT_BYTES = 1 << 30
#: Bytes of an answer's text; a state takes 256 KiB, all ranks' together.
TEXT_BYTES = 16 << 10
#: Seconds between two signs of life.
HEARTBEAT = 5.0


class RankFailed(RuntimeError):
    """The script of this rank failed: the text has its exception, exit code and last lines."""


def _clean_folder() -> Path:
    """The function's ephemeral storage, emptied of what an earlier job left there."""
    root = os.environ.get("WEFT_EPHEMERAL")
    if not root or not os.path.isabs(root) or root == "/":
        raise RuntimeError("WEFT_EPHEMERAL names no directory: it is the function's own, and emptied at each start")
    folder = Path(root)
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            # A script may have taken rights away.
            entry.chmod(0o700)
            for parent, names, _ in os.walk(entry):
                for name in names:
                    if not os.path.islink(os.path.join(parent, name)):
                        os.chmod(os.path.join(parent, name), 0o700)
            shutil.rmtree(entry)
        else:
            entry.unlink()
    return folder


class Rank:
    """One rank of one epoch at work, in a function or a task.

    remaining
        Says how many seconds are left.
    more
        Variables for the script beside those that the job gives it.
    """

    def __init__(
        self, event: RankEvent, secret: str, remaining: Callable[[], float], more: dict[str, str] | None = None
    ) -> None:
        self.event, self.secret, self.remaining, self.more = event, secret, remaining, more or {}
        self.store = JobStore(event.job.storage)
        self.name = rank_name(event.epoch, event.rank)
        self.state: dict[str, Any] = {"rank": event.rank, "state": "running", "phase": "starting", "begin": time.time()}
        self._begun = time.monotonic()
        self._ended = threading.Event()
        self._stop: str | None = None
        self._progress: Path | None = None
        self._beating = threading.Thread(target=self._beat, name="weft-heartbeat", daemon=True)

    # -- signs of life -------------------------------------------------------------------------------------------

    def tell(self) -> None:
        self.store.put_json(f"{self.name}.json", {**self.state, "time": time.time()})

    def read_progress(self) -> None:
        try:
            if self._progress is not None:
                self.state |= json.loads(self._progress.read_text())
        except (OSError, ValueError):
            pass

    def reason_to_stop(self) -> str | None:
        """Why this rank's work is not wanted any more."""
        if self.store.exists("cancelled"):
            return "cancelled"
        if self.store.exists(f"epoch-{self.event.epoch + 1}/ranks.json") or self.store.exists("result.json"):
            return "superseded"
        return None

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT):
            try:
                self.read_progress()
                self.tell()
                self._stop = self._stop or self.reason_to_stop()
            except Exception as problem:
                # A store that is away for a while is no reason to end the job.
                print(f"weft: rank {self.event.rank}: no sign of life could be given: {problem}")

    def report(self, state: str, **more: Any) -> dict[str, Any]:
        """The last word, after which there is no sign of life."""
        self._ended.set()
        if self._beating.is_alive():
            self._beating.join()
        self.state |= {"state": state, "seconds": time.monotonic() - self._begun, **more}
        self.tell()
        return self.state

    # -- the work ------------------------------------------------------------------------------------------------

    def stop(self, reason: str) -> None:
        """From a signal's handler or another thread: the script is to end."""
        self._stop = self._stop or reason

    def claim(self, **more: Any) -> bool:
        """Whether this is the one that has the rank; `more` goes into the claim."""
        token = {"token": os.urandom(16).hex(), "time": time.time(), **more}
        return self.store.put_new_json(f"{self.name}.claim", token)

    def prepare(self, folder: Path) -> tuple[list[str], Path, dict[str, str]]:
        """Command, working directory and variables of the script."""
        job = self.event.job
        manifest = self.store.get("package/manifest.json")
        entries = package.parse_manifest(manifest or b"", job.manifest)
        if job.script not in entries:
            raise package.PackageError(f"package: the script {job.script!r} is not in it")
        package.unpack(entries, lambda name: self.store.get(f"package/files/{name}") or b"", folder / "package")
        results = folder / "results"
        results.mkdir()
        self._progress = folder / "progress.json"
        secrets = {"WEFT_SECRET_FILE": self.secret}
        if job.rendezvous_key is not None:
            secrets["WEFT_RENDEZVOUS_KEY_FILE"] = plain(job.rendezvous_key)
        variables = {
            **job.environment,
            **self.more,
            "WEFT_JOB": job.job,
            "WEFT_EPOCH": str(self.event.epoch),
            "WEFT_RANK": str(self.event.rank),
            "WEFT_WORLD_SIZE": str(job.world_size),
            "WEFT_RENDEZVOUS": job.rendezvous,
            "WEFT_RESULTS": str(results),
            "WEFT_PROGRESS_FILE": str(self._progress),
        }
        variables.setdefault("WEFT_CHECKPOINT_DIR", self.store.uri("checkpoints"))
        for name, uri in (("WEFT_INPUT", job.input), ("WEFT_OUTPUT", job.output)):
            if uri is not None:
                variables[name] = uri
        for name, text in secrets.items():
            path = folder / name.lower()
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
            variables[name] = str(path)
        return [str(folder / "package" / job.script), *job.arguments], results, variables

    def watch(self, limit: float) -> script_process.Watch:
        margin = min(20.0, 0.2 * limit)
        return script_process.Watch(self.remaining, margin, lambda: "out_of_time", lambda: self._stop, interval=0.5)

    def put_results(self, folder: Path) -> list[dict[str, Any]]:
        files, size = [], 0
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            name = path.relative_to(folder).as_posix()
            content = path.read_bytes()
            size += len(content)
            if size > RESULT_BYTES:
                raise RuntimeError(
                    f"the files that the script left are above {RESULT_BYTES} bytes: write them to --output"
                )
            key = f"{self.name}/{name}"
            self.store.put(key, content)
            files.append(
                {
                    "rank": self.event.rank,
                    "name": name,
                    "key": key,
                    "bytes": len(content),
                    "sha256": hashlib.sha256(content).hexdigest(),
                }
            )
        return files

    def work(self) -> dict[str, Any]:
        """The rank's report; the directory is emptied before and after. Raises nothing but what that raises."""
        folder = _clean_folder()
        try:
            return self._run(folder)
        except Exception as problem:
            return self.report("failed", error=f"{type(problem).__name__}: {problem}", code=-1, exception=str(problem))
        finally:
            _clean_folder()

    def _run(self, folder: Path) -> dict[str, Any]:
        self.tell()
        self._beating.start()
        limit = self.remaining()
        try:
            command, results, variables = self.prepare(folder)
        except package.PackageError as problem:
            return self.report("refused", error=str(problem))
        self.state["phase"] = "script"
        watch = self.watch(limit)
        if limit < math.inf:
            # Ranks that keep checkpoints hand over before they are asked to end.
            variables["WEFT_DEADLINE"] = f"{time.time() + self.remaining() - watch.margin:.3f}"
        outcome = script_process.run(command, results, variables, watch)
        self.read_progress()
        self.store.put(f"{self.name}.log", outcome.log)
        last = {"code": outcome.code, "lines": outcome.lines}
        if outcome.handed_over and self.reason_to_stop() is None:
            return self.report("handover", error=outcome.summary, **last)
        if outcome.stopped == "out_of_time":
            return self.report(
                "out_of_time",
                error=f"stopped after {outcome.seconds:.1f} s, before the function's limit ({limit:.1f} s were left at "
                "its start): deploy with a longer --timeout (900 s at most), more memory, or take more ranks",
                stopped=outcome.stopped, **last,
            )  # fmt: skip
        if outcome.stopped is not None:
            return self.report(outcome.stopped, error=f"the job was {outcome.stopped}", stopped=outcome.stopped, **last)
        if outcome.code != 0:
            return self.report(
                "failed",
                error=outcome.summary,
                exception=outcome.exception,
                about_peer=outcome.about_peer,
                **last,
            )
        self.state["phase"] = "results"
        return self.report("done", files=self.put_results(results), **last)


def run_rank(value: Any, context: Any) -> dict[str, Any]:
    """Returns ``{"rank", "state": "done" | "handover" | "superseded" | "cancelled"}``; any other end raises
    `RankFailed`."""
    event = RankEvent.from_json(value)
    secret = job_secret(event.job.secret, event.job.job)
    verify(event.job, secret)
    rank = Rank(event, secret, lambda: context.get_remaining_time_in_millis() / 1000)
    reason = rank.reason_to_stop()
    if reason is None and not rank.claim():
        reason = "superseded"
    if reason is not None:
        print(f"weft: rank {event.rank} of epoch {event.epoch} of job {event.job.job}: {reason}, nothing was run")
        return {"rank": event.rank, "epoch": event.epoch, "state": reason}
    report = rank.work()
    state = report["state"]
    if state in ("done", "handover", "superseded", "cancelled"):
        return {"rank": event.rank, "epoch": event.epoch, "state": state}
    lines = "\n".join(report.get("lines", ()))
    text = f"rank {event.rank} {state.replace('_', ' ')}: {report['error']}; exit code {report.get('code')}"
    text += f"; last lines:\n{lines}"
    raise RankFailed(text.encode()[:TEXT_BYTES].decode(errors="ignore"))
