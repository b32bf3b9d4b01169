"""Values as numbers and flags: `get_dummies`, `factorize`, `cut`, `qcut`. What there is to tell apart is agreed over
all ranks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import find_all, place, refuse
from weft.expression import col
from weft.frame import DataFrame
from weft.pivoting import labels_in
from weft.rows import Rows
from weft.series import Series

if TYPE_CHECKING:
    import numpy
    import pyarrow as pa

__all__ = ["cut", "factorize", "get_dummies", "qcut"]


def get_dummies(
    data: DataFrame | Series,
    prefix: Any = None,
    prefix_sep: Any = "_",
    dummy_na: bool = False,
    columns: Sequence[str] | None = None,
    sparse: bool = False,
    drop_first: bool = False,
    dtype: Any = None,
) -> DataFrame:
    """A column of bool (or `dtype`) for each value of some columns: whether the row has it. The values are those of all
    ranks, in order. Collective on a bound frame.

    Parameters
    ----------
    prefix
        What the columns' names begin with, before `prefix_sep`: a text, one a column, or a dict by column; by default
        the column's name, and of a Series nothing.
    dummy_na
        One more column for missing values.
    columns
        The columns to encode; by default those of texts, bytes, decimals, times of day and dictionaries.
    drop_first
        Without the first value of each.
    """
    import pyarrow as pa

    refuse("get_dummies", sparse=(sparse, False, "columns are dense"))
    frame = data.to_frame() if isinstance(data, Series) else data
    if not isinstance(frame, DataFrame):
        raise TypeError(f"get_dummies: it takes a frame or a Series, not {type(data).__name__}")
    hidden = len(frame.index_names)
    types = frame.schema.types
    names = frame.table.column_names
    if isinstance(data, Series):
        if columns is not None:
            raise ValueError(f"{place(frame.env)}get_dummies: columns is for frames")
        chosen = [hidden]
    elif columns is None:
        chosen = [i for i in range(hidden, len(types)) if _encodable(types[i])]
    elif isinstance(columns, list | tuple):
        chosen = find_all(frame, list(columns), "get_dummies", index_too=False) if columns else []
    else:
        raise TypeError(f"{place(frame.env)}get_dummies: columns is a list of names, not {columns!r}")
    chosen_names = [names[i] for i in chosen]
    of_series = isinstance(data, Series) and prefix is None
    prefixes = _one_each("prefix", chosen_names if prefix is None else prefix, chosen_names, frame)
    separators = _one_each("prefix_sep", prefix_sep, chosen_names, frame)
    flags = pa.bool_() if dtype is None else _type_of(dtype)
    shown = [name for name in frame.columns if name not in chosen_names]
    # Labels are looked up once a row; flags compare their numbers.
    numbers: dict[str, Any] = {}
    made: dict[str, Any] = {}
    for position, name, start, separator in zip(chosen, chosen_names, prefixes, separators, strict=True):
        labels: list[Any] = [label for (label,) in labels_in(frame, [position], "get_dummies")]
        numbers[name] = col(name).map({label: number for number, label in enumerate(labels)}) if labels else col(name)
        if dummy_na:
            labels.append(None)
        for number, label in list(enumerate(labels))[1 if drop_first else 0 :]:
            text = "nan" if label is None else str(label)
            full = text if of_series else f"{start}{separator}{text}"
            if full in made or full in shown:
                raise ValueError(
                    f"{place(frame.env)}get_dummies: the result would have two columns {full!r}; give prefix"
                )
            flag = col(name).isna() if label is None else col(name) == number
            made[full] = flag if pa.types.is_boolean(flags) else flag.cast(flags)
    return frame.select(*shown, **numbers).select(*shown, **made)


def _encodable(type: pa.DataType) -> bool:
    """What pandas has as texts, objects or categories."""
    from pyarrow import types

    return bool(
        types.is_string(type)
        or types.is_large_string(type)
        or types.is_binary(type)
        or types.is_large_binary(type)
        or types.is_fixed_size_binary(type)
        or types.is_dictionary(type)
        or types.is_decimal(type)
        or types.is_time(type)
    )


def _type_of(dtype: Any) -> pa.DataType:
    from weft.dtypes import of_name

    return of_name(dtype, "get_dummies")


def _one_each(what: str, given: Any, names: list[str], frame: DataFrame) -> list[str]:
    if isinstance(given, Mapping):
        return [str(given[name]) for name in names]
    if isinstance(given, str):
        return [given] * len(names)
    listed = [str(one) for one in given]
    if len(listed) != len(names):
        raise ValueError(
            f"{place(frame.env)}get_dummies: {what} has {len(listed)} entries for {len(names)} columns that are encoded"
        )
    return listed


def factorize(
    values: Series, sort: bool = False, use_na_sentinel: bool = True, size_hint: int | None = None
) -> tuple[Series, Series]:
    """Each value's number among the different values, and those values, in the order of first appearance, or with
    `sort` in their own. A missing value is -1, or with ``use_na_sentinel=False`` has a number. Collective on a bound
    Series; the numbers have the Series' index and name."""
    refuse("factorize", size_hint=(size_hint, None, "the size is found"))
    if not isinstance(values, Series):
        raise TypeError(f"factorize: it takes a Series, not {type(values).__name__}")
    frame = values.to_frame()
    hidden = len(frame.index_names)
    name = frame.columns[0]
    plain = Rows._wrap(frame.table.select([hidden]).rename(["v"]), frame.env)
    if sort:
        codes = plain.groupby("v", dropna=use_na_sentinel).ngroup()
    else:
        codes = plain.groupby("v", dropna=use_na_sentinel, sort=False).ngroup()
    numbers = codes.fillna(-1).to_frame().table
    table = _core.beside([frame.table.select(list(range(hidden))), numbers], [*frame.index_names, name])
    unique = plain.drop_duplicates(maintain_order=True)
    if use_na_sentinel:
        unique = unique.dropna()
    if sort:
        unique = unique.sort_values("v")
    return Series(frame.of_same_rows(table)), Series(Rows._wrap(unique.table.rename([name]), frame.env))


