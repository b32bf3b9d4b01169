"""The index as an object, and what operators on it share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from weft import _core, exports
from weft.arguments import choose_env, place
from weft.arrow_input import index_label
from weft.expression import col
from weft.labels import found_labels, label_columns, monotonic, no_label

if TYPE_CHECKING:
    import numpy
    import pyarrow as pa

    from weft.frame import DataFrame
    from weft.rows import Rows

__all__ = ["RowIndex", "levels_of", "names_after_reset", "without_labels"]


class RowIndex:
    """The index of a frame: its names, and the labels of this rank's rows (positions among them without an index). It
    is there to be read; set_index, reset_index and rename_axis make others."""

    __slots__ = ("_frame",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, frame: DataFrame) -> None:
        self._frame = frame

    @property
    def names(self) -> list[str | None]:
        """The names of its columns; None for one without a name, and where there is no index."""
        return [index_label(name) for name in self._frame.index_names] or [None]

    @property
    def name(self) -> str | None:
        """Its name, where it is one column."""
        return self.names[0] if len(self.names) == 1 else None

    @property
    def nlevels(self) -> int:
        """How many columns it has; 1 where rows go by position."""
        return len(self.names)

    def to_list(self) -> list[Any]:
        """The labels of this rank's rows as Python values; tuples of an index of several columns."""
        return exports.labels(self._frame)

    tolist = to_list

    def to_arrow(self) -> pa.Table:
        """The index columns of this rank's rows."""
        import pyarrow as pa

        return pa.table(self._frame.table.select(list(range(len(self._frame.index_names)))))

    def to_frame(self) -> DataFrame:
        """The index columns as a frame of their own, bound as this one is."""
        frame = self._frame
        return frame._wrap(frame.table.select(list(range(len(frame.index_names)))), frame.env)

    def to_pandas(self) -> Any:
        """As pandas has it."""
        return self._frame[[]].to_pandas().index

    def to_numpy(self) -> numpy.ndarray[Any, Any]:
        """This rank's labels as NumPy has them."""
        labels: numpy.ndarray[Any, Any] = self.to_pandas().to_numpy()
        return labels

    @property
    def values(self) -> numpy.ndarray[Any, Any]:
        """The same as `to_numpy()`."""
        return self.to_numpy()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"the index has no {name!r}; it is there to be read: df.reset_index() makes columns of it, which have what "
            "a Series has, such as .dt and .str"
        )

    def min(self) -> Any:
        """The least label of the whole; of an index of one column. Collective on a bound frame."""
        return self._extreme("min")

    def max(self) -> Any:
        """The greatest label of the whole, as `min`."""
        return self._extreme("max")

    def _extreme(self, function: str) -> Any:
        if len(self._frame.index_names) != 1:
            raise ValueError(f"{place(self._frame.env)}index.{function}: it is of an index of one column")
        labels = self.to_frame()
        return getattr(labels[labels.columns[0]], function)()

    @property
    def is_unique(self) -> bool:
        """Whether no two rows of the whole have one label. Collective on a bound frame."""
        import pyarrow as pa

        frame = self._frame
        hidden = len(frame.index_names)
        if hidden == 0:
            return True
        env = choose_env("is_unique", None, frame)
        session = None if env is None else env.session
        marks = _core.duplicated(frame.table, session, columns=list(range(hidden)), keep="first")
        twice = any(pa.table(marks).column(0).to_pylist())
        return not (twice if session is None else any(text == b"1" for text in session.allgather_bytes(b"%d" % twice)))

    @property
    def is_monotonic_increasing(self) -> bool:
        """Whether labels never fall along the rows of the whole; of an index of one column. Collective on a bound
        frame."""
        return self._monotonic(False)

    @property
    def is_monotonic_decreasing(self) -> bool:
        """Whether labels never rise. Collective on a bound frame."""
        return self._monotonic(True)

    def _monotonic(self, decreasing: bool) -> bool:
        if len(self._frame.index_names) > 1:
            raise ValueError(f"{place(self._frame.env)}is_monotonic: the index has several columns")
        if not self._frame.index_names:
            return not decreasing or self._frame.total_rows() < 2
        return monotonic(self._frame, 0, decreasing)

    def __len__(self) -> int:
        return len(self._frame)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.to_list())

    def __getitem__(self, position: int | slice) -> Any:
        return self.to_list()[position]

    def __repr__(self) -> str:
        shown = self.to_list()[:10]
        more = ", ..." if len(self) > 10 else ""
        return f"RowIndex([{', '.join(map(repr, shown))}{more}], names={self.names}, length={len(self)})"


