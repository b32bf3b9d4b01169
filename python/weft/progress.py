"""How far a rank is, written into the file that ``WEFT_PROGRESS_FILE`` names, for whoever started it."""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weft.env import Env

__all__ = ["tell", "watch"]

#: Seconds between two looks.
INTERVAL = 1.0


def _look(env: Env) -> dict[str, Any]:
    stats = env.stats()
    phases = stats["phases"]
    paths = Counter(link["path"] for link in env.links() if link["path"] != "self")
    # The phase that ended last is not known; the one with most rows says most about how much was done.
    return {
        "phase": max(phases, key=lambda name: phases[name]["rows"], default="linked"),
        "links": dict(sorted(paths.items())),
        "rows": max((phase["rows"] for phase in phases.values()), default=0),
        "bytes": stats["bytes_sent"] + stats["bytes_received"],
        "memory_peak": stats["memory_peak_bytes"],
        "checkpoints": stats["checkpoints"]["published"],
    }


def _write(path: str, value: dict[str, Any]) -> None:
    # The watching thread and the script's own may write at the same time.
    new = f"{path}.{threading.get_ident()}"
    with open(new, "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(new, path)


def tell(env: Env) -> None:
    """Writes how far `env` is now, if anybody wants to know."""
    path = os.environ.get("WEFT_PROGRESS_FILE")
    if path:
        try:
            _write(path, _look(env))
        except OSError:
            pass


def watch(env: Env) -> None:
    """Writes until `env` is closed or gone, if anybody wants to know."""
    path = os.environ.get("WEFT_PROGRESS_FILE")
    if not path:
        return
    reference = weakref.ref(env)
    ended = threading.Event()

    def loop() -> None:
        while not ended.wait(INTERVAL):
            env = reference()
            try:
                if env is None or env.closed:
                    return
                _write(path, _look(env))
            except (OSError, ValueError, RuntimeError):
                return
            del env

    tell(env)
    threading.Thread(target=loop, name="weft-progress", daemon=True).start()
