// Parts of Weft that need a third-party library: each a shared library of its own, loaded when it is first used.
#pragma once

#include <arrow/result.h>

#include <string>

namespace weft {

/// Loads libweft_{name}.so, which lies beside libweft, and returns the address of its function `symbol`. Once loaded a
/// module stays. Thread-safe. Status::IOError, with the loader's own words, where the module or what it needs cannot be
/// loaded; Status::Invalid where it has no such symbol.
arrow::Result<void*> LoadModule(const std::string& name, const char* symbol);

}  // namespace weft