def levels_of(frame: Rows, level: Any, operation: str) -> list[int]:
    """Positions of index columns, by name or position; all for None."""
    names = list(frame.index_names)
    labels = [index_label(name) for name in names]
    if level is None:
        return list(range(len(names)))
    found = []
    for item in level if isinstance(level, list | tuple) else [level]:
        if isinstance(item, int) and not isinstance(item, bool):
            if not -len(names) <= item < len(names):
                raise IndexError(f"{place(frame.env)}{operation}: there is no level {item}; the index has {len(names)}")
            found.append(item % len(names))
        elif item in names:
            found.append(names.index(item))
        elif item is not None and item in labels:
            found.append(labels.index(item))
        else:
            raise KeyError(f"{place(frame.env)}{operation}: there is no level {item!r}; the index has {names}")
    return sorted(set(found))


def names_after_reset(frame: Rows, levels: Sequence[int], names: Any) -> list[str]:
    """What index columns are called when they become ordinary ones."""
    if names is not None:
        listed = list(names) if isinstance(names, list | tuple) else [names]
        if len(listed) != len(levels):
            raise ValueError(f"{place(frame.env)}reset_index: {len(listed)} names for {len(levels)} index columns")
        return [str(name) for name in listed]
    several = len(frame.index_names) > 1
    made = []
    for level in levels:
        name = index_label(frame.index_names[level])
        if name is None:
            name = "index" if not several and "index" not in frame.columns else f"level_{level}"
        made.append(name)
    return made


def without_labels(frame: DataFrame, labels: Any, must_be_there: bool) -> DataFrame:
    """The rows whose label is none of these. Collective on a bound frame where labels must be there."""
    several = len(frame.index_names) > 1
    one = isinstance(labels, tuple) and several
    listed = (
        list(labels) if not one and (isinstance(labels, list | tuple | set) or hasattr(labels, "tolist")) else [labels]
    )
    if not frame.index_names:
        raise ValueError(
            f"{place(frame.env)}drop: labels are of an index column; the frame has no index: rows go by position. "
            "columns= names columns"
        )
    if must_be_there and listed:
        for label, there in zip(listed, found_labels(frame, listed, "drop")[1], strict=True):
            if not there:
                raise no_label(frame, "drop", label)
    if not several or not any(isinstance(label, tuple) for label in listed):
        return frame.filter(~col(frame.index_names[0]).isin(listed))
    return _without_tuples(frame, listed)


def _without_tuples(frame: DataFrame, labels: Sequence[Any]) -> DataFrame:
    import pyarrow as pa

    names = frame.index_names
    fitting = []
    for label in labels:
        try:
            label_columns(frame, [label], "drop")
        except KeyError:
            # What is not of the index' types is not there.
            continue
        fitting.append(label)
    if not fitting:
        return frame
    columns = label_columns(frame, fitting, "drop")
    # Every rank looks up its own rows in all labels.
    gone = _core.is_member(
        frame.table.select(list(range(len(names)))),
        _core.Table.from_stream(pa.table(dict(zip(names, columns, strict=True)))),
        None,
        left_keys=list(range(len(names))),
        right_keys=list(range(len(names))),
    )
    whole = frame._wrap(_core.beside([frame.table, gone.rename(["__weft_gone__"])]), frame.env, names)
    return whole.filter(~col("__weft_gone__")).drop(columns="__weft_gone__")