# -- bins ------------------------------------------------------------------------------------------------------------


def cut(
    x: Series,
    bins: Any,
    right: bool = True,
    labels: Any = None,
    retbins: bool = False,
    precision: int = 3,
    include_lowest: bool = False,
    duplicates: str = "raise",
    ordered: bool = True,
) -> Any:
    """Which of some bins each number lies in: a Series of texts such as "(0.5, 2.0]", or of `labels`. Collective on a
    bound Series where `bins` is a number.

    Parameters
    ----------
    bins
        So many of equal width between the least and the greatest number; or their edges, rising.
    right
        Whether a bin's right edge belongs to it, else its left one.
    labels
        Texts or numbers, one a bin; False: the bins' numbers from 0.
    retbins
        Also the edges.
    include_lowest
        The first bin has its left edge, too.
    duplicates
        ``"drop"`` leaves out edges that are there twice, which else is an error.
    """
    import numpy

    values = _numbers(x, "cut")
    where = x._where
    if hasattr(bins, "__len__") or hasattr(bins, "__iter__"):
        edges = numpy.asarray(list(bins))
        if edges.ndim != 1 or edges.dtype.kind not in "iuf" or len(edges) < 1:
            raise ValueError(f"{where}cut: bins={bins!r} are no numbers")
        if numpy.any(edges[1:] < edges[:-1]):
            raise ValueError(f"{where}cut: bins must rise")
    else:
        if isinstance(bins, bool) or not hasattr(bins, "__index__") or int(bins) < 1:
            raise ValueError(f"{where}cut: bins={bins!r} is no whole number above 0")
        edges = _even_edges(x, int(bins), right)
    return _binned(x, values, edges, right, labels, retbins, precision, include_lowest, duplicates, ordered, "cut")


def qcut(
    x: Series,
    q: Any,
    labels: Any = None,
    retbins: bool = False,
    precision: int = 3,
    duplicates: str = "raise",
) -> Any:
    """The same of bins between quantiles: `q` bins of about equally many numbers, or between the quantiles of a list.
    Collective on a bound Series."""
    import numpy

    values = _numbers(x, "qcut")
    where = x._where
    if hasattr(q, "__len__"):
        quantiles = [float(one) for one in q]
    else:
        if isinstance(q, bool) or not hasattr(q, "__index__") or int(q) < 1:
            raise ValueError(f"{where}qcut: q={q!r} is no whole number above 0, and no list")
        count = int(q)
        even = numpy.linspace(0, 1, count + 1)
        # A share that is no binary number is taken from above.
        even = numpy.where(count * even != numpy.arange(count + 1), numpy.nextafter(even, 1), even)
        quantiles = [min(1.0, float(one)) for one in even]
    found = x.quantile(quantiles).to_frame()
    whole = found if found.env is None else found.allgather()
    edges = numpy.asarray(whole.to_arrow().column(whole.columns[0]).to_pylist(), dtype=float)
    return _binned(x, values, edges, True, labels, retbins, precision, True, duplicates, True, "qcut")


