"""What tasks cost."""

from __future__ import annotations

from dataclasses import dataclass

from weft.serverless.plan import GETS_A_RANK, LOG_BYTES_A_RANK, PUTS_A_RANK, Plan, Prices

__all__ = ["TaskPlan", "task_cost"]

#: Seconds that Fargate bills at least.
LEAST_SECONDS = 60.0


def task_cost(
    prices: Prices, *, launch_type: str, tasks: list[float], cpus: float, memory: int, wall_seconds: float,
    instances: int = 0, public: bool = True,
) -> dict[str, float]:  # fmt: skip
    """Cost by part. `tasks` are the seconds of each task; `instances` are EC2's, paid for as long as the job takes."""
    price = prices.values
    seconds = sum(max(LEAST_SECONDS, one) for one in tasks)
    if launch_type == "fargate":
        a_second = (cpus * price["fargate_vcpu_hour"] + memory / 1024 * price["fargate_gb_hour"]) / 3600
        parts = {"Fargate": seconds * a_second}
        if public:
            parts["public addresses"] = seconds / 3600 * price["public_address_hour"]
    else:
        parts = {"instances": instances * wall_seconds / 3600 * price["ec2_instance_hour"]}
    beats = sum(tasks) / 5
    return parts | {
        "S3 requests": ((PUTS_A_RANK + 1) * len(tasks) + beats) * price["s3_put"]
        + ((GETS_A_RANK + 2) * len(tasks) + 2 * beats) * price["s3_get"],
        "logs": LOG_BYTES_A_RANK * len(tasks) / 1e9 * price["logs_gb"],
        "secrets": 2 * len(tasks) * price["secrets_call"],
        "rendezvous host": wall_seconds / 3600 * price["rendezvous_hour"],
    }


@dataclass(frozen=True)
class TaskPlan(Plan):
    """A run by tasks as it would be."""

    launch_type: str = "fargate"
    cpus: float = 1.0

    @property
    def world(self) -> str:
        return f"{self.world_size} tasks ({self.launch_type}) of {self.cpus:g} vCPU and {self.memory} MB"

    @property
    def parts(self) -> dict[str, float]:
        return task_cost(
            self.prices, launch_type=self.launch_type, tasks=[self.seconds] * self.world_size, cpus=self.cpus,
            memory=self.memory, wall_seconds=self.seconds, instances=self.world_size,
            public=self.network == "public",
        )  # fmt: skip
