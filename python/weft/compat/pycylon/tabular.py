"""`Tabular`: what `DataFrame` and `Table` have in common, over this rank's rows as a local `weft.DataFrame`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import weft
from weft.arguments import find_all
from weft.compat.pycylon.context import CylonContext
from weft.compat.pycylon.refusing import refuse

__all__ = ["Tabular", "joined", "local_frame"]

JOINS = {"inner": "inner", "left": "left", "right": "right", "outer": "outer", "fullouter": "outer"}


def local_frame(data: Any) -> weft.DataFrame:
    """Rows of anything, as a frame of this rank's."""
    if isinstance(data, Tabular):
        return data._frame
    return data.local() if isinstance(data, weft.DataFrame) else weft.DataFrame(data)


class Positions:
    """``iloc`` and ``loc``: as Weft's, but the result is rows in every case."""

    def __init__(self, of: Tabular, by_label: bool) -> None:
        self._of = of
        self._by_label = by_label

    def __getitem__(self, key: Any) -> Any:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        one = not isinstance(rows, slice | list) and not hasattr(rows, "__arrow_c_array__")
        alone = not isinstance(columns, slice | list)
        frame = self._of._frame
        chooser = frame.loc if self._by_label else frame.iloc
        found = chooser[[rows] if one else rows, [columns] if alone else columns]
        return self._of._of(found)


