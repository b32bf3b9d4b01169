"""``import pycylon`` and ``from pycylon.net.fmi_config import FMIConfig`` as Weft answers them."""

from __future__ import annotations

import sys
from types import ModuleType

from weft.compat import pycylon
from weft.compat.pycylon import context, frame, io, logging, net, series, table

__all__ = ["install"]

#: pycylon's modules, and where their names are here.
MODULES: dict[str, ModuleType] = {
    "pycylon": pycylon,
    "pycylon.ctx": context,
    "pycylon.ctx.context": context,
    "pycylon.data": table,
    "pycylon.data.aggregates": table,
    "pycylon.data.table": table,
    "pycylon.frame": frame,
    "pycylon.io": io,
    "pycylon.io.csv_read_config": io,
    "pycylon.io.csv_write_config": io,
    "pycylon.net": net,
    "pycylon.net.comm_config": net,
    "pycylon.net.comm_type": net,
    "pycylon.net.communicator": net,
    "pycylon.net.fmi_config": net,
    "pycylon.net.gloo_config": net,
    "pycylon.net.mpi_config": net,
    "pycylon.net.redis_ucc_oob_context": net,
    "pycylon.net.redis_ucx_oob_context": net,
    "pycylon.net.reduce_op": net,
    "pycylon.net.ucc_config": net,
    "pycylon.net.ucx_config": net,
    "pycylon.series": series,
    "pycylon.util": logging,
    "pycylon.util.logging": logging,
}


def _as(name: str, source: ModuleType) -> ModuleType:
    """A module of pycylon's name with the public names of one of ours."""
    made = ModuleType(name, source.__doc__)
    made.__dict__.update({key: getattr(source, key) for key in source.__all__})
    made.__dict__["__all__"] = list(source.__all__)
    made.__path__ = []
    if hasattr(source, "__getattr__"):
        made.__dict__["__getattr__"] = source.__getattr__
    return made


def install() -> None:
    """From now on this process' ``pycylon`` is Weft's. RuntimeError where another one is imported already."""
    known = sys.modules.get("pycylon")
    if known is not None and getattr(known, "__weft__", False):
        return
    if known is not None:
        raise RuntimeError("weft.compat.pycylon: the real pycylon is imported already; start the script by python -m")
    for name, source in MODULES.items():
        sys.modules[name] = _as(name, source)
    sys.modules["pycylon"].__dict__["__weft__"] = True
    for name in sorted(MODULES):
        parent, _, own = name.rpartition(".")
        if parent:
            # Where a function has the name of a module, as pycylon.series has not, the module is what `import` finds.
            setattr(sys.modules[parent], own, sys.modules[name])
