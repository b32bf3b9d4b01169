"""`train_test_split`: rows of the whole, chosen at random, into two parts."""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING, Any

from weft.arguments import choose_env, find, place
from weft.frame import DataFrame
from weft.positions import first_and_total
from weft.rows import Rows
from weft.series import Series

if TYPE_CHECKING:
    from weft.env import Env

__all__ = ["train_test_split"]


def train_test_split(
    *arrays: DataFrame | Series,
    test_size: float | None = None,
    train_size: float | None = None,
    random_state: int | None = None,
    shuffle: bool = True,
    stratify: Any = None,
) -> list[Any]:
    """The rows of frames or Series in two parts, for training and testing: ``[train, test]`` of each, one after the
    other, as scikit-learn's. Collective on bound frames; the parts are evenly spread over the ranks.

    The same seed gives the same rows in the same order for any number of ranks, and the same rows of all frames of as
    many rows. They are not the rows that scikit-learn draws.

    Parameters
    ----------
    test_size, train_size
        A share of the rows (0 to 1) or a number of rows; by default what the other leaves, and without both a quarter
        for testing. A share is rounded up for testing, down for training.
    random_state
        The seed, an integer; by default another one in each call.
    shuffle
        False: the first rows are for training, the next ones for testing.
    stratify
        A column, by name or as a Series of one of the frames: each part has of each of its values as large a share as
        the whole.

    Raises
    ------
    ValueError
        Frames of unequal numbers of rows, sizes that do not fit, an empty part, a value of `stratify` that is there
        once.
    """
    if not arrays:
        raise ValueError("train_test_split: at least one frame is needed")
    for one in arrays:
        if not isinstance(one, DataFrame | Series):
            raise TypeError(f"train_test_split: it takes frames and Series, not {type(one).__name__}")
    frames = [one.to_frame() if isinstance(one, Series) else one for one in arrays]
    env = choose_env("train_test_split", None, *frames)
    where = f"{place(env)}train_test_split"
    totals = [first_and_total(frame, "train_test_split")[1] for frame in frames]
    if len(set(totals)) > 1:
        raise ValueError(f"{where}: the frames have unequal numbers of rows: {totals}")
    train, test = _sizes(where, totals[0], test_size, train_size)
    if not shuffle:
        if stratify is not None:
            raise ValueError(f"{where}: stratify needs shuffle=True")
        parts = [[frame.slice(0, train), frame.slice(train, test)] for frame in frames]
    else:
        seed = _seed(where, env, random_state)
        mixed = [frame.shuffle(seed) for frame in frames]
        if stratify is None:
            parts = [[frame.slice(test, train), frame.slice(0, test)] for frame in mixed]
        else:
            roles = _roles(where, frames[0], stratify, seed, train, test)
            parts = [[_of_role(frame, roles, 2), _of_role(frame, roles, 1)] for frame in mixed]
    made: list[Any] = []
    for one, pair in zip(arrays, parts, strict=True):
        spread = [part.repartition() for part in pair]
        made += [Series(part) for part in spread] if isinstance(one, Series) else spread
    return made


def _sizes(where: str, rows: int, test_size: Any, train_size: Any) -> tuple[int, int]:
    """Rows for training and for testing."""
    for name, size in (("test_size", test_size), ("train_size", train_size)):
        if size is None:
            continue
        if isinstance(size, bool) or not (isinstance(size, float) or hasattr(size, "__index__")):
            raise ValueError(f"{where}: {name}={size!r} is neither a share nor a number of rows")
        if isinstance(size, float) and not 0 < size < 1:
            raise ValueError(f"{where}: {name}={size!r} is no share between 0 and 1")
        if not isinstance(size, float) and not 0 < size < rows:
            raise ValueError(f"{where}: {name}={size!r} is no number of rows between 0 and {rows}")
    if isinstance(test_size, float) and isinstance(train_size, float) and test_size + train_size > 1:
        raise ValueError(f"{where}: test_size={test_size} and train_size={train_size} are more than all rows")
    if test_size is None and train_size is None:
        test_size = 0.25
    train = test = 0
    if test_size is not None:
        test = math.ceil(test_size * rows) if isinstance(test_size, float) else int(test_size)
    if train_size is not None:
        train = math.floor(train_size * rows) if isinstance(train_size, float) else int(train_size)
    if test_size is None:
        test = rows - train
    if train_size is None:
        train = rows - test
    if train + test > rows:
        raise ValueError(
            f"{where}: {train} rows for training and {test} for testing are more than the {rows} there are"
        )
    if train == 0:
        raise ValueError(f"{where}: of {rows} rows none would be left for training (test_size={test_size!r})")
    return train, test


