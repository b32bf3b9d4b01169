"""One rank whose memory is bounded: by a control group of its own where those can be made, else by RLIMIT_DATA.

weft run -n 2 -m weft.scaling.memory_rank BYTES GROUP PLAN     GROUP: the folder to make groups in, or "rlimit"
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from weft.scaling import rank

__all__ = ["bound", "groups", "main"]

#: Where groups of memory are mounted: version 1, version 2.
PLACES = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"))
LIMITS = ("memory.limit_in_bytes", "memory.max")


def groups() -> Path | None:
    """The folder in which a group of memory can be made from here; None where that cannot be."""
    for place, limit in zip(PLACES, LIMITS, strict=True):
        probe = place / f"weft-probe-{os.getpid()}"
        try:
            probe.mkdir()
        except OSError:
            continue
        usable = (probe / limit).exists() and os.access(probe / limit, os.W_OK)
        probe.rmdir()
        if usable:
            return place
    return None


def bound(size: int, group: str) -> None:
    """This process has no more memory than `size` bytes from now on."""
    if group == "rlimit":
        # Anonymous memory, also what was never touched; pages of files are not counted.
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
        return
    folder = Path(group) / f"weft-{os.getppid()}-{os.getpid()}"
    folder.mkdir()
    limit = next(folder / name for name in LIMITS if (folder / name).exists())
    limit.write_text(str(size))
    for name in ("memory.memsw.limit_in_bytes", "memory.swap.max"):
        # No swap, where that is counted.
        if (folder / name).exists():
            (folder / name).write_text(str(size if "memsw" in name else 0))
    (folder / "cgroup.procs").write_text(str(os.getpid()))


def main(arguments: list[str]) -> int:
    bound(int(arguments[0]), arguments[1])
    return rank.main(arguments[2:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
