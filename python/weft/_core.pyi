"""What the C++ module offers to the package. Not for users: `weft` is the interface."""

from collections.abc import Callable, Sequence
from typing import Any

__version__: str
arrow_version: str

def cpu_levels() -> list[str]:
    """The levels that hot loops are compiled for and this processor has, from the least up."""

def cpu_level() -> str:
    """The level that they run at; ValueError where WEFT_CPU_LEVEL names none of them."""

class Table:
    @staticmethod
    def from_stream(source: Any) -> Table: ...
    @property
    def num_rows(self) -> int: ...
    @property
    def num_columns(self) -> int: ...
    @property
    def column_names(self) -> list[str]: ...
    @property
    def nbytes(self) -> int: ...
    def slice(self, offset: int, length: int) -> Table: ...
    def select(self, positions: Sequence[int]) -> Table: ...
    def rename(self, names: Sequence[str]) -> Table: ...
    def with_metadata(self, keys: Sequence[str], values: Sequence[str]) -> Table: ...
    def metadata(self) -> dict[str, str]: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...

class Expression:
    @staticmethod
    def field(name: str) -> Expression: ...
    @staticmethod
    def literal(array: Any) -> Expression: ...
    @staticmethod
    def call(function: str, arguments: Sequence[Expression], options: Any = None) -> Expression: ...
    @staticmethod
    def lookup(argument: Expression, keys: Any, values: Any, keep: bool) -> Expression: ...
    @staticmethod
    def is_in(argument: Expression, values: Any) -> Expression: ...

class Session:
    @staticmethod
    def open(
        *,
        backend: str,
        store: str,
        rendezvous: str,
        rendezvous_key: str,
        rendezvous_ca: str,
        job: str,
        epoch: int,
        secret: str,
        rank: int,
        world_size: int,
        timeout: float,
        connect_timeout: float,
        relay_after: float,
        memory_limit: int,
        spill_dir: str,
        threads: int,
        encryption: str,
        advertise: str,
        shm: bool,
        compression: str,
        trace_file: str,
        check_collectives: bool,
        native_communicator: int,
    ) -> Session: ...
    @property
    def rank(self) -> int: ...
    @property
    def world_size(self) -> int: ...
    @property
    def job(self) -> str: ...
    @property
    def epoch(self) -> int: ...
    @property
    def threads(self) -> int: ...
    @property
    def backend(self) -> str: ...
    @property
    def timeout(self) -> float: ...
    def dup(self) -> Session: ...
    def split(self, color: int, key: int) -> Session | None: ...
    def stats(self) -> dict[str, Any]: ...
    def links(self) -> list[dict[str, Any]]: ...
    def abort(self, cause: str) -> None: ...
    def close(self) -> None: ...
    def barrier(self) -> None: ...
    def agree(self, operation: str, problem: str | None) -> None: ...
    def allgather_bytes(self, data: bytes) -> list[bytes]: ...
    def broadcast(self, data: Any, root: int) -> None: ...
    def gatherv(self, send: Any, recv: Any, counts: Sequence[int], root: int) -> None: ...
    def allgatherv(self, send: Any, recv: Any, counts: Sequence[int]) -> None: ...
    def scatterv(self, send: Any, counts: Sequence[int], recv: Any, root: int) -> None: ...
    def alltoallv(self, send: Any, send_counts: Sequence[int], recv: Any, recv_counts: Sequence[int]) -> None: ...
    def reduce(
        self, send: Any, recv: Any, count: int, type: str, op: str | Callable[[Any, Any], None], root: int
    ) -> None: ...
    def allreduce(self, send: Any, recv: Any, count: int, type: str, op: str | Callable[[Any, Any], None]) -> None: ...
    def scan(self, send: Any, recv: Any, count: int, type: str, op: str | Callable[[Any, Any], None]) -> None: ...
    def send(self, to: int, tag: int, parts: Sequence[Any]) -> None: ...
    def recv(self, source: int, tag: int, into: Any) -> int: ...

