"""`DataFrame`: rows on this rank, or one table over all ranks.

Its methods are in the layers below it, a topic a file: `Rows`, `Indexing`, `Elementwise`, `Ordering`, `Reductions`,
`Combining`, `Output`, `ToModels`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft.arguments import find_all, refuse
from weft.rows import Columns
from weft.to_models import ToModels

if TYPE_CHECKING:
    from weft.groupby import GroupBy
    from weft.series import Series

__all__ = ["DataFrame"]


class DataFrame(ToModels):
    """A table of named columns of Arrow types.

    A frame made with ``env=`` is *bound*: its rows are this rank's part of one table over all ranks of the env, rank
    order being row order, and its operators are collective and work over the whole. Other frames are local. ``len``,
    ``repr``, ``shape`` and the exports (``to_arrow`` ...) are always about this rank's rows and run no collective;
    `gather`, `show`, `total_rows` are collective on bound frames. `local` gives this rank's rows unbound.

    Where a method has pandas' name, pandas 3 is its specification; arguments of pandas that are not taken are refused
    by name. Null and NaN are one missing value. Frames do not change: every method returns a new one, and shares
    memory where it can.

    Parameters
    ----------
    data
        A dict of columns, a pandas or Polars frame, a NumPy array of one or two dimensions, or anything with
        ``__arrow_c_stream__`` or ``__arrow_c_array__`` (no copy). An index of pandas becomes the frame's index, but
        for one that only counts rows. Integer labels become text.
    columns
        Names for a NumPy array's columns (default "0", "1", ...); else the columns to take, in this order.
    env
        Bind the frame: `data` is this rank's part of the whole. Collective: ranks give the same columns, and where
        types differ (one rank's part has no values, or floats where others have integers) a column gets the type that
        holds all of them.

    Raises
    ------
    TypeError
        The data is nothing of the above, or ranks' types have none in common.
    ValueError
        Columns of unequal length, a name that is there twice, several levels of column names, or ranks with other
        columns.
    """

    __slots__ = ("__weakref__",)

    def groupby(
        self,
        by: Any = None,
        level: Any = None,
        *,
        as_index: bool = True,
        sort: bool = True,
        group_keys: bool = True,
        observed: bool = True,
        dropna: bool = True,
    ) -> GroupBy:
        """Groups rows by keys; the methods of `GroupBy` say what becomes of the groups.

        Parameters
        ----------
        by
            Keys: columns by name or position, index columns by name, expressions of `weft.col`, Series; one or a list.
        level
            Instead: index columns by name or number.
        as_index
            Whether the keys become the result's index; else they are its first columns.
        sort
            Order the groups by their keys, over all ranks. Without it they come by first appearance where the frame is
            not bound, and otherwise in an order that is the same in every run.
        group_keys
            Whether ``apply`` puts the keys before frames' rows.
        dropna
            Leave out rows with a missing key.
        """
        from weft.groupby import GroupBy
        from weft.groupby_keys import Keys

        refuse("groupby", observed=(observed, True, "groups without rows are never made"))
        keys = Keys(
            self,
            by,
            level,
            as_index=bool(as_index),
            sort=bool(sort),
            dropna=bool(dropna),
            group_keys=bool(group_keys),
        )
        return GroupBy(keys)

    def value_counts(
        self,
        subset: Columns | None = None,
        normalize: bool = False,
        sort: bool = True,
        ascending: bool = False,
        dropna: bool = True,
    ) -> Series:
        """How often each combination of values is there: a Series "count" (or shares, "proportion") whose index are the
        values; most frequent first, ties by first appearance. Collective on a bound frame."""
        from weft.value_counts import value_counts

        if subset is None:
            positions = list(range(len(self._index), self._table.num_columns))
        else:
            positions = find_all(self, subset, "value_counts", index_too=False)
        return value_counts(self, positions, normalize, sort, ascending, dropna)