class Tabular:
    """Rows of this rank, and the context over whose ranks they are parts of one whole."""

    __hash__ = None  # type: ignore[assignment]
    _frame: weft.DataFrame
    _context: CylonContext

    def _of(self, frame: weft.DataFrame, context: CylonContext | None = None) -> Self:
        made = type(self).__new__(type(self))
        made._frame = frame.local()
        made._context = self._context if context is None else context
        return made

    def _over(self, context: CylonContext | None) -> weft.DataFrame:
        """The rows as this rank's part of the whole over a context's ranks."""
        env = None if context is None else context.env
        return self._frame if env is None else self._frame.bind(env)

    def _names(self, columns: Any) -> list[str]:
        """Columns by name or position, one or a list."""
        names = self._frame.table.column_names
        return [names[i] for i in find_all(self._frame, columns, "columns", index_too=False)]

    # -- what it is ----------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        """This rank's rows, and columns."""
        return self._frame.shape

    def __len__(self) -> int:
        return len(self._frame)

    def __repr__(self) -> str:
        return repr(self._frame)

    @property
    def index(self) -> Any:
        """The index's labels on this rank, as Weft has them; of rows that go by position there are none."""
        return self._frame.index

    @property
    def loc(self) -> Positions:
        """This rank's rows by label."""
        return Positions(self, by_label=True)

    @property
    def iloc(self) -> Positions:
        """This rank's rows by position."""
        return Positions(self, by_label=False)

    def to_arrow(self) -> Any:
        """This rank's rows as a pyarrow table."""
        return self._frame.to_arrow()

    def to_pandas(self) -> Any:
        """This rank's rows as pandas has them."""
        return self._frame.to_pandas()

    def to_numpy(self, order: str = "F", zero_copy_only: bool = True, writable: bool = False) -> Any:
        """This rank's rows as an array of shape (rows, columns), of the type that holds all columns.

        Parameters
        ----------
        order
            ``"F"`` or ``"C"``.
        zero_copy_only, writable
            As `pyarrow.Array.to_numpy` has them, for each column: an error where it had to be copied.
        """
        import numpy

        if order not in ("F", "C"):
            raise ValueError(f"to_numpy: order={order!r} is neither 'F' nor 'C'")
        columns = [column.combine_chunks() for column in self.to_arrow().columns]
        arrays = [column.to_numpy(zero_copy_only=zero_copy_only, writable=writable) for column in columns]
        if not arrays:
            return numpy.empty((len(self), 0), order="F" if order == "F" else "C")
        stacked = numpy.column_stack(arrays)
        return numpy.asfortranarray(stacked) if order == "F" else numpy.ascontiguousarray(stacked)

    def to_csv(self, path: str, csv_write_options: Any) -> None:
        """Writes this rank's rows into a file of its own; see `CSVWriteOptions`."""
        frame = self._frame
        frame.to_csv(
            path,
            sep=csv_write_options.delimiter(),
            header=csv_write_options._names_for(frame.columns),
            index=bool(frame.index_names),
            overwrite=True,
        )

    # -- choosing ------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Self:
        """``t[2:5]`` rows by position, ``t[3]`` one row, ``t["a"]`` and ``t[["a", "b"]]`` columns, ``t[mask]`` the rows
        for which a table of one column of truth values is true, or, of as many columns, the values; ``t[a:b, env]``
        rows of the whole, which is collective."""
        if isinstance(key, tuple):
            rows, env = key
            if not isinstance(rows, slice):
                raise ValueError(f"[rows, env]: rows is a slice, not {rows!r}")
            from weft.compat.pycylon.context import env_of

            context = env_of("[rows, env]", env)
            return self._of(self._over(context)[_forward(rows)], context)
        if isinstance(key, Tabular):
            return self._masked(key._frame)
        if isinstance(key, slice):
            return self._of(self._frame[_forward(key)])
        if isinstance(key, int) and not isinstance(key, bool):
            return self._of(self._frame.iloc[[key]])
        if isinstance(key, str | list):
            return self._of(self._frame[self._names(key)])
        raise ValueError(f"[...]: {key!r} is no row, slice, column, list of columns or mask")

    def _masked(self, mask: weft.DataFrame) -> Self:
        if len(mask.columns) == 1:
            return self._of(self._frame.filter(mask[mask.columns[0]].to_arrow()))
        return self._of(self._frame.where(_beside(self._frame, mask)))

    def __setitem__(self, key: str, value: Any) -> None:
        """A column of another's one column, or of one value everywhere."""
        if not isinstance(key, str):
            raise ValueError(f"[key] = value: key is a column's name, not {key!r}")
        if isinstance(value, Tabular):
            if len(value._frame.columns) != 1:
                raise ValueError(f"[{key!r}] = value: it has {len(value._frame.columns)} columns, not 1")
            self._frame = self._frame.assign(**{key: value._frame[value._frame.columns[0]].to_arrow()})
        elif isinstance(value, list | tuple | dict):
            raise ValueError(f"[{key!r}] = value takes a table of one column or one value, not {type(value).__name__}")
        else:
            self._frame = self._frame.assign(**{key: weft.lit(value)})

    # -- values --------------------------------------------------------------------------------------------------

    def _compute(self, name: str, other: Any) -> Self:
        operand = _beside(self._frame, other._frame) if isinstance(other, Tabular) else other
        return self._of(getattr(self._frame, name)(operand))

    def __eq__(self, other: object) -> Self:  # type: ignore[override]
        return self._compute("eq", other)

    def __ne__(self, other: object) -> Self:  # type: ignore[override]
        return self._compute("ne", other)

    def __lt__(self, other: Any) -> Self:
        return self._compute("lt", other)

    def __gt__(self, other: Any) -> Self:
        return self._compute("gt", other)

    def __le__(self, other: Any) -> Self:
        return self._compute("le", other)

    def __ge__(self, other: Any) -> Self:
        return self._compute("ge", other)

    def __add__(self, other: Any) -> Self:
        return self._compute("add", other)

    def __sub__(self, other: Any) -> Self:
        return self._compute("sub", other)

    def __mul__(self, other: Any) -> Self:
        return self._compute("mul", other)

    def __truediv__(self, other: Any) -> Self:
        return self._compute("truediv", other)

    def __or__(self, other: Any) -> Self:
        return self._compute("__or__", other)

    def __and__(self, other: Any) -> Self:
        return self._compute("__and__", other)

    def __invert__(self) -> Self:
        return self._of(~self._frame)

    def __neg__(self) -> Self:
        return self._of(-self._frame)

    def fillna(self, fill_value: Any) -> Self:
        """`fill_value` where there is none."""
        return self._of(self._frame.fillna(fill_value))

    def where(self, condition: Any = None, other: Any = None) -> Self:
        """The values where `condition`, a table of truth values, is true, elsewhere `other`."""
        if not isinstance(condition, Tabular):
            raise ValueError(f"where: condition is a table of truth values, not {type(condition).__name__}")
        return self._of(self._frame.where(_beside(self._frame, condition._frame), other))

    def isnull(self) -> Self:
        """Where there is no value."""
        return self._of(self._frame.isna())

    def notnull(self) -> Self:
        """Where there is a value."""
        return self._of(self._frame.notna())

    isna, notna = isnull, notnull

    def isin(self, values: Any, skip_null: bool = True) -> Self:
        """Where the value is one of `values`; a dict has a list a column, a table its columns' values."""
        if skip_null is not True:
            refuse("isin", skip_null=(skip_null, "a missing value among the values stands for all missing ones"))
        wanted = (
            {name: list(column) for name, column in values.to_dict().items()} if isinstance(values, Tabular) else values
        )
        return self._of(self._frame.isin(wanted))

    def applymap(self, func: Any, na_action: str | None = None) -> Self:
        """A Python function of each value."""
        return self._of(self._frame.map(func, na_action=na_action))  # type: ignore[arg-type]

    # -- names and the index -------------------------------------------------------------------------------------

    def drop(self, column_names: Any) -> Self:
        """Without these columns."""
        return self._of(self._frame.drop(columns=self._names(column_names)))

    def rename(self, column_names: Any) -> None:
        """Other names for columns, in place: a dict of old to new, or a list of all."""
        if isinstance(column_names, Mapping):
            self._frame = self._frame.rename(columns=column_names, errors="raise")
        elif isinstance(column_names, list) and len(column_names) == len(self._frame.columns):
            self._frame = self._frame.set_axis(column_names, axis=1)
        else:
            raise ValueError(
                f"rename: column_names is a dict or a list of {len(self._frame.columns)} names, not {column_names!r}"
            )

    def add_prefix(self, prefix: str) -> Self:
        """All names with a beginning."""
        return self._of(self._frame.add_prefix(prefix))

    def to_dict(self) -> dict[str, list[Any]]:
        """This rank's rows as a dict of lists."""
        return self._frame.reset_index(drop=True).to_pydict()


