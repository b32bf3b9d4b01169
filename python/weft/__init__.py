"""Weft: one dataframe woven from many workers.

>>> import weft
>>> env = weft.init()
>>> flights = weft.read_parquet("flights/*.parquet", env=env)
>>> flights.groupby("carrier").agg({"dep_delay": ["mean", "max"]}).show()

Start the same script on several ranks with ``weft run -n 4 script.py``.
"""

from weft import _allocator, loading  # noqa: F401  (the allocator first)

# isort: split
from weft import _core, learn
from weft.concat import concat
from weft.csv_files import read_csv
from weft.encoding import cut, factorize, get_dummies, qcut
from weft.env import Env, init
from weft.errors import (
    AuthenticationFailed,
    CommunicatorError,
    HandOver,
    MemoryLimitExceeded,
    PeerLost,
    Superseded,
    TimedOut,
)
from weft.expression import Expression, col, lit
from weft.feather_files import read_feather, read_ipc
from weft.frame import DataFrame
from weft.json_files import read_json
from weft.merge import merge
from weft.merge_asof import merge_asof
from weft.module_functions import (
    NamedAgg,
    isna,
    isnull,
    melt,
    merge_ordered,
    notna,
    notnull,
    pivot,
    pivot_table,
    unique,
)
from weft.parquet import read_parquet
from weft.pivoting import crosstab
from weft.series import Series
from weft.submitting import submit
from weft.to_numbers import to_numeric
from weft.to_times import to_datetime, to_timedelta

__version__ = _core.__version__

# WEFT_CPU_LEVEL is refused here, before anything has run at another level.
_core.cpu_level()

__all__ = [
    "AuthenticationFailed",
    "CommunicatorError",
    "DataFrame",
    "Env",
    "Expression",
    "HandOver",
    "MemoryLimitExceeded",
    "NamedAgg",
    "PeerLost",
    "Series",
    "Superseded",
    "TimedOut",
    "__version__",
    "col",
    "concat",
    "crosstab",
    "cut",
    "factorize",
    "get_dummies",
    "init",
    "isna",
    "isnull",
    "learn",
    "lit",
    "melt",
    "merge",
    "merge_asof",
    "merge_ordered",
    "notna",
    "notnull",
    "pivot",
    "pivot_table",
    "qcut",
    "read_csv",
    "read_feather",
    "read_ipc",
    "read_json",
    "read_parquet",
    "submit",
    "to_datetime",
    "to_numeric",
    "to_timedelta",
    "unique",
]
