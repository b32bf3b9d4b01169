"""Configurations: how the ranks of a `CylonEnv` find each other and talk; and reduce operations.

A configuration knows the arguments of `weft.init` that mean the same. Where a rank or a world is started by ``weft
run``, mpirun or srun, those say who it is, as for every script of Weft's.
"""

from __future__ import annotations

import ipaddress
import os
import re
from enum import IntEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from weft.compat.pycylon.refusing import refuse, whole

if TYPE_CHECKING:
    from weft.env import Env

__all__ = [
    "CommConfig",
    "CommType",
    "Communicator",
    "FMIConfig",
    "GlooMPIConfig",
    "GlooStandaloneConfig",
    "MPIConfig",
    "ReduceOp",
    "UCCConfig",
    "UCCRedisOOBContext",
    "UCXConfig",
    "UCXRedisOOBContext",
]


class CommType(IntEnum):
    """Kinds of communicators."""

    LOCAL = 0
    MPI = 1
    TCP = 2
    UCX = 3
    GLOO = 4
    UCC = 5
    FMI = 6


class ReduceOp(IntEnum):
    """Reduce operations; Weft's have the same names in small letters."""

    SUM = 0
    MIN = 1
    MAX = 2
    PROD = 3
    LAND = 4
    LOR = 5
    BAND = 6
    BOR = 7


class Communicator:
    """What `CylonContext.get_communicator` gives."""

    def __init__(self, env: Env) -> None:
        self._env = env

    def allreduce(self, value: Any, reduce_op: ReduceOp) -> Any:
        """The values of all ranks, reduced. Collective."""
        return self._env.allreduce(value, ReduceOp(reduce_op).name.lower())  # type: ignore[arg-type]


class CommConfig:
    """Of all configurations."""

    _type = CommType.TCP

    @property
    def comm_type(self) -> CommType:
        """Which kind of communicator it makes."""
        return self._type

    def options(self) -> dict[str, Any]:
        """The arguments of `weft.init`."""
        raise NotImplementedError


def _given(comm: Any) -> Any:
    """A communicator of mpi4py; None where it is COMM_NULL or not given."""
    if comm is None:
        return None
    from mpi4py import MPI

    return None if comm == MPI.COMM_NULL else comm


def _job(name: str) -> dict[str, Any]:
    """The job's name, unless the environment has it."""
    if os.environ.get("WEFT_JOB"):
        return {}
    return {"job": re.sub(r"[^A-Za-z0-9._-]", "-", name)[:100]}


class MPIConfig(CommConfig):
    """MPI. Without `comm`: the ranks that the launcher started, over MPI under mpirun and srun, else over ``tcp``."""

    _type = CommType.MPI

    def __init__(self, comm: Any = None) -> None:
        self._comm = _given(comm)

    def options(self) -> dict[str, Any]:
        return {} if self._comm is None else {"comm": self._comm}


def _address_of(interface: str) -> str:
    """The IPv4 address of an interface of this host."""
    import fcntl
    import socket
    import struct

    ask = 0x8915  # SIOCGIFADDR
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            found = fcntl.ioctl(any_socket.fileno(), ask, struct.pack("256s", interface.encode()[:15]))
        except OSError as problem:
            raise ValueError(
                f"set_tcp_iface: iface={interface!r} has no IPv4 address here ({problem.strerror}); name an address by "
                "set_tcp_hostname"
            ) from None
    return socket.inet_ntoa(found[20:24])


class _Gloo(CommConfig):
    _type = CommType.GLOO

    def __init__(self) -> None:
        self._more: dict[str, Any] = {}

    def set_tcp_hostname(self, hostname: str) -> None:
        """The address of this host that peers shall dial."""
        self._more["advertise"] = hostname

    def set_tcp_iface(self, iface: str) -> None:
        """The interface whose IPv4 address peers shall dial."""
        self._more["advertise"] = _address_of(iface)

    def set_tcp_ai_family(self, ai_family: int) -> None:
        """IPv4 (2), or any (0)."""
        if ai_family not in (0, 2):
            refuse("set_tcp_ai_family", ai_family=(ai_family, "give an IPv6 address to set_tcp_hostname"))

    def set_timeout(self, timeout: int) -> None:
        """Seconds after which a wait for a peer that does not come ends."""
        self._more["timeout"] = timeout


class GlooMPIConfig(_Gloo):
    """Gloo, whose ranks meet over MPI, or as their launcher says."""

    def __init__(self, comm: Any = None) -> None:
        super().__init__()
        self._comm = _given(comm)

    def options(self) -> dict[str, Any]:
        more = {} if self._comm is None else {"store": "mpi", "comm": self._comm}
        return {"backend": "gloo", **more, **self._more}


class GlooStandaloneConfig(_Gloo):
    """Gloo, whose ranks meet in a directory that all of them reach. They must share a secret, ``WEFT_SECRET``."""

    def __init__(self, rank: int = 0, world_size: int = 1) -> None:
        super().__init__()
        self.rank = whole("GlooStandaloneConfig", "rank", rank, 0)
        self.world_size = whole("GlooStandaloneConfig", "world_size", world_size, 1)
        self._store: dict[str, Any] = {}
        self._prefix = "pycylon"

    def set_file_store_path(self, path: str) -> None:
        """The directory."""
        self._store["store"] = f"file://{os.path.abspath(path)}"

    def set_store_prefix(self, prefix: str) -> None:
        """The job's name."""
        self._prefix = prefix

    def options(self) -> dict[str, Any]:
        if self.world_size == 1 and not self._store:
            return {"backend": "local"}
        place = {"backend": "gloo", "rank": self.rank, "world_size": self.world_size}
        return {**place, **self._store, **_job(self._prefix), **self._more}


