"""The exceptions of Weft.

Wrong arguments are Python's own: ``ValueError``, ``KeyError``, ``TypeError``, ``FileNotFoundError``, ``OSError``.
What is defined here is what Python has no class for.
"""

from __future__ import annotations

__all__ = [
    "HANDOVER_CODE",
    "AuthenticationFailed",
    "CommunicatorError",
    "HandOver",
    "MemoryLimitExceeded",
    "PeerLost",
    "Superseded",
    "TimedOut",
]

#: Exit code of a rank that has handed over: EX_TEMPFAIL, "try again later".
HANDOVER_CODE = 75


class HandOver(SystemExit):
    """This attempt at the job ends here, on all ranks, so that the next one goes on from what was saved.

    It is raised where the ranks agreed to end, because one of them got SIGTERM or its time is nearly up. As a
    `SystemExit` it passes ``except Exception``, and a script that lets it pass ends with `HANDOVER_CODE`, which
    launchers know: they start the next epoch.
    """

    def __init__(self, text: str) -> None:
        super().__init__(HANDOVER_CODE)
        self.text = text

    def __str__(self) -> str:
        return self.text


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
