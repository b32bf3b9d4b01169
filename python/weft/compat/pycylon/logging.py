"""pycylon's log levels as Weft's."""

from __future__ import annotations

import os

from weft.compat.pycylon.refusing import whole

__all__ = ["disable_logging", "log_level"]


def log_level(level: int) -> None:
    """0: information, 1: warnings, 2 and above: errors; for envs that are made from now on."""
    whole("log_level", "level", level, 0)
    os.environ["WEFT_LOG"] = {0: "info", 1: "warning"}.get(int(level), "error")


def disable_logging() -> None:
    """Errors alone."""
    log_level(2)
