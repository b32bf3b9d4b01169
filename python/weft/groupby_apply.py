"""`ApplyGroups`: groups as tables of their own, for Python functions and loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import refuse
from weft.expression import col
from weft.frame import DataFrame
from weft.groupby_aggregates import Result
from weft.groupby_functions import Gathered, agreed, as_array, one_type
from weft.groupby_rows import RowWise
from weft.piping import Piped, piped
from weft.series import Series

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ApplyGroups"]


class ApplyGroups(RowWise[Result]):
    """Groups as tables of their own."""

    def _table(self, group: _core.Table) -> Any:
        index = self._frame.index_names
        made = DataFrame._wrap(group, None, index)
        return Series(made) if self._single else made

    def _gather(self, operation: str) -> Gathered:
        hidden = range(len(self._frame.index_names))
        return Gathered(self._keys, [*hidden, *(i for i in self._columns if i not in hidden)], operation)

    def apply(self, func: Callable[..., Any], *args: Any, include_groups: bool = False, **kwargs: Any) -> Any:
        """Calls ``func(group, *args, **kwargs)`` with each group's rows, a local `DataFrame` without the keys (a
        `Series` of one column), and puts the results together, by group.

        A function that returns a scalar makes a `Series`; a dict of scalars, a row a group; a frame or Series, all
        their rows, the keys put before them as index columns (``group_keys=True``).
        """
        import pyarrow as pa

        refuse("groupby.apply", include_groups=(include_groups, False, "the keys are the result's index"))
        if not callable(func):
            raise TypeError(f"{self._keys.where}groupby.apply: {func!r} is no function")
        gathered = self._gather("groupby.apply")
        kind, table = agreed(gathered.env, "groupby.apply", lambda: self._applied(gathered, func, args, kwargs))
        kinds = {kind} - {""}
        if gathered.env is not None:
            kinds = set(gathered.env.allgather(kind)) - {""}
        if len(kinds) > 1:
            raise TypeError(f"groupby.apply: the function returned {' and '.join(sorted(kinds))}")
        kind = next(iter(kinds), "values")
        if not len(gathered) and kind == "values":
            table = table.append_column("apply", pa.nulls(0))
        made = gathered.order(_core.Table.from_stream(one_type(gathered.env, "groupby.apply", table)))
        keys = self._keys
        if kind == "frames" and not keys.group_keys:
            made = made.select(list(range(len(keys.names), made.num_columns)))
            return DataFrame._wrap(
                made, keys.env, [name for name in keys.frame.index_names if name in made.column_names]
            )
        inner = [name for name in keys.frame.index_names if kind == "frames" and name in made.column_names]
        frame = keys.finish(made, as_index=keys.as_index or kind == "frames", more_index=inner)
        if kind != "values" or not keys.as_index:
            return frame
        name = self._name(self._columns[0]) if self._single else "apply"
        index = keys.index_beside([name])
        return Series(DataFrame._wrap(frame.table.rename([*index, name]), keys.env, index))

    def _applied(
        self, gathered: Gathered, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[str, pa.Table]:
        """What kind of results there are, and a table of keys and results."""
        import pyarrow as pa

        results = [func(self._table(group), *args, **kwargs) for group in gathered.groups()]
        keys = pa.table(gathered.found)
        if not results:
            return "", keys
        first = results[0]
        if any(_kind(result) != _kind(first) for result in results):
            kinds = sorted({_kind(result) for result in results})
            raise TypeError(f"the function returned {' and '.join(kinds)}")
        kind = _kind(first)
        if kind == "values":
            return kind, keys.append_column("apply", as_array(results))
        if kind == "rows":
            names = [str(name) for name in first]
            if any([str(name) for name in result] != names for result in results):
                raise ValueError("the function returned rows of different columns")
            for name, original in zip(names, first, strict=True):
                keys = keys.append_column(name, as_array([result[original] for result in results]))
            return kind, keys
        tables = [_as_table(result) for result in results]
        whole = pa.concat_tables(tables, promote_options="permissive")
        repeats = pa.array([number for number, table in enumerate(tables) for _ in range(table.num_rows)], pa.int64())
        spread = keys.take(repeats)
        columns = [*spread.columns, *whole.columns]
        return kind, pa.table(columns, names=[*spread.column_names, *whole.column_names])

    def filter(self, func: Callable[..., Any], dropna: bool = True, *args: Any, **kwargs: Any) -> Result:
        """The rows of the groups for which ``func(group)`` is true, in their own order."""
        import pyarrow as pa

        refuse("groupby.filter", dropna=(dropna, True, "rows of other groups are left out"))
        gathered = self._gather("groupby.filter")

        def compute() -> pa.Table:
            answers = []
            for group, table in zip(range(len(gathered)), gathered.groups(), strict=True):
                answer = func(self._table(table), *args, **kwargs)
                if hasattr(answer, "item"):
                    answer = answer.item()
                if answer is not None and not isinstance(answer, bool):
                    raise TypeError(f"filter: the function returned {answer!r} for group {group}, not True or False")
                answers += [bool(answer)] * table.num_rows
            return pa.table({"keep": pa.array(answers, pa.bool_())})

        kept = agreed(gathered.env, "groupby.filter", compute)
        back = gathered.back(kept.column(0)).rename(["__weft_keep__"])
        return self._choose(col("__weft_keep__") == True, back)  # noqa: E712

    def pipe(self, func: Piped, *args: Any, **kwargs: Any) -> Any:
        """``func(self, *args, **kwargs)``; or of a pair of function and name, with this as the argument so named."""
        return piped(self, func, args, kwargs)

    # -- groups on this rank -------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Pairs of key (a tuple, where the keys are a list) and group, a local frame of all columns; a bound frame's
        groups lie on the ranks of their keys, each on one. Collective on a bound frame."""
        frame = self._frame
        shown = list(range(frame.table.num_columns))
        if self._single:
            shown = [*range(len(frame.index_names)), *self._columns]
        gathered = Gathered(self._keys, shown, "groupby")
        for label, group in zip(gathered.labels(), gathered.groups(), strict=True):
            yield (label if isinstance(label, tuple) else (label,)) if self._keys.listed else label, self._table(group)

    @property
    def ngroups(self) -> int:
        """How many groups there are in the whole. Collective on a bound frame."""
        keys = self._keys
        made = _core.group_by(
            keys.table, keys.session, keys=keys.positions, aggregations=[], sort=False, dropna=keys.dropna
        )
        return made.num_rows if keys.session is None else _core.total_rows(made, keys.session)

    def __len__(self) -> int:
        return self.ngroups

    @property
    def indices(self) -> dict[Any, Any]:
        """The row numbers of each group, of an unbound frame."""
        import pyarrow as pa

        keys = self._keys
        if keys.env is not None:
            raise ValueError(f"{keys.where}groupby.indices: row numbers are local; use .local()")
        gathered = Gathered(keys, [], "groupby")
        numbers = pa.table(gathered.numbers).column(0).to_numpy()
        bounds = zip(gathered.starts[:-1], gathered.starts[1:], strict=True)
        return {label: numbers[begin:end] for label, (begin, end) in zip(gathered.labels(), bounds, strict=True)}

    @property
    def groups(self) -> dict[Any, list[Any]]:
        """The index labels of each group's rows (row numbers where there is no index), of an unbound frame."""
        label = self._keys.label("groups")
        found = self.indices
        if label < 0:
            return {key: rows.tolist() for key, rows in found.items()}
        labels = self._frame.to_arrow().column(label).to_pylist()
        return {key: [labels[row] for row in rows] for key, rows in found.items()}

    def get_group(self, name: Any) -> Result:
        """The rows of one group, in their own order; KeyError where there is none. Collective on a bound frame."""
        keys = self._keys
        wanted = name if isinstance(name, tuple) else (name,)
        if len(wanted) != len(keys.names):
            raise ValueError(f"{keys.where}groupby.get_group: {name!r} is no key of {len(keys.names)} columns")
        count = keys.table.num_columns
        table = keys.table.rename([f"c{i}" for i in range(count)])
        condition = None
        for position, value in zip(keys.positions, wanted, strict=True):
            column = col(f"c{position}")
            one = column.is_null() if value is None or value != value else column == value
            condition = one if condition is None else condition & one
        assert condition is not None
        kept = DataFrame._wrap(table, keys.env).filter(condition)
        if kept.total_rows() == 0:
            raise KeyError(f"{keys.where}groupby.get_group: there is no group {name!r}")
        frame = self._frame
        hidden = len(frame.index_names)
        chosen = self._columns if self._selected else list(range(hidden, frame.table.num_columns))
        shown = [*range(hidden), *chosen]
        names = [frame.table.column_names[position] for position in shown]
        made = DataFrame._wrap(kept.table.select(shown).rename(names), frame.env, frame.index_names)
        return Series(made) if self._single else made  # type: ignore[return-value]


def _kind(result: Any) -> str:
    if isinstance(result, Mapping):
        return "rows"
    if type(result).__module__.startswith("pandas.") and hasattr(result, "to_dict") and hasattr(result, "index"):
        return "frames" if hasattr(result, "columns") else "rows"
    return "frames" if hasattr(result, "__arrow_c_stream__") else "values"


def _as_table(result: Any) -> pa.Table:
    if isinstance(result, Series):
        result = result.to_frame()
    return DataFrame(result).to_arrow().replace_schema_metadata(None)
