"""The engines that are measured, each with the same interface: what a user would pick, and Weft.

An `Engine` takes tables in its own form once (`load`, not timed); `run` does a piece of `Work` once and ends when all
columns of the result are in memory, in the engine's own form; `summary` tells what came out, to compare engines.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: name of a table -> its rows, or the path of a Parquet file of them
Tables = dict[str, Any]


@dataclass
class Work:
    """One question, as each engine is asked it; None where an engine cannot answer."""

    name: str
    #: Made when it is first needed: all tables the question names.
    tables: Callable[[], Tables]
    sql: str | None = None
    polars: Callable[[dict[str, Any]], Any] | None = None
    pandas: Callable[[dict[str, Any]], Any] | None = None
    pyarrow: Callable[[dict[str, Any]], Any] | None = None
    weft: Callable[[dict[str, Any]], Any] | None = None
    #: How many times the bytes of the inputs must be moved, reads and writes alike, before the result is written.
    passes: int = 1
    #: The columns of the inputs that the work must read; None: all.
    reads: tuple[str, ...] | None = None
    #: How many times the fastest peer's speed Weft should have, with threads and over ranks.
    aim: float | None = None
    aim_ranks: float | None = None

    def bytes_in(self, tables: Tables) -> int:
        """Of the columns that must be read; of a file, all of it where they are all, else nothing is known: 0."""
        total = 0
        for table in tables.values():
            if isinstance(table, Path):
                continue
            wanted = table.column_names if self.reads is None else set(self.reads) & set(table.column_names)
            total += sum(table.column(name).nbytes for name in wanted)
        return total


@dataclass
class Summary:
    """Rows, and the sum of each numeric column, least sum first: columns and rows come in any order."""

    rows: int
    sums: list[float]
    #: Of all columns, as Arrow has them.
    bytes: int = 0

    def agrees(self, other: Summary) -> bool:
        close = all(abs(a - b) <= 1e-6 * max(1.0, abs(a), abs(b)) for a, b in zip(self.sums, other.sums, strict=False))
        return self.rows == other.rows and len(self.sums) == len(other.sums) and close


def summarize(table: Any) -> Summary:
    """Of an Arrow table."""
    import pyarrow as pa
    import pyarrow.compute as pc

    sums = []
    for column in table.columns:
        if pa.types.is_decimal(column.type) or pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            values = column.cast(pa.float64())
            values = pc.if_else(pc.is_nan(values), None, values)
            sums.append(float(pc.sum(values).as_py() or 0.0))
    return Summary(table.num_rows, sorted(sums), table.nbytes)


class Engine:
    """What all engines have in common."""

    name = ""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.loaded: dict[str, Any] = {}
        self._made_of: dict[str, Any] = {}

    def load(self, tables: Tables) -> None:
        """Takes tables in; those that it has already stay, all others go."""
        for name in [name for name in self.loaded if name not in tables]:
            self.forget(name)
            del self.loaded[name], self._made_of[name]
        for name, table in tables.items():
            if self._made_of.get(name) is not table:
                self.loaded[name] = self.take(name, table)
                self._made_of[name] = table

    def take(self, name: str, table: Any) -> Any:
        """The table in the engine's own form, in memory; of a file, what the engine reads it by."""
        return table

    def forget(self, name: str) -> None:
        """Frees what the engine itself holds of a table."""

    def question(self, work: Work) -> Callable[[], Any] | None:
        """A function that does the work once; None where the engine cannot."""
        raise NotImplementedError

    def summary(self, result: Any) -> Summary:
        """What came out."""
        return summarize(result)


class Weft(Engine):
    """This process' rows alone, with threads."""

    name = "weft"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import weft

        self.env = weft.init(threads=threads)

    def take(self, name: str, table: Any) -> Any:
        import weft

        return (table, self.env) if isinstance(table, Path) else weft.DataFrame(table, env=self.env)

    def question(self, work: Work) -> Callable[[], Any] | None:
        ask = work.weft
        return None if ask is None else lambda: ask(self.loaded)

    def summary(self, result: Any) -> Summary:
        return summarize(result.to_arrow())


class DataFusion(Engine):
    name = "datafusion"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        from datafusion import SessionConfig, SessionContext

        self.context = SessionContext(SessionConfig().with_target_partitions(threads))

    def take(self, name: str, table: Any) -> Any:
        if name in self.loaded:
            self.forget(name)
        if isinstance(table, Path):
            return self.context.register_parquet(name, str(table))
        return self.context.from_arrow(table, name=name)

    def forget(self, name: str) -> None:
        self.context.deregister_table(name)

    def question(self, work: Work) -> Callable[[], Any] | None:
        sql = work.sql
        return None if sql is None else lambda: self.context.sql(sql).collect()

    def summary(self, result: Any) -> Summary:
        import pyarrow as pa

        return summarize(pa.Table.from_batches(result))


class DuckDB(Engine):
    name = "duckdb"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import duckdb

        self.connection = duckdb.connect()
        self.connection.execute(f"SET threads = {threads}")
        self.connection.execute("SET preserve_insertion_order = false")

    def take(self, name: str, table: Any) -> Any:
        if isinstance(table, Path):
            self.connection.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM read_parquet('{table}')")
            return "VIEW"
        self.connection.register("taken", table)
        self.connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM taken")
        self.connection.unregister("taken")
        return "TABLE"

    def forget(self, name: str) -> None:
        self.connection.execute(f"DROP {self.loaded[name]} {name}")

    def question(self, work: Work) -> Callable[[], Any] | None:
        sql = work.sql
        return None if sql is None else lambda: self.connection.sql(sql).to_arrow_table()


class Polars(Engine):
    name = "polars"
    engine = "in-memory"

    def take(self, name: str, table: Any) -> Any:
        import polars

        return polars.scan_parquet(table) if isinstance(table, Path) else polars.from_arrow(table).lazy()

    def question(self, work: Work) -> Callable[[], Any] | None:
        ask = work.polars
        return None if ask is None else lambda: ask(self.loaded).collect(engine=self.engine)

    def summary(self, result: Any) -> Summary:
        return summarize(result.to_arrow())


class PolarsStreaming(Polars):
    name = "polars streaming"
    engine = "streaming"


class PyArrow(Engine):
    name = "pyarrow"

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import pyarrow

        pyarrow.set_cpu_count(threads)

    def take(self, name: str, table: Any) -> Any:
        import pyarrow.dataset

        return pyarrow.dataset.dataset(table) if isinstance(table, Path) else table

    def question(self, work: Work) -> Callable[[], Any] | None:
        ask = work.pyarrow
        return None if ask is None else lambda: ask(self.loaded)


class Pandas(Engine):
    name = "pandas"

    def take(self, name: str, table: Any) -> Any:
        return table if isinstance(table, Path) else table.to_pandas()

    def question(self, work: Work) -> Callable[[], Any] | None:
        ask = work.pandas
        return None if ask is None else lambda: ask(self.loaded)

    def summary(self, result: Any) -> Summary:
        import pyarrow as pa

        return summarize(pa.Table.from_pandas(result, preserve_index=False))


ENGINES: dict[str, type[Engine]] = {
    engine.name: engine for engine in (Weft, DataFusion, DuckDB, Polars, PolarsStreaming, PyArrow, Pandas)
}


def limit_threads(threads: int) -> None:
    """For thread pools that read the environment when their libraries are first imported."""
    for variable in ("POLARS_MAX_THREADS", "TOKIO_WORKER_THREADS", "OMP_NUM_THREADS"):
        os.environ[variable] = str(threads)
