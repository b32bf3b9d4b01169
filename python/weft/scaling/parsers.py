"""The arguments of ``weft bench scaling|report|exchange|memory|calibrate`` and of ``weft plan``."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weft import settings

__all__ = ["add_bench_parsers", "add_plan_parser", "many"]


def many(one: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """For argparse: values with commas between them, each read by `one`."""

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


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number") from None


def _count(text: str) -> int:
    """A whole number of at least 1, also as 9.1e6."""
    value = _number(text)
    if not math.isfinite(value) or value != int(value) or value < 1:
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
    value = _number(text)
    if not 0 < value <= 1:
        raise ValueError(f"{text!r} is no share of rows: above 0, at most 1")
    return value


def _above_zero(text: str) -> float:
    value = _number(text)
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
    from weft.scaling.study import ALGORITHMS, LAUNCHERS, OPERATIONS, SCALINGS

    scaling = bench.add_parser(
        "scaling",
        help="the scaling study: weak or strong, on what there is; goes on where it stopped",
        description="Runs an operation on each world, again and again, and keeps every record in a folder. What is "
        "done there is not done again; `weft bench report` makes tables and plots of it.",
    )
    scaling.add_argument(
        "--operation",
        type=many(_among(OPERATIONS)),
        default=["join"],
        metavar="O,O",
        help="join (default), sort, groupby, shuffle",
    )
    scaling.add_argument(
        "--algorithm",
        type=many(_among(ALGORITHMS)),
        default=["sort"],
        metavar="A,A",
        help="of the join: sort (default), hash, auto",
    )
    scaling.add_argument(
        "--scaling",
        type=many(_among(SCALINGS)),
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
        "--world-sizes", type=many(_count), default=[1, 2, 4, 8], metavar="N,N", help="default 1,2,4,8"
    )
    scaling.add_argument("--iterations", type=_single(_count), default=10, metavar="N", help="of a run (default 10)")
    scaling.add_argument(
        "--warm-up", type=int, default=1, metavar="N", help="iterations before those, kept apart (default 1)"
    )
    scaling.add_argument("--runs", type=_single(_count), default=4, metavar="N", help="of each world (default 4)")
    scaling.add_argument("--threads", type=_single(_count), default=1, metavar="T", help="of a rank (default 1)")
    scaling.add_argument("--backend", type=many(str), default=["tcp"], metavar="B,B", help="default tcp")
    scaling.add_argument(
        "--launcher",
        type=many(_among(LAUNCHERS)),
        default=["local"],
        metavar="L,L",
        help=f"{', '.join(LAUNCHERS)} (default local)",
    )
    scaling.add_argument("--out", type=Path, required=True, metavar="DIR", help="the study's folder")
    jobs = scaling.add_argument_group("lambda, ecs, slurm: as `weft submit` has them")
    jobs.add_argument("--local-stack", action="store_true", help="lambda, ecs: S3, functions and tasks on this machine")
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
        description="Makes tables (Markdown, CSV, LaTeX), plots (SVG, PNG) and index.html, which needs nothing else.",
    )
    report.add_argument("study", type=Path, metavar="DIR")
    report.add_argument("--out", type=Path, metavar="FOLDER", help="default DIR/report")
    report.add_argument("--no-plots", action="store_true", help="tables alone, without matplotlib")

    exchange = bench.add_parser(
        "exchange",
        help="the same exchange by direct links, through S3 and through Redis",
        description="Times all-to-alls of blocks and shuffles of tables, directly and through stores, and says what "
        "each costs. Servers are started here unless they are named.",
    )
    exchange.add_argument("--ranks", type=many(_count), default=[2, 4, 8], metavar="N,N", help="default 2,4,8")
    exchange.add_argument(
        "--sizes",
        type=many(settings.parse_bytes),
        default=[1 << 10, 1 << 16, 1 << 20],
        metavar="B,B",
        help="bytes from each rank to each other one",
    )
    exchange.add_argument(
        "--rows", type=many(_count), default=[100_000], metavar="N,N", help="of a rank, in a table that is shuffled"
    )
    exchange.add_argument(
        "--through",
        type=many(_among(("direct", "s3", "redis"))),
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
        type=many(settings.parse_bytes),
        default=[1_700_000_000, 3 * 10**9, 6 * 10**9, 10**10],
        metavar="B,B",
        help="default 1.7GB,3GB,6GB,10GB",
    )
    memory.add_argument("--algorithm", type=many(_among(("sort", "hash"))), default=["sort", "hash"], metavar="A,A")
    memory.add_argument("--ranks", type=_single(_count), default=2, metavar="N", help="default 2")
    memory.add_argument("--out", type=Path, required=True, metavar="DIR", help="memory.json goes there")

    calibrate = bench.add_parser(
        "calibrate",
        help="measure what `weft plan` needs",
        description="Measures kernels and links of this host. With --check also says how far the model is from a "
        "study's runs, which it was not fitted to.",
    )
    calibrate.add_argument(
        "--operations", type=many(str), metavar="O,O", help="default: 'join sort,join hash,sort,groupby,shuffle'"
    )
    calibrate.add_argument(
        "--rows",
        type=many(_count),
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
        description="Predicts time by phase and price on Lambda, Fargate and EC2 from what `weft bench calibrate` "
        "measured, and names what to take. With --simulate: plays the shuffle's messages over the links.",
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