def _numbers(x: Any, operation: str) -> numpy.ndarray[Any, Any]:
    """This rank's values; missing ones NaN."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from weft.reducing import is_number

    if not isinstance(x, Series):
        raise TypeError(f"{operation}: it takes a Series, not {type(x).__name__}")
    column = x.to_arrow()
    if not is_number(column.type):
        raise TypeError(f"{x._where}{operation}: column {x.name!r} of type {column.type} is no number")
    made: numpy.ndarray[Any, Any] = pc.cast(column, pa.float64(), safe=False).to_numpy()
    return made


def _even_edges(x: Series, bins: int, right: bool) -> numpy.ndarray[Any, Any]:
    import numpy

    least, greatest = float(x.min()), float(x.max())
    if math.isnan(least):
        raise ValueError(f"{x._where}cut: there are no values to lay bins between")
    if math.isinf(least) or math.isinf(greatest):
        raise ValueError(f"{x._where}cut: a number of bins does not go with infinite values")
    if least == greatest:
        least -= 0.001 * abs(least) if least else 0.001
        greatest += 0.001 * abs(greatest) if greatest else 0.001
        return numpy.linspace(least, greatest, bins + 1)
    edges = numpy.linspace(least, greatest, bins + 1)
    widened = (greatest - least) * 0.001
    if right:
        edges[0] -= widened
    else:
        edges[-1] += widened
    return edges


def _binned(
    x: Series,
    values: numpy.ndarray[Any, Any],
    edges: numpy.ndarray[Any, Any],
    right: bool,
    labels: Any,
    retbins: bool,
    precision: int,
    include_lowest: bool,
    duplicates: str,
    ordered: bool,
    operation: str,
) -> Any:
    import numpy
    import pyarrow as pa

    where = x._where
    if duplicates not in ("raise", "drop"):
        raise ValueError(f"{where}{operation}: duplicates={duplicates!r} is unknown; it is raise or drop")
    if not ordered and labels is None:
        raise ValueError(f"{where}{operation}: ordered=False needs labels")
    unique = numpy.unique(edges[~numpy.isnan(edges)]) if not numpy.isnan(edges).all() else edges[:1]
    if len(unique) < len(edges) and len(edges) != 2:
        if duplicates == "raise":
            raise ValueError(
                f"{where}{operation}: edges are there twice: {edges.tolist()}; duplicates='drop' leaves them out"
            )
        edges = unique
    ids = numpy.searchsorted(edges, values, side="left" if right else "right")
    if include_lowest:
        ids[values == edges[0]] = 1
    outside = numpy.isnan(values) | (ids == len(edges)) | (ids == 0)
    numbers = pa.array(ids - 1, pa.int64(), mask=outside)
    if labels is False:
        column = numbers
    else:
        texts = _texts(edges, precision, right, include_lowest) if labels is None else list(labels)
        if labels is not None and len(texts) != len(edges) - 1:
            raise ValueError(f"{where}{operation}: {len(texts)} labels for {len(edges) - 1} bins")
        if labels is not None and ordered and len(set(texts)) != len(texts):
            raise ValueError(f"{where}{operation}: labels are there twice; give ordered=False")
        column = (pa.array(texts) if texts else pa.array([], pa.string())).take(numbers)
    frame = x.to_frame()
    hidden = len(frame.index_names)
    table = _core.beside([frame.table.select(list(range(hidden))), _core.Table.from_stream(pa.table({x.name: column}))])
    made = Series(frame.of_same_rows(table))
    return (made, edges) if retbins else made


def _texts(edges: numpy.ndarray[Any, Any], precision: int, right: bool, include_lowest: bool) -> list[str]:
    """What pandas' intervals are called."""
    digits = next(
        (one for one in range(precision, 20) if len({_rounded(edge, one) for edge in edges}) == len(edges)), precision
    )
    breaks = [_rounded(edge, digits) for edge in edges]
    if right and include_lowest:
        breaks[0] = breaks[0] - 10 ** (-digits)
    if any(isinstance(one, float) for one in breaks):
        breaks = [float(one) for one in breaks]
    opening, closing = ("(", "]") if right else ("[", ")")
    return [f"{opening}{low}, {high}{closing}" for low, high in itertools.pairwise(breaks)]


def _rounded(edge: Any, digits: int) -> Any:
    """An edge rounded to so many digits behind the point, or behind its leading zeros."""
    import numpy

    value = edge.item() if hasattr(edge, "item") else edge
    if not math.isfinite(value) or value == 0:
        return value
    part, whole = math.modf(value)
    places = -math.floor(math.log10(abs(part))) - 1 + digits if whole == 0 else digits
    rounded = numpy.around(value, places)
    return rounded.item() if hasattr(rounded, "item") else rounded
