"""`Output`: writing files."""

from __future__ import annotations

from typing import Any, Literal

from weft.combining import Combining

__all__ = ["Output"]


class Output(Combining):
    """Writing files. Collective on bound frames."""

    __slots__ = ()

    def to_parquet(
        self,
        path: Any,
        *,
        compression: Literal["snappy", "zstd", "gzip", "none"] | None = "snappy",
        index: bool | None = None,
        row_group_rows: int = 1 << 20,
        overwrite: bool | None = None,
    ) -> None:
        """Writes Parquet: a bound frame as a directory of one part a rank, visible whole or not at all; an unbound one
        as one file. Collective on a bound frame.

        Parameters
        ----------
        path
            A path or ``s3://bucket/key``.
        index
            False leaves the index columns out.
        overwrite
            Replace what is there. By default a file is replaced, as by pandas, and a directory is a FileExistsError.
        """
        from weft.files import write_parquet

        frame = self.reset_index(drop=True) if index is False else self._same
        write_parquet(frame, path, compression, row_group_rows, overwrite)

    def to_csv(
        self,
        path: Any,
        sep: str = ",",
        *,
        header: bool = True,
        index: bool = True,
        compression: Literal["none", "gzip"] | None = None,
        overwrite: bool | None = None,
    ) -> None:
        """Writes CSV, as `to_parquet` writes. The index columns come first unless `index` is False; positions are not
        written."""
        from weft.files import write_csv

        write_csv(self._same if index else self.reset_index(drop=True), path, sep, header, compression, overwrite)
