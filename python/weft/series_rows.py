"""`SeriesRows`: a Series as rows. Its index, places, order and duplicates; what frames do, done to the frame of its
column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from weft import arrow_input
from weft.arguments import place, refuse
from weft.elementwise_series import ElementwiseSeries
from weft.labels import monotonic
from weft.levels import Levels
from weft.locating import At, IAt, ILoc, Loc
from weft.positions import one_value
from weft.row_index import RowIndex

if TYPE_CHECKING:
    from weft.env import Env
    from weft.frame import DataFrame
    from weft.series import Series

__all__ = ["SeriesRows", "frame_of"]


def frame_of(data: Any, index: Any, dtype: Any, name: Any, env: Env | None) -> DataFrame:
    """The frame of one column that a Series is made of; see `weft.Series`."""
    from weft.frame import DataFrame

    if isinstance(data, SeriesRows):
        data = data._frame
    if isinstance(data, DataFrame):
        if len(data.columns) != 1:
            raise ValueError(f"weft.Series: a frame of {len(data.columns)} columns is no Series; it has one")
        if index is None and dtype is None and env is None:
            return data if name is None else data.rename(columns={data.columns[0]: str(name)})
        if env is not None:
            data = data.bind(env)
    if isinstance(data, Mapping):
        if index is not None:
            raise ValueError("weft.Series: a dict has labels of its own; leave index out")
        index, data = list(data.keys()), list(data.values())
    given = getattr(data, "name", None) if name is None else name
    if not (hasattr(data, "__len__") or hasattr(data, "__arrow_c_stream__") or hasattr(data, "__iter__")) or isinstance(
        data, str | bytes
    ):
        # A scalar, once a label.
        data = [] if data is None else [data] * (1 if index is None else len(index))
    elif not (hasattr(data, "__len__") or hasattr(data, "__arrow_c_stream__")):
        data = list(data)
    if isinstance(data, list | tuple):
        data = [arrow_input._array(list(data), "0")]
    if type(data).__module__.startswith("polars") and not hasattr(data, "columns"):
        data = [data]
    made = DataFrame(data, index, None, dtype, env=env)
    if len(made.columns) != 1:
        raise ValueError(f"weft.Series: the data has {len(made.columns)} columns; a Series is one")
    return made.with_names([*made.index_names, "0" if given is None else str(given)], "weft.Series")


class SeriesRows(ElementwiseSeries, Levels):
    """The rows of a Series. Collective where it is bound, unless a method says otherwise."""

    __slots__ = ()

    def _own(self) -> DataFrame:
        return self._frame

    def _own_of(self, frame: DataFrame) -> Self:
        return self._of(frame)

    @property
    def _where(self) -> str:
        return place(self._frame.env)

    # -- what it is: local ---------------------------------------------------------------------------------------

    @property
    def index(self) -> RowIndex:
        """The names and the values of the index columns; this rank's."""
        return self._frame.index

    @property
    def size(self) -> int:
        """This rank's rows."""
        return len(self._frame)

    @property
    def ndim(self) -> int:
        """1."""
        return 1

    @property
    def empty(self) -> bool:
        """Whether this rank has no rows."""
        return len(self._frame) == 0

    @property
    def nbytes(self) -> int:
        """Bytes of this rank's values."""
        return self._frame.reset_index(drop=True).nbytes

    @property
    def values(self) -> Any:
        """This rank's values as NumPy has them."""
        return self._frame.reset_index(drop=True).to_pandas().iloc[:, 0].to_numpy()

    @property
    def is_unique(self) -> bool:
        """Whether no value is there twice. Collective where it is bound."""
        frame = self._frame.reset_index(drop=True)
        return frame.set_index(frame.columns[0]).index.is_unique

    @property
    def is_monotonic_increasing(self) -> bool:
        """Whether values never fall along the rows of the whole. Collective where it is bound."""
        return monotonic(self._frame, len(self._frame.index_names))

    @property
    def is_monotonic_decreasing(self) -> bool:
        """Whether values never rise along the rows of the whole. Collective where it is bound."""
        return monotonic(self._frame, len(self._frame.index_names), True)

    def total_rows(self) -> int:
        """Rows of all ranks."""
        return self._frame.total_rows()

    def memory_usage(self, index: bool = True, deep: bool = False) -> int:
        """Bytes of this rank's values and, with `index`, labels. Local."""
        return sum(self._frame.memory_usage(index).values())

    def info(
        self,
        verbose: bool | None = None,
        buf: Any = None,
        max_cols: int | None = None,
        memory_usage: bool | str | None = None,
        show_counts: bool = True,
        *,
        whole: bool = False,
    ) -> None:
        """As `DataFrame.info`."""
        self._frame.info(verbose, buf, max_cols, memory_usage, show_counts, whole=whole)

    def items(self) -> Iterator[tuple[Any, Any]]:
        """This rank's labels (without an index: positions) and values. Local."""
        return ((label, next(iter(row.values()))) for label, row in self._frame.iterrows())

    def to_dict(self, *, into: Any = dict) -> Any:
        """This rank's values by label; without an index, by position. Local."""
        return self._frame.to_dict("dict", into=into)[self._frame.columns[0]]

    def to_polars(self) -> Any:
        """This rank's values as a Polars series. Local."""
        return self._frame.reset_index(drop=True).to_polars().to_series()

    def copy(self, deep: bool = True) -> Self:
        """The same values; memory is shared, `deep` or not, since values never change. Local."""
        return self._of(self._frame.copy())

    def equals(self, other: object, *, ordered: bool = True) -> bool:
        """As `DataFrame.equals`; names do not count."""
        if not isinstance(other, SeriesRows):
            return False
        named = other._frame.with_names([*other._frame.index_names, self._frame.columns[0]], "equals")
        return self._frame.equals(named, ordered=ordered)

    # -- names and index: local ----------------------------------------------------------------------------------

    def rename(
        self,
        index: Any = None,
        *,
        axis: Any = None,
        copy: bool | None = None,
        inplace: bool = False,
        level: Any = None,
        errors: Literal["ignore", "raise"] = "ignore",
    ) -> Self:
        """The same values under the name `index`, a text; or, of a dict of old to new or a function, with other labels,
        which is collective."""
        refuse(
            "rename",
            axis=(axis, None, "there is but one axis"),
            copy=(copy, None, "values do not change, so nothing needs a copy"),
            inplace=(inplace, False, "values do not change: use the result"),
        )
        if callable(index) or isinstance(index, Mapping):
            return self._of(self._frame.rename(index=index, level=level, errors=errors))
        refuse(
            "rename",
            errors=(errors, "ignore", "a name is no label"),
            level=(level, None, "rename_axis() renames index columns"),
        )
        if index is None:
            raise ValueError(f"{self._where}rename: a Series has a name; give a text")
        return self._of(self._frame.with_names([*self._frame.index_names, index], "rename"))

    def reindex(
        self,
        index: Any = None,
        *,
        axis: int | str | None = None,
        method: Any = None,
        copy: bool | None = None,
        level: Any = None,
        fill_value: Any = None,
        limit: int | None = None,
        tolerance: Any = None,
    ) -> Self:
        """The values of these labels, in this order, as `DataFrame.reindex`."""
        refuse("reindex", axis=(None if axis in (None, 0, "index", "rows") else axis, None, "there is but one axis"))
        if index is None:
            raise ValueError(f"{self._where}reindex: give the labels")
        frame = self._frame.reindex(
            index=index, method=method, copy=copy, level=level, fill_value=fill_value, limit=limit, tolerance=tolerance
        )
        return self._of(frame)

    def rename_axis(
        self,
        mapper: Any = None,
        *,
        index: Any = None,
        axis: int | str = 0,
        copy: bool | None = None,
        inplace: bool = False,
    ) -> Self:
        """Index columns with other names, as `DataFrame.rename_axis`."""
        return self._of(self._frame.rename_axis(mapper, index=index, axis=axis, copy=copy, inplace=inplace))

    def reset_index(
        self,
        level: Any = None,
        *,
        drop: bool = False,
        name: Any = None,
        inplace: bool = False,
        allow_duplicates: bool = False,
    ) -> Any:
        """A frame with the index columns first, the values named `name` where it is given; with `drop` a Series without
        them."""
        frame = self._frame
        if drop:
            return self._of(frame.reset_index(level, drop=True, inplace=inplace, allow_duplicates=allow_duplicates))
        if name is not None:
            frame = frame.with_names([*frame.index_names, name], "reset_index")
        return frame.reset_index(level, inplace=inplace, allow_duplicates=allow_duplicates)

    def squeeze(self, axis: int | str | None = None) -> Any:
        """The value, where there is one row; else the Series."""
        if axis not in (None, 0, "index", "rows"):
            raise ValueError(f"{self._where}squeeze: axis={axis!r} is not that of a Series")
        return one_value(cast("Series", self)) if self._frame.total_rows() == 1 else self

    # -- choosing ------------------------------------------------------------------------------------------------

    @property
    def loc(self) -> Loc:
        """Values by label; see `weft.locating.Loc`."""
        return Loc(self._frame, True)

    @property
    def iloc(self) -> ILoc:
        """Values by position; see `weft.locating.ILoc`."""
        return ILoc(self._frame, True)

    @property
    def at(self) -> At:
        """One value by label."""
        return At(self._frame, True)

    @property
    def iat(self) -> IAt:
        """One value by position."""
        return IAt(self._frame, True)

    def head(self, n: int = 5) -> Self:
        """The first `n` rows of the whole; all but the last -n for a negative `n`."""
        return self._of(self._frame.head(n))

    def tail(self, n: int = 5) -> Self:
        """The last `n` rows of the whole; all but the first -n for a negative `n`."""
        return self._of(self._frame.tail(n))

    def slice(self, offset: int, length: int | None = None) -> Self:
        """Rows ``offset`` to ``offset + length`` of the whole."""
        return self._of(self._frame.slice(offset, length))

    def take(self, indices: Sequence[int], axis: int | str = 0) -> Self:
        """The values at these positions, in this order."""
        refuse("take", axis=(0 if axis in (0, "index", "rows") else axis, 0, "a Series has one axis"))
        made: Self = self.iloc[list(indices)]
        return made

    def get(self, key: Any, default: Any = None) -> Any:
        """``s.loc[key]``, or `default` where there is no such label."""
        try:
            return self.loc[key]
        except (KeyError, IndexError):
            return default

    def drop(
        self,
        labels: Any = None,
        *,
        axis: int | str = 0,
        index: Any = None,
        columns: Any = None,
        level: Any = None,
        inplace: bool = False,
        errors: Literal["ignore", "raise"] = "raise",
    ) -> Self:
        """Without the rows that have these labels."""
        refuse(
            "drop",
            axis=(0 if axis in (0, "index", "rows") else axis, 0, "a Series has one axis"),
            columns=(columns, None, "a Series has one column"),
        )
        return self._of(
            self._frame.drop(index=labels if index is None else index, level=level, inplace=inplace, errors=errors)
        )

    # -- order ---------------------------------------------------------------------------------------------------

    def sort_values(
        self,
        *,
        axis: int | str = 0,
        ascending: bool | Sequence[bool] = True,
        inplace: bool = False,
        kind: str = "quicksort",
        na_position: Literal["first", "last"] = "last",
        ignore_index: bool = False,
        key: Callable[..., Any] | None = None,
    ) -> Self:
        """Rows ordered by value, as `DataFrame.sort_values`."""
        frame = self._frame.sort_values(
            0,
            axis=axis,
            ascending=ascending,
            inplace=inplace,
            kind=kind,
            na_position=na_position,
            ignore_index=ignore_index,
            key=key,
        )
        return self._of(frame)

    def sort_index(
        self,
        *,
        axis: int | str = 0,
        level: Any = None,
        ascending: bool | Sequence[bool] = True,
        inplace: bool = False,
        kind: str = "quicksort",
        na_position: Literal["first", "last"] = "last",
        sort_remaining: bool = True,
        ignore_index: bool = False,
        key: Callable[..., Any] | None = None,
    ) -> Self:
        """Rows ordered by label, as `DataFrame.sort_index`."""
        refuse("sort_index", axis=(0 if axis in (0, "index", "rows") else axis, 0, "a Series has one axis"))
        frame = self._frame.sort_index(
            level=level,
            ascending=ascending,
            inplace=inplace,
            kind=kind,
            na_position=na_position,
            sort_remaining=sort_remaining,
            ignore_index=ignore_index,
            key=key,
        )
        return self._of(frame)

    def nlargest(self, n: int = 5, keep: Literal["first", "last", "all"] = "first") -> Self:
        """The `n` largest values, as `DataFrame.nlargest`."""
        return self._of(self._frame.nlargest(n, 0, keep))

    def nsmallest(self, n: int = 5, keep: Literal["first", "last", "all"] = "first") -> Self:
        """The `n` smallest values, as `DataFrame.nsmallest`."""
        return self._of(self._frame.nsmallest(n, 0, keep))

    def rank(
        self,
        axis: int | str = 0,
        method: Literal["average", "min", "max", "first", "dense"] = "average",
        numeric_only: bool = False,
        na_option: Literal["keep", "top", "bottom"] = "keep",
        ascending: bool = True,
        pct: bool = False,
    ) -> Self:
        """The place that each value has among all, as `DataFrame.rank`."""
        made = self._frame.rank(axis, method, numeric_only, na_option, ascending, pct)
        if not made.columns:
            raise TypeError(f"{self._where}rank: numeric_only=True, and the values are of no numeric type")
        return self._of(made)

    def sample(
        self,
        n: int | None = None,
        frac: float | None = None,
        replace: bool = False,
        weights: Any = None,
        random_state: int | None = None,
        axis: int | str | None = None,
        ignore_index: bool = False,
    ) -> Self:
        """Rows chosen at random, as `DataFrame.sample`."""
        refuse("sample", weights=(weights, None, "put the weights beside the values in a frame and sample that"))
        return self._of(self._frame.sample(n, frac, replace, None, random_state, axis, ignore_index))

    def duplicated(self, keep: Literal["first", "last", False] = "first") -> Self:
        """For each row whether `drop_duplicates` would leave it out."""
        return self._of(self._frame.duplicated(keep=keep).rename(self._frame.columns[0]).to_frame())

    def drop_duplicates(
        self,
        *,
        keep: Literal["first", "last", False] = "first",
        inplace: bool = False,
        ignore_index: bool = False,
        maintain_order: bool = False,
    ) -> Self:
        """Distinct values, as `DataFrame.drop_duplicates`."""
        frame = self._frame.drop_duplicates(
            keep=keep, inplace=inplace, ignore_index=ignore_index, maintain_order=maintain_order
        )
        return self._of(frame)

    def unique(self) -> Self:
        """Distinct values in the order in which they first appear, without the index."""
        return self._of(self._frame.reset_index(drop=True).drop_duplicates(maintain_order=True))
