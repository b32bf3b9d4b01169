"""The functions: `init`, `executor` and `finish`, named in ``deploy/aws/template.yaml``.

Everything that must be right when a function is invoked twice, late, or dies hangs on three conditional writes: the
claim of a rank, the result of a job, and the manifest of an output. `docs/aws.md` has the whole.
"""

from __future__ import annotations

from typing import Any

from weft.serverless import finishing, preparing, running

__all__ = ["executor", "finish", "init"]


def init(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Checks a job and makes one event a rank. ``{"event": job or flat payload, "epoch": n, "execution": name}``."""
    return preparing.prepare(event, context)


def executor(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Runs the script as one rank of one epoch. Takes a `RankEvent`."""
    return running.run_rank(event, context)


def finish(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Looks at the ranks' reports when the map has ended, and says what comes next."""
    return finishing.finish(event, context)
