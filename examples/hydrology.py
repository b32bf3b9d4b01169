"""How much water will a river carry next week? A forecast for each of many gauges, over ranks.

    weft run -n 2 examples/hydrology.py --gauges 40 --years 8

The data is made here and has the shape of CAMELS (Addor et al., "The CAMELS data set: catchment attributes and
meteorology for large-sample studies", HESS 2017): for each gauge daily forcing and streamflow, and a row of attributes.
The rivers are buckets: snow that melts by the degree, a soil that overflows, a ground that drains. Days without
measurement are missing.

The streamflow is joined with the forcing and the attributes, made weeks, and given rolling means and lags as features.
A ridge regression a gauge is trained on the first years and scored on the last ones, beside the naive forecast: that
next week is as this one.
"""

import argparse
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import weft
from weft import col

CUBIC_FEET = 0.028316846592  # cubic metres
LAGS = [1, 2, 3]


# -- the data --------------------------------------------------------------------------------------------------------


def attributes_of(gauge: int, rng: np.random.Generator) -> dict[str, Any]:
    """What does not change, under the names of CAMELS."""
    return {
        "gauge_id": f"{gauge:08d}",
        "area_gages2": float(np.exp(rng.normal(5.5, 1.0))),  # square kilometres
        "elev_mean": float(rng.uniform(50, 2500)),  # metres
        "slope_mean": float(rng.uniform(1, 150)),  # metres a kilometre
        "frac_forest": float(rng.uniform(0, 1)),
        "p_mean": float(rng.uniform(1.5, 5.0)),  # millimetres a day
    }


