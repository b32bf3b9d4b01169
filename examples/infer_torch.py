"""Scores all flights with the model that examples/train_torch.py has written, each rank its own rows.

    weft run -n 2 examples/infer_torch.py --output demo-output

Writes predicted.parquet, every flight with the delay that is expected at its departure.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from delays import NAMES, NUMBERS, Delay, read_flights

import weft


def score(model: Delay, flights: weft.DataFrame, rows: int = 65536) -> np.ndarray:
    """The model's answers for this rank's rows, a block at a time. No rank waits for another."""
    made: list[np.ndarray] = [np.empty(0)]
    with torch.no_grad():
        for begin in range(0, len(flights), rows):
            block = flights.local().slice(begin, rows)
            made.append(np.from_dlpack(model(block.to_torch(torch.float64))))
    return np.concatenate(made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder with the model")
    options = parser.parse_args()

    with weft.init() as env:
        torch.set_num_threads(env.threads)
        saved = torch.load(options.output / "model.pt", weights_only=False)
        prepare = saved["preparation"]
        model = Delay(len(NUMBERS), prepare.sizes)
        model.load_state_dict(saved["weights"])

        flights = read_flights(env, options.output).dropna(subset=["dep_delay"])
        answers = score(model, prepare(flights)[[*NUMBERS, *NAMES]])
        scored = flights.assign(predicted=answers)
        scored.to_parquet(options.output / "predicted.parquet", overwrite=True)
        worst = scored.nlargest(3, "predicted")[["carrier", "flight", "month", "day", "dep_delay", "predicted"]]
        worst.show()


if __name__ == "__main__":
    main()
