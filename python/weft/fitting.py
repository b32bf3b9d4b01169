"""`Fitted`: what is learned of columns over all ranks and then done to frames, in the manner of scikit-learn."""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any, Self

from weft.arguments import place, refuse
from weft.dtypes import family
from weft.frame import DataFrame
from weft.reducing import reduce_many

if TYPE_CHECKING:
    import numpy
    import pyarrow as pa

__all__ = ["Fitted", "float_type", "statistics"]


class Fitted:
    """What scalers, imputers and encoders have in common.

    The names, arguments and attributes are scikit-learn's; ``X`` is a `weft.DataFrame`, and so is what comes out, with
    ``X``'s index and bound as it is. ``fit`` is collective on a bound frame and learns from the rows of all ranks;
    every rank then has the same attributes. ``transform`` looks at a row at a time.
    """

    feature_names_in_: numpy.ndarray[Any, Any]
    n_features_in_: int

    def fit_transform(self, X: DataFrame, y: Any = None) -> DataFrame:  # noqa: N803
        """``fit(X).transform(X)``."""
        return self.fit(X, y).transform(X)

    def fit(self, X: DataFrame, y: Any = None) -> Self:  # noqa: N803
        """Learns from the rows of all ranks; `y` is not looked at. Collective on a bound frame."""
        raise NotImplementedError

    def transform(self, X: DataFrame) -> DataFrame:  # noqa: N803
        """A frame of the same rows."""
        raise NotImplementedError

    def get_feature_names_out(self, input_features: Any = None) -> numpy.ndarray[Any, Any]:
        """The columns of what `transform` gives."""
        self._check_fitted("get_feature_names_out")
        refuse(self._called("get_feature_names_out"), input_features=(input_features, None, "they are the frame's"))
        return self.feature_names_in_

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments it was made with."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Other arguments, for the next `fit`."""
        known = inspect.signature(type(self)).parameters
        for name, value in params.items():
            if name not in known:
                raise ValueError(f"{type(self).__name__}: there is no argument {name!r}; there are {', '.join(known)}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        shown = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if value is not inspect.signature(type(self)).parameters[name].default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    # -- for those above ------------------------------------------------------------------------------------------

    def _called(self, method: str) -> str:
        return f"{type(self).__name__}.{method}"

    def _check_fitted(self, method: str) -> None:
        if not hasattr(self, "n_features_in_"):
            raise ValueError(f"{self._called(method)}: it is not fitted yet; call fit first")

    def _learn(self, frame: Any, numbers: bool = True) -> str:
        """Takes the names of the frame's columns; where errors are. TypeError for what is no frame, or with `numbers`
        has columns of something else."""
        import numpy

        if not isinstance(frame, DataFrame):
            raise TypeError(f"{self._called('fit')}: X is a weft.DataFrame, not {type(frame).__name__}")
        where = f"{place(frame.env)}{self._called('fit')}"
        if not frame.columns:
            raise ValueError(f"{where}: X has no columns")
        if numbers:
            _check_numbers(frame, where)
        if frame.total_rows() == 0:
            raise ValueError(f"{where}: X has no rows to learn from")
        self.feature_names_in_ = numpy.array(frame.columns, dtype=object)
        self.n_features_in_ = len(frame.columns)
        return where

    def _known(self, frame: Any, method: str, numbers: bool = True) -> list[str]:
        """The frame's columns, which must be those of `fit`."""
        self._check_fitted(method)
        if not isinstance(frame, DataFrame):
            raise TypeError(f"{self._called(method)}: X is a weft.DataFrame, not {type(frame).__name__}")
        where = f"{place(frame.env)}{self._called(method)}"
        if frame.columns != list(self.feature_names_in_):
            raise ValueError(
                f"{where}: X has the columns {frame.columns}, it was fitted to {list(self.feature_names_in_)}; "
                "the same ones are needed, in the same order"
            )
        if numbers:
            _check_numbers(frame, where)
        return frame.columns


def _check_numbers(frame: DataFrame, where: str) -> None:
    for name, kind in frame.dtypes.items():
        if family(kind) not in ("bool", "int", "float"):
            raise TypeError(f"{where}: column {name!r} has type {kind}; it takes columns of numbers")


def statistics(frame: DataFrame, functions: tuple[str, ...], where: str) -> dict[str, numpy.ndarray[Any, Any]]:
    """Reductions of each column, in one exchange: {function: values}, variances with a divisor of n. ValueError where a
    column has infinities, which they would swallow."""
    import numpy

    hidden = len(frame.index_names)
    wanted = [
        (function, position)
        for function in dict.fromkeys([*functions, "min", "max"])
        for position in range(hidden, frame.table.num_columns)
    ]
    width = len(frame.columns)
    values = reduce_many(frame, wanted, where, ddof=0)
    rows = [values[begin : begin + width] for begin in range(0, len(values), width)]
    made = dict(zip(dict.fromkeys(function for function, _ in wanted), rows, strict=True))
    for name, least, greatest in zip(frame.columns, made["min"], made["max"], strict=True):
        if math.isinf(least) or math.isinf(greatest):
            raise ValueError(f"{where}: column {name!r} has infinite values")
    return {function: numpy.array(made[function], dtype=numpy.float64) for function in made}


def float_type(kind: pa.DataType) -> pa.DataType:
    """What a column of numbers becomes: float32 stays, everything else is a double."""
    import pyarrow as pa

    return kind if kind == pa.float32() else pa.float64()
