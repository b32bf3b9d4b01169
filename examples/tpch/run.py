"""Runs the queries of TPC-H, alone or over ranks.

    python examples/tpch/generate.py --data tpch-1 --scale 1
    python examples/tpch/run.py --data tpch-1
    weft run -n 4 examples/tpch/run.py --data tpch-1 --queries 1,5,21 --show

Prints a line a query: its number, what it asks, the seconds of the slowest rank, the rows of the answer.
"""

from __future__ import annotations

import argparse
import inspect
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import queries_1_to_11 as first
import queries_12_to_22 as second
from tables import COLUMNS, read_tables, scale_of

import weft

#: A query's answer: rows, or one number.
Answer = weft.DataFrame | float

QUERIES: dict[int, Callable[..., Answer]] = {
    number: getattr(first if number < 12 else second, f"q{number}") for number in range(1, 23)
}


def tables_of(number: int) -> list[str]:
    """The tables that a query reads: its parameters."""
    return [name for name in inspect.signature(QUERIES[number]).parameters if name in COLUMNS]


def answer(number: int, tables: dict[str, weft.DataFrame], scale: float) -> Answer:
    """Asks one query. Collective on bound frames."""
    arguments: dict[str, object] = {name: tables[name] for name in tables_of(number)}
    if "fraction" in inspect.signature(QUERIES[number]).parameters:
        arguments["fraction"] = 0.0001 / scale
    return QUERIES[number](**arguments)


def chosen(text: str) -> list[int]:
    numbers = sorted({int(part) for part in text.split(",")})
    if not set(numbers) <= set(QUERIES):
        raise argparse.ArgumentTypeError("a query is a number from 1 to 22")
    return numbers


def run(env: weft.Env, data: Path, numbers: Iterable[int], repeat: int, show: bool, output: Path | None) -> None:
    wanted = {name for number in numbers for name in tables_of(number)}
    tables = read_tables(data, env, sorted(wanted | {"supplier"}))
    scale = scale_of(tables)
    for number in numbers:
        seconds = []
        for _ in range(repeat):
            env.barrier()
            begin = time.perf_counter()
            found = answer(number, tables, scale)
            seconds.append(float(env.allreduce(time.perf_counter() - begin, "max")))
        rows = found if isinstance(found, weft.DataFrame) else weft.DataFrame({"value": [found]})
        whole = rows.gather(0)
        if env.rank == 0:
            title = (inspect.getdoc(QUERIES[number]) or "").splitlines()[0]
            print(f"{number:2}  {min(seconds):8.3f} s  {len(whole):6} rows  {title}", flush=True)
            if output is not None:
                whole.to_parquet(str(output / f"{number}.parquet"), overwrite=True)
            if show:
                whole.show()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the tables")
    parser.add_argument("--queries", type=chosen, default=list(QUERIES), metavar="1,5", help="default: all 22")
    parser.add_argument("--repeat", type=int, default=1, help="times a query is asked; the least time is told")
    parser.add_argument("--show", action="store_true", help="print the first rows of each answer")
    parser.add_argument("--output", type=Path, help="a folder for the answers, a Parquet file each")
    options = parser.parse_args()
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
    with weft.init() as env:
        run(env, options.data, options.queries, options.repeat, options.show, options.output)


if __name__ == "__main__":
    main()
