"""``weft bench calibrate``, ``weft plan`` and the simulation."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from test_scaling import study, weft

from weft.scaling import planning
from weft.scaling.model import Model, Place
from weft.scaling.simulate import FRAMES, Links, Work, play
from weft.serverless import plan as prices_of
from weft.serverless.plan import Prices


def point(rows: int, world: int, **more: float) -> dict:
    """Local work of 1 us a row, of which a tenth cannot be divided by threads; 16 bytes a row."""
    found = {
        "rows": rows, "row_bytes": 16, "seconds": rows * 1e-6, "partition": rows * 1e-7, "exchange": rows * 2e-7,
        "compute": rows * 7e-7, "rest": 0.0, "cpu_seconds": rows * 1e-6, "bytes": rows * 16 * (world - 1) / world,
        "peak_rss": 1e8 + rows * 400,
    }  # fmt: skip
    return {**found, **more}


@pytest.fixture
def model() -> Model:
    measured = {
        "alone": [point(rows, 1) for rows in (1000, 1_000_000)],
        "together": [point(rows, 2) for rows in (1000, 1_000_000)],
        "wide": {"alone": point(1000, 1, row_bytes=64), "together": point(1000, 2, row_bytes=64, bytes=32_000)},
        "threads": point(1_000_000, 1, seconds=0.55),
        "small": {"2": 0.001, "4": 0.005},
    }
    return Model({"operations": {"sort": measured}, "cores": 2, "together": 2, "links": {"latency": 1e-5, "rate": 1e9},
                  "date": "2026-01-01", "backend": "tcp", "machine": {"cpu": "a", "platform": "b"}})  # fmt: skip


def test_the_form_of_the_model(model):
    alone = model.predict("sort", 100_000, 16, 1, Place())
    # Exchange is none, and all else of 1 us a row but that.
    assert alone.seconds == pytest.approx(0.08) and alone.bytes == 0
    eight = model.predict("sort", 100_000, 16, 8, Place())
    assert eight.bytes == pytest.approx(100_000 * 16 * 7 / 8)
    assert eight.compute == pytest.approx(0.07) and eight.partition == pytest.approx(0.01)
    # Six more ranks than were measured: a message each, and six collectives of two more steps.
    assert eight.exchange == pytest.approx(0.02 * (7 / 8) / (1 / 2) + 1e-5 * (6 + 6 * 2))
    crowded = model.predict("sort", 100_000, 16, 8, Place(cores=2))
    assert crowded.compute == pytest.approx(4 * 0.07)
    assert crowded.exchange == pytest.approx(4 * 0.02 * 7 / 4 + 0.004 / 2 * 6)
    # A slow line is what takes the time, whatever the core does; its latency is paid by each collective.
    slow = model.predict("sort", 100_000, 16, 8, Place(bandwidth=1e5, latency=0.01))
    assert slow.exchange == pytest.approx(1.4e6 / 1e5 + 0.01 * (6 + 6 * 2) + 0.01 * 6 * 3)
    # Half of a core takes twice as long; two cores as Amdahl says, with nine tenths that can be divided.
    assert model.predict("sort", 1e5, 16, 1, Place(speed=0.5)).seconds == pytest.approx(0.16)
    assert model.predict("sort", 1e5, 16, 1, Place(threads=2)).seconds == pytest.approx(0.08 * 0.55)
    # 32,000 bytes of 1,000 rows of 64, against 8,000 of 16: as wide as the row is.
    assert model.predict("sort", 1e5, 128, 2, Place()).bytes == pytest.approx(1e5 * 64)
    assert model.predict("sort", 2e6, 16, 2, Place()).memory == pytest.approx(1e8 + 2e6 * 400)
    with pytest.raises(ValueError, match="'jump' was not calibrated; there are sort"):
        model.predict("jump", 1, 16, 1, Place())


def test_what_no_other_beats(model):
    asked = planning.Asked("sort", 4.5e6, 16, planning.steps(1, 64), [1769, 3538, 10240], 75e6, 0.001)
    prices = Prices.load()
    found = planning.choices(model, asked, prices)
    assert {one.kind for one in found} == {"Lambda", "Fargate", "EC2"}
    # 1.8 GB of rows and 100 MB of process: one function of 1769 MB is too small.
    assert not next(one for one in found if (one.kind, one.workers, one.memory) == ("Lambda", 1, 1769)).fits
    fitting = [one for one in found if one.fits]
    edge = planning.frontier(found)
    for one in fitting:
        beaten = any(other.seconds <= one.seconds and other.price <= one.price and other is not one and
                     (other.seconds, other.price) != (one.seconds, one.price) for other in fitting)  # fmt: skip
        assert beaten != any((one.seconds, one.price) == (kept.seconds, kept.price) for kept in edge)
    cheapest, fastest = planning.best(found)
    assert cheapest.price == min(one.price for one in fitting) and fastest.seconds == min(
        one.seconds for one in fitting
    )
    deadline = sorted(one.seconds for one in fitting)[len(fitting) // 3]
    in_time, _ = planning.best(found, deadline=deadline)
    assert in_time.price == min(one.price for one in fitting if one.seconds <= deadline)
    budget = sorted(one.price for one in fitting)[len(fitting) // 3]
    _, within = planning.best(found, budget=budget)
    assert within.seconds == min(one.seconds for one in fitting if one.price <= budget)
    assert planning.best(found, deadline=1e-9)[0] is None


def test_the_price_is_the_price_lists(model):
    asked = planning.Asked("sort", 1e6, 16, [4], [1769], 75e6, 0.001, start=2.0)
    prices = Prices.load()
    one = next(one for one in planning.choices(model, asked, prices) if one.kind == "Lambda")
    functions = 4 * one.seconds * 1769 / 1024 * prices.values["lambda_gb_second"] + 6 * prices.values["lambda_request"]
    assert one.parts["functions"] == pytest.approx(functions)
    assert one.parts["state machine"] == pytest.approx((7 + 3 * 4) * prices.values["states_transition"])


def test_two_ranks_and_a_line():
    # Half of the bytes go out while half come in, then the latency.
    work = Work(bytes_a_rank=8 << 20, seconds_a_byte=0.0)
    outcome = play(2, work, Links(rate=1e6, latency=0.01))
    assert outcome.seconds == pytest.approx((4 << 20) * FRAMES / 1e6 + 0.01, rel=0.01)
    # A line that takes one at a time has both to carry.
    both = play(2, work, Links(rate=1e6, latency=0.01, duplex=False))
    assert both.seconds == pytest.approx(2 * (4 << 20) * FRAMES / 1e6, rel=0.01)
    # Without a bound on the line there is the core alone: all batches one after another.
    core = play(2, Work(8 << 20, 1e-7), Links(rate=0, latency=0.01))
    assert core.seconds == pytest.approx((8 << 20) * 1e-7 + 0.01, rel=0.01)


@pytest.mark.parametrize("world", [4, 64])
def test_many_ranks_use_their_lines(world):
    size = 2 << 20
    outcome = play(world, Work(size, 0.0), Links(rate=75e6, latency=0.001))
    bound = size * (world - 1) / world * FRAMES / 75e6
    assert bound <= outcome.seconds <= 1.3 * bound + 0.01
    assert outcome.bytes == pytest.approx(size * (world - 1), rel=0.001)


def test_a_peer_gets_no_more_than_may_be_under_way():
    # The bound is less than a block: each waits for the word that the one before has come, there and back.
    work = Work(4 << 20, 0.0, batch_bytes=1 << 20, in_flight_bytes=1 << 10)
    outcome = play(2, work, Links(rate=0, latency=0.1))
    assert outcome.seconds == pytest.approx(0.1 + 4 * 0.2, rel=0.01)
    with pytest.raises(ValueError, match="2 ranks at least"):
        play(1, work, Links(0, 0))


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrated")
    out = folder / "constants.json"
    done = weft(
        "bench", "calibrate", "--operations", "join sort,shuffle", "--rows", "5e3,2e4", "--iterations", 1, "--out", out
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_a_calibration_is_checked_against_runs(calibrated, tmp_path):
    value = json.loads(calibrated.read_text())
    assert set(value["operations"]) == {"join sort", "shuffle"}
    assert value["links"]["rate"] > 1e6 and 0 < value["links"]["latency"] < 0.1
    for measured in value["operations"].values():
        assert all(one["seconds"] > 0 and one["peak_rss"] > 5e7 for one in (*measured["alone"], *measured["together"]))
    done = weft(*study(tmp_path / "study", "--world-sizes", "2,3", "--runs", 1))
    assert done.returncode == 0, done.stdout + done.stderr
    done = weft("bench", "calibrate", "--out", calibrated, "--check", tmp_path / "study")
    assert done.returncode == 0 and "median error" in done.stdout and "of 2 worlds" in done.stdout, (
        done.stdout + done.stderr
    )
    assert json.loads(calibrated.read_text()) == value


def test_a_plan_names_what_to_take(calibrated, tmp_path):
    common = ["plan", "--rows", "4.5e6", "--workers", "1..32", "--calibration", calibrated]
    done = weft(*common, "--deadline", "60", "--all", "--plot", tmp_path / "plot.svg")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cheapest that ends within 60 s:" in done.stdout and "fastest:" in done.stdout
    assert "Time against price" in done.stdout and "Fargate" in done.stdout
    assert "<svg" in (tmp_path / "plot.svg").read_text()
    none = weft(*common, "--budget", "1e-12")
    assert none.returncode == 1 and "there is none" in none.stdout
    shipped = json.loads(Path(prices_of.__file__).with_name("prices.json").read_text())
    dear = tmp_path / "prices.json"
    dear.write_text(json.dumps({**shipped, "lambda_gb_second": 1.0}))
    other = weft(*common, "--prices", dear)
    assert other.returncode == 0 and "x Lambda" not in other.stdout.partition("cheapest:")[2].partition("\n")[0]


def test_a_shuffle_is_played(calibrated):
    done = weft("plan", "--simulate", "--rows", "6.4e6", "--workers", "64..128", "--bandwidth", "600Mbit", "--latency", "1ms",
                "--calibration", calibrated)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [
        line.split("|") for line in done.stdout.splitlines() if line.startswith("| 64") or line.startswith("| 128")
    ]
    assert len(lines) == 2
    for line in lines:
        assert float(line[3]) >= float(line[5]) > 0
    assert math.isclose(float(lines[0][5]), 1e5 * 16 * 63 / 64 / 75e6, abs_tol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rows", "1e6"], "there is no none.json"),
        (["--rows", "1e6", "--memory", "10..20"], "128 to 10240 MB"),
        (["--rows", "1e6", "--workers", "9..3"], "ends below its beginning"),
        (["--rows", "1e6", "--bandwidth", "fast"], "'fast' is no size"),
    ],
)
def test_what_a_plan_refuses(tmp_path, arguments, words):
    done = weft("plan", "--calibration", "none.json", *arguments)
    assert done.returncode == 2 and words in done.stderr, done.stderr
