"""`SeriesPlaces`: the only value, rows several times over, and where values stand in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self, cast

from weft import _core
from weft.agreement import agreed
from weft.arguments import choose_env, one_of, refuse
from weft.operands import Operands
from weft.positions import first_and_total, one_value, take_here
from weft.rows import Rows
from weft.series_labels import SeriesLabels

if TYPE_CHECKING:
    import numpy

    from weft.series import Series

__all__ = ["SeriesPlaces"]


class SeriesPlaces(SeriesLabels):
    """Rows by their place. Collective where it is bound."""

    __slots__ = ()

    def item(self) -> Any:
        """The only value, on every rank. ValueError where the whole has another number of rows than one."""
        rows = self._frame.total_rows()
        if rows != 1:
            raise ValueError(f"{self._where}item: there are {rows} values; it takes a Series of one")
        return one_value(cast("Series", self))

    def repeat(self, repeats: Any, axis: None = None) -> Self:
        """Each row so many times, one after the other: a number, or one a row (a Series, or a list or array for the
        rows of this rank). Rows stay on their rank."""
        import numpy

        refuse("repeat", axis=(axis, None, "a Series has one axis"))
        frame = self._frame
        env = choose_env("repeat", None, frame)
        if isinstance(repeats, int | numpy.integer) and not isinstance(repeats, bool):
            if repeats < 0:
                raise ValueError(f"{self._where}repeat: repeats={repeats} is below 0")
            return self._of(take_here(frame, numpy.arange(len(frame)).repeat(repeats)))
        operands = Operands(frame, "repeat")
        counts = operands.project(["n"], [operands.expression(repeats)]).to_arrow().column("n")

        def numbers() -> tuple[numpy.ndarray[Any, Any], None]:
            import pyarrow as pa

            if not pa.types.is_integer(counts.type):
                raise TypeError(f"repeat: repeats are whole numbers, not of type {counts.type}")
            made: numpy.ndarray[Any, Any] = counts.to_numpy()
            if counts.null_count or (made < 0).any():
                raise ValueError("repeat: repeats are missing or below 0")
            return numpy.arange(len(frame)).repeat(made.astype(numpy.int64)), None

        return self._of(take_here(frame, agreed(env, "repeat", numbers)[0]))

    def argsort(
        self, axis: int | str = 0, kind: str = "quicksort", order: None = None, stable: bool | None = None
    ) -> Series:
        """The numbers of the rows of the whole in the order of their values, missing ones last; always stable. The
        first is in the first row, whose label it has, and so on."""
        import numpy
        import pyarrow as pa

        from weft.series import Series

        refuse(
            "argsort",
            axis=(0 if axis in (0, "index", "rows") else axis, 0, "a Series has one axis"),
            order=(order, None, "values have no fields"),
        )
        one_of(self._frame.env, "argsort", "kind", kind, ("quicksort", "mergesort", "heapsort", "stable"))
        frame = self._frame
        first, _ = first_and_total(frame, "argsort")
        numbers = _core.Table.from_stream(pa.table({"n": numpy.arange(first, first + len(frame), dtype=numpy.int64)}))
        values = frame.table.select([len(frame.index_names)])
        rows = Rows._wrap(_core.beside([values, numbers], ["v", "n"]), frame.env)
        ordered = rows.sort_values("v")[["n"]]
        operands = Operands(
            Rows._wrap(frame.table.rename([f"c{i}" for i in range(frame.table.num_columns)]), frame.env), "argsort"
        )
        (places,) = operands.columns_of(ordered)
        hidden = len(frame.index_names)
        made = operands.project(["n"], [places])
        table = _core.beside([frame.table.select(list(range(hidden))), made.table], [*frame.index_names, self.name])
        return Series(frame.of_same_rows(table))

    def searchsorted(self, value: Any, side: Literal["left", "right"] = "left", sorter: None = None) -> Any:
        """Where in the whole, whose values are in order, a value would be put in so that they stay in order: before
        those that equal it, or with ``side="right"`` behind. An int, or of a list or array of values, which is the
        same on every rank, an array. Values that are not in order give places that mean nothing, as in pandas."""
        import numpy

        refuse("searchsorted", sorter=(sorter, None, "sort_values() first"))
        one_of(self._frame.env, "searchsorted", "side", side, ("left", "right"))
        if isinstance(value, Rows | SeriesLabels):
            raise TypeError(f"{self._where}searchsorted: value is a constant or a list, not a {type(value).__name__}")
        env = choose_env("searchsorted", None, self._frame)

        def here() -> tuple[Any, None]:
            return self._frame.reset_index(drop=True).to_pandas().iloc[:, 0].searchsorted(value, side=side), None

        found = agreed(env, "searchsorted", here)[0]
        # What lies before a value lies before it on each rank.
        whole = (
            numpy.asarray(found, dtype=numpy.int64) if env is None else env.allreduce(numpy.asarray(found, numpy.int64))
        )
        return int(whole) if numpy.ndim(found) == 0 else whole
