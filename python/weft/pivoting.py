"""Rows to columns: `pivot`, `pivot_table`, `crosstab`. What the columns are is agreed over all ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from weft.arguments import find, place, refuse
from weft.expression import Expression, col, lit
from weft.rows import Rows

if TYPE_CHECKING:
    from weft.env import Env
    from weft.frame import DataFrame

__all__ = ["Spread", "check_places", "crosstab", "labels_in", "pivot", "pivot_table"]

NaPosition = Literal["first", "last"]
_MOST = 10_000


def labels_in(
    frame: DataFrame, positions: Sequence[int], operation: str, dropna: bool = True, na_position: NaPosition = "last"
) -> list[tuple[Any, ...]]:
    """The different values of columns of the table, over all ranks, in order: what new columns are called after. With
    `dropna` those without missing ones. Collective on a bound frame."""
    import pyarrow as pa

    names = [f"k{i}" for i in range(len(positions))]
    chosen = Rows._wrap(frame.table.select(list(positions)).rename(names), frame.env)
    unique = chosen.drop_duplicates()
    if dropna:
        unique = unique.dropna()
    count = unique.total_rows()
    if count > _MOST:
        raise ValueError(f"{place(frame.env)}{operation}: {count} different values would be as many columns")
    whole = unique if frame.env is None else unique.allgather()
    ordered = whole.sort_values(names, na_position=na_position) if count else whole
    columns = [column.to_pylist() for column in pa.table(ordered.table).columns]
    return list(zip(*columns, strict=True))


def text_of(label: Any) -> str:
    """What a column is called after a value; "nan" after a missing one, as of pandas."""
    return "nan" if _is_missing(label) else str(label)


def _is_missing(value: Any) -> bool:
    return value is None or value != value


def _agree(env: Env | None, operation: str, problem: str | None) -> None:
    told = None if problem is None else f"{operation}: {problem}"
    if env is not None:
        env.agree(operation, told)
    elif told is not None:
        raise ValueError(told)


def _is(position: int, value: Any) -> Expression:
    """Whether the hidden column c<position> has this value."""
    column = col(f"c{position}")
    return column.isna() if _is_missing(value) else column == value


class Spread:
    """Values of rows put into columns by what other columns hold. Without `dropna` missing values of these, and of the
    index, come first, as pandas has them."""

    def __init__(
        self, frame: DataFrame, index: Sequence[int], columns: Sequence[int], operation: str, dropna: bool
    ) -> None:
        self.frame = frame
        self.index = list(index)
        self.columns = list(columns)
        self.operation = operation
        self.labels = labels_in(frame, columns, operation, dropna, "last" if dropna else "first")
        self.dropna = dropna

    def run(self, values: Sequence[tuple[int, str]], sort: bool = True, fill_value: Any = None) -> DataFrame:
        """A row for each different index, a column a value column (position, beginning of its name) and label: the one
        value that there is, or `fill_value` where there is no row. The index are the index columns."""
        frame = self.frame
        table = frame.table.rename([f"c{i}" for i in range(frame.table.num_columns)])
        hidden = Rows._wrap(table, frame.env)
        made: dict[str, Any] = {}
        names: list[str] = []
        for position, prefix in values:
            for number, label in enumerate(self.labels):
                condition = self._has(label)
                made[f"v{len(names)}"] = col(f"c{position}").where(condition)
                if fill_value is not None:
                    made[f"there{number}"] = lit(True).where(condition)
                names.append(prefix + "_".join(map(text_of, label)))
        keys = [frame.table.column_names[i] for i in self.index]
        if len(set([*keys, *names])) != len(keys) + len(names):
            twice = sorted({name for name in [*keys, *names] if [*keys, *names].count(name) > 1})
            raise ValueError(
                f"{place(frame.env)}{self.operation}: the result would have two columns {', '.join(map(repr, twice))}"
            )
        spread = hidden.select(*(f"c{i}" for i in self.index), **made)
        ordered = sort and self.dropna
        grouped = spread.groupby([f"c{i}" for i in self.index], sort=ordered, dropna=self.dropna, as_index=False)
        found = grouped.first() if names else spread.drop_duplicates()
        if sort and not ordered:
            found = found.sort_values([f"c{i}" for i in self.index], na_position="first")
        if fill_value is not None:
            filled = {
                f"v{i}": col(f"v{i}").where(col(f"there{i % len(self.labels)}").notna(), fill_value)
                for i in range(len(names))
            }
            found = found.select(*(f"c{i}" for i in self.index), **filled)
        return Rows._wrap(found.table.rename([*keys, *names]), frame.env, keys)

    def _has(self, label: tuple[Any, ...]) -> Expression:
        """Whether a row has these values in the columns."""
        conditions = [_is(column, value) for column, value in zip(self.columns, label, strict=True)]
        made = conditions[0]
        for one in conditions[1:]:
            made = made & one
        return made


def pivot(frame: DataFrame, columns: Any, index: Any, values: Any, given: tuple[bool, bool]) -> DataFrame:
    """See `DataFrame.pivot`; `given`: whether index and values were."""
    operation = "pivot"
    where = place(frame.env)
    by = _positions(frame, columns, operation)
    if not by:
        raise ValueError(f"{where}pivot: name the columns whose values become columns")
    if given[0]:
        rows = _positions(frame, index, operation)
    else:
        rows = list(range(len(frame.index_names)))
        if not rows:
            raise ValueError(f"{where}pivot: rows without an index have no labels; name index=")
    single = given[1] and not isinstance(values, list | tuple)
    if given[1]:
        chosen = _positions(frame, values, operation)
    else:
        hidden = len(frame.index_names)
        chosen = [i for i in range(hidden, frame.table.num_columns) if i not in (*by, *rows)]
        single = False
    names = frame.table.column_names
    check_places(frame, [*rows, *by], operation, "use pivot_table")
    spread = Spread(frame, rows, by, operation, dropna=False)
    return spread.run([(i, "" if single else f"{names[i]}_") for i in chosen])


def check_places(frame: DataFrame, positions: list[int], operation: str, way_out: str) -> None:
    """ValueError where two rows have the same values in all of these columns. Collective on a bound frame."""
    places = Rows._wrap(frame.table.select(positions).rename([f"k{i}" for i in range(len(positions))]), frame.env)
    twice = bool(places.duplicated().any())
    _agree(frame.env, operation, f"rows have the same index and columns; {way_out}" if twice else None)


def _positions(frame: DataFrame, names: Any, operation: str) -> list[int]:
    listed = list(names) if isinstance(names, list | tuple) else [names]
    return [find(frame, name, operation) for name in listed]


def pivot_table(
    frame: DataFrame,
    values: Any,
    index: Any,
    columns: Any,
    aggfunc: Any,
    fill_value: Any,
    margins: Any,
    dropna: Any,
    margins_name: Any,
    observed: Any,
    sort: Any,
) -> DataFrame:
    """See `DataFrame.pivot_table`."""
    operation = "pivot_table"
    where = place(frame.env)
    refuse(operation, observed=(observed, True, "groups without rows are never made"),
           dropna=(dropna, True, "missing keys have no row and no column"))  # fmt: skip
    rows = [] if index is None else _keys(frame, index, operation)
    by = [] if columns is None else _keys(frame, columns, operation)
    if not rows:
        raise ValueError(f"{where}pivot_table: name index=, the keys of the rows")
    names = frame.table.column_names
    single = values is not None and not isinstance(values, list | tuple)
    hidden = len(frame.index_names)
    if values is None:
        chosen = [i for i in range(hidden, len(names)) if i not in (*rows, *by)]
    else:
        chosen = _keys(frame, values, operation)
    if sort is True and values is None:
        chosen = sorted(chosen, key=lambda i: names[i])
    if isinstance(aggfunc, list | tuple):
        return _several(frame, values, index, columns, aggfunc, fill_value, margins, margins_name, sort)
    if isinstance(aggfunc, Mapping):
        chosen = [find(frame, name, operation, index_too=False) for name in aggfunc]
        single = False
    functions = {i: aggfunc[names[i]] if isinstance(aggfunc, Mapping) else aggfunc for i in chosen}
    if sort is True:
        chosen = sorted(chosen, key=lambda i: names[i])
    made = _table(frame, rows, by, chosen, functions, single, bool(sort))
    if fill_value is not None:
        made = made.fillna(fill_value)
    if not margins:
        return made
    return _with_margins(frame, made, rows, by, chosen, functions, single, str(margins_name), fill_value)


def _keys(frame: DataFrame, names: Any, operation: str) -> list[int]:
    return [find(frame, name, operation) for name in (names if isinstance(names, list | tuple) else [names])]


def _several(
    frame: DataFrame,
    values: Any,
    index: Any,
    columns: Any,
    functions: Sequence[Any],
    fill_value: Any,
    margins: Any,
    margins_name: Any,
    sort: Any,
) -> DataFrame:
    """Of several functions: side by side, their names before the columns'."""
    refuse("pivot_table", margins=(margins, False, "with a list of functions, take them one by one"))
    made: DataFrame | None = None
    for function in functions:
        one = pivot_table(frame, values, index, columns, function, fill_value, margins, True, margins_name, True, sort)
        label = function if isinstance(function, str) else getattr(function, "__name__", str(function))
        single = values is not None and not isinstance(values, list | tuple)
        alone = single and columns is None
        # pandas' names are function, value column, label.
        prefix = f"{label}_" if alone or not single else f"{label}_{values}_"
        one = one.rename(columns={name: prefix + name for name in one.columns})
        made = one if made is None else made.join(one, how="outer", sort=True)
    if made is None:
        raise ValueError(f"{place(frame.env)}pivot_table: the list of functions is empty")
    return made


