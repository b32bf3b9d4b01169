"""`Table`: pycylon's lower layer, where methods that run over all ranks say so by name; and `SortOptions`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any

import weft
from weft.compat.pycylon.context import CylonContext
from weft.compat.pycylon.refusing import hint, refuse, whole
from weft.compat.pycylon.tabular import Tabular, joined, local_frame

__all__ = ["AggregationOp", "SortOptions", "Table", "aggregations", "sort_columns"]


class AggregationOp(IntEnum):
    """Aggregations; a name in small letters means the same."""

    SUM = 0
    COUNT = 1
    MIN = 2
    MAX = 3
    MEAN = 4
    VAR = 5
    NUNIQUE = 6
    QUANTILE = 7
    STDDEV = 8


#: What pycylon calls an aggregation -> what Weft calls it, and how the result's columns begin.
_AGGREGATIONS = {
    "sum": ("sum", "sum"),
    "count": ("count", "count"),
    "cnt": ("count", "count"),
    "min": ("min", "min"),
    "max": ("max", "max"),
    "mean": ("mean", "mean"),
    "var": ("var", "var"),
    "std": ("std", "std"),
    "stddev": ("std", "std"),
    "nunique": ("nunique", "nunique"),
    "quantile": ("median", "quantile"),
}


class SortOptions:
    """How a sort over ranks finds out where to cut. Weft's does that by itself: the numbers are checked and change no
    result."""

    def __init__(self, num_bins: int = 0, num_samples: int = 0, sampling: str = "regular") -> None:
        self.num_bins = whole("SortOptions", "num_bins", num_bins, 0)
        self.num_samples = whole("SortOptions", "num_samples", num_samples, 0)
        hint("SortOptions", "sampling", sampling, ("regular", "initial"))
        self.sampling = sampling


def sort_columns(table: Tabular, order_by: Any, ascending: Any) -> dict[str, Any]:
    """The arguments of Weft's sort."""
    names = table._names(order_by)
    directions = list(ascending) if isinstance(ascending, list | tuple) else [ascending] * len(names)
    return {"by": names, "ascending": directions}


def aggregations(table: Tabular, wanted: Mapping[Any, Any], groupby_type: str) -> dict[str, tuple[str, str]]:
    """A dict of columns to aggregations as named aggregations, called as pycylon calls them."""
    hint("groupby", "groupby_type", groupby_type, ("hash", "mapred_hash"))
    if not isinstance(wanted, Mapping) or not wanted:
        raise ValueError(f"groupby: agg is a dict of columns to aggregations, not {wanted!r}")
    made: dict[str, tuple[str, str]] = {}
    for column, functions in wanted.items():
        (name,) = table._names(column)
        for function in functions if isinstance(functions, list | tuple) else [functions]:
            key = function.name.lower() if isinstance(function, AggregationOp) else function
            if key not in _AGGREGATIONS:
                raise ValueError(f"groupby: {function!r} is no aggregation; there are {', '.join(_AGGREGATIONS)}")
            ours, called = _AGGREGATIONS[key]
            made[f"{called}_{name}" if groupby_type == "hash" else f"{name}_{called}"] = (name, ours)
    return made


