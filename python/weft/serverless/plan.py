"""What a run costs: before it, from a plan; while it runs and after it, from what was used."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Plan", "Prices", "cost"]

#: MB at which a function has one vCPU.
MB_PER_VCPU = 1769
#: Transitions of the state machine outside of the map, and of each rank's child execution.
TRANSITIONS, TRANSITIONS_A_RANK = 7, 3
#: Objects that one rank puts and gets besides its own data and its signs of life.
PUTS_A_RANK, GETS_A_RANK = 5, 8
#: Bytes of log that a rank writes, as a rule.
LOG_BYTES_A_RANK = 10_000


@dataclass(frozen=True)
class Prices:
    """One dated list of prices in one region."""

    date: str
    region: str
    currency: str
    values: dict[str, float]

    @classmethod
    def load(cls, path: str | None = None) -> Prices:
        """The file named, or by ``WEFT_PRICES``, or the one that comes with Weft."""
        name = path or os.environ.get("WEFT_PRICES")
        file = Path(name) if name else Path(__file__).with_name("prices.json")
        try:
            value = json.loads(file.read_text(encoding="utf-8"))
            own = json.loads(Path(__file__).with_name("prices.json").read_text(encoding="utf-8"))
            wanted = [key for key, content in own.items() if isinstance(content, float)]
            values = {key: float(value[key]) for key in wanted}
            if any(not price >= 0 for price in values.values()):
                raise ValueError("a price is below 0")
            return cls(str(value["date"]), str(value["region"]), str(value["currency"]), values)
        except (OSError, ValueError, TypeError, KeyError) as problem:
            raise ValueError(f"prices: {file}: {problem}; it has the keys of weft/serverless/prices.json") from None


def cost(
    prices: Prices, *, world_size: int, memory: int, billed_seconds: float, wall_seconds: float, epochs: int = 1,
    network: str = "public", bytes_out: int = 0,
) -> dict[str, float]:  # fmt: skip
    """Cost by part. `billed_seconds` are all executors' together; `bytes_out` is what goes through a NAT."""
    price = prices.values
    ranks = world_size * epochs
    beats = billed_seconds / 5
    parts = {
        "functions": billed_seconds * memory / 1024 * price["lambda_gb_second"] + (ranks + 2) * price["lambda_request"],
        "state machine": (TRANSITIONS * epochs + TRANSITIONS_A_RANK * ranks) * price["states_transition"],
        "S3 requests": (PUTS_A_RANK * ranks + beats) * price["s3_put"]
        + (GETS_A_RANK * ranks + 2 * beats) * price["s3_get"],
        "logs": LOG_BYTES_A_RANK * ranks / 1e9 * price["logs_gb"],
        "secrets": 2 * ranks * price["secrets_call"],
        "rendezvous host": wall_seconds / 3600 * price["rendezvous_hour"],
    }
    if network == "vpc":
        parts["NAT gateway"] = (
            wall_seconds / 3600 * price["nat_gateway_hour"] + bytes_out / 1e9 * price["nat_gateway_gb"]
        )
    return parts


@dataclass(frozen=True)
class Plan:
    """A run as it would be."""

    job: str
    script: str
    files: int
    bytes: int
    world_size: int
    memory: int
    seconds: float
    network: str
    stack: str
    prices: Prices

    @property
    def world(self) -> str:
        """What the ranks run in."""
        return f"{self.world_size} functions of {self.memory} MB ({self.memory / MB_PER_VCPU:.2f} vCPU each)"

    @property
    def parts(self) -> dict[str, float]:
        """The price by part."""
        return cost(
            self.prices, world_size=self.world_size, memory=self.memory, billed_seconds=self.world_size * self.seconds,
            wall_seconds=self.seconds, network=self.network,
        )  # fmt: skip

    def __str__(self) -> str:
        parts = self.parts
        lines = [
            f"job        {self.job}",
            f"script     {self.script} ({self.files} files, {self.bytes} bytes)",
            f"world      {self.world}",
            f"stack      {self.stack}, network {self.network}",
            f"price      of {self.seconds:g} s, prices of {self.prices.date} in {self.prices.region}:",
            *(f"           {name:<16} {value:.6f}" for name, value in parts.items()),
            f"           {'together':<16} {sum(parts.values()):.6f} {self.prices.currency}",
        ]
        return "\n".join(lines)