def _forward(rows: slice) -> slice:
    """Rows from a place on to another, not from the end, one by one."""
    for name, value in (("start", rows.start), ("stop", rows.stop)):
        if value is not None and value < 0:
            raise ValueError(f"[a:b]: {name}={value} counts from the end, which is not taken; count from the first row")
    if rows.step not in (None, 1):
        raise ValueError(f"[a:b]: step={rows.step} is not taken; choose rows by iloc")
    return rows


def _beside(frame: weft.DataFrame, other: weft.DataFrame) -> weft.DataFrame:
    """Another frame as an operand of `frame`: by position, whatever its columns are called."""
    if len(other.columns) != len(frame.columns):
        raise ValueError(f"one side has {len(frame.columns)} columns, the other {len(other.columns)}")
    plain = other.reset_index(drop=True).set_axis(frame.columns, axis=1)
    if not frame.index_names:
        return plain
    labels = frame.reset_index()[list(frame.index_names)]
    return weft.concat([labels, plain], axis=1).set_index(list(frame.index_names))  # type: ignore[union-attr]


def joined(
    left: weft.DataFrame,
    right: weft.DataFrame,
    left_on: Sequence[str],
    right_on: Sequence[str],
    how: str,
    algorithm: str,
    prefixes: tuple[str, str],
    **more: Any,
) -> weft.DataFrame:
    """The join as pycylon names its columns: all of both sides, keys twice; a name that both have gets the prefixes."""
    if how not in JOINS:
        raise ValueError(f"join: how={how!r} is unknown; it is one of {', '.join(JOINS)}")
    if algorithm not in ("sort", "hash"):
        raise ValueError(f"join: algorithm={algorithm!r} is unknown; it is one of sort, hash")
    left, right = left.reset_index(), right.reset_index()
    names = (left.columns, right.columns)
    both = set(names[0]) & set(names[1])
    final = [
        prefix + name if name in both else name for prefix, side in zip(prefixes, names, strict=True) for name in side
    ]
    if len(set(final)) != len(final):
        twice = sorted({name for name in final if final.count(name) > 1})
        raise ValueError(f"join: the result would have columns twice: {twice}; give other suffixes or rename")
    sides = [
        frame.set_axis([f"{side}{number}" for number in range(len(frame.columns))], axis=1)
        for side, frame in (("l", left), ("r", right))
    ]
    keys = [
        [f"{side}{columns.index(name)}" for name in on]
        for side, columns, on in (("l", names[0], left_on), ("r", names[1], right_on))
    ]
    made = sides[0].merge(
        sides[1],
        how=JOINS[how],  # type: ignore[arg-type]
        left_on=keys[0],
        right_on=keys[1],
        algorithm=algorithm,  # type: ignore[arg-type]
        **more,
    )
    return made.set_axis([*final, *made.columns[len(final) :]], axis=1)
