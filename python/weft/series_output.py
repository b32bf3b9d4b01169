"""`SeriesOutput`: a Series written to files and as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from weft.series_places import SeriesPlaces

__all__ = ["SeriesOutput"]


class SeriesOutput(SeriesPlaces):
    """Writing files, which is collective where it is bound, and this rank's rows as text, which is local."""

    __slots__ = ()

    def to_csv(
        self,
        path_or_buf: Any = None,
        *,
        sep: str = ",",
        na_rep: str = "",
        float_format: str | None = None,
        columns: Sequence[str] | None = None,
        header: bool | Sequence[str] = True,
        index: bool = True,
        index_label: None = None,
        mode: Literal["w"] = "w",
        encoding: Literal["utf-8"] | None = None,
        compression: Literal["infer", "gzip", "bz2", "zstd", "none"] | None = "infer",
        quoting: int | None = None,
        quotechar: str = '"',
        lineterminator: Literal["\n"] | None = None,
        chunksize: None = None,
        date_format: None = None,
        doublequote: bool = True,
        escapechar: None = None,
        decimal: str = ".",
        errors: str = "strict",
        storage_options: None = None,
        overwrite: bool | None = None,
    ) -> None:
        """Writes the index and the values as CSV; see `DataFrame.to_csv`."""
        self._frame.to_csv(
            path_or_buf, sep=sep, na_rep=na_rep, float_format=float_format, columns=columns, header=header, index=index,
            index_label=index_label, mode=mode, encoding=encoding, compression=compression, quoting=quoting,
            quotechar=quotechar, lineterminator=lineterminator, chunksize=chunksize, date_format=date_format,
            doublequote=doublequote, escapechar=escapechar, decimal=decimal, errors=errors,
            storage_options=storage_options, overwrite=overwrite,
        )  # fmt: skip

    def to_json(
        self,
        path_or_buf: Any = None,
        *,
        orient: Literal["records"] | None = None,
        date_format: Literal["iso"] | None = None,
        double_precision: int = 10,
        force_ascii: bool = True,
        date_unit: str = "ms",
        default_handler: None = None,
        lines: bool = False,
        compression: Literal["infer", "gzip", "bz2", "zstd", "none"] | None = "infer",
        index: bool | None = None,
        indent: None = None,
        storage_options: None = None,
        mode: Literal["w"] = "w",
        overwrite: bool | None = None,
    ) -> None:
        """Writes JSON lines, as a frame of this column does: an object a row, of the name and the value, which
        `weft.read_json` reads; see `DataFrame.to_json`."""
        self._frame.to_json(
            path_or_buf, orient=orient, date_format=date_format, double_precision=double_precision,
            force_ascii=force_ascii, date_unit=date_unit, default_handler=default_handler, lines=lines,
            compression=compression, index=index, indent=indent, storage_options=storage_options, mode=mode,
            overwrite=overwrite,
        )  # fmt: skip

    def to_string(
        self,
        buf: Any = None,
        *,
        na_rep: str = "NaN",
        float_format: Any = None,
        header: bool = True,
        index: bool = True,
        length: bool = False,
        dtype: bool = False,
        name: bool = False,
        max_rows: int | None = None,
        min_rows: int | None = None,
    ) -> str | None:
        """This rank's rows as lines, as pandas writes what ``to_pandas()`` gives; see `DataFrame.to_string`."""
        made: str | None = self._frame.to_pandas()[self.name].to_string(
            buf, na_rep=na_rep, float_format=float_format, header=header, index=index, length=length, dtype=dtype,
            name=name, max_rows=max_rows, min_rows=min_rows,
        )  # fmt: skip
        return made

    def to_markdown(
        self, buf: Any = None, *, mode: str = "wt", index: bool = True, storage_options: None = None, **kwargs: Any
    ) -> str | None:
        """This rank's rows as a table of Markdown, as `DataFrame.to_markdown`."""
        return self._frame.to_markdown(buf, mode=mode, index=index, storage_options=storage_options, **kwargs)
