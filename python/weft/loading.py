"""Loads the C++ module, whatever other libraries have brought into the process."""

from __future__ import annotations

import enum
import importlib
import os
import sys

__all__ = ["load_core"]

#: nanobind ends the process where it cannot import this module: where a file of the script's folder takes the name of
#: one that it needs, such as types.py, Python is to say so.
_ = enum.Enum


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
