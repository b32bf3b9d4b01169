"""``weft submit``, ``weft status``, ``weft logs``, ``weft cancel``, ``weft deploy``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from weft.serverless import jobs

__all__ = ["COMMANDS", "add_parsers", "cut", "run"]

COMMANDS = ("submit", "status", "logs", "cancel", "deploy")
#: Options of ``weft submit`` that `weft.submit` takes under the same name.
_PASSED = (
    "launcher", "world_size", "memory", "cpus", "entry", "input", "output", "job", "stack", "max_epochs", "kms_key",
    "dry_run", "expect_seconds", "prices", "launch_type", "advertise", "nodes", "time_limit", "partition", "bootstrap",
    "shared", "sbatch",
)  # fmt: skip


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _add_submit(commands: Any) -> None:
    submit = commands.add_parser(
        "submit",
        help="run a script on functions, containers, a cluster, or here",
        usage="weft submit SCRIPT|FOLDER --launcher L --world-size N [option ...] [-- argument ...]",
        description="Packs a script or a folder and runs it as N ranks. Ctrl-C cancels it (with --follow). An option "
        "that the launcher does not take is refused.",
    )
    submit.add_argument("script", help="a script, or a folder with main.py or --entry")
    submit.add_argument(
        "--launcher", choices=tuple(jobs.LAUNCHERS), default="lambda", help="functions, this host, Slurm, or containers"
    )
    submit.add_argument("--world-size", type=int, default=1, metavar="N", help="ranks (default 1)")
    submit.add_argument("--memory", type=int, metavar="MB", help="of a rank; of a function what was deployed")
    submit.add_argument("--cpus", type=int, metavar="C", help="slurm, ecs: cores of a rank")
    submit.add_argument("--entry", metavar="FILE", help="the script in a folder")
    submit.add_argument("--input", metavar="ADDRESS", help="what the script finds in WEFT_INPUT")
    submit.add_argument("--output", metavar="ADDRESS", help="what the script finds in WEFT_OUTPUT")
    submit.add_argument("--job", metavar="NAME", help="the job's name; a job that is done answers with its result")
    submit.add_argument("--env", type=_pair, action="append", default=[], metavar="NAME=VALUE", help="for the script")
    submit.add_argument("--follow", action="store_true", help="show how it goes, wait, fetch results and logs")
    submit.add_argument(
        "--results",
        metavar="FOLDER",
        help="with --follow: where results go (default weft-results/JOB; local: they stay in the job's folder)",
    )
    aws = submit.add_argument_group("lambda, ecs")
    aws.add_argument(
        "--stack", metavar="NAME", help="CloudFormation stack, or .json file of outputs (WEFT_STACK; weft)"
    )
    aws.add_argument("--max-epochs", type=int, metavar="N", help="attempts in all (default 3)")
    aws.add_argument("--kms-key", metavar="KEY", help="wrap a secret of this job by this KMS key")
    aws.add_argument("--dry-run", action="store_true", help="only the plan and its price")
    aws.add_argument("--expect-seconds", type=float, metavar="S", help="of the plan (default 60)")
    aws.add_argument("--prices", metavar="FILE", help="another price list (WEFT_PRICES)")
    ecs = submit.add_argument_group("ecs")
    ecs.add_argument("--launch-type", choices=("fargate", "ec2"), help="default fargate")
    ecs.add_argument("--advertise", choices=("private", "public"), help="address that others dial (default private)")
    slurm = submit.add_argument_group("slurm")
    slurm.add_argument("--nodes", type=int, metavar="N", help="default: one a rank")
    slurm.add_argument("--time-limit", metavar="LIMIT", help="as --time of sbatch")
    slurm.add_argument("--partition", metavar="P", help="as sbatch's --partition")
    slurm.add_argument("--bootstrap", choices=("rendezvous", "file", "mpi"), help="how ranks meet (default rendezvous)")
    slurm.add_argument("--shared", metavar="FOLDER", help="a folder that all nodes see (default ~/.weft/jobs)")
    slurm.add_argument("--sbatch", action="append", default=[], metavar="OPTION", help="any other option of sbatch")


def add_parsers(commands: Any) -> None:
    """Adds the commands to the parser of ``weft``."""
    _add_submit(commands)
    commands.add_parser("status", help="how a job does").add_argument("job")
    logs = commands.add_parser("logs", help="what a job's ranks printed")
    logs.add_argument("job")
    logs.add_argument("--rank", type=int, metavar="R", help="one rank's alone")
    commands.add_parser("cancel", help="end a job and its functions").add_argument("job")
    deploy = commands.add_parser("deploy", help="make or change the stack of functions")
    deploy.add_argument("target", choices=("aws",))
    deploy.add_argument("--stack", default="weft", metavar="NAME")
    deploy.add_argument("--image", metavar="URI", help="the functions' image in ECR")
    deploy.add_argument("--memory", type=int, default=6144, metavar="MB", help="of an executor (default 6144)")
    deploy.add_argument("--timeout", type=int, default=900, metavar="S", help="of an executor (default 900)")
    deploy.add_argument("--network", choices=("public", "vpc"), default="public")
    deploy.add_argument("--parameter", type=_pair, action="append", default=[], metavar="NAME=VALUE")
    deploy.add_argument("--source", metavar="FOLDER", help="the directory deploy/aws")
    deploy.add_argument("--build", metavar="FILE", help="only check the template and write it, with nothing deployed")


def cut(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The arguments of ``weft submit`` and, behind ``--``, those of the script; other commands' are left whole."""
    if arguments[:1] != ["submit"] or "--" not in arguments:
        return arguments, []
    place = arguments.index("--")
    return arguments[:place], arguments[place + 1 :]


