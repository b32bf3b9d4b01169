"""`Epoch`: the batches of one epoch on one rank, and the datasets that PyTorch and TensorFlow take. Nothing here runs a
collective."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeVar

from weft import tensors

if TYPE_CHECKING:
    import numpy

    from weft.frame import DataFrame

__all__ = ["Epoch", "Form", "tensorflow_dataset", "torch_dataset"]

T = TypeVar("T")


class Form:
    """What a batch is made of.

    features, labels
        Positions of columns in the frame's table.
    single
        Whether the label is one column rather than a list.
    dtype
        NumPy's, of arrays of several columns; None: batches are dicts of columns.
    na_value
        What stands for a missing value; absent where there is none.
    """

    def __init__(
        self,
        frame: DataFrame,
        features: Sequence[int],
        labels: Sequence[int],
        single: bool,
        dtype: numpy.dtype[Any] | None,
        na_value: Any,
    ) -> None:
        self.features = list(features)
        self.labels = list(labels)
        self.single = single
        self.dtype = dtype
        self.na_value = na_value
        self.names = frame.table.column_names
        #: Of Arrow, of the table's columns, `na_value` in place of what is missing.
        self.kinds = list(frame.schema.types)
        for position in (*features, *labels):
            self.kinds[position] = tensors.filled_type(self.kinds[position], na_value)

    def arrays(self, rows: DataFrame) -> Any:
        """Some rows as a batch of NumPy arrays. Those of one column may be shared, and are read-only then."""
        return self.parts(rows, lambda array: array.to_numpy(zero_copy_only=False), lambda whole: whole)

    def parts(self, rows: DataFrame, of_column: Callable[[Any], Any], of_matrix: Callable[[Any], Any]) -> Any:
        """Some rows as a batch: `of_column` makes something of an Arrow array, `of_matrix` of a NumPy array of two
        dimensions."""
        features = self._side(rows, self.features, of_column, of_matrix)
        if not self.labels:
            return features
        if not self.single:
            return features, self._side(rows, self.labels, of_column, of_matrix)
        label = tensors.numbers(rows, self.labels[0], "batches", self.na_value)
        kind = self.label_dtype()
        return features, of_column(label if kind is None else label.cast(kind, safe=False))

    def _side(
        self, rows: DataFrame, positions: list[int], of_column: Callable[[Any], Any], of_matrix: Callable[[Any], Any]
    ) -> Any:
        if self.dtype is not None:
            return of_matrix(tensors.matrix(rows, "batches", self.dtype, self.na_value, positions))
        return {
            self.names[position]: of_column(tensors.numbers(rows, position, "batches", self.na_value))
            for position in positions
        }

    def label_dtype(self) -> Any:
        """The Arrow type that floats of a single label become; None for other labels, which stay as they are."""
        import pyarrow as pa

        if self.dtype is None or not pa.types.is_floating(self.kinds[self.labels[0]]) or self.dtype.kind != "f":
            return None
        return pa.from_numpy_dtype(self.dtype)


class Epoch:
    """The batches of one epoch on this rank: an iterable, as often as is wanted, of NumPy arrays (see
    `DataFrame.batches`). ``len`` is their number, the same on all ranks."""

    def __init__(self, frame: DataFrame, form: Form, sizes: list[int], prefetch: int) -> None:
        self._frame = frame.local()
        self._form = form
        self._ends = list(accumulate(sizes, initial=0))
        self._prefetch = prefetch

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[Any]:
        return self.made(self._form.arrays)

    def made(self, convert: Callable[[DataFrame], Any]) -> Iterator[Any]:
        """What `convert` makes of each batch's rows, ahead of the loop. Not for users."""

        def batch(number: int) -> Any:
            begin, end = self._ends[number : number + 2]
            return convert(self._frame.slice(begin, end - begin))

        return _ahead(batch, len(self), self._prefetch)

    def to_torch(self) -> Any:
        """As `Batches.to_torch`, of this epoch each time it is iterated."""
        return torch_dataset(lambda: self, self.__len__, self._form)

    def to_tensorflow(self) -> Any:
        """As `Batches.to_tensorflow`, of this epoch each time it is iterated."""
        return tensorflow_dataset(lambda: self, len(self), self._form)


def _ahead(make: Callable[[int], T], count: int, depth: int) -> Iterator[T]:
    """make(0) ... make(count - 1), up to `depth` of them made ahead by a thread."""
    if depth == 0:
        yield from map(make, range(count))
        return
    pool = ThreadPoolExecutor(1, "weft-batches")
    try:
        waiting = deque(pool.submit(make, number) for number in range(min(depth, count)))
        for number in range(count):
            made = waiting.popleft().result()
            if number + depth < count:
                waiting.append(pool.submit(make, number + depth))
            yield made
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


# -- PyTorch ---------------------------------------------------------------------------------------------------------


@functools.cache
def _dataset_class() -> Any:
    """The class is made when it is asked for: PyTorch need not be there."""
    torch = tensors.needed("torch", "PyTorch", "to_torch")
    data = tensors.needed("torch.utils.data", "PyTorch", "to_torch")
    base: Any = data.IterableDataset

    class BatchesDataset(base):  # type: ignore[misc]
        """Batches of tensors; ``DataLoader(dataset, batch_size=None)`` passes them on."""

        def __init__(self, begin: Callable[[], Epoch], count: Callable[[], int], form: Form) -> None:
            self._begin, self._count, self._form = begin, count, form

        def __len__(self) -> int:
            return self._count()

        def __iter__(self) -> Iterator[Any]:
            return self._begin().made(self._tensors)

        def _tensors(self, rows: DataFrame) -> Any:
            made = lambda values: tensors.torch_tensor(values, "to_torch")  # noqa: E731
            return self._form.parts(rows, made, made)

    assert torch is not None
    return BatchesDataset


def torch_dataset(begin: Callable[[], Epoch], count: Callable[[], int], form: Form) -> Any:
    """An ``IterableDataset`` of the epochs that `begin` gives."""
    return _dataset_class()(begin, count, form)


# -- TensorFlow ------------------------------------------------------------------------------------------------------


def tensorflow_dataset(begin: Callable[[], Epoch], count: int, form: Form) -> Any:
    """A ``tf.data.Dataset`` of the epochs that `begin` gives, in one of TensorFlow's threads."""
    tensorflow = tensors.needed("tensorflow", "TensorFlow", "to_tensorflow")

    def column(position: int, dtype: Any = None) -> Any:
        kind = form.kinds[position].to_pandas_dtype() if dtype is None else dtype
        return tensorflow.TensorSpec((None,), tensorflow.as_dtype(kind))

    def side(positions: list[int]) -> Any:
        if form.dtype is not None:
            return tensorflow.TensorSpec((None, len(positions)), tensorflow.as_dtype(form.dtype))
        return {form.names[position]: column(position) for position in positions}

    signature = side(form.features)
    if form.single:
        kind = form.label_dtype()
        signature = (signature, column(form.labels[0], None if kind is None else kind.to_pandas_dtype()))
    elif form.labels:
        signature = (signature, side(form.labels))
    made = tensorflow.data.Dataset.from_generator(lambda: iter(begin()), output_signature=signature)
    return made.apply(tensorflow.data.experimental.assert_cardinality(count))
