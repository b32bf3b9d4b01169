"""`Batches`: a frame's rows in batches for training over ranks, the same number of them on every rank."""

from __future__ import annotations

import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.agreement import agreed
from weft.arguments import choose_env, find_all, place
from weft.computed import ABSENT
from weft.epochs import Epoch, Form
from weft.positions import take_rows
from weft.reducing import reduce_many
from weft.sampling import random_bits
from weft.tensors import check_numbers

if TYPE_CHECKING:
    import numpy

    from weft.env import Env
    from weft.frame import DataFrame

__all__ = ["Batches", "Plan"]


@dataclass
class Plan:
    """The arguments of `DataFrame.batches`, as they were given."""

    size: Any
    shuffle: Any
    seed: Any
    drop_last: Any
    label: Any
    dtype: Any
    na_value: Any
    prefetch: Any

    def check(self, frame: DataFrame) -> Form:
        """What a batch is made of; an error where an argument is wrong."""
        import numpy
        import pyarrow as pa

        if isinstance(self.size, bool) or not hasattr(self.size, "__index__"):
            raise TypeError(f"batches: size is a number of rows, not {self.size!r}")
        if self.size < 1:
            raise ValueError(f"batches: size={self.size} is not above 0")
        if not isinstance(self.shuffle, bool) and self.shuffle != "local":
            raise ValueError(f"batches: shuffle={self.shuffle!r} is unknown; it is True, False or 'local'")
        if self.seed is not None and (isinstance(self.seed, bool) or not hasattr(self.seed, "__index__")):
            raise TypeError(f"batches: seed is an integer, not {self.seed!r}")
        if not isinstance(self.drop_last, bool):
            raise ValueError(f"batches: drop_last is True or False, not {self.drop_last!r}")
        if isinstance(self.prefetch, bool) or not hasattr(self.prefetch, "__index__"):
            raise TypeError(f"batches: prefetch is a number of batches, not {self.prefetch!r}")
        if self.prefetch < 0:
            raise ValueError(f"batches: prefetch={self.prefetch} is below 0")
        try:
            dtype = None if self.dtype is None else numpy.dtype(self.dtype)
        except TypeError:
            raise TypeError(f"batches: dtype={self.dtype!r} is no dtype of NumPy") from None
        if dtype is not None and dtype.kind not in "biuf":
            raise TypeError(f"batches: dtype={self.dtype!r} is no type of numbers")
        hidden = len(frame.index_names)
        labels = [] if self.label is None else find_all(frame, self.label, "batches", index_too=False)
        features = [i for i in range(hidden, frame.table.num_columns) if i not in labels]
        if not features:
            raise ValueError("batches: there are no columns" + (" beside the label" if labels else ""))
        schema = pa.schema(frame.table)
        for position in (*features, *labels):
            check_numbers("batches", schema.names[position], schema.types[position])
        single = self.label is not None and not isinstance(self.label, list | tuple)
        if self.na_value is not ABSENT and not isinstance(self.na_value, int | float):
            raise TypeError(f"batches: na_value is a number, not {self.na_value!r}")
        return Form(frame, features, labels, single, dtype, self.na_value)

    def told(self, frame: DataFrame) -> dict[str, Any]:
        """The same in JSON: what all ranks must agree in."""
        shown = {
            name: value if isinstance(value, int | float | str | bool | type(None)) else repr(value)
            for name, value in self.__dict__.items()
            if name != "prefetch"
        }
        shown["na_value"] = "" if self.na_value is ABSENT else repr(self.na_value)
        return {**shown, "columns": frame.columns}