def _submit(options: argparse.Namespace, for_script: list[str]) -> int:
    from weft.serverless import submit

    made = submit.submit(
        options.script,
        arguments=for_script,
        environment=dict(options.env),
        follow=False,
        **{name: getattr(options, name) for name in _PASSED},
    )
    if not isinstance(made, jobs.JobHandle):
        print(made)
        return 0
    wanted = Path(options.results) if options.results else None
    if options.launcher == "local":
        print(f"results: {made.fetch(wanted)}")
        return 0
    print(f"submitted: {made.job}", flush=True)
    if not options.follow:
        print(f"`weft status {made.job}` shows how it does")
        return 0
    try:
        result = made.follow(sys.stdout)
    except KeyboardInterrupt:
        print(f"weft submit: cancelling {made.job}", file=sys.stderr)
        made.cancel()
        return 130
    folder = made.fetch(wanted)
    (folder / "weft.log").write_text(made.logs())
    print(made.logs(0), end="")
    print(f"results: {folder} ({len(result['files'])} files), logs: {folder / 'weft.log'}")
    if links := result.get("links"):
        print(f"links: {', '.join(f'{count} {path}' for path, count in links.items())}")
    print(made.used(result))
    return 0


def run(options: argparse.Namespace, for_script: list[str]) -> int:
    """Runs one of `COMMANDS`; errors that the user can mend are one line."""
    from weft.serverless.aws import in_words

    try:
        if options.command == "submit":
            return _submit(options, for_script)
        if options.command == "deploy":
            from weft.serverless.deploy import deploy

            return deploy(options)
        job = jobs.load(options.job)
        if options.command == "status":
            status = job.status()
            print(job.describe(status))
            if status["state"] == "failed":
                print(f"{status['error']}: {status['cause']}", file=sys.stderr)
            return 1 if status["state"] == "failed" else 0
        if options.command == "logs":
            if options.rank is not None and not 0 <= options.rank < job.world_size:
                raise ValueError(f"--rank {options.rank}: the ranks of {job.job} are 0 to {job.world_size - 1}")
            print(job.logs(options.rank), end="")
        elif job.status()["state"] == "done":
            print(f"{job.job} is done: there is nothing to cancel")
        else:
            job.cancel()
            print(f"cancelled: {job.job}")
        return 0
    except KeyboardInterrupt:
        print(f"weft {options.command}: interrupted", file=sys.stderr)
        return 130
    except jobs.JobFailed as failure:
        print(f"weft {options.command}: job {failure.job} failed: {failure.error}\n{failure.cause}", file=sys.stderr)
        return 1
    except Exception as problem:
        # What AWS answers, and what the user can mend; anything else is ours, and shows where it comes from.
        words = in_words(problem)
        if not words and not isinstance(problem, ValueError | OSError | ImportError | RuntimeError):
            raise
        print(f"weft {options.command}: {words or problem}", file=sys.stderr)
        return 2
