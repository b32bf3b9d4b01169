"""`DataFrame`, whose methods run over all ranks where they are given ``env=``; `read_csv` and `concat`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import weft
from weft.compat.pycylon.context import CylonContext, CylonEnv, env_of
from weft.compat.pycylon.io import CSVReadOptions, read_with
from weft.compat.pycylon.refusing import hint, refuse
from weft.compat.pycylon.table import SortOptions, Table, aggregations, sort_columns
from weft.compat.pycylon.tabular import Tabular, joined, local_frame

__all__ = ["CylonEnv", "DataFrame", "GroupByDataFrame", "concat", "read_csv"]


def _columned(data: Any, columns: Any) -> Any:
    """A list of columns (lists or arrays) as a dict; names count from 0 where none are given."""
    if not isinstance(data, list):
        return data
    if not all(hasattr(column, "__len__") and not isinstance(column, str | dict) for column in data):
        raise ValueError("DataFrame: a list of data is a list of columns, each a list or an array")
    names = [str(number) for number in range(len(data))] if columns is None else list(columns)
    if len(names) != len(data):
        raise ValueError(f"DataFrame: {len(names)} names for {len(data)} columns")
    return dict(zip(names, data, strict=True))


class DataFrame(Tabular):
    """Rows of this rank.

    Methods with ``env=`` take all ranks' rows as one whole and are collective then; without it they look at this rank's
    rows alone. The exception is `groupby`: without ``env=`` it runs over the ranks of the env by which the frame was
    made.

    Parameters
    ----------
    data
        A list of columns, a dict of columns, a pandas frame, a pyarrow table, a `Table`.
    index
        The labels, as `weft.DataFrame` takes them.
    columns
        The columns' names.
    copy
        Changes nothing: values never change.
    """

    def __init__(self, data: Any = None, index: Any = None, columns: Sequence[str] | None = None, copy: bool = False):
        hint("DataFrame", "copy", copy, (True, False))
        frame = local_frame({} if data is None else _columned(data, columns))
        if columns is not None and not isinstance(data, list):
            frame = frame.set_axis([str(name) for name in columns], axis=1)
        self._frame = frame if index is None else weft.DataFrame(frame.to_arrow(), index=index)
        self._context = data._context if isinstance(data, Tabular) else CylonContext()

    # -- what it is ----------------------------------------------------------------------------------------------

    @property
    def columns(self) -> list[str]:
        """The columns' names."""
        return self._frame.columns

    @property
    def dtypes(self) -> Any:
        """The columns' types, as pandas has them."""
        return self.to_pandas().dtypes

    @property
    def values(self) -> Any:
        """The rows as an array, as pandas makes it."""
        return self.to_pandas().values

    def select_dtypes(self, include: Any = None, exclude: Any = None) -> DataFrame:
        """The columns of some types."""
        return self._of(self._frame.select_dtypes(include, exclude))

    def to_table(self) -> Table:
        """The same rows as a `Table`."""
        return Table(self._frame, self._context)

    def to_cpu(self) -> None:
        """Nothing: rows are in the memory of the processor."""

    def to_device(self, device: str | None = None) -> None:
        """Nothing for None and ``cpu``; there is no other device."""
        if device not in (None, "cpu"):
            refuse("to_device", device=(device, "rows stay in the memory of the processor"))

    def is_cpu(self) -> bool:
        """True."""
        return True

    def is_device(self, device: str) -> bool:
        """Whether the device is ``cpu``."""
        return device == "cpu"

    def equals(self, df: DataFrame, ordered: bool = True, env: CylonEnv | None = None) -> bool:
        """Whether both have the same rows; in any order unless `ordered`."""
        context = env_of("equals", env)
        return self._over(context).equals(df._over(context), ordered=ordered)

    # -- the index -----------------------------------------------------------------------------------------------

    def set_index(
        self,
        keys: Any,
        drop: bool = True,
        append: bool = False,
        inplace: bool = False,
        verify_integrity: bool = False,
    ) -> DataFrame | None:
        """Columns, by name or position, as the index."""
        if drop is not True:
            refuse("set_index", drop=(drop, "the index columns stay columns of to_arrow()"))
        frame = self._frame.set_index(self._names(keys), append=append, verify_integrity=verify_integrity)
        if inplace:
            self._frame = frame
            return None
        return self._of(frame)

    def reset_index(
        self, level: Any = None, drop: bool = False, inplace: bool = False, col_level: Any = 0, col_fill: Any = ""
    ) -> DataFrame:
        """The index as columns again, or gone: in place, as in pycylon, and the frame itself is returned."""
        hint("reset_index", "inplace", inplace, (True, False))
        self._frame = self._frame.reset_index(level, drop=drop, col_level=col_level, col_fill=col_fill)
        return self

    # -- this rank's rows, or with env= all ranks' ---------------------------------------------------------------

    def sort_values(
        self, by: Any, ascending: Any = True, env: CylonEnv | None = None, **sort_options: Any
    ) -> DataFrame:
        """Rows ordered by columns, by name or position; `sort_options` as in `SortOptions`."""
        SortOptions(**sort_options)
        context = env_of("sort_values", env)
        return self._of(self._over(context).sort_values(**sort_columns(self, by, ascending)), context)

    def merge(
        self,
        right: DataFrame,
        how: str = "inner",
        algorithm: str = "sort",
        on: Any = None,
        left_on: Any = None,
        right_on: Any = None,
        left_index: bool = False,
        right_index: bool = False,
        sort: bool = False,
        suffixes: tuple[str, str] = ("_x", "_y"),
        copy: bool = True,
        indicator: bool = False,
        validate: str | None = None,
        env: CylonEnv | None = None,
    ) -> DataFrame:
        """Joins two frames on columns, by name or position, or on their indexes. All columns of both sides are in the
        result, the keys twice; names that both have begin with the suffixes."""
        hint("merge", "copy", copy, (True, False))
        left_on, right_on = (left_on, right_on) if on is None else (on, on)
        left_keys = list(self._frame.index_names) if left_index else left_on
        right_keys = list(right._frame.index_names) if right_index else right_on
        if left_keys in (None, []) or right_keys in (None, []):
            raise ValueError("merge: name the keys: on, left_on and right_on, or left_index and right_index")
        more = {"sort": sort, "indicator": indicator, "validate": validate}
        return self._merged(right, left_keys, right_keys, how, algorithm, suffixes, more, env, "merge")

    def join(
        self,
        other: DataFrame,
        on: Any = None,
        how: str = "left",
        lsuffix: str = "l",
        rsuffix: str = "r",
        sort: bool = False,
        algorithm: str = "sort",
        env: CylonEnv | None = None,
    ) -> DataFrame:
        """Joins columns of this frame (`on`; default: its index) with the other's index. Columns as in `merge`."""
        keys = list(self._frame.index_names) if on is None else on
        if keys in (None, []):
            raise ValueError("join: name the columns of this frame by on, or give it an index")
        labels = list(other._frame.index_names)
        if not labels:
            raise ValueError("join: the other frame has no index; make one by set_index")
        return self._merged(other, keys, labels, how, algorithm, (lsuffix, rsuffix), {"sort": sort}, env, "join")

    def _merged(
        self,
        right: DataFrame,
        left_keys: Any,
        right_keys: Any,
        how: str,
        algorithm: str,
        prefixes: tuple[str, str],
        more: Mapping[str, Any],
        env: Any,
        where: str,
    ) -> DataFrame:
        if not isinstance(right, DataFrame):
            raise TypeError(f"{where} takes a DataFrame, not {type(right).__name__}")
        context = env_of(where, env)
        given = {name: value for name, value in more.items() if value}
        if given.get("sort"):
            algorithm = "sort"
        made = joined(
            self._over(context),
            right._over(context),
            self._keys(left_keys),
            right._keys(right_keys),
            how,
            algorithm,
            prefixes,
            **given,
        )
        return self._of(made, context)

    def _keys(self, columns: Any) -> list[str]:
        """Columns by name or position; index columns by name."""
        listed = list(columns) if isinstance(columns, list | tuple) else [columns]
        labels = self._frame.index_names
        return [name if name in labels else self._names(name)[0] for name in listed]

    def drop_duplicates(
        self,
        subset: Any = None,
        keep: str | bool = "first",
        inplace: bool = False,
        ignore_index: bool = False,
        env: CylonEnv | None = None,
    ) -> DataFrame | None:
        """One row of each set of rows that agree in `subset` (default: all columns): the first, the last, or with
        ``keep=False`` none of several."""
        context = env_of("drop_duplicates", env)
        columns = None if subset is None else self._names(subset)
        made = self._over(context).drop_duplicates(columns, keep=keep, ignore_index=ignore_index)  # type: ignore[arg-type]
        if inplace:
            self._frame = made.local()
            return None
        return self._of(made, context)

    def groupby(self, by: Any, groupby_type: str = "hash", env: CylonEnv | None = None) -> GroupByDataFrame:
        """Groups rows by columns, by name or position."""
        if isinstance(by, list) and not by:
            raise ValueError("groupby: by is empty; name columns")
        context = env_of("groupby", env)
        return GroupByDataFrame(self if context is None else self._of(self._frame, context), by, groupby_type)

    def repartition(
        self, rows_per_partition: Sequence[int], receive_build_rank_order: Any = None, env: CylonEnv | None = None
    ) -> DataFrame:
        """So many rows on each rank."""
        table = Table(self._frame, self._context if env is None else env_of("repartition", env))
        return DataFrame(table.repartition(rows_per_partition, receive_build_rank_order))

    def evenly_partition(self, env: CylonEnv | None = None) -> DataFrame:
        """Equally many rows on each rank, one more on the first ones where they do not divide."""
        table = Table(self._frame, self._context if env is None else env_of("evenly_partition", env))
        return DataFrame(table.evenly_partition())