def _checked(frame: DataFrame, env: Env | None, plan: Plan) -> Form:
    """What a batch is made of, the arguments being right and the same on all ranks. Collective with an env."""
    form, told = agreed(env, "batches", lambda: (plan.check(frame), plan.told(frame)))
    for rank, other in enumerate(told):
        wrong = [name for name in told[0] if other[name] != told[0][name]]
        if wrong:
            raise ValueError(
                f"{place(env)}batches: rank {rank} gave {wrong[0]}={other[wrong[0]]!r}, rank 0 {told[0][wrong[0]]!r}; "
                "ranks would not have the same batches"
            )
    if plan.na_value is ABSENT:
        positions = [*form.features, *form.labels]
        counts = reduce_many(frame, [("count", position) for position in positions], "batches")
        rows = frame.total_rows()
        for position, count in zip(positions, counts, strict=True):
            if count < rows:
                raise ValueError(
                    f"{place(env)}batches: column {frame.table.column_names[position]!r} has {rows - count} missing "
                    f"values among {rows} rows: fillna, dropna or weft.learn.SimpleImputer first, or say na_value="
                )
    return form


class Batches:
    """A frame's rows in batches, as many on every rank. Made by `DataFrame.batches`, which says what is in a batch.

    It is iterated once an epoch: ``for batch in batches`` is the next one, whose rows come in another order if they are
    shuffled. A rank's batches of one epoch are always the same ones: they follow from the frame, the seed and the
    epoch's number (`set_epoch`, `epoch`). ``len`` is the number of batches of an epoch.

    Making one is collective on a bound frame, and rows go where their batches are. With ``shuffle=True`` over several
    ranks, so is the beginning of each epoch, and of nothing else: all ranks begin the same epochs, on the thread that
    made the batches. Within an epoch no collective runs, neither in the loop nor in the thread that prefetches.
    """

    def __init__(self, frame: DataFrame, plan: Plan) -> None:
        env = self._env = choose_env("batches", None, frame)
        self._form = _checked(frame, env, plan)
        self._size = int(plan.size)
        self._ranks, self._rank = (1, 0) if env is None else (env.world_size, env.rank)
        self._shuffle = plan.shuffle
        self._drop_last = plan.drop_last
        self._prefetch = int(plan.prefetch)
        self._total = frame.total_rows()
        self._seed = _seed(env, plan.seed)
        self._thread = threading.get_ident()
        self._next = 0
        self._frame = frame
        if self._ranks > 1 and not self._begins_together:
            self._frame = take_rows(frame, self._places(), "batches")

    # -- what there is: local ------------------------------------------------------------------------------------

    @property
    def rows_of_step(self) -> int:
        """Rows of a full step: of one batch of each rank."""
        return self._size * self._ranks

    @property
    def seed(self) -> int:
        """From which the orders come."""
        return self._seed

    def rows(self, step: int) -> int:
        """The rows of all ranks' batches number `step` together."""
        if not 0 <= step < len(self):
            raise IndexError(f"there is no batch {step}; an epoch has {len(self)}")
        return min(self.rows_of_step, self._total - step * self.rows_of_step)

    def __len__(self) -> int:
        whole = self.rows_of_step
        return self._total // whole if self._drop_last else -(-self._total // whole)

    def __repr__(self) -> str:
        return f"<weft.Batches: {len(self)} an epoch on each of {self._ranks} ranks, of {self._size} rows each>"

    # -- epochs --------------------------------------------------------------------------------------------------

    def set_epoch(self, number: int) -> None:
        """The next epoch is number `number`. Local."""
        if isinstance(number, bool) or not hasattr(number, "__index__") or number < 0:
            raise ValueError(f"set_epoch: {number!r} is no number of an epoch")
        self._next = int(number)

    def __iter__(self) -> Iterator[Any]:
        """The next epoch's batches."""
        return iter(self._begin())

    def _begin(self) -> Epoch:
        _refuse_workers()
        found = self.epoch(self._next)
        self._next += 1
        return found

    def epoch(self, number: int) -> Epoch:
        """The batches of one epoch, which can be iterated as often as is wanted. Collective where an epoch's beginning
        is."""
        if self._begins_together and threading.get_ident() != self._thread:
            raise RuntimeError(
                f"{place(self._env)}batches: an epoch of shuffle=True begins with an exchange of rows, and not on the "
                "thread that made the batches: take epoch(number) there, or shuffle='local'"
            )
        seed = int(random_bits(self._seed, int(number), 1)[0])
        frame = self._frame
        if self._begins_together:
            frame = self._exchanged(seed)
        elif self._shuffle:
            own = seed if self._ranks == 1 else int(random_bits(seed, self._rank, 1)[0])
            frame = frame._like(_core.sample(frame.table, None, rows=len(frame), replace=False, seed=own))
        return Epoch(frame, self._form, self._sizes(), self._prefetch)

    @property
    def _begins_together(self) -> bool:
        """Whether an epoch begins with an exchange."""
        return self._ranks > 1 and self._shuffle is True

    def to_torch(self) -> Any:
        """An ``IterableDataset`` of PyTorch whose batches are tensors, for a loop or for ``DataLoader(dataset,
        batch_size=None)``, without workers: batches are made ahead as it is. One epoch each time it is iterated."""
        from weft.epochs import torch_dataset

        return torch_dataset(self._begin, self.__len__, self._form)

    def to_tensorflow(self) -> Any:
        """A ``tf.data.Dataset`` of the batches, one epoch each time it is iterated. TensorFlow does that in threads of
        its own; so with ``shuffle=True`` over several ranks a ValueError: there it is ``epoch(n).to_tensorflow()``."""
        from weft.epochs import tensorflow_dataset

        if self._begins_together:
            raise ValueError(
                f"{place(self._env)}to_tensorflow: TensorFlow begins epochs in a thread of its own, and with "
                "shuffle=True they begin with an exchange of rows: take batches.epoch(n).to_tensorflow(), a dataset "
                "an epoch, or shuffle='local'"
            )
        return tensorflow_dataset(self._begin, len(self), self._form)

    # -- where rows are ------------------------------------------------------------------------------------------

    def _sizes(self) -> list[int]:
        """Rows of each of this rank's batches."""
        full, rest = divmod(self._total, self.rows_of_step)
        sizes = [self._size] * full
        if rest and not self._drop_last:
            sizes.append(len(self._last(rest)))
        return sizes

    def _last(self, rest: int) -> range:
        """Which rows of a last step of `rest` rows are this rank's."""
        each, more = divmod(rest, self._ranks)
        begin = self._rank * each + min(self._rank, more)
        return range(begin, begin + each + (self._rank < more))

    def _places(self) -> numpy.ndarray[Any, Any]:
        """The places, in the order of the whole, of this rank's rows, batch after batch."""
        import numpy

        full, rest = divmod(self._total, self.rows_of_step)
        first = numpy.arange(full, dtype=numpy.int64) * self.rows_of_step + self._rank * self._size
        places = (first[:, None] + numpy.arange(self._size)).reshape(-1)
        last = self._last(rest)
        return numpy.concatenate([places, full * self.rows_of_step + numpy.arange(last.start, last.stop)])

    def _exchanged(self, seed: int) -> DataFrame:
        """This rank's rows of an epoch: those at its places in an order of all rows that is the same for any number of
        ranks."""
        import numpy
        import pyarrow as pa

        env = self._env
        assert env is not None
        each, more = divmod(self._total, self._ranks)
        begin = self._rank * each + min(self._rank, more)
        numbers = numpy.arange(begin, begin + each + (self._rank < more))
        own = _core.Table.from_stream(pa.table({"row": numbers}))
        order = _core.sample(own, env.session, rows=self._total, replace=False, seed=seed)
        wanted = _core.take(order, env.session, pa.array(self._places(), pa.int64()))
        return take_rows(self._frame, pa.table(wanted).column(0).to_numpy(), "batches")


def _seed(env: Env | None, seed: Any) -> int:
    """The seed of all ranks. Collective with an env."""
    if seed is not None:
        return int(seed) % 2**64
    drawn = str(secrets.randbits(64))
    return int(drawn if env is None else env.broadcast(drawn, root=0))


def _refuse_workers() -> None:
    """A worker process of a DataLoader would give all batches again."""
    torch: Any = sys.modules.get("torch")
    info: Callable[[], Any] | None = None if torch is None else getattr(torch.utils.data, "get_worker_info", None)
    if info is not None and info() is not None:
        raise RuntimeError(
            "batches: not in a worker process of DataLoader, whose every worker would give all batches: num_workers=0 "
            "(a thread makes batches ahead)"
        )
