"""pycylon's names over Weft: ``from weft.compat.pycylon import CylonEnv, DataFrame, MPIConfig``.

``python -m weft.compat.pycylon script.py`` runs a script that says ``import pycylon`` as it is. Thin: a frame holds a
`weft.DataFrame`, a configuration knows the arguments of `weft.init`. docs/from-cylon.md maps every name, and says what
differs. What has no counterpart is refused by name.
"""

from __future__ import annotations

from typing import Any

from weft.compat.pycylon.context import CylonContext, CylonEnv
from weft.compat.pycylon.frame import DataFrame, GroupByDataFrame, concat, read_csv
from weft.compat.pycylon.io import CSVReadOptions, CSVWriteOptions
from weft.compat.pycylon.logging import disable_logging, log_level
from weft.compat.pycylon.net import (
    CommConfig,
    CommType,
    Communicator,
    FMIConfig,
    GlooMPIConfig,
    GlooStandaloneConfig,
    MPIConfig,
    ReduceOp,
    UCCConfig,
    UCCRedisOOBContext,
    UCXConfig,
    UCXRedisOOBContext,
)
from weft.compat.pycylon.series import Series
from weft.compat.pycylon.table import AggregationOp, SortOptions, Table

__all__ = [
    "AggregationOp",
    "CSVReadOptions",
    "CSVWriteOptions",
    "CommConfig",
    "CommType",
    "Communicator",
    "CylonContext",
    "CylonEnv",
    "DataFrame",
    "FMIConfig",
    "GlooMPIConfig",
    "GlooStandaloneConfig",
    "GroupByDataFrame",
    "MPIConfig",
    "ReduceOp",
    "Series",
    "SortOptions",
    "Table",
    "UCCConfig",
    "UCCRedisOOBContext",
    "UCXConfig",
    "UCXRedisOOBContext",
    "concat",
    "disable_logging",
    "log_level",
    "read_csv",
]


def __getattr__(name: str) -> Any:
    raise AttributeError(f"weft.compat.pycylon has no {name!r}; docs/from-cylon.md says what to use instead")