def _seed(where: str, env: Env | None, random_state: Any) -> int:
    if random_state is not None:
        if isinstance(random_state, bool) or not hasattr(random_state, "__index__"):
            raise ValueError(f"{where}: random_state={random_state!r} is no integer")
        return int(random_state)
    drawn = str(secrets.randbits(63))
    return int(drawn if env is None else env.broadcast(drawn, root=0))


def _roles(where: str, frame: DataFrame, stratify: Any, seed: int, train: int, test: int) -> DataFrame:
    """For each row of the whole, in the order that the seed makes: 2 for training, 1 for testing, 0 for neither."""
    if isinstance(stratify, Series):
        labels = stratify.to_frame().reset_index(drop=True)
        if labels.total_rows() != frame.total_rows():
            raise ValueError(f"{where}: stratify has {labels.total_rows()} rows, the frames {frame.total_rows()}")
    else:
        name = frame.table.column_names[find(frame, stratify, "train_test_split")]
        labels = frame.reset_index()[[name]] if name in frame.index_names else frame[[name]].reset_index(drop=True)
    labels = labels.rename(columns={labels.columns[0]: "label"}).shuffle(seed)
    sizes = labels.groupby("label", dropna=False, as_index=False).size()
    assert isinstance(sizes, DataFrame)
    every = sizes.allgather().sort_values("label").to_arrow()
    counts = every.column("size").to_pylist()
    if min(counts) < 2:
        value = every.column("label").to_pylist()[counts.index(min(counts))]
        raise ValueError(f"{where}: stratify={value!r} is there once; each part needs one")
    for what, rows in (("train", train), ("test", test)):
        if rows < len(counts):
            raise ValueError(
                f"{where}: {rows} rows of the {what} part are fewer than the {len(counts)} values of stratify"
            )
    for_train = _shares(counts, train)
    left = [count - taken for count, taken in zip(counts, for_train, strict=True)]
    for_test = _shares(left, test)
    # Within a value, by the order of the seed: first those for training, then those for testing.
    place_in_group = labels.groupby("label", dropna=False).cumcount()
    group = labels.groupby("label", dropna=False).ngroup()
    limits = dict(enumerate(for_train))
    ends = {number: limits[number] + more for number, more in enumerate(for_test)}
    role = (place_in_group < group.map(limits)).astype("int64") + (place_in_group < group.map(ends)).astype("int64")
    return role.rename("role").to_frame()


def _shares(counts: list[int], rows: int) -> list[int]:
    """`rows` divided as `counts` are, by the largest remainders; of equal ones those that come first."""
    whole = sum(counts)
    shares = [count * rows // whole for count in counts]
    rests = sorted(range(len(counts)), key=lambda i: (-(counts[i] * rows % whole), i))
    for i in rests[: rows - sum(shares)]:
        shares[i] += 1
    return shares


def _of_role(frame: DataFrame, roles: DataFrame, role: int) -> DataFrame:
    plain = Rows._wrap(frame.table, frame.env)
    kept = plain[roles["role"] == role]
    return Rows._wrap(kept.table, frame.env, frame.index_names)
