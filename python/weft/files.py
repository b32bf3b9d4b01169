"""What readers and writers of all formats share: paths, columns, filters, the call into C++."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weft import _core, committing
from weft.arguments import choose_env, place, refuse
from weft.expression import Expression, col

if TYPE_CHECKING:
    from weft.env import Env
    from weft.frame import DataFrame

__all__ = [
    "Paths",
    "Sources",
    "column_names",
    "lower_filter",
    "one_path",
    "refuse_foreign",
    "text_compression",
    "write",
]

#: One path, or several.
Path = str | os.PathLike[str]
#: What a reader takes: a path, a list of paths, or a dict of ranks to these.
Paths = Path | Sequence[Path] | Mapping[int, Path | Sequence[Path]]


def _listed(path: Any, operation: str, where: str) -> list[str]:
    listed = list(path) if isinstance(path, list | tuple) else [path]
    for one in listed:
        if not isinstance(one, str | os.PathLike):
            raise TypeError(f"{where}{operation}: a path is a text or a pathlib.Path, not {type(one).__name__}")
    return [os.fspath(one) for one in listed]


class Sources:
    """The paths that this rank is to hand to C++, the env, and whether each rank has its own."""

    def __init__(self, path: Any, env: Env | None, operation: str) -> None:
        self.env = choose_env(operation, env)
        self.session = None if self.env is None else self.env.session
        self.own = isinstance(path, Mapping)
        where = place(self.env)
        if self.env is not None:
            self.env.boundary(operation)
        if not self.own:
            self.paths = _listed(path, operation, where)
            if not self.paths:
                raise ValueError(f"{where}{operation}: the list of paths is empty")
            return
        if self.env is None:
            raise ValueError(f"{operation}: a dict of ranks to paths needs env=")
        for rank in path:
            if isinstance(rank, bool) or not isinstance(rank, int) or not 0 <= rank < self.env.world_size:
                raise ValueError(
                    f"{where}{operation}: {rank!r} in the dict of paths is no rank of a world of {self.env.world_size}"
                )
        lists = {rank: [] if paths is None else _listed(paths, operation, where) for rank, paths in path.items()}
        if not any(lists.values()):
            raise ValueError(f"{where}{operation}: the dict of ranks to paths has no path")
        self.paths = lists.get(self.env.rank, [])


def one_path(path: Any, env: Env | None, operation: str) -> str:
    """A path to write to."""
    if path is None:
        raise ValueError(f"{place(env)}{operation}: a path is needed; a text is not given back")
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{place(env)}{operation}: a path is a text or a pathlib.Path, not {type(path).__name__}")
    return os.fspath(path)


def column_names(columns: Any, operation: str, argument: str, where: str = "") -> list[str]:
    """A list of names; empty for None."""
    if columns is None:
        return []
    if isinstance(columns, str) or not all(isinstance(name, str) for name in columns):
        raise TypeError(f"{where}{operation}: {argument} is a list of column names")
    if not list(columns):
        raise ValueError(f"{where}{operation}: {argument} is empty; leave it out to read all columns")
    return list(columns)


#: pandas' (pyarrow's) comparisons in lists of tuples.
_COMPARISONS: dict[str, Callable[[Expression, Any], Expression]] = {
    "=": lambda column, value: column == value,
    "==": lambda column, value: column == value,
    "!=": lambda column, value: column != value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    "in": lambda column, value: column.isin(list(value)),
    "not in": lambda column, value: ~column.isin(list(value)),
}


def _one_filter(entry: Any, where: str) -> Expression:
    if not isinstance(entry, list | tuple) or len(entry) != 3 or not isinstance(entry[0], str):
        raise ValueError(f"{where}: filters: {entry!r} is not (column, comparison, value)")
    name, comparison, value = entry
    if comparison not in _COMPARISONS:
        raise ValueError(f"{where}: filters: {comparison!r} is unknown; it is one of {', '.join(_COMPARISONS)}")
    made: Expression = _COMPARISONS[comparison](col(name), value)
    return made


def _all(entries: Any, where: str) -> Expression:
    if not entries:
        raise ValueError(f"{where}: filters: a list of conditions is empty")
    made = _one_filter(entries[0], where)
    for entry in entries[1:]:
        made = made & _one_filter(entry, where)
    return made


def lower_filter(filters: Any, operation: str, where: str = "") -> _core.Expression | None:
    """An expression, or pandas' list of tuples (all must hold), or a list of such lists (one of them must)."""
    if filters is None:
        return None
    if not isinstance(filters, Expression):
        if not isinstance(filters, list | tuple) or not filters:
            raise TypeError(
                f"{where}{operation}: filters is an expression of weft.col or a list of (column, comparison, value), "
                f"not {filters!r}"
            )
        nested = isinstance(filters[0], list) or (isinstance(filters[0], tuple) and not isinstance(filters[0][0], str))
        groups = filters if nested else [filters]
        made: Expression = _all(groups[0], where + operation)
        for group in groups[1:]:
            made = made | _all(group, where + operation)
        return made.lower(as_filter=True)
    return filters.lower(as_filter=True)


def refuse_foreign(operation: str, **arguments: Any) -> None:
    """pandas' arguments about other libraries, which no reader or writer takes."""
    ways = {
        "storage_options": "S3's endpoint and credentials come from AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and so on",
        "filesystem": "give the path as a URI, such as s3://bucket/key",
        "dtype_backend": "columns are Arrow's",
        "to_pandas_kwargs": "call to_pandas afterwards",
    }
    refuse(operation, **{name: (value, None, ways[name]) for name, value in arguments.items()})


def text_compression(frame: DataFrame, path: Any, compression: Any, operation: str) -> str:
    """How a text file is packed: pandas' names, and "infer" by the extension of a single file."""
    if compression == "infer":
        name = os.fspath(path) if isinstance(path, str | os.PathLike) and frame.env is None else ""
        endings = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
        return next((kind for ending, kind in endings.items() if name.endswith(ending)), "none")
    if compression not in ("gzip", "bz2", "zstd", "none", None):
        raise ValueError(
            f"{place(frame.env)}{operation}: compression={compression!r} is unknown; it is one of infer, gzip, bz2, "
            "zstd, none"
        )
    return compression or "none"


_written = itertools.count()


def write(
    frame: DataFrame,
    path: Any,
    operation: str,
    overwrite: bool | None,
    options: _core.WriteOptions,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes a bound frame as a directory of parts, an unbound one as one file, or, with partition columns, a
    directory. `metadata` goes into the schema."""
    env = choose_env(operation, None, frame)
    target = one_path(path, env, operation)
    if env is not None:
        env.boundary(operation)
    # pandas replaces a file; a directory, which may hold anything, is only replaced when asked to.
    single = env is None and not options.partition_columns
    if target.startswith("s3://"):
        committing.install()
    _core.write(
        frame.table.with_metadata(list(metadata or {}), list((metadata or {}).values())),
        None if env is None else env.session,
        target,
        token=f"local.{os.getpid()}.{next(_written)}",
        overwrite=single if overwrite is None else bool(overwrite),
        options=options,
    )
