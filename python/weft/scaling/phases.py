"""Which of the engine's phases belong together, for people."""

from __future__ import annotations

from typing import Any

__all__ = ["GROUPS", "grouped"]

#: In the order in which they are stacked. "exchange" is handing bytes over and waiting for others'; "partition" finds
#: out which rows go where and puts them together; "compute" is the kernels; "rest" is what no phase counts.
GROUPS = ("partition", "exchange", "compute", "rest")

_EXCHANGE = frozenset({"shuffle.send", "shuffle.wait", "broadcast", "gather", "allgather"})
_PARTITION = frozenset({"shuffle.partition"})


def _group(phase: str) -> str:
    if phase in _EXCHANGE:
        return "exchange"
    return "partition" if phase in _PARTITION else "compute"


def grouped(record: dict[str, Any]) -> dict[str, float]:
    """Seconds of one record by group; they add up to its seconds."""
    found = dict.fromkeys(GROUPS, 0.0)
    for name, phase in record["phases"].items():
        found[_group(name)] += phase["seconds"]
    found["rest"] = max(0.0, record["seconds"] - sum(found.values()))
    return found