class Table(Tabular):
    """This rank's rows, and a context over whose ranks the ``distributed_`` methods, `groupby`, `shuffle` and the
    reductions run, which are collective; the other methods look at this rank's rows alone.

    Parameters
    ----------
    pyarrow_table
        The rows.
    context
        A `CylonContext`; None: this process alone.
    """

    def __init__(self, pyarrow_table: Any = None, context: CylonContext | None = None) -> None:
        self._frame = local_frame({} if pyarrow_table is None else pyarrow_table)
        self._context = CylonContext() if context is None else context

    # -- made of other things ------------------------------------------------------------------------------------

    @staticmethod
    def from_arrow(context: CylonContext | None, pyarrow_table: Any) -> Table:
        """Of a pyarrow table."""
        return Table(pyarrow_table, context)

    @staticmethod
    def from_numpy(context: CylonContext | None, col_names: Sequence[str], ar_list: Sequence[Any]) -> Table:
        """Of an array a column."""
        return Table.from_list(context, col_names, ar_list)

    @staticmethod
    def from_list(context: CylonContext | None, col_names: Sequence[str], data_list: Sequence[Any]) -> Table:
        """Of a list of values a column."""
        if len(col_names) != len(data_list):
            raise ValueError(f"from_list: {len(col_names)} names for {len(data_list)} columns")
        return Table.from_pydict(context, dict(zip(col_names, data_list, strict=True)))

    @staticmethod
    def from_pydict(context: CylonContext | None, dictionary: Mapping[str, Any]) -> Table:
        """Of a dict of columns."""
        return Table(dict(dictionary), context)

    @staticmethod
    def from_pandas(
        context: CylonContext | None = None,
        df: Any = None,
        preserve_index: bool = False,
        nthreads: int | None = None,
        columns: Sequence[str] | None = None,
        safe: bool = False,
    ) -> Table:
        """Of a pandas frame, by `pyarrow.Table.from_pandas`, whose arguments the others are."""
        import pyarrow as pa

        made = pa.Table.from_pandas(df, preserve_index=preserve_index, nthreads=nthreads, columns=columns, safe=safe)
        return Table(made.replace_schema_metadata(None), context)

    # -- what it is ----------------------------------------------------------------------------------------------

    @property
    def context(self) -> CylonContext:
        """The context."""
        return self._context

    @property
    def column_names(self) -> list[str]:
        """The columns' names."""
        return self._frame.columns

    @property
    def column_count(self) -> int:
        """How many columns."""
        return len(self._frame.columns)

    @property
    def row_count(self) -> int:
        """How many rows this rank has."""
        return len(self._frame)

    def show(self, row1: int = -1, row2: int = -1, col1: int = -1, col2: int = -1) -> None:
        """Prints this rank's rows, or those from `row1` to `row2` of the columns from `col1` to `col2`."""
        rows = slice(max(row1, 0), None if row2 < 0 else row2)
        columns = slice(max(col1, 0), None if col2 < 0 else col2)
        print(self._frame.iloc[rows, columns].to_pandas().to_string())

    def to_string(self, row_limit: int = 10) -> str:
        """The first and the last rows as text, `row_limit` in all."""
        return str(self.to_pandas().to_string(max_rows=row_limit))

    def to_pydict(self, with_index: bool = False) -> dict[str, Any]:
        """This rank's rows as a dict of lists; `with_index`: of dicts by label, or by position without an index."""
        return self._frame.to_dict() if with_index else self.to_dict()

    def iterrows(self) -> Iterator[tuple[Any, list[Any]]]:
        """Label, or position without an index, and values of each row."""
        return ((label, list(row.values())) for label, row in self._frame.iterrows())

    # -- this rank's rows and all ranks' -------------------------------------------------------------------------

    def _pair(self, table: Any, where: str) -> weft.DataFrame:
        if not isinstance(table, Table):
            raise ValueError(f"{where} takes a Table, not {type(table).__name__}")
        return table._frame

    def _join(self, where: str, context: CylonContext | None, table: Any, how: str, algorithm: str, more: Any) -> Table:
        self._pair(table, where)
        known = ("on", "left_on", "right_on", "left_prefix", "right_prefix")
        for name in more:
            if name not in known:
                raise TypeError(f"{where}: there is no argument {name!r}; there are {', '.join(known)}")
        left_on, right_on = more.get("left_on", more.get("on")), more.get("right_on", more.get("on"))
        if not isinstance(left_on, list) or not isinstance(right_on, list):
            raise TypeError(f"{where}: give on=[...], or left_on=[...] and right_on=[...]")
        prefixes = (more.get("left_prefix") or "", more.get("right_prefix") or "")
        made = joined(
            self._over(context),
            table._over(context),
            self._names(left_on),
            table._names(right_on),
            how,
            algorithm,
            prefixes,
        )
        return self._of(made)

    def join(self, table: Table, join_type: str, algorithm: str, **kwargs: Any) -> Table:
        """This rank's rows joined with those of another table.

        Parameters
        ----------
        join_type
            ``inner``, ``left``, ``right``, ``outer``.
        algorithm
            ``sort`` or ``hash``.
        kwargs
            ``on``, or ``left_on`` and ``right_on``: lists of columns by name or position; ``left_prefix`` and
            ``right_prefix``: what names begin with that both sides have.
        """
        return self._join("join", None, table, join_type, algorithm, kwargs)

    def distributed_join(self, table: Table, join_type: str, algorithm: str, **kwargs: Any) -> Table:
        """As `join`, over all ranks."""
        return self._join("distributed_join", self._context, table, join_type, algorithm, kwargs)

    def _set(self, operation: str, table: Any, context: CylonContext | None) -> Table:
        self._pair(table, operation)
        return self._of(getattr(self._over(context), operation)(table._over(context)))

    def union(self, table: Table) -> Table:
        """Rows that are in either, each once."""
        return self._set("union", table, None)

    def distributed_union(self, table: Table) -> Table:
        """As `union`, over all ranks."""
        return self._set("union", table, self._context)

    def intersect(self, table: Table) -> Table:
        """Rows that are in both, each once."""
        return self._set("intersect", table, None)

    def distributed_intersect(self, table: Table) -> Table:
        """As `intersect`, over all ranks."""
        return self._set("intersect", table, self._context)

    def subtract(self, table: Table) -> Table:
        """Rows that are not in the other, each once."""
        return self._set("difference", table, None)

    def distributed_subtract(self, table: Table) -> Table:
        """As `subtract`, over all ranks."""
        return self._set("difference", table, self._context)

    def sort(self, order_by: Any, ascending: Any = True) -> Table:
        """This rank's rows ordered by columns, by name or position."""
        return self._of(self._frame.sort_values(**sort_columns(self, order_by, ascending)))

    def distributed_sort(self, order_by: Any, ascending: Any = True, sort_options: SortOptions | None = None) -> Table:
        """All ranks' rows in order, rank by rank."""
        if sort_options is not None and not isinstance(sort_options, SortOptions):
            raise TypeError(f"distributed_sort: sort_options is SortOptions, not {type(sort_options).__name__}")
        return self._of(self._over(self._context).sort_values(**sort_columns(self, order_by, ascending)))

    def _unique(self, frame: weft.DataFrame, columns: Any, keep: str, inplace: bool) -> Table | None:
        hint("unique", "keep", keep, ("first", "last"))
        subset = self._names(columns) if columns else None
        made = frame.drop_duplicates(subset, keep=keep)  # type: ignore[arg-type]
        if inplace:
            self._frame = made.local()
            return None
        return self._of(made)

    def unique(self, columns: Any = None, keep: str = "first", inplace: bool = False) -> Table | None:
        """One row of each set of rows that agree in `columns` (default: all): the first or the last."""
        return self._unique(self._frame, columns, keep, inplace)

    def distributed_unique(self, columns: Any = None, inplace: bool = False) -> Table | None:
        """As `unique`, over all ranks: the first row, by rank and row."""
        return self._unique(self._over(self._context), columns, "first", inplace)

    def equals(self, table: Table, ordered: bool = True) -> bool:
        """Whether both have the same rows; in any order unless `ordered`."""
        return self._frame.equals(self._pair(table, "equals"), ordered=ordered)

    def distributed_equals(self, table: Table, ordered: bool = True) -> bool:
        """As `equals`, of all ranks' rows."""
        self._pair(table, "distributed_equals")
        return self._over(self._context).equals(table._over(self._context), ordered=ordered)

    def shuffle(self, hash_columns: Any = None) -> Table:
        """Rows that agree in these columns (default: all) come to one rank."""
        names = self._names(hash_columns) if hash_columns else self._frame.columns
        return self._of(self._over(self._context).repartition(by=names))

    def repartition(self, rows_per_partition: Sequence[int], receive_build_rank_order: Any = None) -> Table:
        """So many rows on each rank."""
        ranks = list(range(self._context.get_world_size()))
        if receive_build_rank_order is not None and list(receive_build_rank_order) != ranks:
            refuse(
                "repartition",
                receive_build_rank_order=(receive_build_rank_order, "rows keep their order over the ranks"),
            )
        return self._of(self._over(self._context).repartition(list(rows_per_partition)))

    def evenly_partition(self) -> Table:
        """Equally many rows on each rank, one more on the first ones where they do not divide."""
        return self._of(self._over(self._context).repartition())

    def _reduced(self, function: str, column: Any) -> Table:
        (name,) = self._names(column)
        value = getattr(self._over(self._context)[name], function)()
        return Table({name: [value]}, self._context)

    def sum(self, column: Any) -> Table:
        """The sum of a column, of all ranks' rows, as a table of one row."""
        return self._reduced("sum", column)

    def count(self, column: Any) -> Table:
        """How many values a column has, else as `sum`."""
        return self._reduced("count", column)

    def min(self, column: Any) -> Table:
        """The least value of a column, else as `sum`."""
        return self._reduced("min", column)

    def max(self, column: Any) -> Table:
        """The greatest value of a column, else as `sum`."""
        return self._reduced("max", column)

    def groupby(self, index: Any, agg: Mapping[Any, Any], groupby_type: str = "hash") -> Table:
        """A row a group of all ranks' rows.

        Parameters
        ----------
        index
            The keys: columns by name or position.
        agg
            A dict of columns to aggregations, by name or `AggregationOp`, one or a list.
        groupby_type
            How the result's columns are called: ``hash``: ``sum_v``, ``mapred_hash``: ``v_sum``.
        """
        plan = aggregations(self, agg, groupby_type)
        frame = self._over(self._context)
        return self._of(frame.groupby(self._names(index), as_index=False, sort=False).agg(**plan))

    @staticmethod
    def merge(tables: Sequence[Table]) -> Table:
        """Rows of several tables, one after the other, on each rank by itself."""
        return Table.concat(tables)

    @staticmethod
    def concat(tables: Sequence[Table], axis: int = 0, join: str = "inner", algorithm: str = "sort") -> Table:
        """Rows of several tables, one after the other, on each rank by itself."""
        if axis != 0:
            refuse("concat", axis=(axis, "join the tables on a column"))
        hint("concat", "join", join, ("inner", "outer"))
        hint("concat", "algorithm", algorithm, ("sort", "hash"))
        if not tables or not all(isinstance(table, Table) for table in tables):
            raise ValueError("concat takes a list of Tables")
        frames = [table._frame for table in tables]
        return tables[0]._of(weft.concat(frames, join=join))  # type: ignore[arg-type]

    distributed_concat = concat

    # -- columns -------------------------------------------------------------------------------------------------

    def project(self, columns: Sequence[Any]) -> Table:
        """These columns, by name or position."""
        return self._of(self._frame[self._names(columns)])

    def add_suffix(self, suffix: str) -> Table:
        """All names with an end."""
        return self._of(self._frame.add_suffix(suffix))

    def astype(self, dtype: Any, safe: bool = True) -> Table:
        """The columns as another type, or a dict of columns to types."""
        if safe is not True:
            refuse("astype", safe=(safe, "what the type cannot hold is an error"))
        return self._of(self._frame.astype(dtype))

    def dropna(self, axis: int = 0, how: str = "any", inplace: bool = False) -> Table | None:
        """Without the columns (``axis=0``, the other way round than in pandas) or rows (``axis=1``) that have a missing
        value, or (``how="all"``) no other."""
        if axis not in (0, 1):
            raise ValueError(f"dropna: axis={axis!r} is neither 0 nor 1")
        made = self._frame.dropna(axis=1 - axis, how=how)
        if inplace:
            self._frame = made
            return None
        return self._of(made)

    def set_index(self, key: Any, indexing_type: Any = None, drop: bool = True) -> None:
        """Columns as the index, in place."""
        if indexing_type is not None:
            refuse("set_index", indexing_type=(indexing_type, "labels are looked up in one way"))
        if drop is not True:
            refuse("set_index", drop=(drop, "the index columns stay columns of to_arrow()"))
        self._frame = self._frame.reset_index().set_index(self._names(key))

    def reset_index(self, drop_index: bool = False) -> None:
        """The index as columns again, in place, or gone."""
        self._frame = self._frame.reset_index(drop=drop_index)
