"""Finding columns, refusing arguments that are not taken, and deciding over which ranks an operator runs."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weft.env import Env
    from weft.rows import Rows

__all__ = ["check_limit", "choose_env", "find", "find_all", "one_of", "place", "refuse"]


def place(env: Env | None) -> str:
    """How an error names the rank; empty where there is but one."""
    return "" if env is None or env.world_size == 1 else f"rank {env.rank}: "


def choose_env(operation: str, env: Env | None, *frames: Rows) -> Env | None:
    """The env over which an operator on `frames` runs; None for this process alone.

    ValueError where bound and unbound frames are mixed, or frames of two envs: such a call would give an answer over
    some rows and look like one over all.
    """
    from weft.env import Env as EnvClass

    if env is not None and not isinstance(env, EnvClass):
        raise TypeError(f"{operation}: env is a weft.Env, not {type(env).__name__}")
    bound = [frame.env for frame in frames if frame.env is not None]
    chosen = env if env is not None else (bound[0] if bound else None)
    if chosen is None:
        return None
    if any(other is not chosen for other in bound):
        raise ValueError(f"{place(chosen)}{operation}: the frames belong to different envs")
    if env is None and len(bound) < len(frames):
        raise ValueError(
            f"{place(chosen)}{operation}: one frame is bound to an env and another is not: name env= to take both as "
            "parts of one whole, or use .local() to work on this rank's rows alone"
        )
    if chosen.closed:
        raise ValueError(f"{place(chosen)}{operation}: the env of this frame is closed; .local() needs none")
    return chosen


def _known(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def find(frame: Rows, key: Any, operation: str, index_too: bool = True) -> int:
    """The position of a column in the frame's table, by name or by position among the columns that are no index."""
    names = frame.table.column_names
    hidden = len(frame.index_names)
    where = place(frame.env)
    if isinstance(key, bool) or not isinstance(key, str | int):
        if hasattr(key, "__index__") and not isinstance(key, bool):
            key = int(key)
        else:
            raise TypeError(f"{where}{operation}: a column is named by text or position, not {type(key).__name__}")
    if isinstance(key, int):
        columns = len(names) - hidden
        if not -columns <= key < columns:
            raise KeyError(f"{where}{operation}: there is no column at position {key}; the frame has {columns}")
        return hidden + (key + columns if key < 0 else key)
    if key in names and (index_too or names.index(key) >= hidden):
        return names.index(key)
    near = difflib.get_close_matches(key, names, 1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise KeyError(f"{where}{operation}: there is no column {key!r}{hint}; there are: {_known(names)}")


def find_all(frame: Rows, keys: Any, operation: str, index_too: bool = True) -> list[int]:
    """As `find`, for one column or a list; a column named twice is a ValueError."""
    listed = list(keys) if isinstance(keys, list | tuple) else [keys]
    if not listed:
        raise ValueError(f"{place(frame.env)}{operation}: the list of columns is empty")
    found = [find(frame, key, operation, index_too) for key in listed]
    if len(set(found)) != len(found):
        raise ValueError(f"{place(frame.env)}{operation}: a column is named twice in {listed!r}")
    return found


def check_limit(frame: Rows, operation: str, limit: Any) -> None:
    """None, or how many missing values are filled at most; else a ValueError."""
    if limit is not None and (isinstance(limit, bool) or not hasattr(limit, "__index__") or int(limit) < 1):
        raise ValueError(f"{place(frame.env)}{operation}: limit={limit!r} is no integer above 0")


def one_of(env: Env | None, operation: str, name: str, value: Any, allowed: Sequence[str]) -> str:
    """`value`, or a ValueError that lists what there is."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{place(env)}{operation}: {name}={value!r} is unknown; it is one of {', '.join(allowed)}")
    return value


def refuse(operation: str, **arguments: tuple[Any, Any, str]) -> None:
    """Each argument of pandas that Weft does not take: (value, the one value that is the default, way out)."""
    for name, (value, default, way_out) in arguments.items():
        if value is not default and not (type(value) is type(default) and value == default):
            raise ValueError(f"{operation}: {name}={value!r} is not taken; {way_out}")
