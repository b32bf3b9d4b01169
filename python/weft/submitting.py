"""`weft.submit`, without loading what it needs before it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os

    from weft.serverless.jobs import JobHandle
    from weft.serverless.plan import Plan

__all__ = ["submit"]


def submit(script: str | os.PathLike[str], **options: Any) -> JobHandle | Plan:
    """Runs a script, or a folder of scripts, as ranks on functions or on this host; the arguments are those of
    `weft.serverless.submit.submit`: ``launcher="lambda"``, ``world_size=``, ``arguments=``, ``output=`` ..."""
    from weft.serverless.submit import submit as run

    return run(script, **options)
