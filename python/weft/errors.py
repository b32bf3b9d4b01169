"""The exceptions of Weft.

Wrong arguments are Python's own: ``ValueError``, ``KeyError``, ``TypeError``, ``FileNotFoundError``, ``OSError``.
What is defined here is what Python has no class for.
"""

from __future__ import annotations

__all__ = [
    "AuthenticationFailed",
    "CommunicatorError",
    "MemoryLimitExceeded",
    "PeerLost",
    "Superseded",
    "TimedOut",
]


class MemoryLimitExceeded(MemoryError):
    """An operator needed more memory than ``memory_limit`` leaves."""


class CommunicatorError(RuntimeError):
    """Communication between ranks failed; the env it failed on cannot be used any more.

    Attributes that do not apply are ``None``.

    operation
        The collective or operator that was under way: ``"alltoallv"``, ``"shuffle"``, ``"init"`` ...
    phase
        What it was doing: ``"rendezvous"``, ``"connect"``, ``"handshake"``, ``"header"``, ``"payload"``, ``"wait"``.
    rank
        The rank on which the error arose.
    peer
        The rank that the error is about.
    bytes
        Bytes moved before it arose.
    elapsed
        Seconds from the operation's start.
    """

    operation: str | None = None
    phase: str | None = None
    rank: int | None = None
    peer: int | None = None
    bytes: int | None = None
    elapsed: float | None = None


class PeerLost(CommunicatorError):
    """A peer's process, its host, or every path to it is gone."""


class TimedOut(CommunicatorError):
    """A peer is alive, or never came, and the deadline passed."""


class AuthenticationFailed(CommunicatorError):
    """A peer or the rendezvous server does not know the secret, or holds another one."""


class Superseded(CommunicatorError):
    """A higher epoch of the job, or a second worker with this rank, has taken over."""
