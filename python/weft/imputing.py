"""`SimpleImputer`: something in place of what is missing, learned over all ranks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

from weft.arguments import one_of, place, refuse
from weft.dtypes import family
from weft.expression import col
from weft.fitting import Fitted, float_type, statistics
from weft.frame import DataFrame
from weft.reducing import reduce_many

if TYPE_CHECKING:
    import numpy
    import pyarrow as pa

__all__ = ["SimpleImputer"]

_STRATEGIES = ("mean", "median", "most_frequent", "constant")


class SimpleImputer(Fitted):
    """Puts something in place of what is missing (null or NaN), column by column, as scikit-learn's.

    Parameters
    ----------
    missing_values
        NaN or None: what is missing in Weft.
    strategy
        ``"mean"`` or ``"median"`` of a column's numbers; its ``"most_frequent"`` value, the least of several, also of
        texts; or a ``"constant"``.
    fill_value
        The constant: by default 0, or "missing_value" of texts.
    add_indicator
        Whether a column "missingindicator_x" of 0.0 and 1.0 comes behind for each column "x" in which values were
        missing when it was fitted.
    keep_empty_features
        Whether columns without any value when it was fitted stay (filled with 0, or the constant); else `transform`
        leaves them out.

    Attributes
    ----------
    statistics_
        What is put in, one value a column; NaN of one without values.
    indicator_features_
        The columns that have an indicator.
    """

    def __init__(
        self,
        *,
        missing_values: Any = math.nan,
        strategy: str = "mean",
        fill_value: Any = None,
        copy: bool = True,
        add_indicator: bool = False,
        keep_empty_features: bool = False,
    ) -> None:
        refuse("SimpleImputer", copy=(copy, True, "frames do not change: use the result"))
        if not (missing_values is None or (isinstance(missing_values, float) and math.isnan(missing_values))):
            raise ValueError(f"SimpleImputer: missing_values={missing_values!r} is not taken; missing is null or NaN")
        self.missing_values = missing_values
        self.strategy = strategy
        self.fill_value = fill_value
        self.copy = copy
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features
        self.statistics_: numpy.ndarray[Any, Any]
        self.indicator_features_: list[str]

    def fit(self, X: DataFrame, y: Any = None) -> Self:  # noqa: N803
        """Learns from the rows of all ranks; `y` is not looked at."""
        import numpy

        one_of(getattr(X, "env", None), "SimpleImputer", "strategy", self.strategy, _STRATEGIES)
        of_numbers = self.strategy in ("mean", "median")
        where = self._learn(X, numbers=of_numbers)
        rows = X.total_rows()
        hidden = len(X.index_names)
        counts = reduce_many(X, [("count", hidden + i) for i in range(len(X.columns))], where)
        if of_numbers:
            found = statistics(X, ("mean",), where)["mean"].tolist()
            if self.strategy == "median":
                medians = X.astype("float64").median()
                found = [medians[name] for name in X.columns]
        elif self.strategy == "most_frequent":
            found = [_most_frequent(X, name) for name in X.columns]
        else:
            found = [self._constant(where, name, kind) for name, kind in X.dtypes.items()]
        self._empty = [count == 0 for count in counts]
        of_empty: Any = 0 if self.keep_empty_features else math.nan
        kept = self.keep_empty_features and self.strategy == "constant"
        shown = [of_empty if empty and not kept else one for one, empty in zip(found, self._empty, strict=True)]
        plain = all(isinstance(one, int | float) for one in shown)
        self.statistics_ = numpy.array(shown, dtype=numpy.float64 if plain else object)
        self._fillers = shown
        self.indicator_features_ = [
            name for name, count in zip(X.columns, counts, strict=True) if self.add_indicator and count < rows
        ]
        return self

    def _constant(self, where: str, name: str, kind: pa.DataType) -> Any:
        number = family(kind) in ("bool", "int", "float", "decimal")
        if self.fill_value is None:
            return 0 if number else "missing_value"
        if number and not isinstance(self.fill_value, int | float):
            raise ValueError(f"{where}: fill_value={self.fill_value!r} does not fit column {name!r} of type {kind}")
        return self.fill_value

    def transform(self, X: DataFrame) -> DataFrame:  # noqa: N803
        """The columns without missing values. Means and medians make integers doubles."""
        of_numbers = self.strategy in ("mean", "median")
        names = self._known(X, "transform", numbers=of_numbers)
        types = X.dtypes
        made: dict[str, Any] = {}
        for name, filler, empty in zip(names, self._fillers, self._empty, strict=True):
            if empty and not self.keep_empty_features:
                continue
            column = col(name)
            if of_numbers:
                column = column.astype(float_type(types[name]))
            made[name] = column.fillna(filler)
        for name in self.indicator_features_:
            made[f"missingindicator_{name}"] = col(name).isna().astype("float64")
        if not made:
            raise ValueError(f"{place(X.env)}{self._called('transform')}: no column had a value when it was fitted")
        return X.select(**made)

    def get_feature_names_out(self, input_features: Any = None) -> numpy.ndarray[Any, Any]:
        """The columns of what `transform` gives."""
        import numpy

        names = super().get_feature_names_out(input_features)
        kept = [name for name, empty in zip(names, self._empty, strict=True) if self.keep_empty_features or not empty]
        return numpy.array([*kept, *(f"missingindicator_{name}" for name in self.indicator_features_)], dtype=object)


def _most_frequent(frame: DataFrame, name: str) -> Any:
    found = frame[[name]].reset_index(drop=True).mode().to_arrow().column(0)
    return found[0].as_py() if len(found) else math.nan
