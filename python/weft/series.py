"""`Series`: one column of a frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from weft import tensors
from weft.arguments import place, refuse
from weft.computed import ABSENT
from weft.expression import Expression
from weft.series_reductions import SeriesReductions
from weft.series_reshaping import SeriesReshaping
from weft.series_rows import frame_of

if TYPE_CHECKING:
    import numpy
    import pandas
    import pyarrow as pa

    from weft.env import Env
    from weft.frame import DataFrame
    from weft.groupby import SeriesGroupBy

__all__ = ["Series"]


class Series(SeriesReshaping, SeriesReductions):
    """One column with its frame's index, bound as its frame is. Exports are this rank's part and run no collective.

    Parameters
    ----------
    data
        A list of values, a NumPy array, a pandas or Polars series, an Arrow array, a dict of label to value, a frame
        of one column, or a scalar.
    index
        Labels, one a row; an index without a name unless they have one.
    dtype
        The Arrow type of the values, or its name.
    name
        By default the data's own, else "0".
    env
        Bind the Series: `data` is this rank's part of the whole. Local.
    """

    __slots__ = ()

    def __init__(
        self,
        data: Any = None,
        index: Any = None,
        dtype: Any = None,
        name: Any = None,
        copy: bool | None = None,
        *,
        env: Env | None = None,
    ) -> None:
        refuse("weft.Series", copy=(None if copy is False else copy, None, "values are shared and do not change"))
        self._frame = frame_of(data, index, dtype, name, env)

    @property
    def env(self) -> Env | None:
        """The env that it is bound to, or None."""
        return self._frame.env

    @property
    def dtype(self) -> pa.DataType:
        """The column's Arrow type."""
        return self._frame.dtypes[self.name]

    dtypes = dtype

    @property
    def shape(self) -> tuple[int]:
        """This rank's rows."""
        return (len(self._frame),)

    def __len__(self) -> int:
        return len(self._frame)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.to_list())

    def __getitem__(self, key: Any) -> Any:
        """``s[condition]``: those values; ``s[2:5]``: rows of the whole by position; else by label as `loc`, without an
        index by position. Collective where it is bound."""
        if isinstance(key, slice) and all(
            end is None or hasattr(end, "__index__") for end in (key.start, key.stop, key.step)
        ):
            return self.iloc[key]
        if self._frame.index_names or isinstance(key, Series | Expression) or callable(key):
            return self.loc[key]
        return self.iloc[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError(
            f"{place(self.env)}series[...] = value is not taken: a Series does not change; use where, mask or replace"
        )

    def __repr__(self) -> str:
        return f"Series {self.name!r}, {self.dtype}\n{self._frame!r}"

    def _repr_html_(self) -> str:
        return self._frame._repr_html_()

    def __copy__(self) -> Series:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Series:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return Series, (self._frame,)

    def local(self) -> Series:
        """This rank's part, unbound."""
        return Series(self._frame.local())

    def gather(self, root: int = 0) -> Series:
        """All rows on rank `root`. Collective where it is bound."""
        return Series(self._frame.gather(root))

    def to_frame(self, name: Any = None) -> DataFrame:
        """A frame of this column, named `name` where it is given, and the index."""
        return self._frame if name is None else self.rename(name)._frame

    def to_arrow(self) -> pa.ChunkedArray:
        """This rank's values."""
        return self._frame.reset_index(drop=True).to_arrow().column(0)

    def to_list(self) -> list[Any]:
        """This rank's values as Python's."""
        values: list[Any] = self.to_arrow().to_pylist()
        return values

    tolist = to_list

    def to_numpy(self, dtype: Any = None, copy: bool = False, na_value: Any = ABSENT) -> numpy.ndarray[Any, Any]:
        """This rank's values as NumPy has them; or of `dtype`, with `na_value` for what is missing.

        Integers, floats and times without nulls that lie in one chunk are shared with the array, which then is
        read-only, unless `copy` says otherwise; several chunks are copied into one.
        """
        shared = tensors.as_numpy(self.to_arrow()) if na_value is ABSENT else None
        if shared is not None:
            made = shared if dtype is None else shared.astype(dtype, copy=False)
            return made.copy() if copy and made is shared else made
        more = {} if na_value is ABSENT else {"na_value": na_value}
        values: numpy.ndarray[Any, Any] = self.to_pandas().to_numpy(dtype=dtype, copy=copy, **more)
        return values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> numpy.ndarray[Any, Any]:
        """As `to_numpy`; with ``copy=False`` a ValueError where that takes a copy."""
        return tensors.view(self._frame, dtype) if copy is False else self.to_numpy(dtype=dtype, copy=bool(copy))

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> object:
        """This rank's values for ``from_dlpack`` of NumPy, PyTorch and others. Shared, so not to be written to, where
        they are integers or floats without nulls in one chunk; several chunks are copied into one, and bools to bytes.
        TypeError and ValueError as of `to_torch`; BufferError where ``copy=False`` would need a copy."""
        import pyarrow as pa

        values = tensors.numbers(self._frame, len(self._frame.index_names), "__dlpack__")
        bools = pa.types.is_boolean(values.type)
        if copy is False and (bools or self.to_arrow().num_chunks != 1):
            raise BufferError("the values are bools or lie in several chunks; without a copy they are no one array")
        if bools:
            # To whom only old capsules are known, NumPy gives none of what is read-only.
            more = {} if max_version is None else {"max_version": max_version, "dl_device": dl_device}
            return values.to_numpy(zero_copy_only=False).copy().__dlpack__(stream=stream, **more)
        version = tensors.LEGACY if max_version is None else max_version
        capsule: object = values.__dlpack__(stream=stream, max_version=version, dl_device=dl_device, copy=copy)
        return capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        """The CPU."""
        return (1, 0)

    def to_torch(self, dtype: Any = None, *, na_value: Any = ABSENT) -> Any:
        """This rank's values as a tensor of PyTorch. It shares their memory where they are integers or floats without
        nulls in one chunk and `dtype` is theirs, so do not write to it (``.clone()`` may be written to). Several chunks
        are copied into one, and bools are copied. Arguments and errors are those of `DataFrame.to_torch`."""
        values = tensors.numbers(self._frame, len(self._frame.index_names), "to_torch", na_value)
        made = tensors.torch_tensor(values, "to_torch")
        return made if dtype is None else made.to(tensors.torch_dtype(dtype, "to_torch"))

    def to_tensorflow(self, dtype: Any = None, *, na_value: Any = ABSENT) -> Any:
        """This rank's values as a tensor of TensorFlow. It shares their memory where `to_torch` does and they begin at
        a multiple of 64 bytes, which TensorFlow's kernels may count on: not every slice does."""
        values = tensors.numbers(self._frame, len(self._frame.index_names), "to_tensorflow", na_value)
        made = tensors.tensorflow_tensor(values, "to_tensorflow")
        return made if dtype is None else tensors.needed("tensorflow", "TensorFlow", "to_tensorflow").cast(made, dtype)

    def to_pandas(self) -> pandas.Series[Any]:
        """This rank's values, with the index, as pandas has them."""
        return self._frame.to_pandas()[self.name]

    def groupby(
        self,
        by: Any = None,
        level: Any = None,
        *,
        as_index: bool = True,
        sort: bool = True,
        group_keys: bool = True,
        observed: bool = True,
        dropna: bool = True,
    ) -> SeriesGroupBy:
        """This column grouped by Series of as many rows, or by index columns. As `DataFrame.groupby`."""
        if not as_index:
            raise TypeError("groupby: as_index=False is for frames")
        grouped = self._frame.groupby(by, level, sort=sort, group_keys=group_keys, observed=observed, dropna=dropna)
        return grouped[self.name]

    def value_counts(
        self,
        normalize: bool = False,
        sort: bool = True,
        ascending: bool = False,
        bins: int | None = None,
        dropna: bool = True,
    ) -> Series:
        """How often each value is there, most frequent first: a Series "count" (or shares, "proportion") whose index
        are the values. Collective where it is bound."""
        from weft.value_counts import value_counts

        refuse("value_counts", bins=(bins, None, "make a column of bins first"))
        position = len(self._frame.index_names)
        return value_counts(self._frame, [position], normalize, sort, ascending, dropna)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        stream: object = self.to_arrow().__arrow_c_stream__(requested_schema)
        return stream
