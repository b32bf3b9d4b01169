"""``weft bench scaling|report|exchange|memory|calibrate`` and ``weft plan``: their arguments, and what they call."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weft import settings

__all__ = ["BENCH", "add_bench_parsers", "add_plan_parser", "run_bench", "run_plan"]

#: What `run_bench` takes.
BENCH = ("scaling", "report", "exchange", "memory", "calibrate")


def _many(one: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    def parse(text: str) -> list[Any]:
        try:
            return [one(item) for item in text.split(",")]
        except ValueError as problem:
            raise argparse.ArgumentTypeError(str(problem)) from None

    return parse


def _among(names: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(f"{text!r} is none of {', '.join(names)}")
        return text

    return parse


def _count(text: str) -> int:
    """A whole number of at least 1, also as 9.1e6."""
    value = float(text)
    if value != int(value) or value < 1:
        raise ValueError(f"{text!r} is no whole number of at least 1")
    return int(value)


def _single(one: Callable[[str], Any]) -> Callable[[str], Any]:
    """For argparse, which else hides what is wrong."""

    def parse(text: str) -> Any:
        try:
            return one(text)
        except ValueError as problem:
            raise argparse.ArgumentTypeError(str(problem)) from None

    return parse


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise ValueError(f"{text!r} is no share of rows: above 0, at most 1")
    return value


def _above_zero(text: str) -> float:
    value = float(text)
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{text!r} is not above 0")
    return value


def _range(text: str) -> tuple[int, int]:
    low, dots, high = text.partition("..")
    first = _count(low)
    last = _count(high) if dots else first
    if last < first:
        raise ValueError(f"{text!r} ends below its beginning")
    return first, last


def _bandwidth(text: str) -> float:
    """Bytes a second from ``600Mbit``, ``5Gbit`` or a size (``75MB``)."""
    for unit, scale in (("Gbit", 1e9), ("Mbit", 1e6), ("kbit", 1e3)):
        if text.endswith(unit):
            return _above_zero(text.removesuffix(unit)) * scale / 8
    return float(settings.parse_bytes(text))


def _scaling_parser(bench: Any) -> None:
    from weft.scaling.launching import LAUNCHERS
    from weft.scaling.study import ALGORITHMS, OPERATIONS, SCALINGS

    scaling = bench.add_parser(
        "scaling",
        help="the scaling study: weak or strong, on what there is; goes on where it stopped",
        description="Runs an operation on each world, again and again, and keeps every record in a folder. What is "
        "done there is not done again; `weft bench report` makes tables and plots of it.",
    )
    scaling.add_argument(
        "--operation",
        type=_many(_among(OPERATIONS)),
        default=["join"],
        metavar="O,O",
        help="join (default), sort, groupby, shuffle",
    )
    scaling.add_argument(
        "--algorithm",
        type=_many(_among(ALGORITHMS)),
        default=["sort"],
        metavar="A,A",
        help="of the join: sort (default), hash, auto",
    )
    scaling.add_argument(
        "--scaling",
        type=_many(_among(SCALINGS)),
        default=["weak"],
        metavar="S,S",
        help="weak (default): rows a rank; strong: rows in all",
    )
    scaling.add_argument(
        "--rows", type=_single(_count), default=1_000_000, metavar="N", help="of each side (default 1e6)"
    )
    scaling.add_argument(
        "--columns", type=_single(_count), default=2, metavar="N", help="integers of a row (default 2)"
    )
    scaling.add_argument(
        "--unique",
        type=_single(_share),
        default=0.9,
        metavar="U",
        help="keys are below this share of all rows (default 0.9)",
    )
    scaling.add_argument(
        "--world-sizes", type=_many(_count), default=[1, 2, 4, 8], metavar="N,N", help="default 1,2,4,8"
    )
    scaling.add_argument("--iterations", type=_single(_count), default=10, metavar="N", help="of a run (default 10)")
    scaling.add_argument(
        "--warm-up", type=int, default=1, metavar="N", help="iterations before those, kept apart (default 1)"
    )
    scaling.add_argument("--runs", type=_single(_count), default=4, metavar="N", help="of each world (default 4)")
    scaling.add_argument("--threads", type=_single(_count), default=1, metavar="T", help="of a rank (default 1)")
    scaling.add_argument("--backend", type=_many(str), default=["tcp"], metavar="B,B", help="default tcp")
    scaling.add_argument(
        "--launcher",
        type=_many(_among(LAUNCHERS)),
        default=["local"],
        metavar="L,L",
        help=f"{', '.join(LAUNCHERS)} (default local)",
    )
    scaling.add_argument("--out", type=Path, required=True, metavar="DIR", help="the study's folder")
    jobs = scaling.add_argument_group("lambda, ecs, slurm: as `weft submit` has them")
    jobs.add_argument(
        "--local-stack", action="store_true", help="lambda: functions, S3 and state machine on this machine"
    )
    jobs.add_argument("--stack", metavar="NAME", help="of functions and tasks")
    jobs.add_argument("--prices", metavar="FILE", help="another price list (WEFT_PRICES)")
    jobs.add_argument("--memory", type=int, metavar="MB", help="ecs, slurm: of a rank")
    jobs.add_argument("--nodes", type=int, metavar="N", help="slurm")
    jobs.add_argument("--time-limit", metavar="LIMIT", help="slurm")
    jobs.add_argument("--partition", metavar="P", help="slurm")
    jobs.add_argument("--shared", metavar="FOLDER", help="slurm")
    jobs.add_argument("--launch-type", choices=("fargate", "ec2"), help="ecs")


def add_bench_parsers(bench: Any) -> None:
    """Adds the commands below ``weft bench``."""
    _scaling_parser(bench)
    report = bench.add_parser(
        "report",
        help="tables, plots and one page of a study",
        description="Makes Markdown, CSV and LaTeX tables, SVG and PNG plots, and index.html, which needs nothing else.",
    )
    report.add_argument("study", type=Path, metavar="DIR")
    report.add_argument("--out", type=Path, metavar="FOLDER", help="default DIR/report")
    report.add_argument("--no-plots", action="store_true", help="tables alone, without matplotlib")

    exchange = bench.add_parser(
        "exchange",
        help="the same exchange by direct links, through S3 and through Redis",
        description="Times all-to-alls of blocks and shuffles of tables, directly and through stores, and says what each costs. Servers are started here unless they are named.",
    )
    exchange.add_argument("--ranks", type=_many(_count), default=[2, 4, 8], metavar="N,N", help="default 2,4,8")
    exchange.add_argument(
        "--sizes",
        type=_many(settings.parse_bytes),
        default=[1 << 10, 1 << 16, 1 << 20],
        metavar="B,B",
        help="bytes from each rank to each other one",
    )
    exchange.add_argument(
        "--rows", type=_many(_count), default=[100_000], metavar="N,N", help="of a rank, in a table that is shuffled"
    )
    exchange.add_argument(
        "--through",
        type=_many(_among(("direct", "s3", "redis"))),
        default=["direct", "s3", "redis"],
        metavar="M,M",
        help="default: all three",
    )
    exchange.add_argument("--iterations", type=_single(_count), default=5, metavar="N")
    exchange.add_argument(
        "--memory", type=_single(_count), default=1769, metavar="MB", help="of a function, for the price (default 1769)"
    )
    exchange.add_argument("--s3", metavar="URI", help="s3://bucket/prefix to use, by AWS' own settings")
    exchange.add_argument("--redis", metavar="URL", help="the server to use")
    exchange.add_argument("--prices", metavar="FILE")
    exchange.add_argument("--out", type=Path, required=True, metavar="DIR", help="exchange.json goes there")

    memory = bench.add_parser(
        "memory",
        help="how many rows fit into a rank's memory",
        description="Searches the most rows of a join that ranks with bounded memory can do.",
    )
    memory.add_argument(
        "--bounds",
        type=_many(settings.parse_bytes),
        default=[1_700_000_000, 3 * 10**9, 6 * 10**9, 10**10],
        metavar="B,B",
        help="default 1.7GB,3GB,6GB,10GB",
    )
    memory.add_argument("--algorithm", type=_many(_among(("sort", "hash"))), default=["sort", "hash"], metavar="A,A")
    memory.add_argument("--ranks", type=_single(_count), default=2, metavar="N", help="default 2")
    memory.add_argument("--out", type=Path, required=True, metavar="DIR", help="memory.json goes there")

    calibrate = bench.add_parser(
        "calibrate",
        help="measure what `weft plan` needs",
        description="Measures kernels and links of this host. With --check also says how far the model is from a study's runs, which it was not fitted to.",
    )
    calibrate.add_argument(
        "--rows",
        type=_many(_count),
        default=[1 << 17, 1 << 19, 1 << 21],
        metavar="N,N",
        help="of a rank, small to large",
    )
    calibrate.add_argument("--iterations", type=_single(_count), default=3, metavar="N")
    calibrate.add_argument("--backend", default="tcp", metavar="B")
    calibrate.add_argument(
        "--out", type=Path, default=Path("weft-calibration.json"), metavar="FILE", help="default weft-calibration.json"
    )
    calibrate.add_argument(
        "--check", type=Path, metavar="DIR", help="a study of this host; a file that is there is taken as it is"
    )


def add_plan_parser(commands: Any) -> None:
    """Adds ``weft plan``."""
    plan = commands.add_parser(
        "plan",
        help="time and price of an operation, before it is run",
        description="Predicts time by phase and price on Lambda, Fargate and EC2 from what `weft bench calibrate` measured, and names what to take. With --simulate: plays the shuffle's messages over the links.",
    )
    plan.add_argument("--rows", type=_single(_count), required=True, metavar="N", help="in all, of each side")
    plan.add_argument("--row-bytes", type=_single(_above_zero), default=16.0, metavar="B", help="default 16")
    plan.add_argument("--workers", type=_single(_range), default=(1, 256), metavar="A..B", help="default 1..256")
    plan.add_argument(
        "--memory",
        type=_single(_range),
        default=(1769, 10240),
        metavar="A..B",
        help="MB of a function (default 1769..10240)",
    )
    plan.add_argument(
        "--operation",
        default="join sort",
        metavar="O",
        help="as calibrated: 'join sort' (default), 'join hash', sort, groupby, shuffle",
    )
    plan.add_argument(
        "--calibration",
        type=Path,
        default=Path("weft-calibration.json"),
        metavar="FILE",
        help="default weft-calibration.json",
    )
    plan.add_argument(
        "--bandwidth", type=_single(_bandwidth), default=75e6, metavar="R", help="of a worker (default 600Mbit)"
    )
    plan.add_argument(
        "--latency", type=_single(settings.parse_seconds), default=0.001, metavar="S", help="of a message (default 1ms)"
    )
    plan.add_argument(
        "--start",
        type=_single(settings.parse_seconds),
        default=1.0,
        metavar="S",
        help="seconds that a worker is paid for beside the operation (default 1)",
    )
    plan.add_argument(
        "--speed",
        type=_single(_above_zero),
        default=1.0,
        metavar="F",
        help="of a worker's core against the calibrated one (default 1)",
    )
    plan.add_argument("--network", choices=("public", "vpc"), default="public")
    plan.add_argument("--prices", metavar="FILE", help="another price list (WEFT_PRICES)")
    plan.add_argument(
        "--deadline", type=_single(settings.parse_seconds), metavar="S", help="the cheapest that ends by then"
    )
    plan.add_argument("--budget", type=_single(_above_zero), metavar="P", help="the fastest for at most so much a run")
    plan.add_argument("--plot", type=Path, metavar="FILE", help="time against price, as .svg or .png")
    plan.add_argument("--all", action="store_true", help="every configuration, not the frontier alone")
    plan.add_argument("--simulate", action="store_true", help="only play the shuffle's messages")


def _scaling(options: argparse.Namespace) -> int:
    from weft.scaling.running import run
    from weft.scaling.study import Settings, Study

    if options.warm_up < 0:
        raise ValueError(f"--warm-up {options.warm_up} is below 0")
    settled = Settings(
        options.rows, options.columns, options.unique, options.warm_up, options.iterations, options.threads
    )
    if options.columns < 2:
        raise ValueError("--columns 1: rows have a key and a value, so 2 at least")
    study = Study(
        settled, options.operation, options.algorithm, options.scaling, options.launcher, options.backend,
        options.world_sizes, options.runs,
    )  # fmt: skip
    names = ("stack", "prices", "memory", "nodes", "time_limit", "partition", "shared", "launch_type")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    _refuse_unused(options, given)
    return run(study, options.out, options=given, stack=options.local_stack)


def _refuse_unused(options: argparse.Namespace, given: dict[str, Any]) -> None:
    """ValueError for what no launcher of the study takes."""
    from weft.serverless import jobs

    takes = {name: jobs.launcher(name).TAKES for name in options.launcher if name in jobs.LAUNCHERS}
    for name in given:
        if not any(name in taken for taken in takes.values()):
            raise ValueError(f"--{name.replace('_', '-')} is for none of --launcher {','.join(options.launcher)}")
    if options.local_stack and "lambda" not in options.launcher:
        raise ValueError("--local-stack is for --launcher lambda")
    if options.local_stack and "stack" in given:
        raise ValueError("--local-stack makes a stack of its own: leave --stack out")


def _report(options: argparse.Namespace) -> int:
    from weft.scaling.report import report

    folder = report(options.study, options.out, with_plots=not options.no_plots)
    print(f"report: {folder / 'index.html'}, {folder / 'tables.md'}")
    return 0


def _exchange(options: argparse.Namespace) -> int:
    from weft.scaling.exchange import Exchange, run

    if any(ranks < 2 for ranks in options.ranks):
        raise ValueError("--ranks begin at 2")
    wanted = Exchange(
        ranks=options.ranks, sizes=options.sizes, rows=options.rows, media=options.through,
        iterations=options.iterations, memory=options.memory, s3=options.s3, redis=options.redis,
        prices=options.prices,
    )  # fmt: skip
    return run(wanted, options.out)


def _memory(options: argparse.Namespace) -> int:
    from weft.scaling.memory import Memory, run

    return run(Memory(options.bounds, options.algorithm, options.ranks), options.out)


def _calibrate(options: argparse.Namespace) -> int:
    from weft.scaling.calibrate import Calibration, run
    from weft.scaling.model import Model, errors, median_error
    from weft.scaling.study import StudyFolder
    from weft.scaling.summary import summarize
    from weft.scaling.tables import DAGGER, Table

    if sorted(options.rows) != options.rows or len(options.rows) < 2:
        raise ValueError("--rows: at least two numbers, small to large")
    if options.check is None or not options.out.exists():
        run(Calibration(options.rows, options.iterations, options.backend), options.out)
        print(f"calibration: {options.out}")
    if options.check is None:
        return 0
    series = [one for one in summarize(StudyFolder(options.check).records()) if one.infrastructure.startswith("local")]
    found = errors(Model.load(options.out), series, settings.cores())
    if not found:
        raise ValueError(f"--check {options.check}: no local run of a calibrated operation is there")
    table = Table(
        "model",
        "The model against runs",
        ["experiment", "infrastructure", "ranks", "measured, s", "predicted, s", "error"],
        labels=2,
    )
    for one, world, measured, predicted in found:
        mark = DAGGER if one.points[world].oversubscribed else ""
        table.add(
            one.what,
            one.infrastructure,
            f"{world}{mark}",
            f"{measured:.3f}",
            f"{predicted:.3f}",
            f"{predicted / measured - 1:+.0%}",
        )
    print(table.markdown())
    print(f"median error {median_error(found):.1%} of {len(found)} worlds, none of which the model was fitted to")
    return 0


def run_bench(options: argparse.Namespace) -> int:
    """Runs one of `BENCH`; what the user can mend is one line."""
    commands = {
        "scaling": _scaling,
        "report": _report,
        "exchange": _exchange,
        "memory": _memory,
        "calibrate": _calibrate,
    }
    return _guarded(f"weft bench {options.bench}", lambda: commands[options.bench](options))


def run_plan(options: argparse.Namespace) -> int:
    """Runs ``weft plan``."""
    return _guarded("weft plan", lambda: _simulate(options) if options.simulate else _plan(options))


def _guarded(name: str, call: Callable[[], int]) -> int:
    from weft.scaling.launching import CellFailed

    try:
        return call()
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130
    except CellFailed as failure:
        print(f"{name}: {failure}", file=sys.stderr)
        return 1
    except (ValueError, OSError, ImportError, RuntimeError) as problem:
        print(f"{name}: {problem}", file=sys.stderr)
        return 2


def _plan(options: argparse.Namespace) -> int:
    from weft.scaling import planning, plots
    from weft.scaling.model import Model
    from weft.serverless.plan import Prices

    low, high = options.memory
    if not 128 <= low <= high <= 10240:
        raise ValueError(f"--memory {low}..{high}: a function has 128 to 10240 MB")
    model, prices = Model.load(options.calibration), Prices.load(options.prices)
    memories = sorted({low, high, *(size for size in range(1769, 10240, 1769) if low <= size <= high)})
    asked = planning.Asked(
        options.operation, options.rows, options.row_bytes, planning.steps(*options.workers), memories,
        options.bandwidth, options.latency, options.start, options.speed, options.network,
    )  # fmt: skip
    found = planning.choices(model, asked, prices)
    fitting = sum(one.fits for one in found)
    print(f"{options.operation}, {options.rows} rows of {options.row_bytes:g} bytes; model {model.about}")
    print(f"{fitting} of {len(found)} configurations have the memory for it\n")
    if options.all:
        print(planning.phase_table(found, prices).markdown())
    print(planning.frontier_table(found, prices).markdown())
    cheapest, fastest = planning.best(found, deadline=options.deadline, budget=options.budget)
    by = f" that ends within {options.deadline:g} s" if options.deadline else ""
    within = f" for at most {options.budget:g} {prices.currency}" if options.budget else ""
    for what, one in ((f"cheapest{by}", cheapest), (f"fastest{within}", fastest)):
        said = "there is none" if one is None else f"{one.name}: {one.seconds:.3f} s, {one.price:.6f} {prices.currency}"
        print(f"{what}: {said}")
    if options.plot is not None:
        planning.draw(found, prices, options.plot, plots.load)
        print(f"plot: {options.plot}")
    return 0 if cheapest is not None and fastest is not None else 1


def _simulate(options: argparse.Namespace) -> int:
    from weft.scaling.model import Model, Place
    from weft.scaling.planning import steps
    from weft.scaling.simulate import Links, Work, play
    from weft.scaling.tables import Table

    model = Model.load(options.calibration)
    table = Table(
        "simulation",
        "The shuffle, played",
        ["ranks", "rows a rank", "seconds", "first rank", "bound of the line", "messages"],
        labels=0,
    )
    for world in (world for world in steps(*options.workers) if world > 1):
        rows = options.rows / world
        size = round(rows * options.row_bytes)
        one = model.predict("shuffle", rows, options.row_bytes, 2, Place(speed=options.speed))
        work = Work(size, one.partition / max(1, size))
        outcome = play(world, work, Links(options.bandwidth, options.latency))
        bound = size * (world - 1) / world / options.bandwidth
        table.add(
            f"{world}",
            f"{rows:.0f}",
            f"{outcome.seconds:.3f}",
            f"{outcome.first:.3f}",
            f"{bound:.3f}",
            f"{outcome.events}",
        )
    if not table.rows:
        raise ValueError("--workers: a shuffle to simulate has 2 ranks at least")
    print(table.markdown())
    return 0
