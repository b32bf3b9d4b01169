"""Launcher ``lambda``: functions of a deployed stack, started by its state machine."""

from __future__ import annotations

import json
import time
from typing import Any

from weft.serverless import package, stack
from weft.serverless.aws import client, error_code
from weft.serverless.event import Job
from weft.serverless.jobs import JobHandle, remember
from weft.serverless.plan import Plan, Prices, cost
from weft.serverless.stored_job import StoredJob, make_job, upload
from weft.serverless.submission import Submission, pack

__all__ = ["TAKES", "Handle", "plan", "prepare", "start", "submit"]

TAKES = frozenset({"memory", "stack", "max_epochs", "kms_key", "expect_seconds", "prices"})
#: Seconds of a planned run where nothing is said.
EXPECT_SECONDS = 60.0


def prepare(submission: Submission) -> tuple[Job, package.Package, stack.Stack, Plan]:
    """The signed job, its program, where it will run and at what price. Nothing is sent yet but reads."""
    made, entry = pack(submission)
    target = stack.load(submission.stack)
    name = submission.name()
    configuration = client("lambda").get_function_configuration(FunctionName=target.executor)
    memory = int(configuration["MemorySize"])
    if submission.memory is not None and submission.memory != memory:
        raise ValueError(
            f"--memory {submission.memory}: the executors of stack {target.name} have {memory} MB, set when they are "
            f"deployed: `weft deploy aws --memory {submission.memory}`"
        )
    job = make_job(submission, name, entry, made, target)
    price = Plan(
        job=name, script=entry, files=len(made.files), bytes=sum(map(len, made.files.values())),
        world_size=job.world_size, memory=memory, seconds=submission.expect_seconds or EXPECT_SECONDS,
        network=target.network, stack=target.name, prices=Prices.load(submission.prices),
    )  # fmt: skip
    return job, made, target, price


def start(job: Job, made: package.Package, target: stack.Stack, submission: Submission) -> JobHandle:
    """Uploads the program and starts the execution; the same job again is the same execution."""
    job = upload(job, made)
    machine = client("stepfunctions")
    text = json.dumps(job.to_json(), sort_keys=True)
    # An execution's name is good once: a job that has ended runs again under the next one and answers its result.
    names = (job.job, *(f"{job.job[:70]}.again-{number}" for number in range(1, 100)))
    for name in names:
        try:
            arn = machine.start_execution(stateMachineArn=target.state_machine, name=name, input=text)["executionArn"]
            break
        except Exception as problem:
            if error_code(problem) != "ExecutionAlreadyExists":
                raise
    else:
        raise ValueError(f"the job {job.job!r} was submitted too often: give it another name")
    record = {
        "job": job.job, "launcher": "lambda", "stack": target.name, "execution": arn, "storage": job.storage,
        "world_size": job.world_size, "begin": time.time(), "prices": submission.prices,
        "memory": int(client("lambda").get_function_configuration(FunctionName=target.executor)["MemorySize"]),
        "network": target.network,
    }  # fmt: skip
    remember(record)
    return Handle(record)


def submit(submission: Submission) -> JobHandle:
    """Uploads and starts."""
    job, made, target, _ = prepare(submission)
    return start(job, made, target, submission)


def plan(submission: Submission) -> Plan:
    """What would be run; nothing is sent but reads."""
    return prepare(submission)[3]


class Handle(StoredJob):
    """One execution of the state machine."""

    processes = "functions"

    def status(self) -> dict[str, Any]:
        """Also ``epoch``, ``ranks`` up, ``phase``, ``rows``, ``bytes`` and ``cost``."""
        found = client("stepfunctions").describe_execution(executionArn=self.record["execution"])
        states = {"RUNNING": "running", "SUCCEEDED": "done", "ABORTED": "cancelled"}
        epoch = self.epoch()
        status = self.progress(epoch, self.reports(epoch))
        status |= {
            "state": states.get(found["status"], "failed"),
            "seconds": (found["stopDate"].timestamp() if found.get("stopDate") else time.time()) - self.record["begin"],
        }
        prices = Prices.load(self.record["prices"])
        parts = cost(
            prices, world_size=self.world_size, memory=self.record["memory"],
            billed_seconds=status["billed_seconds"], wall_seconds=status["seconds"], epochs=epoch + 1,
            network=self.record["network"], bytes_out=status["bytes"],
        )  # fmt: skip
        status |= {"cost": sum(parts.values()), "currency": prices.currency}
        if status["state"] == "failed":
            status |= {"error": found.get("error", found["status"]), "cause": found.get("cause", "")}
        return status

    def cancel(self) -> None:
        """Ends the execution, and its functions: they look for this every few seconds."""
        self.store.put("cancelled", b"")
        client("stepfunctions").stop_execution(
            executionArn=self.record["execution"], error="Weft.Cancelled", cause="weft cancel"
        )
