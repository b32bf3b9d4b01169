"""`Combining`: a frame and another one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from weft.arguments import refuse
from weft.reductions import Reductions
from weft.rows import Columns

if TYPE_CHECKING:
    from weft.env import Env
    from weft.frame import DataFrame
    from weft.series import Series

__all__ = ["Combining"]


class Combining(Reductions):
    """A frame and another one. Collective on bound frames."""

    __slots__ = ()

    def merge(
        self,
        right: DataFrame | Series,
        how: Literal["inner", "left", "right", "outer", "cross", "left_semi", "left_anti", "right_anti"] = "inner",
        on: Columns | None = None,
        left_on: Columns | None = None,
        right_on: Columns | None = None,
        left_index: bool = False,
        right_index: bool = False,
        sort: bool = False,
        suffixes: tuple[str | None, str | None] = ("_x", "_y"),
        copy: bool | None = None,
        indicator: bool | str = False,
        validate: str | None = None,
        *,
        algorithm: Literal["hash", "sort", "broadcast", "auto"] | None = None,
        maintain_order: bool = False,
        columns: Sequence[str] | None = None,
        env: Env | None = None,
    ) -> DataFrame:
        """Joins two frames on equal keys, as pandas' ``merge`` does. Collective on bound frames or with `env`.

        Parameters
        ----------
        right
            A frame, or a Series as a frame of one column.
        how
            ``"inner"``, ``"left"``, ``"right"``, ``"outer"``; ``"cross"``: every pair, without keys; ``"left_anti"``
            and ``"right_anti"``: the rows of one side whose key the other has not, with the other's columns missing, as
            in pandas; ``"left_semi"`` (Weft's own): the left's rows whose key the right has, each once, and the left's
            columns alone.
        on, left_on, right_on
            Key columns by name or position; by default all columns that both sides have. Keys of a pair must have the
            same type; numbers of two types, and timestamps of two units, are cast to a common one. Missing keys (null,
            NaN) equal each other.
        left_index, right_index
            The index is the key. With both, the result has the index; with one of them, the key is called as on the
            side that names columns, and the result has that side's index.
        sort
            Order the result by the keys. Without it the order is the same in every run, and no more is promised.
        suffixes
            For columns of one name that are on both sides and are no key.
        indicator
            Adds a last column, ``"_merge"`` or of the name given, that says of each row ``"left_only"``,
            ``"right_only"`` or ``"both"``.
        validate
            ``"1:1"``, ``"1:m"``, ``"m:1"``, ``"m:m"`` (or ``"one_to_one"`` ...): which sides' keys must be unique, over
            all ranks.
        algorithm
            ``"hash"``: rows go to the rank that owns their key; ``"broadcast"``: the smaller side is copied to every
            rank, the other stays where it is; ``"auto"`` (default): one of these, by the sides' sizes; ``"sort"``: the
            result is ordered by the keys.
        maintain_order
            pandas' order of rows: the left's order for inner and left, the right's for right, the keys' for outer.
        columns
            Make these columns of the result alone, in this order; the others are not even moved between ranks. ``[]``
            makes rows without columns, which only count: ``len(df.merge(other, on="k", columns=[]))``.
        env
            Takes both frames as this rank's parts of one whole; the result is bound to it.

        Raises
        ------
        KeyError
            A key column is not there.
        TypeError
            A type cannot be a key, or the two sides' keys have different types.
        ValueError
            An option is unknown, keys do not pair up, the result would have a column name twice, or `validate` finds a
            key twice.
        """
        from weft.merge import merge_frames

        refuse("merge", copy=(copy, None, "frames do not change, so nothing needs a copy"))
        return merge_frames(
            self._same,
            right,
            how,
            on,
            left_on,
            right_on,
            left_index,
            right_index,
            sort,
            suffixes,
            indicator,
            validate,
            algorithm,
            maintain_order,
            columns,
            env,
        )

    def join(
        self,
        other: DataFrame | Series | Iterable[DataFrame | Series],
        on: Columns | None = None,
        how: Literal["left", "right", "inner", "outer", "cross", "left_semi", "left_anti", "right_anti"] = "left",
        lsuffix: str = "",
        rsuffix: str = "",
        sort: bool = False,
        validate: str | None = None,
        *,
        suffixes: tuple[str | None, str | None] | None = None,
        maintain_order: bool = False,
        env: Env | None = None,
    ) -> DataFrame:
        """Joins frames on their indexes, or columns of this one (`on`) with the index of the other. Collective on bound
        frames or with `env`.

        Frames without an index go side by side, row by row, and must be of equal length. A list of frames is joined one
        after the other. Other arguments are `merge`'s.

        Raises
        ------
        KeyError
            `on` is no column.
        ValueError
            Columns of one name on both sides without a suffix; only one side has an index; unequal lengths.
        """
        from weft.concat import join

        pair = (lsuffix, rsuffix) if suffixes is None else suffixes
        if suffixes is not None and (lsuffix or rsuffix):
            raise ValueError("join: give suffixes, or lsuffix and rsuffix, not both")
        return join(self._same, other, on, how, pair, sort, validate, maintain_order, env)

    def union(self, other: DataFrame | Series, *, all: bool = False, env: Env | None = None) -> DataFrame:
        """Rows that are in either frame, each once; with `all`, all rows of both (SQL's ``UNION`` and ``UNION ALL``).
        Collective on bound frames or with `env`.

        Rows are compared by all columns, which must have the same names (in any order) and types with a common one;
        missing values are equal; the index is lost. Of bound frames, rows then lie by hash: their order is the same in
        every run, and no more is promised. Local ones keep the order of first appearance.
        """
        from weft.sets import combine_sets

        return combine_sets(self._same, other, "union", all, env)

    def intersect(self, other: DataFrame | Series, *, all: bool = False, env: Env | None = None) -> DataFrame:
        """Rows that are in both frames, each once; with `all`, as often as in that frame which has fewer (SQL's
        ``INTERSECT`` and ``INTERSECT ALL``). Else as `union`."""
        from weft.sets import combine_sets

        return combine_sets(self._same, other, "intersect", all, env)

    def difference(self, other: DataFrame | Series, *, all: bool = False, env: Env | None = None) -> DataFrame:
        """Rows that are in this frame and not in the other, each once; with `all`, as many as are left when each row of
        the other has taken one away (SQL's ``EXCEPT`` and ``EXCEPT ALL``). Else as `union`."""
        from weft.sets import combine_sets

        return combine_sets(self._same, other, "difference", all, env)
