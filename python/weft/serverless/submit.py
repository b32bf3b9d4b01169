"""``weft submit`` and `weft.submit`: packs a program, starts it by a launcher, follows it, fetches what came of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from weft.serverless import jobs
from weft.serverless.function_job import prepare, start
from weft.serverless.jobs import LAUNCHERS, JobHandle
from weft.serverless.plan import Plan
from weft.serverless.submission import COMMON, Submission

__all__ = ["Submission", "prepare", "refuse_others", "start", "submit"]


def refuse_others(submission: Submission) -> None:
    """ValueError for what is given and is not for the submission's launcher, and for a world of no rank."""
    if submission.world_size < 1:
        raise ValueError(f"--world-size {submission.world_size} is below 1")
    takes = jobs.launcher(submission.launcher).TAKES
    for name in sorted(submission.given() - COMMON - takes):
        others = ", ".join(other for other in LAUNCHERS if name in jobs.launcher(other).TAKES)
        raise ValueError(f"--{name.replace('_', '-')} is for launcher {others}, not for {submission.launcher}")


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
    max_epochs: int | None = None,
    kms_key: str | None = None,
    environment: dict[str, str] | None = None,
    follow: bool = True,
    dry_run: bool = False,
    expect_seconds: float | None = None,
    prices: str | None = None,
    nodes: int | None = None,
    cpus: int | None = None,
    time_limit: str | None = None,
    partition: str | None = None,
    bootstrap: str | None = None,
    shared: str | os.PathLike[str] | None = None,
    sbatch: Sequence[str] = (),
    launch_type: str | None = None,
    advertise: str | None = None,
    results: str | os.PathLike[str] | None = None,
) -> JobHandle | Plan:
    """Runs a script, or a folder of scripts, as `world_size` ranks. An option that the launcher does not take is a
    ValueError.

    Parameters
    ----------
    script, entry, arguments
        A file, or a folder and the script in it that is run (``main.py``); what the script gets on its command line.
    launcher
        ``"lambda"``: functions of a deployed stack. ``"ecs"``: containers of it, on Fargate or EC2. ``"slurm"``: a
        batch job of the cluster whose ``sbatch`` is here. ``"local"``: processes of this host, to their end.
    input, output
        Addresses that the script finds in ``WEFT_INPUT`` and ``WEFT_OUTPUT``; for functions and containers on S3.
    job
        Its name. A job of functions or containers that is done answers with its result when it is submitted again.
    environment
        More variables for the script; no secrets.
    memory
        MB of a rank; a function's must be what was deployed.
    stack
        Functions, containers: the CloudFormation stack, or a .json file of its outputs (``WEFT_STACK``; ``weft``).
    max_epochs
        Functions, containers: attempts in all; each runs all ranks (default 3).
    kms_key
        Functions, containers: a KMS key that wraps a secret of this job in its payload; else the stack's is used.
    launch_type, advertise
        Containers: ``"fargate"`` or ``"ec2"``; the ``"private"`` or ``"public"`` address that others dial.
    cpus
        Slurm: cores of a rank. Containers: vCPUs of a task.
    nodes, time_limit, partition, sbatch
        Slurm: how many nodes (default: one a rank), its ``--time``, its ``--partition``, and any other of its options.
    bootstrap
        Slurm: how ranks find each other: ``"rendezvous"`` (a server on the first node), ``"file"`` (a store in the
        job's folder), ``"mpi"``.
    shared
        Slurm: the folder, seen by all nodes, below which the job's own is made (default: where jobs' records are).
    follow
        Print how it goes, wait for its end, and fetch the results into `results` (``weft-results/JOB``). A run on this
        host ends before this returns; its results are copied only where `results` says so.
    dry_run, expect_seconds
        Only the plan and its price, for a run of so many seconds (60).

    Raises
    ------
    ValueError, FileNotFoundError
        What cannot be submitted, and why.
    JobFailed
        The job has ended without a result; `cause` has the rank, its exception and its last lines.
    """
    submission = Submission(
        str(script), tuple(arguments), launcher, world_size, memory, entry, input, output, job, stack, max_epochs,
        kms_key, environment or {}, expect_seconds, prices, nodes, cpus, time_limit, partition, bootstrap,
        None if shared is None else str(shared), tuple(sbatch), launch_type, advertise,
    )  # fmt: skip
    refuse_others(submission)
    by = jobs.launcher(launcher)
    if dry_run:
        return by.plan(submission)
    handle = by.submit(submission)
    if launcher == "local" and results is not None:
        handle.fetch(Path(results))
    if not follow or launcher == "local":
        return handle
    try:
        handle.follow(sys.stdout)
    except KeyboardInterrupt:
        print(f"weft submit: cancelling {handle.job}", file=sys.stderr)
        handle.cancel()
        raise
    handle.fetch(Path(results) if results is not None else None)
    return handle
