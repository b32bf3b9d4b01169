"""What happens to open envs when the script ends: in good order they are left, after an error they are aborted.

An uncaught exception is told to all ranks before the interpreter goes down, so that each of them fails at once with an
error that names this rank, instead of waiting for a peer that will not come.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import weakref
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weft.env import Env

__all__ = ["latest", "watch"]

_open: weakref.WeakSet[Env] = weakref.WeakSet()
_roots: list[weakref.ref[Env]] = []
_installed: list[bool] = []


def watch(env: Env, root: bool) -> None:
    """From now on `env` is closed or aborted when the script ends. `root` marks those made by `weft.init`."""
    _open.add(env)
    if root:
        _roots.append(weakref.ref(env))
    if not _installed:
        _installed.append(True)
        previous = sys.excepthook

        def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            previous(kind, error, trace)
            _abort_all(kind, error)

        sys.excepthook = hook
        atexit.register(_close_all)


def latest() -> Env | None:
    """The env that `weft.init` made last and that is still open, if any."""
    while _roots:
        env = _roots[-1]()
        if env is not None and not env.closed:
            return env
        _roots.pop()
    return None


def _words(kind: type[BaseException], error: BaseException) -> str:
    """An exception as Python writes it in the last line of a traceback."""
    return f"{kind.__name__}: {error}" if str(error) else kind.__name__


def _report(kind: type[BaseException], error: BaseException) -> None:
    """Tells `weft run`, where it started this process, what went wrong and whether it began here."""
    from weft.errors import CommunicatorError

    descriptor = os.environ.get("WEFT_FAILURE_FD", "")
    if not descriptor.isdigit():
        return
    line = {
        "rank": int(os.environ.get("WEFT_RANK", "-1")),
        "error": _words(kind, error)[:2000],
        "own": not issubclass(kind, CommunicatorError) and "rank " not in str(error)[:80],
    }
    try:
        os.write(int(descriptor), json.dumps(line).encode() + b"\n")
    except OSError:
        pass


def _abort_all(kind: type[BaseException], error: BaseException) -> None:
    _report(kind, error)
    for env in list(_open):
        if not env.closed:
            try:
                env.abort(_words(kind, error))
            except Exception:
                pass


def _close_all() -> None:
    # The latest made are closed first: an env made by dup or split goes before the one it came from.
    for env in sorted(_open, key=lambda item: -item.serial):
        if env.closed:
            continue
        try:
            # Whether the script ended well cannot be known here.
            env.leave(ended_well=False)
        except Exception as error:
            print(f"weft: rank {env.rank}: leaving failed: {error}", file=sys.stderr)
