"""`Ordering`: the order of rows, duplicates, and on which rank rows lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from weft import _core
from weft.arguments import choose_env, find_all, one_of, place, refuse
from weft.elementwise import Elementwise
from weft.rows import Columns

if TYPE_CHECKING:
    from weft.frame import DataFrame

__all__ = ["Ordering"]


class Ordering(Elementwise):
    """The order of rows, duplicates, and on which rank rows lie. Collective on bound frames."""

    __slots__ = ()

    def sort_values(
        self,
        by: Columns,
        *,
        axis: int | str = 0,
        ascending: bool | Sequence[bool] = True,
        inplace: bool = False,
        kind: str = "quicksort",
        na_position: Literal["first", "last"] = "last",
        ignore_index: bool = False,
        key: Callable[..., Any] | None = None,
    ) -> DataFrame:
        """Rows ordered by columns; always stable. Collective on a bound frame: the result is ordered rank by rank, and
        evenly spread.

        Parameters
        ----------
        by
            Columns by name or position, the first one counting most.
        ascending
            One direction for all, or a list of one a column.
        na_position
            Where missing values go, whatever the direction.
        ignore_index
            Without the index.
        """
        refuse(
            "sort_values",
            axis=(0 if axis in (0, "index", "rows") else axis, 0, "columns are not sorted"),
            inplace=(inplace, False, "frames do not change: use the result"),
            key=(key, None, "assign the key's column first"),
        )
        one_of(self._env, "sort_values", "kind", kind, ("quicksort", "mergesort", "stable"))
        one_of(self._env, "sort_values", "na_position", na_position, ("first", "last"))
        keys = find_all(self, by, "sort_values")
        directions = [ascending] * len(keys) if isinstance(ascending, bool) else list(ascending)
        if len(directions) != len(keys):
            raise ValueError(
                f"{place(self._env)}sort_values: ascending has {len(directions)} entries for {len(keys)} columns"
            )
        if not all(isinstance(direction, bool) for direction in directions):
            raise ValueError(
                f"{place(self._env)}sort_values: ascending={ascending!r} is no truth value or list of such"
            )
        env = choose_env("sort_values", None, self)
        session = None if env is None else env.session
        table = _core.sort(self._table, session, keys=keys, ascending=directions, nulls_first=na_position == "first")
        made = self._like(table)
        return made.reset_index(drop=True) if ignore_index else made

    def drop_duplicates(
        self,
        subset: Columns | None = None,
        *,
        keep: Literal["first"] = "first",
        inplace: bool = False,
        ignore_index: bool = False,
    ) -> DataFrame:
        """The first row, by rank and row, of each set of rows that agree in `subset` (default: all columns but the
        index). Missing values agree. Collective on a bound frame, whose rows then lie by hash: their order is the
        same in every run, and no more is promised.
        """
        refuse("drop_duplicates", inplace=(inplace, False, "frames do not change: use the result"))
        if keep != "first":
            one_of(self._env, "drop_duplicates", "keep", keep if isinstance(keep, str) else str(keep), ("first",))
        if subset is None:
            positions = list(range(len(self._index), self._table.num_columns))
        else:
            positions = find_all(self, subset, "drop_duplicates", index_too=False)
        env = choose_env("drop_duplicates", None, self)
        session = None if env is None else env.session
        if not positions:
            # Rows of no columns: pandas keeps them all.
            return self._same
        made = self._like(_core.unique(self._table, session, columns=positions))
        return made.reset_index(drop=True) if ignore_index else made

    def unique(self, columns: Columns | None = None) -> DataFrame:
        """The same as `drop_duplicates`."""
        return self.drop_duplicates(columns)

    def repartition(self) -> DataFrame:
        """The same rows in the same order, moved so that ranks' shares differ by at most one row. Collective on a
        bound frame."""
        env = choose_env("repartition", None, self)
        return self._same if env is None else self._like(_core.repartition(self._table, env.session))