class GroupByDataFrame:
    """What `DataFrame.groupby` gives: its methods make a row a group, the keys first, columns such as ``sum_v``."""

    def __init__(self, df: DataFrame, by: Any = None, groupby_type: str = "hash") -> None:
        hint("groupby", "groupby_type", groupby_type, ("hash", "mapred_hash"))
        self._df = df
        self._by = df._names(by)
        self._type = groupby_type

    def agg(self, dic: Mapping[Any, Any]) -> DataFrame:
        """A dict of columns to aggregations, one or a list: sum, count, min, max, mean, var, std, nunique;
        quantile, which is the median."""
        frame = self._df._over(self._df._context)
        plan = aggregations(self._df, dic, self._type)
        return self._df._of(frame.groupby(self._by, as_index=False, sort=False).agg(**plan))

    def _rest(self, function: str) -> DataFrame:
        return self.agg({name: function for name in self._df.columns if name not in self._by})

    def min(self) -> DataFrame:
        """The least value of each other column."""
        return self._rest("min")

    def max(self) -> DataFrame:
        """The greatest value of each other column."""
        return self._rest("max")

    def sum(self) -> DataFrame:
        """The sum of each other column."""
        return self._rest("sum")

    def count(self) -> DataFrame:
        """How many values each other column has."""
        return self._rest("count")

    def mean(self) -> DataFrame:
        """The mean of each other column."""
        return self._rest("mean")

    def std(self) -> DataFrame:
        """The standard deviation of each other column."""
        return self._rest("std")


