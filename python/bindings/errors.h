// From arrow::Status to Python's exceptions: the one place where that happens.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>
#include <nanobind/nanobind.h>

#include <utility>

namespace weft::python {

/// Takes the Python exception that is set on this thread (the GIL is held) and keeps it for the next Raise; returns the
/// status with which C++ is to unwind.
arrow::Status KeepPythonError(const char* where);

/// Throws the Python exception for a status that is not OK. `rank` names the rank in the text where none is named yet;
/// -1 where there is but one. The GIL is held.
[[noreturn]] void Raise(const arrow::Status& status, int rank = -1);

/// Whether KeepPythonError kept an exception that is not raised yet: also an operation that came to a good end after it
/// must raise it, or a signal would be lost.
bool HasKeptError();

inline void Check(const arrow::Status& status, int rank = -1) {
  if (!status.ok() || HasKeptError()) Raise(status, rank);
}

template <typename T>
T Check(arrow::Result<T> result, int rank = -1) {
  if (!result.ok() || HasKeptError()) Raise(result.status(), rank);
  return *std::move(result);
}

}  // namespace weft::python
