"""A deployment as it is known to those who submit: the outputs of its CloudFormation stack, or of a local one."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from weft.serverless.aws import client, error_code

__all__ = ["DEFAULT_STACK", "Stack", "load"]

DEFAULT_STACK = "weft"


@dataclass(frozen=True)
class Stack:
    """Names of what was deployed."""

    name: str
    bucket: str
    state_machine: str
    executor: str
    secret: str
    rendezvous: str
    rendezvous_key: str | None
    network: str = "public"
    #: Of ECS; empty where the stack was deployed without.
    cluster: str = ""
    tasks: dict[str, str] = field(default_factory=dict)
    task_subnets: tuple[str, ...] = ()
    task_group: str = ""

    @classmethod
    def from_outputs(cls, name: str, outputs: dict[str, str]) -> Stack:
        try:
            return cls(
                name=name,
                bucket=outputs["Bucket"],
                state_machine=outputs["StateMachineArn"],
                executor=outputs["ExecutorFunction"],
                secret=outputs["SecretName"],
                rendezvous=outputs["RendezvousAddress"],
                rendezvous_key=outputs.get("RendezvousKeyName"),
                network=outputs.get("Network", "public"),
                cluster=outputs.get("Cluster", ""),
                tasks={"fargate": outputs.get("FargateTask", ""), "ec2": outputs.get("Ec2Task", "")},
                task_subnets=tuple(filter(None, outputs.get("TaskSubnets", "").split(","))),
                task_group=outputs.get("TaskGroup", ""),
            )
        except KeyError as missing:
            raise ValueError(f"the stack {name!r} has no output {missing}: was it made by `weft deploy aws`?") from None


def load(name: str | None = None) -> Stack:
    """The stack of this name (default: ``WEFT_STACK``, else ``weft``); a name with .json is a file of outputs."""
    name = name or os.environ.get("WEFT_STACK") or DEFAULT_STACK
    if name.endswith(".json"):
        return Stack.from_outputs(name, json.loads(Path(name).read_text(encoding="utf-8")))
    try:
        found = client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except Exception as problem:
        if error_code(problem) == "ValidationError":
            raise ValueError(f"there is no stack {name!r} in this region: `weft deploy aws` makes one") from None
        raise
    return Stack.from_outputs(name, {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", ())})
