"""Reading and writing CSV as pycylon does it: options that are put together call by call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import weft
from weft.compat.pycylon.context import CylonContext, env_of
from weft.compat.pycylon.refusing import hint, whole
from weft.compat.pycylon.table import Table

__all__ = ["CSVReadOptions", "CSVWriteOptions", "read_csv", "read_with"]


class CSVReadOptions:
    """How CSV is read; each method returns the options."""

    def __init__(self) -> None:
        self._options: dict[str, Any] = {}
        self._slice = False

    def use_threads(self, use_thread: bool) -> CSVReadOptions:
        """Changes no result: threads are those of `weft.init`."""
        hint("use_threads", "use_thread", use_thread, (True, False))
        return self

    def block_size(self, block_size: int) -> CSVReadOptions:
        """Changes no result: Weft chooses its blocks."""
        whole("block_size", "block_size", block_size, 1)
        return self

    def slice(self, slice: bool) -> CSVReadOptions:
        """Whether each rank takes its share of one file, instead of all of a file of its own."""
        self._slice = bool(slice)
        return self

    def with_delimiter(self, delimiter: str) -> CSVReadOptions:
        """What is between fields."""
        self._options["sep"] = delimiter
        return self

    def ignore_emptylines(self) -> CSVReadOptions:
        """Lines without anything are no rows, which they are not in any case."""
        return self

    def use_cols(self, cols: Sequence[str]) -> CSVReadOptions:
        """The columns to take."""
        if not isinstance(cols, list) or not cols:
            raise ValueError(f"use_cols: cols={cols!r} is no list of columns")
        self._options["usecols"] = [str(name) for name in cols]
        return self

    def skip_rows(self, rows: int = 0) -> CSVReadOptions:
        """Lines that are passed over at the beginning."""
        self._options["skiprows"] = whole("skip_rows", "rows", rows, 0)
        return self

    def na_values(self, null_values: Sequence[str]) -> CSVReadOptions:
        """Texts that mean a missing value."""
        if not isinstance(null_values, list) or not all(isinstance(text, str) for text in null_values):
            raise ValueError(f"na_values: null_values={null_values!r} is no list of texts")
        self._options["na_values"] = list(null_values)
        return self


class CSVWriteOptions:
    """How CSV is written; each method returns the options."""

    def __init__(self) -> None:
        self._delimiter = ","
        self._names: list[str] | None = None

    def with_delimiter(self, delimiter: str) -> CSVWriteOptions:
        """What is between fields."""
        self._delimiter = delimiter
        return self

    def with_column_names(self, column_names: Sequence[str] = ()) -> CSVWriteOptions:
        """What the columns are called in the file."""
        self._names = list(column_names)
        return self

    def delimiter(self) -> str:
        """What is between fields."""
        return self._delimiter

    def column_names(self) -> list[str]:
        """What the columns are called in the file."""
        return list(self._names or [])

    def is_override_column_names(self) -> bool:
        """Whether they are called otherwise than the table's."""
        return self._names is not None

    def _names_for(self, columns: Sequence[str]) -> bool | list[str]:
        """The header of a table of these columns."""
        if self._names is None:
            return True
        if len(self._names) != len(columns):
            raise ValueError(f"to_csv: {len(self._names)} names for {len(columns)} columns")
        return self._names


def read_with(context: CylonContext | None, path: str, options: CSVReadOptions) -> weft.DataFrame:
    """This rank's rows of a file. Collective where ranks share one."""
    env = context.env if context is not None and options._slice else None
    return weft.read_csv(path, env=env, **options._options)


def read_csv(context: Any, path: str, csv_read_options: CSVReadOptions) -> Table:
    """A file as a `Table`; `context` is a `CylonContext` or a `CylonEnv`."""
    chosen = env_of("read_csv", context)
    return Table(read_with(chosen, path, csv_read_options), chosen)