def read_csv(
    filepath: str,
    use_threads: bool = True,
    names: Sequence[str] | None = None,
    sep: str = ",",
    block_size: int = 1 << 20,
    skiprows: int = 0,
    ignore_emptylines: bool = True,
    na_values: Sequence[str] | None = None,
    slice: bool = False,
    env: CylonEnv | None = None,
) -> DataFrame:
    """A CSV file as a frame.

    Parameters
    ----------
    names
        The columns to take.
    slice
        With `env`: each rank takes its share of the file, which is collective. Else it reads all of it.
    use_threads, block_size
        Change no result.
    """
    context = env_of("read_csv", env)
    options = CSVReadOptions().use_threads(use_threads).block_size(block_size).with_delimiter(sep)
    options.skip_rows(skiprows).slice(slice)
    if ignore_emptylines is not True:
        refuse("read_csv", ignore_emptylines=(ignore_emptylines, "lines without anything are no rows"))
    if na_values is not None:
        options.na_values(list(na_values))
    if names is not None:
        options.use_cols(list(names))
    return DataFrame(Table(read_with(context, filepath, options), context))


def concat(objs: Iterable[DataFrame], axis: int = 0, join: str = "outer", env: CylonEnv | None = None) -> DataFrame:
    """Rows of several frames, one after the other: on each rank by itself, with `env` too, as in pycylon."""
    if axis != 0:
        refuse("concat", axis=(axis, "merge the frames on a column"))
    hint("concat", "join", join, ("inner", "outer"))
    frames = list(objs)
    if not frames or not all(isinstance(frame, DataFrame) for frame in frames):
        raise ValueError("concat takes DataFrames")
    made = weft.concat([frame._frame for frame in frames], join=join)  # type: ignore[arg-type]
    return frames[0]._of(made, env_of("concat", env))  # type: ignore[arg-type]
