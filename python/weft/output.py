"""`Output`: writing files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from weft.reshaping import Reshaping

__all__ = ["Output"]


class Output(Reshaping):
    """Writing files. Collective on bound frames: a directory of one part a rank, visible whole or not at all; an
    unbound frame is one file. `path` is a path or ``s3://bucket/key``. `overwrite` replaces what is there; by default a
    file is replaced, as by pandas, and a directory is a FileExistsError."""

    __slots__ = ()

    def to_parquet(
        self,
        path: Any = None,
        *,
        engine: Literal["auto", "pyarrow"] = "auto",
        compression: Literal["snappy", "zstd", "gzip", "brotli", "lz4", "none"] | None = "snappy",
        index: bool | None = None,
        partition_cols: Sequence[str] | str | None = None,
        storage_options: None = None,
        filesystem: None = None,
        row_group_rows: int = 1 << 20,
        metadata_file: bool = False,
        overwrite: bool | None = None,
    ) -> None:
        """Writes Parquet. The index is kept, for Weft and for pandas.

        Parameters
        ----------
        path
            Where; None (pandas: give the bytes back) is refused.
        index
            False leaves the index columns out.
        partition_cols
            Columns whose values become directories, such as ``year=2013/carrier=AA``; also of an unbound frame.
        row_group_rows
            Rows of a row group.
        metadata_file
            Write ``_metadata`` and ``_common_metadata`` beside the parts of a directory.
        """
        from weft.files import refuse_foreign
        from weft.parquet import refuse_engine, write_parquet

        refuse_engine("to_parquet", engine)
        refuse_foreign("to_parquet", storage_options=storage_options, filesystem=filesystem)
        frame = self.reset_index(drop=True) if index is False else self._same
        write_parquet(frame, path, compression, row_group_rows, partition_cols, metadata_file, overwrite)

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
        """Writes CSV as pandas does. The index columns come first unless `index` is False; positions are not written.

        Parameters
        ----------
        path_or_buf
            Where; None (pandas: give the text back) is refused.
        na_rep
            What missing values are.
        float_format
            One printf conversion, such as ``"%.3f"``.
        columns
            The columns to write, in this order.
        header
            Whether there is one, or its names for the columns that are no index.
        compression
            ``"infer"``: by the path's extension, none for a directory's parts.
        quoting
            `csv.QUOTE_MINIMAL`, `csv.QUOTE_ALL` or `csv.QUOTE_NONNUMERIC`.
        """
        from weft.arguments import place, refuse
        from weft.csv_files import write_csv
        from weft.files import refuse_foreign

        where = f"{place(self._env)}to_csv"
        refuse(
            where,
            index_label=(index_label, None, "rename the index first"),
            mode=(mode, "w", "a file is written at once"),
            chunksize=(chunksize, None, "a file is written at once"),
            date_format=(date_format, None, "dates are ISO 8601"),
            doublequote=(doublequote, True, "a quote within quotes is two"),
            escapechar=(escapechar, None, "a quote within quotes is two"),
            decimal=(decimal, ".", "it is a point"),
            errors=(errors, "strict", "texts are UTF-8 already"),
        )
        refuse_foreign(where, storage_options=storage_options)
        frame = self._same if columns is None else self._same[list(columns)]
        write_csv(
            frame if index else frame.reset_index(drop=True), path_or_buf, sep, na_rep, float_format, header,
            encoding, compression, quoting, quotechar, lineterminator, overwrite,
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
        """Writes JSON lines, an object a row: ``orient="records", lines=True``, which must be given. Floats have all
        their digits, dates and times are ISO 8601 text. The index columns come first if `index` is True; by default
        they are left out, as by pandas."""
        from weft.arguments import place, refuse
        from weft.files import refuse_foreign
        from weft.json_files import write_json

        where = f"{place(self._env)}to_json"
        if orient != "records" or lines is not True:
            raise ValueError(
                f"{where}: orient={orient!r}, lines={lines!r} is not taken; it is orient='records', lines=True"
            )
        if date_format not in (None, "iso"):
            raise ValueError(f"{where}: date_format={date_format!r} is not taken; it is 'iso'")
        refuse(
            where,
            double_precision=(double_precision, 10, "floats have all their digits; round them first"),
            date_unit=(date_unit, "ms", "times have all their digits"),
            default_handler=(default_handler, None, "make the column text first"),
            indent=(indent, None, "a line is an object"),
            mode=(mode, "w", "a file is written at once"),
        )
        refuse_foreign(where, storage_options=storage_options)
        frame = self._same if index else self.reset_index(drop=True)
        write_json(frame, path_or_buf, compression, force_ascii, overwrite)

    def to_feather(
        self,
        path: Any,
        *,
        compression: Literal["lz4", "zstd", "uncompressed"] | None = "lz4",
        chunksize: int = 1 << 16,
        overwrite: bool | None = None,
    ) -> None:
        """Writes Arrow's IPC file format, which Feather is. The index is kept.

        Parameters
        ----------
        chunksize
            Rows of a record batch.
        """
        from weft.feather_files import write_ipc

        write_ipc(self._same, path, "to_feather", "feather", compression, chunksize, overwrite)

    def to_ipc(
        self,
        path: Any,
        *,
        format: Literal["file", "stream"] = "file",
        compression: Literal["lz4", "zstd", "uncompressed"] | None = None,
        chunksize: int = 1 << 16,
        overwrite: bool | None = None,
    ) -> None:
        """Writes Arrow's IPC format, as a file (whose record batches can be read apart) or as a stream."""
        from weft.arguments import one_of
        from weft.feather_files import write_ipc

        kind = one_of(self._env, "to_ipc", "format", format, ("file", "stream"))
        name = "feather" if kind == "file" else "stream"
        write_ipc(self._same, path, "to_ipc", name, compression, chunksize, overwrite)
