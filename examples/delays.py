"""What examples/train_torch.py and examples/infer_torch.py share: flights, their preparation, the network."""

from pathlib import Path

import torch
from flights import find_data, unpack_flights

import weft
from weft.learn import OrdinalEncoder, SimpleImputer, StandardScaler

NUMBERS = ["dep_delay", "distance", "hour", "month", "wind_speed", "precip", "visib"]
NAMES = ["carrier", "origin", "dest"]


class Delay(torch.nn.Module):  # type: ignore[misc]
    """Numbers, and a vector learned for each name, to minutes. In doubles ranks may add up in any order, and agree."""

    def __init__(self, numbers: int, sizes: list[int]) -> None:
        super().__init__()
        self.vectors = torch.nn.ModuleList(torch.nn.Embedding(size, 4) for size in sizes)
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(numbers + 4 * len(sizes), 32), torch.nn.ReLU(), torch.nn.Linear(32, 1)
        )
        self.numbers = numbers
        self.double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        codes = x[:, self.numbers :].long()
        vectors = [vector(codes[:, i]) for i, vector in enumerate(self.vectors)]
        return self.layers(torch.cat([x[:, : self.numbers], *vectors], dim=1))[:, 0]


class Preparation:
    """What is done to the flights' columns before the model sees them; learned from the rows that it is trained on."""

    def __init__(self, train: weft.DataFrame) -> None:
        self.imputer = SimpleImputer(strategy="median")
        self.scaler = StandardScaler()
        self.encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=0)
        self.scaler.fit(self.imputer.fit_transform(train[NUMBERS]))
        self.encoder.fit(train[NAMES])

    @property
    def sizes(self) -> list[int]:
        """How many different names there are, by column."""
        return [len(names) for names in self.encoder.categories_]

    def __call__(self, flights: weft.DataFrame) -> weft.DataFrame:
        scaled = self.scaler.transform(self.imputer.transform(flights[NUMBERS]))
        codes = self.encoder.transform(flights[NAMES])
        made: weft.DataFrame = flights.assign(**dict(scaled.items()), **dict(codes.items()))
        return made


def read_flights(env: weft.Env, output: Path) -> weft.DataFrame:
    """All flights, over the ranks, with the weather of their hour."""
    data = find_data()
    if env.rank == 0:
        unpack_flights(data, output / "tables")
    env.barrier()
    columns = ["year", "month", "day", "hour", "flight", "distance", "dep_delay", "arr_delay", "time_hour", *NAMES]
    flights = weft.read_csv(output / "tables" / "*.csv", usecols=columns, env=env)
    weather = weft.read_csv(
        data / "weather.csv", usecols=["origin", "time_hour", "wind_speed", "precip", "visib"], env=env
    )
    # The order of rows is that of the files, whatever the number of ranks.
    return flights.merge(weather, how="left", on=["origin", "time_hour"], maintain_order=True)
