"""`ToModels`: frames as arrays, tensors and batches for what learns from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from weft import tensors
from weft.computed import ABSENT
from weft.to_text import ToText

if TYPE_CHECKING:
    import numpy

    from weft.batches import Batches
    from weft.rows import Columns

__all__ = ["ToModels"]


class ToModels(ToText):
    """Frames as arrays, tensors and batches. All but `batches` are this rank's rows and run no collective."""

    __slots__ = ()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> numpy.ndarray[Any, Any]:
        """As `to_numpy`; ValueError for ``copy=False`` unless it is one column that can be shared."""
        if copy is False:
            return tensors.view(self, dtype).reshape(-1, 1)
        made: numpy.ndarray[Any, Any] = self.to_numpy(dtype=dtype, copy=bool(copy))
        return made

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> object:
        """A copy of the columns as one array of shape (rows, columns), for ``from_dlpack`` of other libraries; errors
        as of `to_torch`."""
        if copy is False:
            raise BufferError("the columns of a frame are no array without a copy; a Series may be")
        made = tensors.matrix(self, "__dlpack__")
        more = {} if max_version is None else {"max_version": max_version, "dl_device": dl_device}
        capsule: object = made.__dlpack__(stream=stream, **more)
        return capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        """The CPU."""
        return (1, 0)

    def to_torch(self, dtype: Any = None, *, na_value: Any = ABSENT) -> Any:
        """This rank's rows as a tensor of PyTorch of shape (rows, columns), without the index: a copy. A Series' tensor
        is none.

        Parameters
        ----------
        dtype
            The tensor's, of PyTorch or its name; by default the type that holds all columns.
        na_value
            What to put where a value is missing; without it a null is an error, and a NaN is a NaN.

        Raises
        ------
        TypeError
            A column is none of bool, integers, floats; it is named, with the way out.
        ValueError
            A column has nulls; it is named.
        ImportError
            There is no PyTorch.
        """
        made = tensors.torch_tensor(tensors.matrix(self, "to_torch", None, na_value), "to_torch")
        return made if dtype is None else made.to(tensors.torch_dtype(dtype, "to_torch"))

    def to_tensorflow(self, dtype: Any = None, *, na_value: Any = ABSENT) -> Any:
        """The same as a tensor of TensorFlow; `dtype` is its name or one of TensorFlow's."""
        plain = tensors.matrix(self, "to_tensorflow", None, na_value)
        tensorflow = tensors.needed("tensorflow", "TensorFlow", "to_tensorflow")
        made = tensorflow.constant(plain)
        return made if dtype is None else tensorflow.cast(made, dtype)

    def batches(
        self,
        size: int,
        *,
        shuffle: bool | Literal["local"] = False,
        seed: int | None = None,
        drop_last: bool = False,
        label: Columns | None = None,
        dtype: Any = "float32",
        na_value: Any = ABSENT,
        prefetch: int = 2,
    ) -> Batches:
        """The rows in batches of `size` a rank, as many batches on every rank; see `weft.batches.Batches`, which is
        iterated once an epoch, and whose ``to_torch`` and ``to_tensorflow`` are datasets of those libraries. Collective
        on a bound frame.

        Batch number k of all ranks together are rows ``k * size * ranks`` to ``(k + 1) * size * ranks`` of the whole
        (of its order in this epoch): which rows a step sees does not depend on the number of ranks, if ``size * ranks``
        is the same. The last step's rows are shared out evenly, so that its batches are shorter; where it has fewer
        rows than there are ranks, some batches have none.

        Parameters
        ----------
        size
            Rows of a batch, on each rank.
        shuffle
            True: in each epoch all rows of the whole in another order, for which they are exchanged when the epoch
            begins (collective). ``"local"``: each rank keeps its rows and orders them anew, and no collective runs.
        seed
            From which, and from the epoch's number, the orders come; by default one that is drawn now.
        drop_last
            Leave out the rows that make no full batch on every rank.
        label
            A column, or a list of columns: batches are then pairs, of the other columns and of these, which are one
            array of the column's own type (floats of `dtype`), or of shape (rows, columns) and `dtype`.
        dtype
            The type of a batch, an array of shape (rows, columns). None: a batch is a dict of columns, each an array of
            its own type.
        na_value
            What to put where a value is missing, null or NaN, which is an error otherwise.
        prefetch
            How many batches a thread makes ready ahead of the loop; it runs no collective. 0: no thread.

        Raises
        ------
        TypeError
            A column is none of bool, integers, floats; it is named, with the way out. Or `size` is no whole number.
        ValueError
            A value is missing, or ranks gave different arguments.
        """
        from weft.batches import Batches, Plan

        plan = Plan(size, shuffle, seed, drop_last, label, dtype, na_value, prefetch)
        return Batches(self._same, plan)