def weather_of(about: dict[str, Any], days: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Millimetres of rain and snow, and degrees, by day."""
    season = np.cos(2 * np.pi * (np.arange(days) - 200) / 365.25)
    warm = 14 - about["elev_mean"] * 0.0065 + 11 * season
    noise = np.zeros(days)
    shocks = rng.normal(0, 2.2, days)
    for day in range(1, days):
        noise[day] = 0.75 * noise[day - 1] + shocks[day]
    wet = np.zeros(days, dtype=bool)
    draws = rng.uniform(size=days)
    for day in range(1, days):
        wet[day] = draws[day] < (0.62 if wet[day - 1] else 0.2)
    amount = rng.gamma(0.8, about["p_mean"] / 0.8 / 0.35, days)
    return np.where(wet, amount, 0.0), warm + noise


def flow_of(about: dict[str, Any], rain: np.ndarray, degrees: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Millimetres a day that leave the catchment."""
    capacity = 60 + 120 * about["frac_forest"]
    fast = 0.25 + 0.4 * about["slope_mean"] / 150
    snow, soil, quick, ground = 0.0, capacity / 2, 0.0, 20.0
    flow = np.zeros(len(rain))
    for day in range(len(rain)):
        falling = rain[day] if degrees[day] <= 0 else 0.0
        melt = min(snow, 3.0 * max(degrees[day], 0.0))
        snow += falling - melt
        soil += rain[day] - falling + melt
        soil -= min(soil, 0.16 * max(degrees[day], 0.0) * soil / capacity)
        over = max(0.0, soil - capacity) + 0.015 * soil
        soil -= over
        quick, ground = quick + 0.6 * over, ground + 0.4 * over
        flow[day] = fast * quick + 0.02 * ground
        quick, ground = quick * (1 - fast), ground * 0.98
    return flow * np.exp(rng.normal(0, 0.05, len(rain)))


def generate(env: weft.Env, folder: Path, gauges: int, years: int, seed: int = 1) -> None:
    """Writes forcing/, streamflow/ and attributes/, a Parquet file a gauge in each. Each rank makes some gauges; how
    many ranks there are changes none of them."""
    if env.rank == 0:
        shutil.rmtree(folder, ignore_errors=True)
        for part in ("forcing", "streamflow", "attributes"):
            (folder / part).mkdir(parents=True)
    env.barrier()
    dates = np.arange(f"{2000}-01-01", f"{2000 + years}-01-01", dtype="datetime64[D]").astype("datetime64[ms]")
    for gauge in range(env.rank, gauges, env.world_size):
        rng = np.random.default_rng([seed, gauge])
        about = attributes_of(gauge, rng)
        rain, degrees = weather_of(about, len(dates), rng)
        flow = flow_of(about, rain, degrees, rng)
        # As the survey has it: cubic feet a second.
        measured = flow / 86.4 * about["area_gages2"] / CUBIC_FEET
        missing = rng.uniform(size=len(dates)) < 0.01
        names = pa.array([about["gauge_id"]] * len(dates))
        forcing = pa.table({"gauge_id": names, "date": dates, "prcp": rain, "tmean": degrees})
        streamflow = pa.table({"gauge_id": names, "date": dates, "qobs": pa.array(measured, mask=missing)})
        pq.write_table(forcing, folder / "forcing" / f"{about['gauge_id']}.parquet")
        pq.write_table(streamflow, folder / "streamflow" / f"{about['gauge_id']}.parquet")
        pq.write_table(pa.table({k: [v] for k, v in about.items()}), folder / "attributes" / f"{gauge:08d}.parquet")
    env.barrier()


# -- the features ----------------------------------------------------------------------------------------------------


def daily(env: weft.Env, folder: Path) -> weft.DataFrame:
    """Forcing, runoff in millimetres and attributes, a row a gauge and day."""
    forcing = weft.read_parquet(folder / "forcing" / "*.parquet", env=env)
    streamflow = weft.read_parquet(folder / "streamflow" / "*.parquet", env=env)
    attributes = weft.read_parquet(folder / "attributes" / "*.parquet", env=env)
    days = forcing.merge(streamflow, on=["gauge_id", "date"], how="left")
    days = days.merge(attributes[["gauge_id", "area_gages2", "elev_mean"]], on="gauge_id", how="left")
    return days.assign(
        runoff=col("qobs") * CUBIC_FEET / col("area_gages2") * 86.4,
        snow=col("prcp").where(col("tmean") <= 0, 0.0),
        # Degrees at sea level: so gauges are alike.
        warmth=col("tmean") + col("elev_mean") * 0.0065,
    )


def weekly(days: weft.DataFrame) -> weft.DataFrame:
    """A row a gauge and week, by gauge and date."""

    def weeks(gauge: weft.DataFrame) -> weft.DataFrame:
        # A frame of one gauge, whose rows are all on this rank.
        made = gauge.sort_values("date").resample("7D", on="date", origin="epoch")
        found: weft.DataFrame = made.agg({"prcp": "sum", "snow": "sum", "warmth": "mean", "runoff": "mean"})
        return found

    by_gauge: weft.DataFrame = days.groupby("gauge_id").apply(weeks).reset_index()
    return by_gauge


def features(weeks: weft.DataFrame) -> tuple[weft.DataFrame, list[str]]:
    """The weeks with what a forecast may know, the names of that, and next week's runoff as `target`."""
    groups = weeks.groupby("gauge_id")
    made = {f"runoff_{lag}": groups["runoff"].shift(lag) for lag in LAGS}
    made |= {f"prcp_{lag}": groups["prcp"].shift(lag) for lag in LAGS}
    for name, width in (("prcp", 4), ("prcp", 12), ("snow", 12), ("warmth", 4)):
        means = groups[[name]].rolling(width, min_periods=1).mean()
        made[f"{name}_mean_{width}"] = means[name].reset_index(drop=True)
    target = groups["runoff"].shift(-1)
    year = 2 * np.pi / 365.25
    whole = weeks.assign(
        **made,
        target=target,
        day=col("date").dt.dayofyear.astype("float64"),
    )
    names = ["prcp", "snow", "warmth", "runoff", *made, "summer", "spring"]
    angles = whole["day"] * year
    whole = whole.assign(summer=angles.map(np.cos), spring=angles.map(np.sin))
    # Runoff spans orders of magnitude; a logarithm is learned.
    return whole.dropna(subset=[*names, "target"]), names


# -- the forecast ----------------------------------------------------------------------------------------------------


def efficiency(found: np.ndarray, measured: np.ndarray) -> float:
    """Nash and Sutcliffe's: 1 is perfect, 0 as good as the mean."""
    return float(1 - ((found - measured) ** 2).sum() / ((measured - measured.mean()) ** 2).sum())


def forecast(gauge: weft.DataFrame, names: list[str], cut: np.datetime64, penalty: float = 1.0) -> dict[str, float]:
    """Trains on the weeks before `cut` and scores on the others; a row of scores."""
    past = gauge["date"].to_numpy() < cut
    x, y = gauge[names].to_numpy(dtype="float64"), gauge["target"].to_numpy()
    runoff = gauge["runoff"].to_numpy()
    known = np.array([name.startswith(("runoff", "prcp", "snow")) for name in names])
    x = np.where(known, np.log1p(np.maximum(x, 0)), x)
    mean, deviation = x[past].mean(axis=0), x[past].std(axis=0)
    x = (x - mean) / np.where(deviation > 1e-12, deviation, 1.0)
    x = np.column_stack([x, np.ones(len(x))])
    learned, logs = x[past], np.log1p(y[past])
    weights = np.linalg.solve(learned.T @ learned + penalty * np.eye(x.shape[1]), learned.T @ logs)
    found = np.expm1(x[~past] @ weights)
    return {
        "weeks": int((~past).sum()),
        "nse": efficiency(found, y[~past]),
        "naive_nse": efficiency(runoff[~past], y[~past]),
        "rmse": float(np.sqrt(((found - y[~past]) ** 2).mean())),
        "naive_rmse": float(np.sqrt(((runoff[~past] - y[~past]) ** 2).mean())),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for the data and the scores")
    parser.add_argument("--gauges", type=int, default=40)
    parser.add_argument("--years", type=int, default=8)
    options = parser.parse_args()

    with weft.init() as env:
        folder = options.output / "camels"
        generate(env, folder, options.gauges, options.years)
        days = daily(env, folder)
        weeks, names = features(weekly(days))
        cut = np.datetime64(f"{2000 + options.years * 3 // 4}-01-01")
        scores = weeks.groupby("gauge_id").apply(forecast, names, cut)
        scores.to_parquet(options.output / "scores.parquet", overwrite=True)
        medians = scores.median()
        better = (scores["rmse"] < scores["naive_rmse"]).mean()
        scores.head(5).show()
        rows = days.total_rows()
        if env.rank == 0:
            print(f"{options.gauges} gauges, {rows} days, {env.world_size} ranks")
            print(f"median efficiency {medians['nse']:.4f}, of the naive forecast {medians['naive_nse']:.4f}")
            print(f"the forecast beats it at {100 * better:.0f} % of the gauges", flush=True)


if __name__ == "__main__":
    main()
