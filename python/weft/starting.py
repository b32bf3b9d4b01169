"""How ranks of each backend are started on this host by `weft bench` and `weft doctor`."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from collections.abc import Sequence

__all__ = ["MPI_ENVIRONMENT", "mpirun", "start_command"]

#: OpenMPI wants to be told twice that root may; the ranks are this program's own.
MPI_ENVIRONMENT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


@functools.cache
def mpirun() -> tuple[str, ...] | None:
    """OpenMPI's mpirun with what this host needs, where it is there."""
    program = shutil.which("mpirun")
    if program is None:
        return None
    asked = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=False)
    if "Open MPI" not in asked.stdout and "OpenRTE" not in asked.stdout:
        return None
    return (program, "--oversubscribe", "--bind-to", "none", "--mca", "btl_tcp_if_include", "lo")


def start_command(backend: str, ranks: int, program: Sequence[str]) -> list[str] | None:
    """What starts Python with `program` as the ranks of a backend; None where it needs a launcher that is not here."""
    if backend == "mpi":
        start = mpirun()
        return None if start is None else [*start, "-n", str(ranks), sys.executable, *program]
    return [sys.executable, "-m", "weft.cli", "run", "-n", str(ranks), "--backend", backend, *program]