def _table(
    frame: DataFrame,
    rows: list[int],
    by: list[int],
    chosen: list[int],
    functions: Mapping[int, Any],
    single: bool,
    sort: bool,
) -> DataFrame:
    """One row for each different key of the rows, a column for each of the columns'."""
    names = frame.table.column_names
    keys = [names[i] for i in (*rows, *by)]
    hidden = Rows._wrap(frame.table.rename([f"c{i}" for i in range(len(names))]), frame.env)
    grouped = hidden.groupby([f"c{i}" for i in (*rows, *by)], sort=sort, as_index=False)
    wanted = {f"v{i}": (f"c{i}", functions[i]) for i in chosen}
    if not wanted:
        raise ValueError(f"{place(frame.env)}pivot_table: there are no value columns")
    agged: DataFrame = grouped.agg(**wanted)
    flat = Rows._wrap(agged.table.rename([*keys, *(names[i] for i in chosen)]), frame.env)
    flat = flat.dropna(how="all", subset=[names[i] for i in chosen])
    if not by:
        return flat.set_index([names[i] for i in rows])
    spread = Spread(flat, range(len(rows)), range(len(rows), len(keys)), "pivot_table", dropna=True)
    first = len(keys)
    made = spread.run([(first + i, "" if single else f"{names[at]}_") for i, at in enumerate(chosen)], sort)
    return made.dropna(axis=1, how="all")


