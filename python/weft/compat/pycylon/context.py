"""`CylonContext` and `CylonEnv`: this process as one rank, or alone."""

from __future__ import annotations

from typing import Any

import weft
from weft.compat.pycylon.net import CommConfig, Communicator
from weft.compat.pycylon.refusing import refuse

__all__ = ["CylonContext", "CylonEnv", "env_of"]


class CylonContext:
    """One rank of a world, or, with ``distributed=False``, a process by itself.

    Parameters
    ----------
    config
        How the ranks find each other: one of the configurations of `pycylon.net`.
    distributed
        Whether there are ranks at all.
    """

    def __init__(self, config: Any = None, distributed: bool = False) -> None:
        self._configured: dict[str, str] = {}
        self.env: weft.Env | None = None
        if not distributed:
            if config is not None:
                refuse("CylonContext", config=(type(config).__name__, "it is for distributed=True"))
            return
        if config is None:
            raise ValueError("CylonContext: distributed=True takes a config, for example MPIConfig()")
        if not isinstance(config, CommConfig):
            raise ValueError(f"CylonContext: config is a configuration of pycylon.net, not {type(config).__name__}")
        self.env = weft.init(**config.options())

    def get_rank(self) -> int:
        """This rank; 0 alone."""
        return 0 if self.env is None else self.env.rank

    def get_world_size(self) -> int:
        """How many ranks there are; 1 alone."""
        return 1 if self.env is None else self.env.world_size

    def get_communicator(self) -> Communicator:
        """For `Communicator.allreduce`."""
        if self.env is None:
            raise ValueError("get_communicator: a context with distributed=False has no communicator")
        return Communicator(self.env)

    def finalize(self) -> None:
        """Leaves the world. Collective: waits until all ranks have sent what they owe."""
        if self.env is not None:
            self.env.close()

    def barrier(self) -> None:
        """Waits for all ranks."""
        if self.env is not None:
            self.env.barrier()

    def add_config(self, key: str, value: str) -> None:
        """``compute_engine``: ``arrow`` or ``numpy``; there is one engine, and both mean it."""
        if key != "compute_engine" or value not in ("arrow", "numpy"):
            refuse("add_config", key=(key, "it is compute_engine, arrow or numpy"))
        self._configured[key] = value

    def get_config(self, key: str, default: str) -> str:
        """What `add_config` was told."""
        return self._configured.get(key, default)


class CylonEnv:
    """A context as frames take it: ``df.merge(other, on=["k"], env=env)``."""

    def __init__(self, config: Any = None, distributed: bool = True) -> None:
        self._context = CylonContext(config, distributed)
        self._distributed = bool(distributed)
        self._finalized = False

    @property
    def context(self) -> CylonContext:
        """The context."""
        return self._context

    @property
    def rank(self) -> int:
        """This rank."""
        return self._context.get_rank()

    @property
    def world_size(self) -> int:
        """How many ranks there are."""
        return self._context.get_world_size()

    @property
    def is_distributed(self) -> bool:
        """Whether there are ranks at all."""
        return self._distributed

    def finalize(self) -> None:
        """Leaves the world; a second call does nothing."""
        if not self._finalized:
            self._finalized = True
            self._context.finalize()

    def barrier(self) -> None:
        """Waits for all ranks."""
        self._context.barrier()


def env_of(where: str, env: Any) -> CylonContext | None:
    """The context that `env=` means: a `CylonEnv`'s, a `CylonContext`, or None."""
    if env is None or isinstance(env, CylonContext):
        return env
    if isinstance(env, CylonEnv):
        return env.context
    raise TypeError(f"{where}: env is a CylonEnv, not {type(env).__name__}")
