"""Frames and Series whose index are moments: their time zone, and rows by the time of the day."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import one_of, place, refuse
from weft.dtypes import dense, family
from weft.expression import Expression, col
from weft.labels import index_column
from weft.row_index import levels_of

if TYPE_CHECKING:
    from weft.frame import DataFrame

__all__ = ["rows_at_time", "rows_between_times", "with_zone"]

_FORMS = ("%H:%M", "%H%M", "%I:%M%p", "%I%M%p", "%H:%M:%S", "%H%M%S", "%I:%M:%S%p", "%I%M%S%p")


def _moments(frame: DataFrame, operation: str, level: Any = None) -> str:
    """The name of the index column, which holds moments."""
    index_column(frame, operation)
    levels = levels_of(frame, level, operation)
    if len(levels) > 1:
        raise ValueError(f"{place(frame.env)}{operation}: the index has several columns; name one as level")
    name = frame.index_names[levels[0]]
    type = dense(frame.schema.types[levels[0]])
    if family(type) != "moment":
        raise TypeError(f"{place(frame.env)}{operation}: the index {name!r} holds no moments, but {type}")
    return name


def with_zone(frame: DataFrame, operation: str, tz: Any, level: Any, *arguments: Any) -> DataFrame:
    """The same rows; the moments of the index with another zone, as ``.dt`` makes them by `operation`."""
    name = _moments(frame, operation, level)
    labels = frame.index.to_frame()
    made = labels.assign(**{name: getattr(col(name).dt, operation)(tz, *arguments)})
    values = frame.table.select(list(range(len(frame.index_names), frame.table.num_columns)))
    return frame._wrap(_core.beside([made.table, values]), frame.env, frame.index_names)


def rows_at_time(frame: DataFrame, time: Any, asof: bool, axis: Any) -> DataFrame:
    """See `DataFrame.at_time`."""
    refuse("at_time", asof=(asof, False, "there is no such in pandas either"), axis=(_rows(axis), 0, "rows are chosen"))
    moment = _time_of(frame, "at_time", time)
    return frame.filter(_time_of_day(frame, "at_time") == moment)


def rows_between_times(frame: DataFrame, start_time: Any, end_time: Any, inclusive: Any, axis: Any) -> DataFrame:
    """See `DataFrame.between_time`."""
    refuse("between_time", axis=(_rows(axis), 0, "rows are chosen"))
    one_of(frame.env, "between_time", "inclusive", inclusive, ("both", "neither", "left", "right"))
    begin, end = (_time_of(frame, "between_time", one) for one in (start_time, end_time))
    time = _time_of_day(frame, "between_time")
    behind = time >= begin if inclusive in ("both", "left") else time > begin
    before = time <= end if inclusive in ("both", "right") else time < end
    # Over midnight where the end is earlier.
    return frame.filter(behind & before if begin <= end else behind | before)


def _rows(axis: Any) -> Any:
    return 0 if axis in (None, 0, "index", "rows") else axis


def _time_of_day(frame: DataFrame, operation: str) -> Expression:
    if len(frame.index_names) > 1:
        raise ValueError(f"{place(frame.env)}{operation}: the index has several columns; filter by .dt.time of one")
    return col(_moments(frame, operation)).dt.time


def _time_of(frame: DataFrame, operation: str, value: Any) -> datetime.time:
    """A time of the day, or a text of pandas' forms."""
    where = f"{place(frame.env)}{operation}"
    if isinstance(value, datetime.time):
        if value.tzinfo is not None:
            raise ValueError(f"{where}: {value!r} has a zone; tz_convert() the rows and give the local time")
        return value
    if not isinstance(value, str):
        raise TypeError(f"{where}: a time is a text such as '9:30' or a datetime.time, not {value!r}")
    plain = re.sub(r"\s", "", value)
    for form in _FORMS:
        try:
            return datetime.datetime.strptime(plain, form).time()
        except ValueError:
            continue
    raise ValueError(f"{where}: {value!r} is no time of the day; it is like '9:30', '21:30:05' or '9:30PM'")