class RendezvousServer:
    @staticmethod
    def start(
        host: str,
        port: int,
        key: str,
        open: bool,
        *,
        more_keys: Sequence[str] = ...,
        tls_certificate: str = "",
        tls_key: str = "",
        http: str = "",
        limits: dict[str, str] = ...,
    ) -> RendezvousServer: ...
    @property
    def address(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def http_address(self) -> str: ...
    def statistics(self) -> dict[str, int]: ...
    def renew(self, key: str, more_keys: Sequence[str], tls_certificate: str, tls_key: str) -> None: ...
    def stop(self, drain: float = 0) -> None: ...

have_rendezvous: bool

def rendezvous_limits() -> list[tuple[str, str, str, str]]: ...
def backends() -> list[dict[str, Any]]: ...
def backend_version(name: str) -> str: ...
def join(
    left: Table,
    right: Table,
    session: Session | None,
    *,
    left_keys: Sequence[int],
    right_keys: Sequence[int],
    how: str,
    algorithm: str,
    left_suffix: str,
    right_suffix: str,
    indicator: str,
    maintain_order: bool,
    columns: Sequence[int] | None,
) -> Table: ...
def cut_by_key(
    table: Table, session: Session | None, *, columns: Sequence[int], parts: int, wanted: Sequence[int]
) -> list[Table]: ...
def asof_join(
    left: Table,
    right: Table,
    session: Session | None,
    *,
    left_on: int,
    right_on: int,
    left_by: Sequence[int],
    right_by: Sequence[int],
    direction: str,
    allow_exact_matches: bool,
    tolerance: int | None,
    float_tolerance: float | None,
    left_suffix: str,
    right_suffix: str,
) -> Table: ...
def combine_sets(left: Table, right: Table, session: Session | None, *, operation: str, all: bool) -> Table: ...
def is_member(
    left: Table, right: Table, session: Session | None, *, left_keys: Sequence[int], right_keys: Sequence[int]
) -> Table: ...
def check_unique(table: Table, session: Session | None, *, columns: Sequence[int], what: str) -> None: ...
def group_by(
    table: Table,
    session: Session | None,
    *,
    keys: Sequence[int],
    aggregations: Sequence[dict[str, Any]],
    sort: bool,
    dropna: bool,
) -> Table: ...
def group_broadcast(
    table: Table,
    session: Session | None,
    *,
    keys: Sequence[int],
    aggregations: Sequence[dict[str, Any]],
    dropna: bool,
) -> Table: ...
def group_transform(
    table: Table,
    session: Session | None,
    *,
    keys: Sequence[int],
    transforms: Sequence[dict[str, Any]],
    dropna: bool,
) -> Table: ...
def rows_by_group(
    table: Table, *, keys: Sequence[int], sort: bool, dropna: bool
) -> tuple[Table, Table, Table, Table]: ...

class Trip:
    @staticmethod
    def out(table: Table, session: Session, *, keys: Sequence[int], operation: str) -> Trip: ...
    @property
    def rows(self) -> Table: ...
    def back(self, answers: Table, session: Session) -> Table: ...

def reduce(
    table: Table,
    session: Session | None,
    *,
    reductions: Sequence[tuple[str, int]],
    skipna: bool,
    min_count: int,
    ddof: int,
) -> Table: ...
def quantile(
    table: Table,
    session: Session | None,
    *,
    columns: Sequence[int],
    quantiles: Sequence[float],
    interpolation: str,
    skipna: bool,
    approximate: bool,
) -> Table: ...
def scan(table: Table, session: Session | None, *, function: str, columns: Sequence[int], skipna: bool) -> Table: ...
def shift(table: Table, session: Session | None, *, periods: int, fill: Table) -> Table: ...
def window(
    table: Table,
    session: Session | None,
    *,
    frame: dict[str, Any],
    min_periods: int,
    aggregates: Sequence[dict[str, Any]],
    keys: Sequence[int] = ...,
    dropna: bool = True,
) -> Table: ...
def window_rows(table: Table, session: Session, *, frame: dict[str, Any]) -> tuple[Table, int]: ...
def window_bounds(table: Table, *, frame: dict[str, Any], starts: Any) -> Table: ...
def ewm(
    table: Table,
    session: Session | None,
    *,
    columns: Sequence[int],
    alpha: float,
    adjust: bool,
    ignore_na: bool,
    min_periods: int,
    keys: Sequence[int] = ...,
    dropna: bool = True,
) -> Table: ...
def pair_moments(
    table: Table, session: Session | None, *, columns: Sequence[int], ddof: int, operation: str
) -> list[tuple[int, float, float]]: ...
def count_distinct(table: Table, session: Session | None, *, columns: Sequence[int], dropna: bool) -> list[int]: ...
def row_reduce(
    table: Table,
    session: Session | None,
    *,
    function: str,
    skipna: bool,
    min_count: int,
    ddof: int,
    quantile: float,
    interpolation: str,
) -> Table: ...
def inversions(table: Table, session: Session | None, *, column: int) -> int: ...
def sort(
    table: Table,
    session: Session | None,
    *,
    keys: Sequence[int],
    ascending: Sequence[bool],
    nulls_first: bool,
) -> Table: ...
def unique(
    table: Table, session: Session | None, *, columns: Sequence[int], keep: str = "first", maintain_order: bool = False
) -> Table: ...
def duplicated(table: Table, session: Session | None, *, columns: Sequence[int], keep: str) -> Table: ...
def top(
    table: Table, session: Session | None, *, keys: Sequence[int], ascending: Sequence[bool], rows: int, keep: str
) -> Table: ...
def rank(
    table: Table, session: Session | None, *, column: int, method: str, ascending: bool, missing: str, percent: bool
) -> Table: ...
def take(table: Table, session: Session | None, rows: Any) -> Table: ...
def sample(table: Table, session: Session | None, *, rows: int, replace: bool, seed: int) -> Table: ...
def filter(table: Table, session: Session | None, predicate: Expression, agree: bool = False) -> Table: ...
def project(
    table: Table,
    session: Session | None,
    names: Sequence[str],
    expressions: Sequence[Expression],
    agree: bool = False,
) -> Table: ...
def align(left: Table, right: Table, session: Session | None, index_columns: int, operation: str) -> Table: ...
def beside(tables: Sequence[Table], names: Sequence[str] | None = None) -> Table: ...
def fill(table: Table, session: Session | None, *, columns: Sequence[int], forward: bool, limit: int) -> Table: ...
def stack(tables: Sequence[Table]) -> Table: ...
def concat(tables: Sequence[Table], session: Session | None, *, outer: bool) -> Table: ...
def slice(table: Table, session: Session, offset: int, length: int) -> Table: ...
def repartition(table: Table, session: Session, counts: Sequence[int] = ...) -> Table: ...
def repartition_by_key(table: Table, session: Session, columns: Sequence[int]) -> Table: ...
def row_counts(table: Table, session: Session) -> list[int]: ...
def total_rows(table: Table, session: Session) -> int: ...
def gather(table: Table, session: Session, root: int) -> Table: ...
def allgather(table: Table, session: Session) -> Table: ...
def read_parquet(
    paths: Sequence[str],
    session: Session | None,
    *,
    own: bool,
    columns: Sequence[str],
    filter: Expression | None,
    hive: bool,
) -> Table: ...
def read_ipc(
    paths: Sequence[str], session: Session | None, *, own: bool, columns: Sequence[str], filter: Expression | None
) -> Table: ...
def read_json(
    paths: Sequence[str], session: Session | None, *, own: bool, compression: str, types: Any, split_bytes: int
) -> Table: ...

class CsvOptions:
    delimiter: str
    quote: str
    names: list[str]
    header: bool
    header_row: int
    skip_rows: int
    max_rows: int
    null_values: list[str]
    default_null_values: bool
    true_values: list[str]
    false_values: list[str]
    decimal: str
    thousands: str
    times: list[str]
    time_positions: list[int]
    positions: list[int]
    compression: str
    encoding: str
    split_bytes: int
    def set_types(self, types: Any) -> None: ...

def read_csv(
    paths: Sequence[str],
    session: Session | None,
    *,
    own: bool,
    columns: Sequence[str],
    filter: Expression | None,
    options: CsvOptions,
) -> Table: ...

class CsvQuoting:
    MINIMAL: CsvQuoting
    ALL: CsvQuoting
    NOT_NUMBERS: CsvQuoting

class WriteOptions:
    compression: str
    row_group_rows: int
    partition_columns: list[str]
    metadata_file: bool
    delimiter: str
    quote: str
    quoting: CsvQuoting
    header: bool
    header_names: list[str]
    null_text: str
    float_format: str
    ascii: bool
    def set_format(self, name: str) -> None: ...

def set_conditional_put(put: Callable[[str, str, bytes, bytes | None], bool | None]) -> None: ...
def write(
    table: Table, session: Session | None, path: str, *, token: str, overwrite: bool, options: WriteOptions
) -> None: ...
