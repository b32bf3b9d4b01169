"""The command line: ``weft run``, ``weft rendezvous``, ``weft doctor``, ``weft bench``, ``weft --version``; what
`weft.scaling.commands` adds: more of ``weft bench``, ``weft plan``; and `weft.serverless.commands`: ``weft submit``,
``status``, ``logs``, ``cancel``, ``deploy``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main"]


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None


def _positive(text: str) -> int:
    value = _whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


def _count(text: str) -> int:
    value = _whole(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is below 0")
    return value


def _bytes(text: str) -> int:
    from weft.settings import parse_bytes

    return parse_bytes(text)


def _parser() -> argparse.ArgumentParser:
    from weft import __version__, rendezvous_command
    from weft.scaling import parsers as scaling
    from weft.serverless import commands as serverless

    parser = argparse.ArgumentParser(prog="weft", description="One dataframe woven from many workers.")
    parser.add_argument("--version", action="version", version=f"weft {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser(
        "run",
        help="start a script on several ranks of this host or of others",
        usage="weft run [-n N] [--hosts A,B:SLOTS] [--threads T] [--backend B] [--tag-output] [--checkpoint-dir D] "
        "[--restarts N] [--restart-world-size M] (script.py | -m module) [argument ...]",
        description="Starts a script as the ranks of a job, with a rendezvous server inside. The first rank that fails "
        "ends the others.",
    )
    run.add_argument(
        "-n", "--ranks", type=_positive, metavar="N", help="number of ranks (default 1; with --hosts: all slots)"
    )
    run.add_argument(
        "--hosts",
        metavar="A,B:SLOTS",
        help="start them there by ssh, in a folder of the same name (WEFT_SSH: its command, WEFT_REMOTE_PYTHON: the "
        "Python there)",
    )
    run.add_argument("--listen", metavar="ADDRESS", help="with --hosts: the address of this host that those reach")
    run.add_argument(
        "--env", action="append", default=[], metavar="NAME", help="with --hosts: a variable that goes with the job"
    )
    run.add_argument("--threads", type=_positive, metavar="T", help="threads a rank (default: cores / N, at least 1)")
    run.add_argument("--backend", metavar="B", help="how ranks talk (default: tcp for more than one)")
    run.add_argument("--tag-output", action="store_true", help="lead each line by its rank")
    run.add_argument("--checkpoint-dir", metavar="D", help="for checkpoints and stages (WEFT_CHECKPOINT_DIR)")
    run.add_argument(
        "--restarts", type=_count, default=0, metavar="N", help="start a job that failed again, N times at most"
    )
    run.add_argument(
        "--restart-world-size",
        type=_positive,
        metavar="M",
        help="with so many ranks (default: as before, or as are left)",
    )
    run.add_argument("-m", dest="module", action="store_true", help="run a module instead of a script")
    run.add_argument("program", nargs=argparse.REMAINDER, help="script or module, and its arguments")

    rendezvous_command.add_parser(commands)

    bench = commands.add_parser("bench", help="measure this host").add_subparsers(dest="bench", required=True)
    collectives = bench.add_parser(
        "collectives",
        help="each collective on each backend, beside OpenMPI and plain sockets",
        description="Times each collective on each backend that is built, beside OpenMPI (mpirun and mpi4py) and plain "
        "sockets, and prints one table: median, deviation, bandwidth, and ratios of time to the yardsticks'.",
    )
    collectives.add_argument("--ranks", type=scaling.many(_positive), metavar="N,N", help="worlds (default 2,4,8,16)")
    collectives.add_argument(
        "--sizes", type=scaling.many(_bytes), metavar="B,B", help="bytes a block (default 8 to 64MiB)"
    )
    collectives.add_argument("--collectives", type=scaling.many(str), metavar="C,C", help="default: all")
    collectives.add_argument("--contenders", type=scaling.many(str), metavar="C,C", help="default: all that can be run")
    collectives.add_argument("--seconds", type=float, metavar="S", help="for one collective at one size (default 0.5)")
    collectives.add_argument("--quick", action="store_true", help="2 ranks, three sizes, little time: a smoke test")
    collectives.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    scaling.add_bench_parsers(bench)
    scaling.add_plan_parser(commands)

    doctor = commands.add_parser("doctor", help="what is built, what this host is, whether two ranks can talk")
    doctor.add_argument(
        "--peers",
        action="store_true",
        help="link up and show each link: its path, time, tries, errors, round trip and bytes; as the ranks of a "
        "launch (weft run -n 4 -m weft.doctor --peers, or this command under another launcher), else of two ranks here",
    )
    serverless.add_parsers(commands)
    return parser


def _run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    from weft.hosts import HostShare, parse_hosts, share_out
    from weft.launcher import Launch, run

    program: list[str] = options.program
    if program[:1] == ["--"]:
        program = program[1:]
    if program[1:2] == ["--"]:
        del program[1]
    if not program:
        parser.error("weft run: name a script or -m module")
    shares: list[HostShare] = []
    try:
        if options.hosts:
            shares = share_out(parse_hosts(options.hosts), options.ranks)
        elif options.listen or options.env:
            parser.error("weft run: --listen and --env are for --hosts")
        if options.restart_world_size and not (
            options.restarts or options.checkpoint_dir or os.environ.get("WEFT_CHECKPOINT_DIR")
        ):
            parser.error("weft run: --restart-world-size is for --restarts, or for a job with --checkpoint-dir")
    except ValueError as problem:
        print(f"weft run: {problem}", file=sys.stderr)
        return 2
    if not options.module and not Path(program[0]).exists():
        print(f"weft run: there is no script {program[0]!r}", file=sys.stderr)
        return 2
    try:
        return run(
            Launch(
                command=program,
                ranks=sum(len(share.ranks) for share in shares) or options.ranks or 1,
                hosts=shares,
                named=options.env,
                listen=options.listen,
                module=options.module,
                threads=options.threads,
                backend=options.backend,
                tag_output=options.tag_output,
                checkpoint_dir=options.checkpoint_dir,
                restarts=options.restarts,
                restart_ranks=options.restart_world_size,
            )
        )
    except ValueError as problem:
        print(f"weft run: {problem}", file=sys.stderr)
        return 2
    except OSError as problem:
        # What was started has been ended.
        way_out = ""
        if "Too many open files" in str(problem) and "ulimit" not in str(problem):
            way_out = "; the launcher needs about four files a rank: raise its limit (ulimit -n), or start fewer ranks"
        print(f"weft run: not all ranks could be started: {problem}{way_out}", file=sys.stderr)
        return 1


def _collectives(options: argparse.Namespace) -> int:
    from weft.bench import Collectives, collectives
    from weft.bench_ranks import COLLECTIVES

    plan = Collectives(json_file=options.json, contenders=options.contenders)
    if options.quick:
        plan.ranks, plan.sizes, plan.seconds, plan.repetitions = [2], [8, 1 << 16, 1 << 20], 0.02, 3
    if any(count < 2 for count in options.ranks or []):
        print("weft bench: --ranks begin at 2", file=sys.stderr)
        return 2
    if options.seconds is not None and not options.seconds > 0:
        print("weft bench: --seconds must be above 0", file=sys.stderr)
        return 2
    for name in options.collectives or []:
        if name not in COLLECTIVES:
            print(f"weft bench: there is no collective {name!r}; there are {', '.join(COLLECTIVES)}", file=sys.stderr)
            return 2
    for name in ("ranks", "sizes", "collectives", "seconds"):
        if getattr(options, name) is not None:
            setattr(plan, name, getattr(options, name))
    try:
        return collectives(plan)
    except ValueError as problem:
        print(f"weft bench: {problem}", file=sys.stderr)
        return 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    from weft.serverless import commands as serverless

    parser = _parser()
    own, for_script = serverless.cut(list(sys.argv[1:] if arguments is None else arguments))
    options = parser.parse_args(own)
    if options.command == "run":
        return _run(options, parser)
    if options.command == "rendezvous":
        from weft import rendezvous_command

        return rendezvous_command.run(options)
    if options.command == "bench":
        from weft.scaling import commands as scaling

        return scaling.run_bench(options) if options.bench in scaling.BENCH else _collectives(options)
    if options.command == "plan":
        from weft.scaling import commands as scaling

        return scaling.run_plan(options)
    if options.command in serverless.COMMANDS:
        return serverless.run(options, for_script)
    from weft.doctor import peers, report

    return peers() if options.peers else report()


if __name__ == "__main__":
    code = main()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)
