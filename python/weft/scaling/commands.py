"""What ``weft bench scaling|report|exchange|memory|calibrate`` and ``weft plan`` do; `parsers` has their arguments."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from weft import settings

__all__ = ["BENCH", "run_bench", "run_plan"]

#: What `run_bench` takes.
BENCH = ("scaling", "report", "exchange", "memory", "calibrate")


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
    if options.local_stack and not {"lambda", "ecs"} & set(options.launcher):
        raise ValueError("--local-stack is for --launcher lambda and ecs")
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
    from weft.scaling.calibrate import MEASURED, Calibration, run
    from weft.scaling.model import Model, errors, median_error
    from weft.scaling.study import StudyFolder
    from weft.scaling.summary import summarize
    from weft.scaling.tables import DAGGER, Table

    for name in options.operations or ():
        if name not in MEASURED:
            raise ValueError(f"--operations: {name!r} is none of {', '.join(MEASURED)}")
    if sorted(options.rows) != options.rows or len(options.rows) < 2:
        raise ValueError("--rows: at least two numbers, small to large")
    if options.check is None or not options.out.exists():
        wanted = Calibration(options.operations or tuple(MEASURED), options.rows, options.iterations, options.backend)
        run(wanted, options.out)
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
        ["ranks", "rows a rank", "seconds", "first rank", "bound of the line", "events"],
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