def _redis(where: str, address: str) -> str:
    """``tcp://host:port`` as the URL of a store."""
    parts = urlsplit(address if "//" in address else f"//{address}")
    if parts.scheme not in ("", "tcp", "redis", "rediss") or not parts.hostname:
        raise ValueError(f"{where}: redis_addr={address!r} is not tcp://host:port")
    scheme = "rediss" if parts.scheme == "rediss" else "redis"
    return f"{scheme}://{parts.netloc}{parts.path}"


class _RedisContext:
    """A Redis server through which ranks meet; ranks are numbered as they come, and share a secret, ``WEFT_SECRET``."""

    def __init__(self, world_size: int, redis_addr: str) -> None:
        where = type(self).__name__
        if world_size == -1:
            try:
                world_size = int(os.environ["CYLON_UCX_OOB_WORLD_SIZE"])
                redis_addr = os.environ["CYLON_UCX_OOB_REDIS_ADDR"]
            except (KeyError, ValueError) as problem:
                raise ValueError(
                    f"{where}: world_size=-1 takes CYLON_UCX_OOB_WORLD_SIZE and CYLON_UCX_OOB_REDIS_ADDR from the "
                    f"environment: {problem}"
                ) from None
        self.oob_worldsize = whole(where, "world_size", world_size, 1)
        self._store = _redis(where, redis_addr)

    def options(self) -> dict[str, Any]:
        """Arguments of `weft.init`."""
        return {"store": self._store, "world_size": self.oob_worldsize, **_job("pycylon")}


class UCCRedisOOBContext(_RedisContext):
    """For `UCCConfig`."""


class UCXRedisOOBContext(_RedisContext):
    """For `UCXConfig`."""


class UCXConfig(CommConfig):
    """UCX, whose ranks meet over MPI (`comm` of mpi4py), at a Redis server (a `UCXRedisOOBContext`), or else as their
    launcher says."""

    _type = CommType.UCX

    def __init__(self, comm: Any = None) -> None:
        self._context = comm if isinstance(comm, UCXRedisOOBContext) else None
        self._comm = _given(comm) if self._context is None else None

    def options(self) -> dict[str, Any]:
        if self._context is not None:
            return {"backend": "ucx", **self._context.options()}
        more = {} if self._comm is None else {"store": "mpi", "comm": self._comm}
        return {"backend": "ucx", **more}


class UCCConfig(CommConfig):
    """UCC, whose ranks meet at a Redis server."""

    _type = CommType.UCC

    def __init__(self, context: UCCRedisOOBContext) -> None:
        if not isinstance(context, UCCRedisOOBContext):
            raise ValueError(f"UCCConfig: context is a UCCRedisOOBContext, not {type(context).__name__}")
        self._context = context

    def options(self) -> dict[str, Any]:
        return {"backend": "ucc", **self._context.options()}


class FMIConfig(CommConfig):
    """Direct links between functions, paired by a rendezvous server (``weft rendezvous``), or relayed by it. The ranks
    share a secret, ``WEFT_SECRET``.

    Parameters
    ----------
    rank
        -1: numbered as they come.
    host, port
        The rendezvous server.
    maxtimeout
        Milliseconds after which a wait for a peer that does not come ends.
    resolveip
        Whether `host` may be a name.
    comm_name, redis_namespace
        Together the job's name, unless ``WEFT_JOB`` is there.
    nonblocking, enableping
        Taken: Weft's exchange never blocks, and links are always kept alive.
    redis_host, redis_port
        A Redis server through which addresses travel, instead of the rendezvous server's store; "" for none.
    """

    _type = CommType.FMI

    def __init__(
        self,
        rank: int,
        world_size: int,
        host: str,
        port: int,
        maxtimeout: int,
        resolveip: bool,
        comm_name: str,
        nonblocking: bool,
        redis_host: str,
        redis_port: int,
        redis_namespace: str,
        enableping: bool,
    ) -> None:
        where = "FMIConfig"
        self._rank = whole(where, "rank", rank, -1)
        self._world_size = whole(where, "world_size", world_size, 1)
        for name, value in (("resolveip", resolveip), ("nonblocking", nonblocking), ("enableping", enableping)):
            if not isinstance(value, bool):
                raise TypeError(f"{where}: {name}={value!r} is no truth value")
        if not resolveip and not _is_address(host):
            raise ValueError(f"{where}: host={host!r} is a name, and resolveip=False takes an address")
        self._rendezvous = f"{host}:{whole(where, 'port', port, 1)}"
        self._timeout = whole(where, "maxtimeout", maxtimeout, 1) / 1000
        self._name = "-".join(part for part in (comm_name, _or_empty(redis_namespace)) if part)
        redis = _or_empty(redis_host)
        self._store = {"store": f"redis://{redis}:{whole(where, 'redis_port', redis_port, 1)}"} if redis else {}

    def options(self) -> dict[str, Any]:
        rank = {} if self._rank < 0 else {"rank": self._rank}
        return {
            "backend": "tcp",
            "rendezvous": self._rendezvous,
            "world_size": self._world_size,
            "timeout": self._timeout,
            **rank,
            **self._store,
            **_job(self._name),
        }


def _or_empty(text: str | None) -> str:
    """The paper's scripts make the text "None" of what is not given."""
    return "" if text in (None, "None") else str(text)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
