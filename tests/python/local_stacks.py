"""Jobs on a local stack, for tests: submit, wait with a bound, and see that no process is left."""

from __future__ import annotations

import json
import os
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from weft.serverless.job_store import JobStore
from weft.serverless.jobs import JobFailed, JobHandle
from weft.serverless.local_stack import LocalStack
from weft.serverless.submit import submit

#: Generous: what hangs, hangs for ever.
HANG = 240.0
SOAK = bool(os.environ.get("WEFT_SOAK"))


class Jobs:
    """A stack that this process uses in place of AWS."""

    def __init__(self, stack: LocalStack, folder: Path) -> None:
        self.stack, self.folder, self.number = stack, folder, 0

    def write(self, script: str, name: str | None = None) -> Path:
        self.number += 1
        path = self.folder / f"{self.number}" / (name or "script.py")
        path.parent.mkdir(parents=True)
        path.write_text(textwrap.dedent(script))
        return path

    def start(self, script: str | Path, world_size: int = 2, **options: Any) -> JobHandle:
        path = self.write(script) if isinstance(script, str) else script
        made = submit(path, world_size=world_size, follow=False, **options)
        assert isinstance(made, JobHandle)
        return made

    def finish(self, job: JobHandle, hang: float = HANG) -> dict[str, Any]:
        """The result; JobFailed where there is none."""
        end = time.monotonic() + hang
        while job.status()["state"] == "running":
            if time.monotonic() > end:
                job.cancel()
                pytest.fail(f"hung for {hang} s: {job.describe(job.status())}\n{self.tails()}")
            time.sleep(0.1)
        return job.result()

    def run(self, script: str | Path, world_size: int = 2, hang: float = HANG, **options: Any) -> dict[str, Any]:
        try:
            return self.finish(self.start(script, world_size, **options), hang)
        except JobFailed as failure:
            raise AssertionError(f"{failure}\n{self.tails()}") from failure

    def fails(self, script: str | Path, world_size: int = 2, hang: float = HANG, **options: Any) -> JobFailed:
        with pytest.raises(JobFailed) as caught:
            self.finish(self.start(script, world_size, **options), hang)
        return caught.value

    def store(self, result: dict[str, Any]) -> JobStore:
        return JobStore({"bucket": self.stack.outputs["Bucket"], "prefix": f"weft-jobs/{result['job']}"})

    def file(self, result: dict[str, Any], name: str, rank: int = 0) -> bytes:
        """A file that a rank left."""
        (entry,) = [entry for entry in result["files"] if (entry["name"], entry["rank"]) == (name, rank)]
        content = self.store(result).get(entry["key"])
        assert content is not None
        return content

    def json(self, result: dict[str, Any], name: str, rank: int = 0) -> Any:
        return json.loads(self.file(result, name, rank))

    def tails(self) -> str:
        assert self.stack.host is not None
        texts = []
        for sandbox in list(self.stack.host._all):
            texts.append(f"--- {sandbox.function.name} {sandbox.number}\n{sandbox.tail()}")
        return "\n".join(texts)

    def idle(self, seconds: float = 30.0) -> None:
        """No function works any more, and no script is left."""
        assert self.stack.host is not None
        end = time.monotonic() + seconds
        while True:
            scripts = [script for sandbox in list(self.stack.host._all) for script in sandbox.children()]
            if not self.stack.host.busy() and not scripts:
                return
            assert time.monotonic() < end, f"still at work: {self.stack.host.busy()}, scripts {scripts}"
            time.sleep(0.1)


@contextmanager
def jobs_on(folder: Path, **options: Any) -> Iterator[Jobs]:
    """A stack, with the environment that leads to it, and the proof that nothing of it is left."""
    pytest.importorskip("moto.server")
    pytest.importorskip("awslambdaric")
    before = dict(os.environ)
    mine = psutil.Process()
    others = {child.pid for child in mine.children(recursive=True)}
    try:
        with LocalStack(folder / "stack", **options) as stack:
            os.environ.update(stack.environment)
            os.environ["WEFT_HOME"] = str(folder / "home")
            yield Jobs(stack, folder / "scripts")
        end = time.monotonic() + 10
        while left := [child for child in mine.children(recursive=True) if child.pid not in others]:
            assert time.monotonic() < end, f"left behind: {left}"
            time.sleep(0.1)
    finally:
        os.environ.clear()
        os.environ.update(before)
