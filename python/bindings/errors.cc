#include "errors.h"

#include <arrow/util/io_util.h>
#include <nanobind/stl/string.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "weft/base/communication_error.h"
#include "weft/base/open_files.h"

namespace weft::python {

namespace nb = nanobind;

namespace {

/// The Python exception that made C++ unwind on this thread. A plain pointer: nothing of Python may be let go of when a
/// thread ends after the interpreter has.
thread_local nb::python_error* kept_error = nullptr;

const char* ClassName(CommunicationFailure failure) {
  switch (failure) {
    case CommunicationFailure::kPeerLost:
      return "PeerLost";
    case CommunicationFailure::kTimedOut:
      return "TimedOut";
    case CommunicationFailure::kAuthenticationFailed:
      return "AuthenticationFailed";
    case CommunicationFailure::kSuperseded:
      return "Superseded";
    default:
      return "CommunicatorError";
  }
}

nb::object Own(const char* name) { return nb::module_::import_("weft.errors").attr(name); }

[[noreturn]] void Throw(const nb::object& error) {
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
  throw nb::python_error();
}

[[noreturn]] void Throw(PyObject* type, const std::string& text) {
  Throw(nb::borrow(type)(nb::str(text.data(), text.size())));
}

[[noreturn]] void RaiseCommunication(const CommunicationError& facts, std::string text) {
  nb::object error = Own(ClassName(facts.failure))(nb::str(text.data(), text.size()));
  if (!facts.operation.empty()) error.attr("operation") = facts.operation.c_str();
  if (!facts.phase.empty()) error.attr("phase") = facts.phase.c_str();
  if (facts.rank >= 0) error.attr("rank") = facts.rank;
  if (facts.peer >= 0) error.attr("peer") = facts.peer;
  if (facts.bytes >= 0) error.attr("bytes") = facts.bytes;
  if (facts.elapsed > Duration::zero()) error.attr("elapsed") = Seconds(facts.elapsed);
  Throw(error);
}

[[noreturn]] void RaiseSystem(const arrow::Status& status, const std::string& text) {
  int code = arrow::internal::ErrnoFromStatus(status);
  const auto says = [&text](const char* words) { return text.find(words) != std::string::npos; };
  // An error that passed from rank to rank has lost its number, but not its words.
  if (code == 0 && (says("No such file") || says("does not exist") || says("no such file") || says("no file fits"))) {
    code = ENOENT;
  }
  if (code == 0 && (says("exists already") || says("already exists") || says("File exists"))) code = EEXIST;
  if (code == 0) Throw(PyExc_OSError, text);
  // OSError chooses its subclass, such as FileNotFoundError, by the number.
  Throw(nb::borrow(PyExc_OSError)(code, nb::str(text.data(), text.size())));
}

}  // namespace

arrow::Status KeepPythonError(const char* where) {
  delete kept_error;
  kept_error = new nb::python_error();
  std::string text = nb::cast<std::string>(kept_error->type().attr("__name__"));
  const nb::object words = nb::steal(PyObject_Str(kept_error->value().ptr()));
  if (words.is_valid()) {
    if (const auto shown = nb::cast<std::string>(words); !shown.empty()) text += ": " + shown;
  } else {
    PyErr_Clear();
  }
  return arrow::Status::Cancelled(where, ": ", text);
}

bool HasKeptError() { return kept_error != nullptr; }

void Raise(const arrow::Status& status, int rank) {
  if (kept_error != nullptr) {
    const std::unique_ptr<nb::python_error> error(std::exchange(kept_error, nullptr));
    throw nb::python_error(std::move(*error));
  }
  std::string text = MessageWithErrno(status);
  if (rank >= 0 && text.find("rank ") == std::string::npos) text = "rank " + std::to_string(rank) + ": " + text;
  if (const CommunicationError* facts = GetCommunicationError(status); facts != nullptr) {
    // A Ctrl-C goes to all ranks: each ends by its own, not by what the first one has told of its.
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    if (const std::string more = status.detail()->ToString(); !more.empty()) text += " (" + more + ")";
    RaiseCommunication(*facts, std::move(text));
  }
  switch (status.code()) {
    case arrow::StatusCode::OutOfMemory:
      if (text.find("MemoryLimitExceeded") != std::string::npos) Throw(Own("MemoryLimitExceeded").ptr(), text);
      Throw(PyExc_MemoryError, text);
    case arrow::StatusCode::KeyError:
      Throw(PyExc_KeyError, text);
    case arrow::StatusCode::TypeError:
    case arrow::StatusCode::NotImplemented:
      Throw(PyExc_TypeError, text);
    case arrow::StatusCode::IndexError:
      Throw(PyExc_IndexError, text);
    case arrow::StatusCode::Cancelled:
      Throw(PyExc_KeyboardInterrupt, text);
    case arrow::StatusCode::IOError:
    case arrow::StatusCode::SerializationError:
      RaiseSystem(status, text);
    case arrow::StatusCode::Invalid:
    case arrow::StatusCode::CapacityError:
      Throw(PyExc_ValueError, text);
    default:
      Throw(PyExc_RuntimeError, text);
  }
}

}  // namespace weft::python
