"""An S3 server of one's own on this host: versitygw over a folder."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from weft.launcher import die_with_parent

__all__ = ["LocalS3", "find_gateway", "free_port", "wait_until_up"]


def find_gateway() -> str:
    """The S3 server's binary: ``WEFT_VERSITYGW``, the one that ``tools/setup.sh all`` makes, or the PATH's."""
    places = [os.environ.get("WEFT_VERSITYGW"), str(Path(__file__).parents[3] / "build/tools/versitygw")]
    for place in (*places, shutil.which("versitygw")):
        if place and os.access(place, os.X_OK):
            return place
    raise FileNotFoundError("there is no versitygw: `make setup` installs it, or name it by WEFT_VERSITYGW")


def free_port(address: str) -> int:
    """A port for a server that is about to start. A connection that this end closes first stays behind for a minute: so
    long the kernel gives the port to nobody who asks for any; who asks for it by number has it (SO_REUSEADDR).
    """
    with socket.create_server((address, 0)) as listener:
        with socket.create_connection(listener.getsockname()) as other:
            listener.accept()[0].close()
            other.recv(1)
        return int(listener.getsockname()[1])


def wait_until_up(process: subprocess.Popen[bytes], address: str, port: int, trouble: Callable[[], str]) -> None:
    """Waits until the server answers on its port; RuntimeError with `trouble()` when it ends, or after a minute."""
    end = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((address, port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(trouble())
        time.sleep(0.05)


class LocalS3:
    """Up when it is made, ended by `close`. What it holds lies in `folder`/s3."""

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        self.address, self.port = address, free_port(address)
        self.access, self.secret = secrets.token_hex(10), secrets.token_hex(20)
        data = folder / "s3"
        data.mkdir(parents=True)
        parent = os.getpid()
        with (folder / "s3.log").open("wb") as sink:
            self._process = subprocess.Popen(
                [find_gateway(), "--port", f"{address}:{self.port}", "--region", "us-east-1", "posix", str(data)],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env={"PATH": os.environ["PATH"], "ROOT_ACCESS_KEY": self.access, "ROOT_SECRET_KEY": self.secret},
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509
            )
        try:
            log = folder / "s3.log"
            wait_until_up(
                self._process, address, self.port, lambda: f"the S3 server did not start: {log.read_text()[-2000:]}"
            )
        except BaseException:
            self.close()
            raise

    @property
    def credentials(self) -> dict[str, str]:
        """AWS' variables for whoever uses this server."""
        return {
            "AWS_ACCESS_KEY_ID": self.access,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to use this server in place of AWS' S3."""
        return {**self.credentials, "AWS_ENDPOINT_URL_S3": f"http://{self.address}:{self.port}"}

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> LocalS3:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
