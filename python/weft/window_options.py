"""Whose rows windows are of, and the arguments of ``rolling``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import choose_env, find, place, refuse

if TYPE_CHECKING:
    from weft.env import Env
    from weft.frame import DataFrame
    from weft.groupby_keys import Keys
    from weft.series import Series

__all__ = ["Of", "RollingOptions", "check_count", "of_frame", "of_series"]


class Of:
    """Whose rows windows are of: a frame, the columns worked on, and the groups within which windows stay, if any."""

    def __init__(self, frame: DataFrame, columns: list[int], single: bool, keys: Keys | None = None) -> None:
        self.frame = frame
        #: Positions in `table`.
        self.columns = columns
        #: One column, that comes to a Series.
        self.single = single
        self.keys = keys
        #: Whether columns were picked by name.
        self.picked = False

    @property
    def table(self) -> _core.Table:
        return self.frame.table if self.keys is None else self.keys.table

    @property
    def where(self) -> str:
        return place(self.frame.env)

    def env(self, operation: str) -> Env | None:
        return choose_env(operation, None, self.frame)

    def name(self, position: int) -> str:
        return self.table.column_names[position]


class RollingOptions:
    """The arguments of ``rolling``, checked."""

    def __init__(
        self,
        where: str,
        window: Any,
        min_periods: int | None,
        center: bool | None,
        win_type: Any,
        on: Any,
        closed: str | None,
        step: int | None,
        method: str,
    ) -> None:
        refuse(
            "rolling",
            win_type=(win_type, None, "all rows of a window count alike"),
            method=(method, "single", "columns are worked on one by one"),
        )
        self.where = where
        self.window = window
        self.center = center
        self.on = on
        self.closed = closed
        self.step = check_count(where, "rolling", "step", step)
        self.min_periods = check_count(where, "rolling", "min_periods", min_periods)
        if center is not None and not isinstance(center, bool):
            raise ValueError(f"{where}rolling: center is True or False, not {center!r}")
        if closed is not None and closed not in ("right", "left", "both", "neither"):
            raise ValueError(f"{where}rolling: closed={closed!r} is unknown; it is one of right, left, both, neither")

    def frame(self, of: Of) -> dict[str, Any]:
        """How the engine is told of the windows."""
        from weft.frequencies import length_of

        shared = {"center": bool(self.center), "closed": self.closed or "right"}
        if hasattr(self.window, "__index__") and not isinstance(self.window, bool):
            size = int(self.window)
            if size < 0:
                raise ValueError(f"{self.where}rolling: window={size} is below 0")
            if self.min_periods is not None and self.min_periods > size:
                raise ValueError(f"{self.where}rolling: min_periods={self.min_periods} is above the window, {size}")
            shows = {"time": self._time(of)} if self.on is not None else {}
            return {"kind": "rows", "size": min(size, 2**62), **shared, **shows}
        length = length_of(self.window)
        if length is None:
            raise ValueError(
                f"{self.where}rolling: window={self.window!r} is not taken; it is a number of rows, or a fixed length "
                "of time (a text such as '2D' or '1h30min', a timedelta)"
            )
        if self.step is not None:
            raise ValueError(f"{self.where}rolling: step={self.step!r} does not go with a window by time")
        return {"kind": "time", "size": self._units(of, length), "time": self._time(of), **shared}

    def _units(self, of: Of, length: int) -> int:
        from weft.frequencies import units_of

        position = self._time(of)
        field = of.frame.schema.field(position)
        try:
            size = units_of(length, field.type)
        except (AttributeError, KeyError):
            raise ValueError(
                f"{self.where}rolling: a window by time needs times, and {field.name!r} is of type {field.type}"
            ) from None
        if size is None or size < 1:
            raise ValueError(
                f"{self.where}rolling: window={self.window!r} is no number of units of {field.name!r}, of type "
                f"{field.type}"
            )
        return size

    def _time(self, of: Of) -> int:
        frame = of.frame
        if self.on is not None:
            if of.single:
                raise ValueError(f"{self.where}rolling: on={self.on!r} is for frames; a Series goes by its index")
            position = find(frame, self.on, "rolling", index_too=False)
            if position not in of.columns:
                raise ValueError(f"{self.where}rolling: on={self.on!r} is no column of what is grouped")
            return position
        if len(frame.index_names) != 1:
            raise ValueError(
                f"{self.where}rolling: window={self.window!r} goes by the times of the index, and the frame has "
                f"{len(frame.index_names)} index columns; name a column in on="
            )
        return 0

    def min_periods_of(self, frame: dict[str, Any]) -> int:
        if self.min_periods is not None:
            return self.min_periods
        return int(frame["size"]) if frame["kind"] == "rows" else 1


def check_count(where: str, operation: str, name: str, value: Any) -> int | None:
    """None, or a whole number that is not below 0; else a ValueError."""
    if value is None:
        return None
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < 0:
        raise ValueError(f"{where}{operation}: {name}={value!r} is no whole number of 0 or more")
    return int(value)


def of_frame(frame: DataFrame) -> Of:
    """All columns of a frame."""
    return Of(frame, list(range(len(frame.index_names), frame.table.num_columns)), False)


def of_series(series: Series) -> Of:
    """The column of a Series."""
    frame = series.to_frame()
    return Of(frame, [len(frame.index_names)], True)
