"""Loads the C++ module, whatever other libraries have brought into the process."""

from __future__ import annotations

import importlib
import os
import sys

__all__ = ["load_core"]


def load_core() -> None:
    """The C++ module.

    TensorFlow gives the symbols of its BoringSSL to every library that is loaded after it, and OpenSSL's have the same
    names. A library that is bound to its own dependencies first does not see them.
    """
    flags = sys.getdlopenflags()
    deep = getattr(os, "RTLD_DEEPBIND", 0) if "tensorflow" in sys.modules else 0
    sys.setdlopenflags(flags | deep)
    try:
        importlib.import_module("weft._core")
    finally:
        sys.setdlopenflags(flags)


load_core()
