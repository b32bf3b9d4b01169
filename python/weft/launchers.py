"""What the launcher that started this process implies: rank, world size, backend, and where ranks meet.

Each launcher is a row of `LAUNCHERS`: a name, and a function that looks at the environment's variables and says what
they mean, or None where it was another launcher. The first that finds itself counts. What it implies fills in what
`weft.init` was not given by an argument or a ``WEFT_`` variable; what was given goes first.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from weft import _core, meeting, settings

__all__ = ["LAUNCHERS", "Implied", "Place", "describe", "find", "handle_of", "implied"]

#: Of torchrun and those that set what it sets.
_TORCH = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Implied:
    """What a launcher implies."""

    launcher: str
    rank: int
    world_size: int
    #: The variables that say so, for people.
    seen: str
    backend: str = ""
    #: For a backend that does not know its world itself.
    store: str = ""
    #: Where rank 0 shall hold a rendezvous server, and the job's name, for launchers that bring no store.
    master: tuple[str, int] | None = None
    job: str = ""


@dataclass(frozen=True)
class Place:
    """How `weft.init` is to join: its options of that name. Empty and negative: not known."""

    backend: str
    store: str
    rendezvous: str
    rendezvous_key: str
    job: str
    secret: str
    rank: int
    world_size: int


def _whole(variables: Mapping[str, str], name: str) -> int:
    try:
        return int(variables[name])
    except ValueError:
        raise ValueError(f"weft.init: {name}={variables[name]!r} is no whole number") from None


def _by_mpi(launcher: str, variables: Mapping[str, str], rank: str, size: str) -> Implied | None:
    if rank not in variables or size not in variables:
        return None
    return Implied(
        launcher,
        _whole(variables, rank),
        _whole(variables, size),
        f"{rank}, {size}",
        backend="mpi",
        store="mpi",
    )


def _mpirun(variables: Mapping[str, str]) -> Implied | None:
    return _by_mpi("mpirun", variables, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")


def _srun(variables: Mapping[str, str]) -> Implied | None:
    """Slurm's steps that bring PMI or PMIx; a batch script and a step without them are no ranks."""
    if "SLURM_PROCID" not in variables or not ({"PMI_RANK", "PMIX_RANK"} & variables.keys()):
        return None
    return _by_mpi(
        "srun",
        variables,
        "SLURM_PROCID",
        "SLURM_STEP_NUM_TASKS" if "SLURM_STEP_NUM_TASKS" in variables else "SLURM_NTASKS",
    )


def _pmi(variables: Mapping[str, str]) -> Implied | None:
    return _by_mpi("mpiexec", variables, "PMI_RANK", "PMI_SIZE")


def _torchrun(variables: Mapping[str, str]) -> Implied | None:
    if not all(name in variables for name in _TORCH):
        return None
    port = _whole(variables, "MASTER_PORT")
    address = variables["MASTER_ADDR"]
    run = variables.get("TORCHELASTIC_RUN_ID", "")
    # Torch's own store may listen on the port itself.
    if not 0 < port < 65535:
        raise ValueError(f"weft.init: MASTER_PORT={port}: it and the next port, on which Weft meets, are 1 to 65535")
    job = f"torch-{run}" if run and run != "none" else f"torch-{address}-{port}"
    return Implied(
        "torchrun",
        _whole(variables, "RANK"),
        _whole(variables, "WORLD_SIZE"),
        ", ".join(_TORCH),
        backend="tcp",
        master=(address, port + 1),
        job=_job_name(job),
    )


def _job_name(text: str) -> str:
    """A name that a job may have; long ones are told apart by a digest."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", text)
    return name if len(name) <= 100 else f"{name[:60]}-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


#: In the order in which they are asked.
LAUNCHERS: tuple[tuple[str, Callable[[Mapping[str, str]], Implied | None]], ...] = (
    ("mpirun", _mpirun),
    ("srun", _srun),
    ("mpiexec", _pmi),
    ("torchrun", _torchrun),
)


def find(variables: Mapping[str, str] | None = None) -> Implied | None:
    """What the launcher implies, or None where there is none."""
    for _, look in LAUNCHERS:
        implied = look(os.environ if variables is None else variables)
        if implied is not None:
            return implied
    return None


def _has(backend: str) -> bool:
    return any(known["name"] == backend and known["built"] for known in _core.backends())


def implied(given: Place, connect_timeout: float, from_handle: bool) -> Place:
    """`given`, with what the launcher implies where it says nothing. `from_handle`: the caller brings the world as a
    communicator of the backend's or store's library."""
    if from_handle:
        # The world is the communicator's, whatever the launcher started.
        return replace(given, backend=given.backend or "mpi")
    if given.backend == "local" or given.rendezvous or given.world_size >= 0:
        return given
    if given.store and given.store != "mpi":
        return given
    launcher = find()
    if launcher is None:
        return given
    if launcher.world_size == 1 and not given.backend and not given.store and not _has(launcher.backend):
        return given
    if given.rank >= 0 and given.rank != launcher.rank:
        raise ValueError(f"weft.init: rank {given.rank} is given, and {launcher.launcher} says {launcher.rank}")
    backend = given.backend or launcher.backend
    place = replace(given, backend=backend, rank=launcher.rank, world_size=launcher.world_size)
    if launcher.store == "mpi":
        if not _has("mpi"):
            raise ValueError(
                f"weft.init: {launcher.launcher} started this process as rank {launcher.rank} of "
                f"{launcher.world_size}, and this Weft is built without MPI (weft doctor says why): install MPI's "
                "development files and build again, start the script with weft run, or give rendezvous= and "
                "world_size="
            )
        knows = any(known["name"] == backend and known["has_world"] for known in _core.backends())
        return place if knows or given.store else replace(place, store=launcher.store)
    if launcher.master is None:
        return place
    return _meet(place, launcher, connect_timeout)


def _meet(place: Place, launcher: Implied, connect_timeout: float) -> Place:
    """Rank 0 holds the rendezvous server, on a port that all know."""
    assert launcher.master is not None
    host, port = launcher.master
    found = meeting.meet(
        host,
        port,
        hold=launcher.rank == 0,
        secret=place.secret,
        key=place.rendezvous_key,
        within=connect_timeout,
    )
    return replace(
        place,
        rendezvous=found.rendezvous,
        rendezvous_key=found.key,
        secret=found.secret,
        job=place.job or launcher.job,
    )


def handle_of(comm: Any) -> int:
    """The handle of a communicator of mpi4py as an integer; 0 for None."""
    if comm is None:
        return 0
    if not type(comm).__module__.startswith("mpi4py."):
        raise ValueError(f"weft.init: comm= is a communicator of mpi4py, not {type(comm).__name__}")
    from mpi4py import MPI

    if not isinstance(comm, MPI.Intracomm) or comm == MPI.COMM_NULL:
        raise ValueError(f"weft.init: comm= is an intra-communicator with members, not {comm!r}")
    return int(MPI._handleof(comm))


def describe() -> str:
    """One line about the launcher, for ``weft doctor``."""
    if settings.text("world_size", None):
        return f"WEFT_WORLD_SIZE={os.environ['WEFT_WORLD_SIZE']}: weft run, or started by hand"
    try:
        launcher = find()
    except ValueError as problem:
        return str(problem)
    if launcher is None:
        return "none: weft.init() makes a world of one"
    return (
        f"{launcher.launcher}: rank {launcher.rank} of {launcher.world_size} by {launcher.seen}, "
        f"backend {launcher.backend}" + ("" if _has(launcher.backend) else ", which is not built")
    )
