"""A rendezvous server in the process of rank 0, on a port that all ranks know beforehand.

For launchers that give ranks an address and nothing secret (torchrun). Ranks of one host pass the job's secret through
a file that only their user can read; ranks of several hosts need one from whoever starts them.
"""

from __future__ import annotations

import atexit
import hashlib
import hmac
import ipaddress
import json
import os
import secrets
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft import _core
from weft.errors import TimedOut

__all__ = ["Meeting", "meet"]

#: Servers of this process by address; they live as long as it does.
_servers: dict[str, tuple[_core.RendezvousServer, Meeting]] = {}


@dataclass(frozen=True)
class Meeting:
    """Where ranks meet, and what they must know."""

    rendezvous: str
    key: str
    secret: str


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _key_from(secret: str) -> str:
    """The admission key of a server that all who know `secret` may use; it does not give the secret away."""
    return hmac.new(secret.encode(), b"weft rendezvous admission", hashlib.sha256).hexdigest()


def meet(host: str, port: int, *, hold: bool, secret: str, key: str, within: float) -> Meeting:
    """Where to meet at ``host:port``; `hold` on rank 0 alone, which starts the server there.

    Without a `secret`, on a loopback address, ranks take one from rank 0's file, for which the others wait `within`
    seconds (`TimedOut`). Elsewhere it must be given: `ValueError`.
    """
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if address in _servers:
        return _servers[address][1]
    if not secret and not _is_loopback(host):
        raise ValueError(
            f"weft.init: ranks meet at {address}, and nothing that they have of their launcher is secret: set "
            "WEFT_SECRET (or WEFT_SECRET_FILE) to the same 64 hexadecimal digits for all, for example from "
            "python -c 'import secrets; print(secrets.token_hex(32))'"
        )
    if not hold:
        return Meeting(address, key or _key_from(secret), secret) if secret else _read(address, within)
    passed = not secret
    secret = secret or secrets.token_hex(32)
    meeting = Meeting(address, key or _key_from(secret), secret)
    try:
        server = _core.RendezvousServer.start(host, port, meeting.key, False)
    except (OSError, ValueError) as problem:
        raise ValueError(
            f"weft.init: rank 0 cannot hold a rendezvous server at {address}, the port behind MASTER_PORT: {problem}; "
            "set MASTER_ADDR to an address of rank 0's host and MASTER_PORT to a port whose next one is free, or give "
            "rendezvous="
        ) from None
    if passed:
        _write(meeting)
    _servers[address] = (server, meeting)
    return meeting


# -- the secret's file: of ranks of one user on one host ------------------------------------------------------------


def _path(address: str) -> Path:
    """In a folder that belongs to this user and that nobody else can look into."""
    folder = Path(tempfile.gettempdir()) / f"weft-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise ValueError(
            f"weft.init: {folder} must be a folder of this user, closed to others: set WEFT_SECRET instead"
        )
    return folder / f"meeting-{hashlib.sha256(address.encode()).hexdigest()[:16]}"


def _started(pid: int) -> str:
    """When that process was started; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""


def _write(meeting: Meeting) -> None:
    path = _path(meeting.rendezvous)
    text = json.dumps({"secret": meeting.secret, "pid": os.getpid(), "started": _started(os.getpid())})
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.replace(name, path)
    owner = os.getpid()
    atexit.register(lambda: path.unlink(missing_ok=True) if os.getpid() == owner else None)


def _read(address: str, within: float) -> Meeting:
    path = _path(address)
    end = time.monotonic() + within
    while True:
        try:
            found: dict[str, Any] = json.loads(path.read_text())
        except (OSError, ValueError):
            found = {}
        # A file that an earlier rank 0 left behind is none: that process is gone.
        if found and found["started"] and _started(found["pid"]) == found["started"]:
            secret = str(found["secret"])
            return Meeting(address, _key_from(secret), secret)
        if time.monotonic() > end:
            raise TimedOut(
                f"timed out: rank 0 did not come to {address} within {within:g} s: was it started, on this host and by "
                "this user?"
            )
        time.sleep(0.02)
