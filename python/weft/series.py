"""`Series`: one column of a frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from weft.arguments import refuse
from weft.computed import ABSENT
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

    @property
    def shape(self) -> tuple[int]:
        """This rank's rows."""
        return (len(self._frame),)

    def __len__(self) -> int:
        return len(self._frame)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.to_list())

    def __repr__(self) -> str:
        return f"Series {self.name!r}, {self.dtype}\n{self._frame!r}"

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
        """This rank's values as NumPy has them; or of `dtype`, with `na_value` for what is missing."""
        more = {} if na_value is ABSENT else {"na_value": na_value}
        values: numpy.ndarray[Any, Any] = self.to_pandas().to_numpy(dtype=dtype, copy=copy, **more)
        return values

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
