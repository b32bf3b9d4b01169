"""``weft submit`` and `weft.submit`: packs a program, uploads it, starts it, follows it, fetches what came of it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from weft.serverless import package, plan, stack
from weft.serverless.aws import client, error_code
from weft.serverless.event import Job, sign
from weft.serverless.job_store import JobStore
from weft.serverless.jobs import JobFailed, JobHandle, remember
from weft.serverless.secret_store import job_secret, wrap

__all__ = ["Submission", "prepare", "submit"]

LAUNCHERS = ("lambda", "local")


@dataclass(frozen=True)
class Submission:
    """What to run; see `submit`."""

    script: str
    arguments: Sequence[str] = ()
    launcher: str = "lambda"
    world_size: int = 1
    memory: int | None = None
    entry: str | None = None
    input: str | None = None
    output: str | None = None
    job: str | None = None
    stack: str | None = None
    max_epochs: int = 3
    kms_key: str | None = None
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    expect_seconds: float = 60.0
    prices: str | None = None

    def name(self) -> str:
        if self.job is not None:
            return self.job
        stem = re.sub(r"[^A-Za-z0-9]+", "-", Path(self.script).resolve().stem).strip("-")[:40] or "job"
        return f"{stem}-{secrets.token_hex(5)}"


def _entry(submission: Submission, made: package.Package, single: str | None) -> str:
    entry = submission.entry or single or ("main.py" if "main.py" in made.files else None)
    if entry is None:
        raise ValueError(f"{submission.script!r} is a folder without main.py: name the script by --entry")
    if entry not in made.files:
        raise ValueError(f"--entry {entry!r} is not in {submission.script!r}")
    return entry


def prepare(submission: Submission) -> tuple[Job, package.Package, stack.Stack, plan.Plan]:
    """The signed job, its program, where it will run and at what price. Nothing is sent yet but reads."""
    made, single = package.pack(Path(submission.script))
    entry = _entry(submission, made, single)
    target = stack.load(submission.stack)
    name = submission.name()
    configuration = client("lambda").get_function_configuration(FunctionName=target.executor)
    memory = int(configuration["MemorySize"])
    if submission.memory is not None and submission.memory != memory:
        raise ValueError(
            f"--memory {submission.memory}: the executors of stack {target.name} have {memory} MB, set when they are "
            f"deployed: `weft deploy aws --memory {submission.memory}`"
        )
    reference = {"secretsmanager": target.secret}
    if submission.kms_key is not None:
        reference = wrap(secrets.token_hex(32), submission.kms_key)
    job = Job(
        job=name,
        world_size=submission.world_size,
        script=entry,
        manifest=made.digest,
        storage={"bucket": target.bucket, "prefix": f"weft-jobs/{name}"},
        rendezvous=target.rendezvous,
        rendezvous_key={"secretsmanager": target.rendezvous_key} if target.rendezvous_key else None,
        secret=reference,
        arguments=tuple(submission.arguments),
        environment=dict(submission.environment),
        input=submission.input,
        output=submission.output,
        max_epochs=submission.max_epochs,
        memory=submission.memory,
        network=target.network,
    )
    price = plan.Plan(
        job=name, script=entry, files=len(made.files), bytes=sum(map(len, made.files.values())),
        world_size=job.world_size, memory=memory, seconds=submission.expect_seconds, network=target.network,
        stack=target.name, prices=plan.Prices.load(submission.prices),
    )  # fmt: skip
    return job, made, target, price


def start(job: Job, made: package.Package, target: stack.Stack, submission: Submission) -> JobHandle:
    """Uploads the program and starts the execution; the same job again is the same execution."""
    job = sign(job, job_secret(job.secret, job.job))
    store = JobStore(job.storage)
    for name, content in made.files.items():
        store.put(f"package/files/{name}", content)
    store.put("package/manifest.json", made.manifest)
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
    return JobHandle(record)


def _run_here(submission: Submission) -> JobHandle:
    """The same program as ranks of this host, in a folder of its own, to its end."""
    from weft.launcher import Launch, run
    from weft.serverless.jobs import job_folder

    made, single = package.pack(Path(submission.script))
    entry = _entry(submission, made, single)
    name = submission.name()
    if submission.memory is not None:
        raise ValueError("--memory is for functions; on this host WEFT_MEMORY_LIMIT bounds what operators hold")
    folder = job_folder(name)
    entries = package.parse_manifest(made.manifest, made.digest)
    package.unpack(entries, made.files.__getitem__, folder / "package")
    results = folder / "results"
    results.mkdir()
    variables = {**submission.environment, "WEFT_JOB": name, "WEFT_RESULTS": str(results)}
    for key, value in (("WEFT_INPUT", submission.input), ("WEFT_OUTPUT", submission.output)):
        if value is not None:
            variables[key] = value
    begin, here = time.time(), os.getcwd()
    record = {"job": name, "launcher": "local", "world_size": submission.world_size, "begin": begin, "pid": os.getpid()}
    remember(record)
    code = 1
    try:
        os.chdir(results)
        code = run(
            Launch(
                [str(folder / "package" / entry), *submission.arguments],
                submission.world_size,
                environment=variables,
                log=folder / "log",
            )
        )
    finally:
        os.chdir(here)
        record |= {"code": code, "end": time.time()}
        remember(record)
    if code != 0:
        raise JobFailed(name, f"exit code {code}", f"`weft logs {name}` has its output")
    return JobHandle(record)


def submit(
    script: str | os.PathLike[str],
    *,
    arguments: Sequence[str] = (),
    launcher: str = "lambda",
    world_size: int = 1,
    memory: int | None = None,
    entry: str | None = None,
    input: str | None = None,
    output: str | None = None,
    job: str | None = None,
    stack: str | None = None,
    max_epochs: int = 3,
    kms_key: str | None = None,
    environment: dict[str, str] | None = None,
    follow: bool = True,
    dry_run: bool = False,
    expect_seconds: float = 60.0,
    prices: str | None = None,
    results: str | os.PathLike[str] | None = None,
) -> JobHandle | plan.Plan:
    """Runs a script, or a folder of scripts, as `world_size` ranks.

    Parameters
    ----------
    script, entry, arguments
        A file, or a folder and the script in it that is run (``main.py``); what the script gets on its command line.
    launcher
        ``"lambda"``: functions of a deployed stack. ``"local"``: processes of this host, to their end.
    memory
        MB of a function; it must be what was deployed.
    input, output
        ``s3://`` addresses, which the script finds in ``WEFT_INPUT`` and ``WEFT_OUTPUT``.
    job
        Its name. A job that is done answers with its result when it is submitted again.
    stack
        The CloudFormation stack, or a .json file of its outputs (``WEFT_STACK``; default ``weft``).
    max_epochs
        Attempts in all; each runs all ranks.
    kms_key
        A KMS key that wraps a secret of this job in its payload; else the stack's secret is used.
    environment
        More variables for the script; no secrets.
    follow
        Print how it goes, wait for its end, and fetch the results into `results` (``weft-results/JOB``).
    dry_run
        Only the plan and its price, for a run of `expect_seconds`.

    Raises
    ------
    ValueError, FileNotFoundError
        What cannot be submitted, and why.
    JobFailed
        The job has ended without a result; `cause` has the rank, its exception and its last lines.
    """
    if launcher not in LAUNCHERS:
        raise ValueError(f"launcher {launcher!r} is not known; there are {', '.join(LAUNCHERS)}")
    submission = Submission(
        str(script), arguments, launcher, world_size, memory, entry, input, output, job, stack, max_epochs, kms_key,
        environment or {}, expect_seconds, prices,
    )  # fmt: skip
    if launcher == "local":
        if dry_run:
            raise ValueError("dry_run: a run on this host has no price")
        return _run_here(submission)
    made_job, made, target, price = prepare(submission)
    if dry_run:
        return price
    handle = start(made_job, made, target, submission)
    if not follow:
        return handle
    try:
        handle.follow(sys.stdout)
    except KeyboardInterrupt:
        print(f"weft submit: cancelling {handle.job}", file=sys.stderr)
        handle.cancel()
        raise
    handle.fetch(Path(results) if results is not None else None)
    return handle