def _with_margins(
    frame: DataFrame,
    made: DataFrame,
    rows: list[int],
    by: list[int],
    chosen: list[int],
    functions: Mapping[int, Any],
    single: bool,
    name: str,
    fill_value: Any,
) -> DataFrame:
    """With a last row, and of new columns a last column, of all rows together."""
    from weft.concat import concat

    if by and not made.columns:
        return made  # there is no row whose keys are all there
    names = frame.table.column_names
    used = [names[i] for i in (*rows, *by, *chosen)]
    there = Rows._wrap(frame.table, frame.env)[used].dropna()
    types = frame.schema.types
    import pyarrow as pa

    for i in rows:
        if not (pa.types.is_string(types[i]) or pa.types.is_large_string(types[i])):
            raise TypeError(
                f"{place(frame.env)}pivot_table: margins=True puts the text {name!r} among the values of {names[i]!r}, "
                f"which are of type {types[i]}; make it a text first"
            )
    position = {column: i for i, column in enumerate(used)}
    at = [position[names[i]] for i in rows]
    across = [position[names[i]] for i in by]
    values = [position[names[i]] for i in chosen]
    of_values = {position[names[i]]: functions[i] for i in chosen}
    if by:
        # The column of all columns together.
        all_columns = _table(there, at, [], values, of_values, single, True)
        label = "_".join([name, *[""] * (len(by) - 1)])
        wide = made.join(
            all_columns.rename(columns={names[i]: label if single else f"{names[i]}_{label}" for i in chosen}),
            how="left",
            maintain_order=True,
        )
        order = []
        for i in chosen:
            start = "" if single else f"{names[i]}_"
            own = [column for column in made.columns if single or column.startswith(start)]
            order += [*own, start + label]
        made = wide[order]
    # The row of all rows together.
    marked = there.assign(**{names[i]: name if i == rows[0] else "" for i in rows})
    last = _table(marked, at, across, values, of_values, single, True)
    if by:
        whole = _table(marked, at, [], values, of_values, single, True)
        label = "_".join([name, *[""] * (len(by) - 1)])
        last = last.join(
            whole.rename(columns={names[i]: label if single else f"{names[i]}_{label}" for i in chosen}), how="left"
        )
    both = concat([made, last])
    result: DataFrame = both[made.columns]
    return result if fill_value is None else result.fillna(fill_value)


