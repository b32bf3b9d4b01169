"""`Combining`: a frame and another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from weft.arguments import refuse
from weft.reductions import Reductions
from weft.rows import Columns

if TYPE_CHECKING:
    from weft.env import Env
    from weft.frame import DataFrame

__all__ = ["Combining"]


class Combining(Reductions):
    """A frame and another one. Collective on bound frames."""

    __slots__ = ()

    def merge(
        self,
        right: DataFrame,
        how: Literal["inner", "left", "right", "outer"] = "inner",
        on: Columns | None = None,
        left_on: Columns | None = None,
        right_on: Columns | None = None,
        left_index: bool = False,
        right_index: bool = False,
        sort: bool = False,
        suffixes: tuple[str | None, str | None] = ("_x", "_y"),
        copy: bool | None = None,
        indicator: bool = False,
        validate: str | None = None,
        *,
        algorithm: Literal["hash", "sort"] | None = None,
        env: Env | None = None,
    ) -> DataFrame:
        """Joins two frames on equal keys, as pandas' ``merge`` does. Collective on bound frames or with `env`.

        Parameters
        ----------
        how
            ``"inner"``, ``"left"``, ``"right"`` or ``"outer"``.
        on, left_on, right_on
            Key columns by name or position; by default all columns that both sides have. Keys of a pair must have the
            same type. Missing keys (null, NaN) equal each other.
        sort
            Order the result by the keys. Without it the order is the same in every run, and no more is promised.
        suffixes
            For columns of one name that are on both sides and are no key.
        algorithm
            ``"hash"`` (default) or ``"sort"``; the sort join's result is ordered by the keys.
        env
            Takes both frames as this rank's parts of one whole; the result is bound to it.

        Raises
        ------
        KeyError
            A key column is not there.
        TypeError
            A type cannot be a key, or the two sides' keys have different types.
        ValueError
            An option is unknown, keys do not pair up, or the result would have a column name twice.
        """
        from weft.merge import merge

        refuse(
            "merge",
            left_index=(left_index, False, "name the index columns in left_on"),
            right_index=(right_index, False, "name the index columns in right_on"),
            copy=(copy, None, "frames do not change, so nothing needs a copy"),
            indicator=(indicator, False, "assign a constant column to each side before the merge"),
            validate=(validate, None, "count the keys by groupby(...).size()"),
        )
        return merge(self._same, right, how, on, left_on, right_on, sort, suffixes, algorithm, env)
