"""`StandardScaler` and `MinMaxScaler`: columns of numbers brought to one scale, learned over all ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from weft.arguments import place, refuse
from weft.expression import Expression, col
from weft.fitting import Fitted, float_type, statistics
from weft.frame import DataFrame

if TYPE_CHECKING:
    import numpy

__all__ = ["MinMaxScaler", "StandardScaler"]

_UNCHANGING = "frames do not change: use the result"


class _Scaler(Fitted):
    """Columns of numbers, each by a formula of its own. Missing values are left out of what is learned, and stay."""

    n_samples_seen_: Any

    def _each(self, frame: DataFrame, method: str, formula: Callable[[Expression, int], Expression]) -> DataFrame:
        names = self._known(frame, method)
        types = frame.dtypes
        return frame.select(
            **{
                name: formula(col(name).astype("float64"), i).astype(float_type(types[name]))
                for i, name in enumerate(names)
            }
        )

    def _count(self, frame: DataFrame, counts: numpy.ndarray[Any, Any]) -> None:
        """How many rows were seen: a number, or of columns with missing values an array."""
        import numpy

        rows = frame.total_rows()
        same = bool((counts == rows).all())
        self.n_samples_seen_ = rows if same else counts.astype(numpy.int64)


class StandardScaler(_Scaler):
    """Columns less their mean, divided by their standard deviation (with a divisor of n), as scikit-learn's.

    Parameters
    ----------
    with_mean, with_std
        Whether the mean is taken away, and whether it is divided.

    Attributes
    ----------
    mean_, var_, scale_
        One number a column; None where it is not used. A column that does not vary has the scale 1.
    n_samples_seen_
        Rows, or an array by column where values are missing.
    """

    def __init__(self, *, copy: bool = True, with_mean: bool = True, with_std: bool = True) -> None:
        refuse("StandardScaler", copy=(copy, True, _UNCHANGING))
        self.copy = copy
        self.with_mean = with_mean
        self.with_std = with_std
        self.mean_: Any
        self.var_: Any
        self.scale_: Any

    def fit(self, X: DataFrame, y: Any = None, sample_weight: Any = None) -> Self:  # noqa: N803
        """Learns means and variances of all ranks' rows, in one exchange; `y` is not looked at."""
        import numpy

        refuse(self._called("fit"), sample_weight=(sample_weight, None, "rows count alike"))
        where = self._learn(X)
        found = statistics(X, ("count", "mean", "var"), where)
        mean, var, count = found["mean"], found["var"], found["count"]
        self._count(X, count)
        self.mean_ = mean if self.with_mean or self.with_std else None
        self.var_ = self.scale_ = None
        if self.with_std:
            # What rounding leaves of the variance of equal values.
            eps = numpy.finfo(numpy.float64).eps
            constant = var <= count * eps * var + (count * mean * eps) ** 2
            self.var_ = var
            self.scale_ = numpy.where(constant, 1.0, numpy.sqrt(var))
        return self

    def transform(self, X: DataFrame, copy: bool | None = None) -> DataFrame:  # noqa: N803
        """The columns scaled: doubles, of float32 columns float32."""
        refuse(self._called("transform"), copy=(copy, None, _UNCHANGING))

        def scaled(value: Expression, i: int) -> Expression:
            value = value - float(self.mean_[i]) if self.with_mean else value
            return value / float(self.scale_[i]) if self.with_std else value

        return self._each(X, "transform", scaled)

    def inverse_transform(self, X: DataFrame, copy: bool | None = None) -> DataFrame:  # noqa: N803
        """What `transform` gives `X` of."""
        refuse(self._called("inverse_transform"), copy=(copy, None, _UNCHANGING))

        def unscaled(value: Expression, i: int) -> Expression:
            value = value * float(self.scale_[i]) if self.with_std else value
            return value + float(self.mean_[i]) if self.with_mean else value

        return self._each(X, "inverse_transform", unscaled)


class MinMaxScaler(_Scaler):
    """Columns moved and stretched so that their least and greatest value are the ends of a range, as scikit-learn's.

    Parameters
    ----------
    feature_range
        The range.
    clip
        Whether `transform` puts values outside the range at its ends.

    Attributes
    ----------
    data_min_, data_max_, data_range_
        What the columns have, one number a column.
    scale_, min_
        ``transform`` is ``X * scale_ + min_``.
    n_samples_seen_
        Rows.
    """

    def __init__(self, feature_range: tuple[float, float] = (0, 1), *, copy: bool = True, clip: bool = False) -> None:
        refuse("MinMaxScaler", copy=(copy, True, _UNCHANGING))
        self.feature_range = feature_range
        self.copy = copy
        self.clip = clip
        self.data_min_: Any
        self.data_max_: Any
        self.data_range_: Any
        self.scale_: Any
        self.min_: Any

    def fit(self, X: DataFrame, y: Any = None) -> Self:  # noqa: N803
        """Learns the least and the greatest values of all ranks' rows, in one exchange; `y` is not looked at."""
        import numpy

        where = self._learn(X)
        least, greatest = self._range(place(X.env))
        found = statistics(X, ("min", "max"), where)
        self.n_samples_seen_ = X.total_rows()
        self.data_min_, self.data_max_ = found["min"], found["max"]
        self.data_range_ = self.data_max_ - self.data_min_
        tiny = 10 * numpy.finfo(numpy.float64).eps
        self.scale_ = (greatest - least) / numpy.where(self.data_range_ < tiny, 1.0, self.data_range_)
        self.min_ = least - self.data_min_ * self.scale_
        return self

    def _range(self, where: str) -> tuple[float, float]:
        try:
            least, greatest = (float(end) for end in self.feature_range)
        except (TypeError, ValueError):
            raise ValueError(
                f"{where}MinMaxScaler: feature_range={self.feature_range!r} is no pair of numbers"
            ) from None
        if not least < greatest:
            raise ValueError(f"{where}MinMaxScaler: feature_range={self.feature_range!r} does not rise")
        return least, greatest

    def transform(self, X: DataFrame) -> DataFrame:  # noqa: N803
        """The columns scaled: doubles, of float32 columns float32."""
        made = self._each(X, "transform", lambda value, i: value * float(self.scale_[i]) + float(self.min_[i]))
        return made.clip(*self._range(place(X.env))) if self.clip else made

    def inverse_transform(self, X: DataFrame) -> DataFrame:  # noqa: N803
        """What `transform` gives `X` of."""
        return self._each(
            X, "inverse_transform", lambda value, i: (value - float(self.min_[i])) / float(self.scale_[i])
        )