def crosstab(
    index: Any,
    columns: Any,
    values: Any = None,
    rownames: Sequence[str] | None = None,
    colnames: Sequence[str] | None = None,
    aggfunc: Any = None,
    margins: bool = False,
    margins_name: str = "All",
    dropna: bool = True,
    normalize: bool | str | int = False,
) -> DataFrame:
    """How often values meet: a row for each of one Series (or list of such), a column for each of another; or what
    `aggfunc` makes of `values` there. Collective on bound Series, which must have the same rows.

    Parameters
    ----------
    rownames, colnames
        What the Series are called, by default by their names.
    margins
        A last row and column of all together, called `margins_name`; the rows' values must be texts.
    normalize
        Shares of the whole (True, "all"), of each row ("index", 0) or of each column ("columns", 1).
    """
    from weft.series import Series

    refuse("crosstab", dropna=(dropna, True, "missing values have no row and no column"))
    first = index if isinstance(index, list | tuple) else [index]
    second = columns if isinstance(columns, list | tuple) else [columns]
    for one in (*first, *second, *([] if values is None else [values])):
        if not isinstance(one, Series):
            raise TypeError(f"crosstab: it takes Series, not {type(one).__name__}")
    if (values is None) != (aggfunc is None):
        raise ValueError("crosstab: give values and aggfunc together")
    if normalize is not False and margins:
        raise ValueError("crosstab: margins=True does not go with normalize; add sums to the result")
    row_names = _named(first, rownames, "row")
    column_names = _named(second, colnames, "col")
    start = first[0].to_frame()
    hidden = len(start.index_names)
    frame = Rows._wrap(start.table.select([hidden]).rename(["k0"]), start.env)
    series = [*first[1:], *second, *([] if values is None else [values])]
    added = {f"k{i + 1}": one.reset_index(drop=True) for i, one in enumerate(series)}
    frame = frame.assign(**added)
    count = len(first) + len(second)
    keys = [f"k{i}" for i in range(count)]
    if values is None:
        frame = frame.assign(value=1)
        aggfunc = "count"
    else:
        frame = frame.rename(columns={f"k{count}": "value"})
    made = pivot_table(
        frame,
        "value",
        keys[: len(first)],
        keys[len(first) :],
        aggfunc,
        0 if values is None else None,
        margins,
        True,
        margins_name,
        True,
        True,
    )
    made = Rows._wrap(made.table.rename([*row_names, *made.columns]), made.env, row_names)
    del column_names
    return made if normalize is False else _shares(made, normalize)


def _named(series: Sequence[Any], names: Sequence[str] | None, what: str) -> list[str]:
    if names is None:
        return [one.name for one in series]
    if len(names) != len(series):
        raise ValueError(f"crosstab: {len(series)} Series and {len(names)} {what}names")
    return [str(name) for name in names]


def _shares(made: DataFrame, normalize: Any) -> DataFrame:
    """Counts as shares."""
    if not made.columns:
        return made
    if (normalize in (True, "all") and not isinstance(normalize, int)) or normalize is True:
        total = float(sum(made.sum().values()))
        shares = made / total
    elif normalize in ("index", 0):
        shares = made.div(made.sum(axis=1), axis=0)
    elif normalize in ("columns", 1):
        totals = made.sum()
        shares = made.assign(**{name: made[name] / totals[name] for name in made.columns})
    else:
        raise ValueError(f"crosstab: normalize={normalize!r} is unknown; it is True, 'all', 'index' or 'columns'")
    return shares.fillna(0)
