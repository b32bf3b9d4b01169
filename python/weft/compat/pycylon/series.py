"""`Series`: one column of values with a name."""

from __future__ import annotations

from typing import Any

import weft

__all__ = ["Series"]


class Series:
    """Values over a `weft.Series`; a name is its id."""

    def __init__(self, series_id: str | None = None, data: Any = None) -> None:
        self._id = series_id
        self._series = weft.Series([] if data is None else data)

    @property
    def id(self) -> str | None:
        """The name."""
        return self._id

    @property
    def data(self) -> Any:
        """The values, as Arrow has them."""
        return self._series.to_arrow().combine_chunks()

    @property
    def dtype(self) -> Any:
        """The values' Arrow type."""
        return self._series.dtype

    @property
    def shape(self) -> int:
        """How many values."""
        return len(self._series)

    def __len__(self) -> int:
        return len(self._series)

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, bool) or not isinstance(item, int | slice):
            raise ValueError(f"Series[...]: {item!r} is neither a position nor a slice")
        return self.data[item]

    def __repr__(self) -> str:
        return repr(self._series)
