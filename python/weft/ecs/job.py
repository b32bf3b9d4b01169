"""Launcher ``ecs``: tasks of the deployed cluster, started by RunTask and looked after by whoever follows the job.

Nobody else looks after it: without a follower a job that fails ends by itself, since its ranks notice, and is not tried
again.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

from weft.ecs.price import TaskPlan, task_cost
from weft.ecs.task import claims
from weft.launcher import FAIL_BY_THEMSELVES
from weft.serverless import package, stack
from weft.serverless.aws import client
from weft.serverless.event import Job
from weft.serverless.function_job import EXPECT_SECONDS
from weft.serverless.job_store import JobStore
from weft.serverless.jobs import GOING, JobHandle, remember
from weft.serverless.plan import Plan, Prices
from weft.serverless.rank_report import Verdict, judge
from weft.serverless.stored_job import StoredJob, make_job, upload
from weft.serverless.submission import Submission, pack

__all__ = ["TAKES", "Handle", "plan", "submit"]

TAKES = frozenset(
    {"memory", "cpus", "stack", "max_epochs", "kms_key", "expect_seconds", "prices", "launch_type", "advertise"}
)
#: RunTask takes no more, DescribeTasks neither.
RUN_BATCH, DESCRIBE_BATCH = 10, 100
#: vCPUs of Fargate, and the MB that go with them: least, most, step.
FARGATE = {1: (2048, 8192, 1024), 2: (4096, 16384, 1024), 4: (8192, 30720, 1024), 8: (16384, 61440, 4096),
           16: (32768, 122880, 8192)}  # fmt: skip
#: Seconds that stopped tasks have to end: ECS kills them 30 s after SIGTERM.
STOP_SECONDS = 90.0
BACK_OFF, BACK_OFF_MOST = 2, 60
#: Why tasks are stopped that did nothing wrong.
BECAUSE_OF_ANOTHER = "another rank of the job has failed"
#: The container of the task definitions.
CONTAINER = "rank"


def _started_by(job: str) -> str:
    """What marks the job's tasks; a job's own name may be too long."""
    return f"weft-{hashlib.sha256(job.encode()).hexdigest()[:24]}"


def _size(submission: Submission, definition: dict[str, Any]) -> tuple[float, int]:
    """vCPUs and MB of a task."""
    container = definition["containerDefinitions"][0]
    cpus = submission.cpus or int(definition.get("cpu") or container.get("cpu") or 1024) / 1024
    memory = submission.memory or int(definition.get("memory") or container.get("memory") or 2048)
    if (submission.launch_type or "fargate") == "fargate" and (submission.cpus or submission.memory):
        if cpus not in FARGATE:
            raise ValueError(f"--cpus {cpus:g}: Fargate has {', '.join(map(str, FARGATE))}")
        least, most, step = FARGATE[int(cpus)]
        if not least <= memory <= most or memory % step:
            raise ValueError(
                f"--memory {memory}: with {cpus:g} vCPU Fargate has {least} to {most} MB in steps of {step}"
            )
    return cpus, memory


def _prepare(submission: Submission) -> tuple[Job, package.Package, stack.Stack, dict[str, Any]]:
    """The job, its program, where it will run, and what RunTask is to be told. Nothing is sent yet but reads."""
    made, entry = pack(submission)
    target = stack.load(submission.stack)
    launch_type = submission.launch_type or "fargate"
    definition = target.tasks.get(launch_type)
    if not target.cluster or not definition:
        raise ValueError(
            f"the stack {target.name!r} has no tasks: deploy it with --parameter WorkerImageUri=... (docs/hosts.md)"
        )
    found = client("ecs").describe_task_definition(taskDefinition=definition)["taskDefinition"]
    cpus, memory = _size(submission, found)
    job = make_job(submission, submission.name(), entry, made, target)
    how = {
        "cluster": target.cluster, "definition": definition, "launch_type": launch_type, "cpus": cpus,
        "memory": memory, "sized": bool(submission.cpus or submission.memory),
        "advertise": submission.advertise or "private", "subnets": list(target.task_subnets),
        "group": target.task_group, "public": target.network == "public",
    }  # fmt: skip
    return job, made, target, how


def plan(submission: Submission) -> Plan:
    """What would be run; nothing is sent but reads."""
    job, made, target, how = _prepare(submission)
    return TaskPlan(
        job=job.job, script=job.script, files=len(made.files), bytes=sum(map(len, made.files.values())),
        world_size=job.world_size, memory=how["memory"], seconds=submission.expect_seconds or EXPECT_SECONDS,
        network=target.network, stack=target.name, prices=Prices.load(submission.prices),
        launch_type=how["launch_type"], cpus=how["cpus"],
    )  # fmt: skip


def submit(submission: Submission) -> JobHandle:
    """Uploads the program and starts all tasks; where not all can be started, those that were are stopped."""
    job, made, target, how = _prepare(submission)
    job = upload(job, made)
    store = JobStore(job.storage)
    store.put_json("job.json", job.to_json())
    if store.exists("cancelled"):
        raise ValueError(f"the job {job.job!r} was cancelled: give this one another name")
    record = {
        "job": job.job, "launcher": "ecs", "stack": target.name, "storage": job.storage, "world_size": job.world_size,
        "begin": time.time(), "prices": submission.prices, "how": how, "max_epochs": job.max_epochs, "epoch": 0,
        "tasks": [], "spent": [],
    }  # fmt: skip
    handle = Handle(record)
    remember(record)
    if not store.exists("result.json"):
        first = handle.epoch() + 1 if store.exists("epoch-0/ranks.json") else 0
        record |= {"first_epoch": first}
        handle.start_epoch(first)
    return handle


class Handle(StoredJob):
    """One job's tasks, of its epochs one after another."""

    processes = "tasks"

    def __init__(self, record: dict[str, Any]) -> None:
        super().__init__(record)
        self.how: dict[str, Any] = record["how"]
        self._broken_at: float | None = None

    # -- tasks ---------------------------------------------------------------------------------------------------

    def start_epoch(self, epoch: int) -> None:
        """Starts one task a rank, in batches."""
        self.record |= {"epoch": epoch, "tasks": []}
        self._broken_at = None
        # Tasks of the epoch before see this, and end.
        self.store.put_json(f"epoch-{epoch}/ranks.json", {"launcher": "ecs", "world_size": self.world_size})
        try:
            left = self.world_size
            while left > 0:
                started, why = self._run(epoch, min(left, RUN_BATCH))
                self.record["tasks"] += started
                remember(self.record)
                left -= len(started)
                if why is not None:
                    raise ValueError(
                        f"ECS started {self.world_size - left} of {self.world_size} tasks, and they were stopped: {why}"
                    )
        except BaseException:
            self.stop_tasks("not all tasks of the job could be started")
            self.store.put("cancelled", b"")
            raise

    def _run(self, epoch: int, count: int) -> tuple[list[str], str | None]:
        """ARNs of the tasks started, and why they are fewer than `count`."""
        how, storage = self.how, self.record["storage"]
        variables = {
            "WEFT_TASK_JOB": f"s3://{storage['bucket']}/{storage['prefix']}",
            "WEFT_TASK_EPOCH": str(epoch),
            "WEFT_TASK_ADVERTISE": how["advertise"],
        }
        container: dict[str, Any] = {
            "name": CONTAINER,
            "environment": [{"name": k, "value": v} for k, v in variables.items()],
        }
        overrides: dict[str, Any] = {"containerOverrides": [container]}
        request: dict[str, Any] = {}
        if how["launch_type"] == "fargate":
            if how["sized"]:
                overrides |= {"cpu": str(int(how["cpus"] * 1024)), "memory": str(how["memory"])}
            public = "ENABLED" if how["public"] else "DISABLED"
            network = {"subnets": how["subnets"], "securityGroups": [how["group"]], "assignPublicIp": public}
            request["networkConfiguration"] = {"awsvpcConfiguration": network}
        elif how["sized"]:
            container |= {"cpu": int(how["cpus"] * 1024), "memory": how["memory"]}
        answer = client("ecs").run_task(
            cluster=how["cluster"], taskDefinition=how["definition"], launchType=how["launch_type"].upper(),
            count=count, startedBy=_started_by(self.job), tags=[{"key": "weft-job", "value": self.job}],
            overrides=overrides, **request,
        )  # fmt: skip
        started = [task["taskArn"] for task in answer["tasks"]]
        reasons = {str(failure.get("reason")) for failure in answer.get("failures", ())}
        if len(started) == count:
            return started, None
        return started, ", ".join(sorted(reasons)) or "the cluster has no room for more"

    def tasks(self) -> list[dict[str, Any]]:
        """The tasks of this epoch, as ECS describes them; one that ECS has forgotten has stopped."""
        return self._describe(self.record["tasks"])

    def _describe(self, arns: list[str]) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for begin in range(0, len(arns), DESCRIBE_BATCH):
            batch = arns[begin : begin + DESCRIBE_BATCH]
            answer = client("ecs").describe_tasks(cluster=self.how["cluster"], tasks=batch)
            found |= {task["taskArn"]: task for task in answer["tasks"]}
        gone = {"lastStatus": "STOPPED", "stoppedReason": "ECS knows it no more"}
        return [found.get(arn, {"taskArn": arn, **gone}) for arn in arns]

    def _all_running(self) -> list[str]:
        """ARNs of all tasks of the job that have not been stopped, also of those that no record has."""
        ecs = client("ecs")
        pages = ecs.get_paginator("list_tasks").paginate(cluster=self.how["cluster"], startedBy=_started_by(self.job))
        listed = {arn for page in pages for arn in page["taskArns"]}
        listed |= {task["taskArn"] for task in self.tasks() if task["lastStatus"] != "STOPPED"}
        return sorted(listed)

    def stop_tasks(self, reason: str) -> None:
        """Stops what runs, and waits until it has stopped."""
        ecs = client("ecs")
        running = self._all_running()
        for arn in running:
            ecs.stop_task(cluster=self.how["cluster"], task=arn, reason=reason)
        until = time.monotonic() + STOP_SECONDS
        while any(task["lastStatus"] != "STOPPED" for task in self._describe(running)):
            if time.monotonic() > until:
                raise RuntimeError(f"tasks of the job {self.job} have not stopped after {STOP_SECONDS:g} s")
            time.sleep(0.2)

    # -- how it does ---------------------------------------------------------------------------------------------

    def _verdict(self, epoch: int, tasks: list[dict[str, Any]]) -> Verdict:
        """What the ranks' reports mean, with what ECS says about tasks that ended without a word."""
        reports, store = self.reports(epoch), self.store
        ended = {task["taskArn"]: _why(task) for task in tasks if task["lastStatus"] == "STOPPED"}
        unclaimed, taken = dict(ended), claims(store, epoch)
        for rank, name in taken.items():
            why = unclaimed.pop((store.get_json(name) or {}).get("task", ""), None)
            report = reports[rank] or {"rank": rank, "state": "running", "time": time.time()}
            if why is not None and report["state"] == "running":
                reports[rank] = {**report, "state": "lost", "error": f"its task stopped: {why}"}
        free = [rank for rank in reports if rank not in taken]
        for rank, why in zip(free, unclaimed.values(), strict=False):
            error = f"its task stopped before it had taken its rank: {why}"
            reports[rank] = {"rank": rank, "state": "lost", "error": error}
        for told in filter(None, reports.values()):
            if told["state"] == "cancelled" or BECAUSE_OF_ANOTHER in told.get("error", ""):
                told["about_peer"] = True
        going, fine = len(ended) < len(tasks), ("done", "running", "handover")
        if going and all(report is None or report["state"] in fine for report in reports.values()):
            return Verdict("wait")
        last = epoch - self.record.get("first_epoch", 0) - self.record.get("handovers", 0)
        most = self.record["max_epochs"]
        return judge(reports, self.world_size, last, most, "" if going else "all tasks have stopped", process="task")

    def status(self) -> dict[str, Any]:
        """Also ``epoch``, ``ranks`` up, ``phase``, ``rows``, ``bytes``, ``cost``, and ``next``: what reports mean."""
        epoch: int = self.record["epoch"]
        tasks = self.tasks()
        status = self.progress(epoch, self.reports(epoch))
        alive = [task["lastStatus"] for task in tasks if task["lastStatus"] != "STOPPED"]
        result = self.store.get_json("result.json")
        found = Verdict("done") if result is not None else self._verdict(epoch, tasks)
        if result is not None:
            state = "done"
        elif alive:
            state = "running" if status["ranks"] or "RUNNING" in alive else "waiting"
        elif self.store.exists("cancelled"):
            state = "cancelled"
        else:
            state = "failed"
            status |= {"error": found.error, "cause": found.cause}
        end = result["time"] if result is not None else max(map(_end, tasks), default=time.time())
        status |= {"state": state, "next": found.next, "seconds": end - self.record["begin"]}
        how, prices = self.how, Prices.load(self.record["prices"])
        parts = task_cost(
            prices, launch_type=how["launch_type"], tasks=[*self.record["spent"], *map(_seconds, tasks)],
            cpus=how["cpus"], memory=how["memory"], wall_seconds=status["seconds"], public=how["public"],
            instances=len({task.get("containerInstanceArn") for task in tasks}),
        )  # fmt: skip
        return status | {"cost": sum(parts.values()), "currency": prices.currency}

    def look(self) -> dict[str, Any]:
        """Also stops the other tasks when a rank has failed, and starts the next epoch where that makes sense or the
        ranks have handed over."""
        status = self.status()
        if status["state"] in GOING and status["next"] in ("retry", "failed"):
            self._broken_at = self._broken_at or time.monotonic()
            if time.monotonic() - self._broken_at > FAIL_BY_THEMSELVES:
                self.stop_tasks(BECAUSE_OF_ANOTHER)
        elif status["state"] == "failed" and status["next"] in ("retry", "handover"):
            epoch = status["epoch"]
            if status["next"] == "handover":
                self.record["handovers"] = self.record.get("handovers", 0) + 1
            else:
                failures = epoch - self.record["first_epoch"] - self.record.get("handovers", 0)
                time.sleep(min(BACK_OFF_MOST, BACK_OFF << failures))
            self.record["spent"] += map(_seconds, self.tasks())
            self.start_epoch(epoch + 1)
            return self.status()
        return status

    def cancel(self) -> None:
        """Stops all tasks of the job, and waits until they have stopped."""
        if not self.store.exists("result.json"):
            self.store.put("cancelled", b"")
        self.stop_tasks("weft cancel")


def _why(task: dict[str, Any]) -> str:
    container: dict[str, Any] = next(iter(task.get("containers", ())), {})
    code = container.get("exitCode")
    parts = (task.get("stoppedReason"), container.get("reason"), None if code is None else f"exit code {code}")
    return ", ".join(str(part) for part in parts if part) or "no reason is known"


def _end(task: dict[str, Any]) -> float:
    return float(task["stoppedAt"].timestamp()) if "stoppedAt" in task else time.time()


def _seconds(task: dict[str, Any]) -> float:
    """Billed: from when its image was pulled."""
    begin = task.get("pullStartedAt") or task.get("startedAt")
    return max(0.0, _end(task) - begin.timestamp()) if begin else 0.0
