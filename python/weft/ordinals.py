"""`OrdinalEncoder`: texts and other labels as numbers, agreed over all ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from weft.agreement import agreed
from weft.arguments import choose_env, one_of, place
from weft.fitting import Fitted
from weft.frame import DataFrame
from weft.pivoting import labels_in

if TYPE_CHECKING:
    import numpy

__all__ = ["OrdinalEncoder"]


class OrdinalEncoder(Fitted):
    """Each value as its number among the different values of its column, in their order, as scikit-learn's.

    Parameters
    ----------
    categories
        ``"auto"``: the values of all ranks' rows, in order; or a list of values for each column, in the order of their
        numbers.
    dtype
        The type of the numbers, by its name.
    handle_unknown
        What to do with values that `fit` did not see: ``"error"``, or ``"use_encoded_value"``: `unknown_value`.
    encoded_missing_value
        The number for missing values: by default missing.

    Attributes
    ----------
    categories_
        An array of values a column; the missing one is not among them.
    """

    def __init__(
        self,
        *,
        categories: Any = "auto",
        dtype: Any = "float64",
        handle_unknown: str = "error",
        unknown_value: float | None = None,
        encoded_missing_value: float = math.nan,
    ) -> None:
        self.categories = categories
        self.dtype = dtype
        self.handle_unknown = handle_unknown
        self.unknown_value = unknown_value
        self.encoded_missing_value = encoded_missing_value
        self.categories_: list[numpy.ndarray[Any, Any]]

    def fit(self, X: DataFrame, y: Any = None) -> Self:  # noqa: N803
        """Learns the values of all ranks' rows, at most 10,000 a column; `y` is not looked at."""
        import numpy

        env = getattr(X, "env", None)
        one_of(env, "OrdinalEncoder", "handle_unknown", self.handle_unknown, ("error", "use_encoded_value"))
        where = self._learn(X, numbers=False)
        if (self.handle_unknown == "error") != (self.unknown_value is None):
            raise ValueError(f"{where}: unknown_value is a number with handle_unknown='use_encoded_value', else None")
        if isinstance(self.categories, str):
            one_of(env, "OrdinalEncoder", "categories", self.categories, ("auto",))
            hidden = len(X.index_names)
            found: list[Sequence[Any]] = [
                [label for (label,) in labels_in(X, [hidden + i], where)] for i in range(len(X.columns))
            ]
        else:
            found = [list(values) for values in self.categories]
            if len(found) != len(X.columns):
                raise ValueError(f"{where}: categories has {len(found)} lists for {len(X.columns)} columns")
        self.categories_ = []
        for values in found:
            array = numpy.empty(len(values), dtype=object)
            array[:] = values
            self.categories_.append(array)
        return self

    def transform(self, X: DataFrame) -> DataFrame:  # noqa: N803
        """The numbers. Collective on a bound frame: a value that `fit` did not see is an error on every rank, unless
        `handle_unknown` says otherwise."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from weft.dtypes import of_name
        from weft.functions import with_columns

        names = self._known(X, "transform", numbers=False)
        env = choose_env(self._called("transform"), None, X)
        kind = of_name(self.dtype, self._called("transform"))
        hidden = len(X.index_names)

        def encode() -> tuple[dict[str, pa.ChunkedArray], None]:
            made = {}
            for name, column, values in zip(names, pa.table(X.table).columns[hidden:], self.categories_, strict=True):
                plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
                known = pa.array(values.tolist(), plain.type) if len(values) else pa.nulls(0, plain.type)
                missing = pc.is_null(plain, nan_is_null=True)
                numbers = pc.index_in(plain, value_set=known).cast(pa.float64())
                unknown = pc.and_(pc.invert(missing), pc.is_null(numbers))
                if self.unknown_value is not None:
                    numbers = pc.if_else(unknown, float(self.unknown_value), numbers)
                elif pc.any(unknown).as_py():
                    first = plain.filter(unknown)[0].as_py()
                    raise ValueError(
                        f"{place(env)}{self._called('transform')}: column {name!r} has the unknown value {first!r}"
                    )
                filler = (
                    pa.scalar(None, pa.float64())
                    if math.isnan(self.encoded_missing_value)
                    else float(self.encoded_missing_value)
                )
                made[name] = pc.if_else(missing, filler, numbers).cast(kind)
            return made, None

        made, _ = agreed(env, self._called("transform"), encode)
        return with_columns(X, made, self._called("transform"))

    def inverse_transform(self, X: DataFrame) -> DataFrame:  # noqa: N803
        """The values of numbers that `transform` gave; what is no number of one is missing."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from weft.functions import with_columns

        names = self._known(X, "inverse_transform")
        columns = pa.table(X.table).columns[len(X.index_names) :]
        made = {}
        for name, column, values in zip(names, columns, self.categories_, strict=True):
            wanted = pc.cast(column, pa.float64()).cast(pa.int64(), safe=False)
            known = pa.array(values.tolist())
            inside = pc.and_(pc.greater_equal(wanted, 0), pc.less(wanted, len(known)))
            rows = pc.if_else(pc.fill_null(inside, False), wanted, pa.scalar(None, pa.int64()))
            made[name] = known.take(rows.combine_chunks() if isinstance(rows, pa.ChunkedArray) else rows)
        return with_columns(X, {name: pa.chunked_array([made[name]]) for name in made}, "inverse_transform")
