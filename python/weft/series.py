"""`Series`: one column of a frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy
    import pandas
    import pyarrow as pa

    from weft.env import Env
    from weft.frame import DataFrame
    from weft.groupby import SeriesGroupBy

__all__ = ["Series"]


class Series:
    """One column with its frame's index, bound as its frame is. Exports are this rank's part and run no collective.

    It is there to be read. Conditions and arithmetic are written with `weft.col`, which a frame evaluates.
    """

    __slots__ = ("_frame",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, frame: DataFrame) -> None:
        self._frame = frame

    @property
    def name(self) -> str:
        """The column's name."""
        return self._frame.columns[0]

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

    def to_frame(self) -> DataFrame:
        """A frame of this column and the index."""
        return self._frame

    def to_arrow(self) -> pa.ChunkedArray:
        """This rank's values."""
        return self._frame.reset_index(drop=True).to_arrow().column(0)

    def to_list(self) -> list[Any]:
        """This rank's values as Python's."""
        values: list[Any] = self.to_arrow().to_pylist()
        return values

    def to_numpy(self) -> numpy.ndarray[Any, Any]:
        """This rank's values as NumPy has them."""
        values: numpy.ndarray[Any, Any] = self.to_pandas().to_numpy()
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
        from weft.arguments import refuse
        from weft.value_counts import value_counts

        refuse("value_counts", bins=(bins, None, "make a column of bins first"))
        position = len(self._frame.index_names)
        return value_counts(self._frame, [position], normalize, sort, ascending, dropna)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        stream: object = self.to_arrow().__arrow_c_stream__(requested_schema)
        return stream

    def _refused(self, *_: Any) -> Any:
        raise TypeError(
            f"a Series is not computed with; write weft.col({self.name!r}) and give it to df.filter, df[...], "
            "df.assign or df.select"
        )

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refused
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refused
    __floordiv__ = __mod__ = __pow__ = __neg__ = __and__ = __or__ = __invert__ = __abs__ = _refused

    def __bool__(self) -> bool:
        raise ValueError("the truth value of a Series is ambiguous")
