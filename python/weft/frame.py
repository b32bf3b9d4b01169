"""`DataFrame`: rows on this rank, or one table over all ranks.

Its methods are in the layers below it, a topic a file: `Rows`, `Indexing`, `Elementwise`, `Ordering`, `Reductions`,
`Combining`, `Output`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft.arguments import refuse
from weft.expression import Expression
from weft.output import Output
from weft.rows import Columns

if TYPE_CHECKING:
    from weft.groupby import GroupBy

__all__ = ["DataFrame"]


class DataFrame(Output):
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
        Bind the frame: `data` is this rank's part of the whole. Local; ranks must give the same columns and types.

    Raises
    ------
    TypeError
        The data is nothing of the above.
    ValueError
        Columns of unequal length, a name that is there twice, or several levels of column names.
    """

    __slots__ = ("__weakref__",)

    def groupby(
        self,
        by: Columns | None = None,
        level: Any = None,
        *,
        as_index: bool = True,
        sort: bool = True,
        group_keys: bool = True,
        observed: bool = True,
        dropna: bool = True,
    ) -> GroupBy:
        """Groups rows by key columns; call ``agg``, ``sum``, ``count``, ``size``, ``mean``, ``min`` or ``max`` on it.

        Parameters
        ----------
        by
            Key columns by name or position.
        as_index
            Whether the keys become the result's index; else they are its first columns.
        sort
            Order the groups by their keys, over all ranks.
        dropna
            Leave out rows with a missing key.
        """
        from weft.groupby import GroupBy

        refuse(
            "groupby",
            level=(level, None, "name the index columns in by"),
            group_keys=(group_keys, True, "it only matters to apply, which is not there"),
            observed=(observed, True, "groups without rows are never made"),
        )
        if by is None:
            raise ValueError("groupby: name the key columns in by")
        if callable(by) or isinstance(by, dict | Expression):
            raise ValueError("groupby: by is a column or a list of columns; assign an expression's column first")
        return GroupBy(self, by, as_index=bool(as_index), sort=bool(sort), dropna=bool(dropna))
