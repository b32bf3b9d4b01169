"""What a task knows about itself: its ARN and its addresses, from the endpoints that ECS and EC2 give it."""

from __future__ import annotations

import json
import os
import urllib.request
from dataclasses import dataclass
from typing import Any

from weft.serverless.aws import client

__all__ = ["Task", "advertised", "look"]

#: The instance's own endpoint, for tasks that use the host's network.
INSTANCE = "http://169.254.169.254/latest"
SECONDS = 5.0


@dataclass(frozen=True)
class Task:
    """A task, and its private address where the endpoint names one."""

    arn: str
    network_mode: str
    private: str


def _get(url: str, method: str = "GET", **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=named), timeout=SECONDS) as answer:
        return bytes(answer.read())


def look() -> Task:
    """This task, by ``ECS_CONTAINER_METADATA_URI_V4``; RuntimeError outside of ECS."""
    endpoint = os.environ.get("ECS_CONTAINER_METADATA_URI_V4")
    if not endpoint:
        raise RuntimeError("ECS_CONTAINER_METADATA_URI_V4 is not set: this is started as a task of ECS (weft submit)")
    try:
        task: dict[str, Any] = json.loads(_get(f"{endpoint}/task"))
        container: dict[str, Any] = json.loads(_get(endpoint))
    except (OSError, ValueError) as problem:
        raise RuntimeError(f"the task's metadata cannot be had from {endpoint}: {problem}") from None
    network: dict[str, Any] = (container.get("Networks") or [{}])[0]
    addresses = [address for address in network.get("IPv4Addresses", ()) if address]
    return Task(str(task["TaskARN"]), str(network.get("NetworkMode", "")), addresses[0] if addresses else "")


def _of_instance(name: str) -> str:
    """An entry of the instance's metadata, by its version 2."""
    token = _get(f"{INSTANCE}/api/token", "PUT", X_aws_ec2_metadata_token_ttl_seconds="60").decode()
    return _get(f"{INSTANCE}/meta-data/{name}", X_aws_ec2_metadata_token=token).decode().strip()


def _public_of(private: str) -> str:
    """The public address of the network interface that has this private one."""
    found = client("ec2").describe_network_interfaces(Filters=[{"Name": "private-ip-address", "Values": [private]}])
    for interface in found["NetworkInterfaces"]:
        address = interface.get("Association", {}).get("PublicIp")
        if address:
            return str(address)
    raise RuntimeError(
        f"the network interface of {private} has no public address: submit with --advertise private, or run the tasks "
        "in a subnet that gives one"
    )


def advertised(task: Task, kind: str) -> str:
    """The address that other ranks are to dial: the task's own, or with `kind` ``"public"`` the one outside."""
    try:
        if task.private:
            return task.private if kind == "private" else _public_of(task.private)
        # The host's network: its addresses are the instance's.
        return _of_instance("local-ipv4" if kind == "private" else "public-ipv4")
    except OSError as problem:
        raise RuntimeError(f"the {kind} address of task {task.arn} cannot be found: {problem}") from None
