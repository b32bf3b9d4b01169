#include "session.h"

#include <arrow/type.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "errors.h"
#include "weft/base/choice.h"
#include "weft/distributed/placement.h"
#include "weft/exchange/exchange.h"

namespace weft::python {

namespace nb = nanobind;

namespace {

std::weak_ptr<PySession> latest_session;

/// Runs pending signal handlers; true to their exception. Waits ask often, so the GIL is taken ten times a second.
arrow::Status LookForSignals() {
  thread_local Clock::time_point last = Clock::time_point::min();
  const auto now = Clock::now();
  if (last != Clock::time_point::min() && now - last < std::chrono::milliseconds(50)) return arrow::Status::OK();
  last = now;
  const nb::gil_scoped_acquire acquire;
  return PyErr_CheckSignals() == 0 ? arrow::Status::OK() : KeepPythonError("interrupted");
}

/// The bytes of a Python object that has them in one piece.
class Bytes {
 public:
  Bytes(nb::handle source, bool writable) {
    if (PyObject_GetBuffer(source.ptr(), &view_, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE) != 0) {
      throw nb::python_error();
    }
  }
  ~Bytes() { PyBuffer_Release(&view_); }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;

  ConstBytes get() const { return {static_cast<const std::byte*>(view_.buf), static_cast<size_t>(view_.len)}; }
  MutableBytes writable() const { return {static_cast<std::byte*>(view_.buf), static_cast<size_t>(view_.len)}; }

 private:
  Py_buffer view_{};
};

/// The Python buffers of one operation: the owner of its memory, which a library may hold for longer than the operation
/// takes.
class Buffers {
 public:
  static std::shared_ptr<Buffers> Make() {
    return {new Buffers, [](Buffers* buffers) {
              // Whoever lets go last may have no GIL; without an interpreter there is nothing to give back.
              if (!nb::is_alive()) return;
              const nb::gil_scoped_acquire acquire;
              delete buffers;
            }};
  }
  /// None stands for no bytes.
  ConstBytes Read(nb::handle source) {
    if (source.is_none()) return {};
    held_.push_back(std::make_unique<Bytes>(source, false));
    return held_.back()->get();
  }
  MutableBytes Write(nb::handle source) {
    held_.push_back(std::make_unique<Bytes>(source, true));
    return held_.back()->writable();
  }

 private:
  std::vector<std::unique_ptr<Bytes>> held_;
};

arrow::Status WaitFor(arrow::Result<RequestPtr> started) {
  ARROW_ASSIGN_OR_RAISE(const RequestPtr request, std::move(started));
  return request->Wait();
}

/// Calls `action(communicator)` without the GIL and raises its error.
template <typename Action>
void Run(const PySession& self, Action&& action) {
  arrow::Status status;
  {
    const nb::gil_scoped_release release;
    auto communicator = self.session->communicator();
    status = communicator.ok() ? action(**communicator) : communicator.status();
  }
  Check(status, self.rank_to_name());
}

struct TypeName {
  const char* name;
  arrow::Type::type type;
  int64_t bytes;
};

constexpr TypeName kTypes[] = {
    {"bool", arrow::Type::BOOL, 1},
    {"int8", arrow::Type::INT8, 1},
    {"int16", arrow::Type::INT16, 2},
    {"int32", arrow::Type::INT32, 4},
    {"int64", arrow::Type::INT64, 8},
    {"uint8", arrow::Type::UINT8, 1},
    {"uint16", arrow::Type::UINT16, 2},
    {"uint32", arrow::Type::UINT32, 4},
    {"uint64", arrow::Type::UINT64, 8},
    {"double", arrow::Type::DOUBLE, 8},
    {"halffloat", arrow::Type::HALF_FLOAT, 2},
    {"float", arrow::Type::FLOAT, 4},
};

constexpr ReduceOp kOps[] = {ReduceOp::kSum,        ReduceOp::kProd,      ReduceOp::kMin,    ReduceOp::kMax,
                             ReduceOp::kLogicalAnd, ReduceOp::kLogicalOr, ReduceOp::kBitAnd, ReduceOp::kBitOr};

/// Calls a Python function on two blocks of elements: memory views, the second to be written.
ReduceFunction PythonFunction(const nb::handle function, int64_t element_bytes) {
  // The handle stays valid: the caller holds the function until the collective is done.
  return [function, element_bytes](const std::byte* in, std::byte* inout, int64_t count) {
    const nb::gil_scoped_acquire acquire;
    const auto size = static_cast<Py_ssize_t>(count * element_bytes);
    try {
      const auto lower =
          nb::steal(PyMemoryView_FromMemory(const_cast<char*>(reinterpret_cast<const char*>(in)), size, PyBUF_READ));
      const auto result = nb::steal(PyMemoryView_FromMemory(reinterpret_cast<char*>(inout), size, PyBUF_WRITE));
      function(lower, result);
      return arrow::Status::OK();
    } catch (nb::python_error& error) {
      error.restore();
      return KeepPythonError("reduce function");
    } catch (const std::exception& error) {
      return arrow::Status::Invalid("reduce function: ", error.what());
    }
  };
}

Reduction ParseReduction(const std::string& type, nb::handle op) {
  Reduction reduction{};
  for (const TypeName& entry : kTypes) {
    if (type != entry.name) continue;
    reduction.type = entry.type;
    reduction.element_size = entry.bytes;
  }
  if (reduction.element_size == 0) Raise(arrow::Status::TypeError("type '", type, "' cannot be reduced"));
  if (!nb::isinstance<nb::str>(op)) {
    reduction.function = PythonFunction(op, reduction.element_size);
    return reduction;
  }
  const auto name = nb::cast<std::string>(op);
  for (const ReduceOp known : kOps) {
    if (ReduceOpName(known) == name) {
      reduction.op = known;
      return reduction;
    }
  }
  Raise(arrow::Status::Invalid("unknown reduce operation '", name, "'"));
}

std::shared_ptr<PySession> Wrap(std::unique_ptr<Session> session) {
  auto made = std::make_shared<PySession>();
  made->rank = session->rank();
  made->world_size = session->world_size();
  made->session = std::move(session);
  return made;
}

std::shared_ptr<PySession> Open(const std::string& backend, const std::string& store, const std::string& rendezvous,
                                const std::string& rendezvous_key, const std::string& rendezvous_ca,
                                const std::string& job, int64_t epoch, const std::string& secret, int rank,
                                int world_size, double timeout, double connect_timeout, double relay_after,
                                int64_t memory_limit, const std::string& spill_dir, int threads,
                                const std::string& encryption, const std::string& advertise, bool shm,
                                const std::string& compression, const std::string& trace_file, bool check_collectives,
                                uint64_t native_communicator) {
  SessionOptions options;
  options.backend = backend;
  options.store = store;
  options.rendezvous = rendezvous;
  options.rendezvous_key = rendezvous_key;
  options.rendezvous_ca = rendezvous_ca;
  options.job = job;
  options.epoch = epoch;
  options.secret = secret;
  options.rank = rank;
  options.world_size = world_size;
  options.timeout_seconds = timeout;
  options.connect_timeout_seconds = connect_timeout;
  options.relay_after_seconds = relay_after;
  options.memory_limit = memory_limit;
  options.spill_dir = spill_dir;
  options.threads = threads;
  options.encryption = encryption;
  options.advertise = advertise;
  options.shm = shm;
  options.compression = compression;
  options.trace_file = trace_file;
  options.check_collectives = check_collectives;
  options.native_communicator = native_communicator;
  options.check_interrupt = &LookForSignals;
  arrow::Result<std::unique_ptr<Session>> session;
  {
    const nb::gil_scoped_release release;
    session = Session::Open(std::move(options));
  }
  auto made = Wrap(Check(std::move(session), world_size > 1 ? rank : -1));
  latest_session = made;
  return made;
}

std::shared_ptr<PySession> Dup(const PySession& self) {
  arrow::Result<std::unique_ptr<Session>> session;
  {
    const nb::gil_scoped_release release;
    session = self.session->Dup();
  }
  return Wrap(Check(std::move(session), self.rank_to_name()));
}

std::shared_ptr<PySession> Split(const PySession& self, int color, int key) {
  arrow::Result<std::unique_ptr<Session>> session;
  {
    const nb::gil_scoped_release release;
    session = self.session->Split(color, key);
  }
  auto made = Check(std::move(session), self.rank_to_name());
  return made == nullptr ? nullptr : Wrap(std::move(made));
}

nb::dict Stats(const PySession& self) {
  const Session::Statistics statistics = self.session->statistics();
  nb::dict phases;
  nb::dict choices;
  for (const auto& [name, totals] : statistics.phases) {
    if (name.starts_with(kChoicePrefix)) {
      choices[name.substr(kChoicePrefix.size()).c_str()] = totals.count;
      continue;
    }
    nb::dict phase;
    phase["count"] = totals.count;
    phase["seconds"] = totals.seconds;
    phase["rows"] = totals.rows;
    phase["bytes"] = totals.bytes;
    phases[name.c_str()] = phase;
  }
  nb::dict found;
  found["phases"] = phases;
  found["choices"] = choices;
  found["bytes_sent"] = statistics.bytes_sent;
  found["bytes_received"] = statistics.bytes_received;
  found["memory_bytes"] = statistics.memory_bytes;
  found["memory_peak_bytes"] = statistics.memory_peak_bytes;
  found["spilled_bytes"] = statistics.spilled_bytes;
  found["disk_bytes"] = statistics.disk_bytes;
  found["open_seconds"] = statistics.open_seconds;
  return found;
}

nb::list Links(const PySession& self) {
  nb::list found;
  for (const LinkInfo& link : Check(self.session->communicator())->links()) {
    nb::dict one;
    one["peer"] = link.peer;
    one["path"] = link.path;
    one["remote_address"] = link.remote_address;
    one["encrypted"] = !link.cipher.empty();
    one["cipher"] = link.cipher;
    one["link_seconds"] = link.link_seconds;
    one["tries"] = link.tries;
    one["errors"] = link.errors;
    one["last_error"] = link.last_error;
    one["remade"] = link.remade;
    one["round_trip_seconds"] =
        link.round_trip_seconds < 0 ? nb::none() : nb::object(nb::float_(link.round_trip_seconds));
    one["bytes_sent"] = link.bytes_sent;
    one["bytes_received"] = link.bytes_received;
    one["messages_sent"] = link.messages_sent;
    one["messages_received"] = link.messages_received;
    one["shared_memory"] = link.shared_memory;
    found.append(one);
  }
  return found;
}

nb::list AllgatherBytes(const PySession& self, const nb::bytes& data) {
  std::vector<std::string> all;
  Run(self, [&](Communicator& communicator) {
    return exchange::AllgatherBytes(communicator, std::string_view(data.c_str(), data.size())).Value(&all);
  });
  nb::list found;
  for (const std::string& one : all) found.append(nb::bytes(one.data(), one.size()));
  return found;
}

void Broadcast(const PySession& self, nb::handle data, Rank root) {
  const auto buffers = Buffers::Make();
  // The root's bytes are only read, whatever the interface says.
  const ConstBytes own = self.rank == root ? buffers->Read(data) : ConstBytes();
  const MutableBytes bytes =
      self.rank == root ? MutableBytes(const_cast<std::byte*>(own.data()), own.size()) : buffers->Write(data);
  Run(self, [&](Communicator& communicator) { return WaitFor(communicator.Ibroadcast(bytes, root, buffers)); });
}

void Gatherv(const PySession& self, nb::handle send, nb::handle recv, std::vector<int64_t> counts, Rank root) {
  const auto buffers = Buffers::Make();
  const ConstBytes from = buffers->Read(send);
  const MutableBytes into = buffers->Write(recv);
  Run(self, [&](Communicator& communicator) {
    return WaitFor(communicator.Igatherv(from, into, std::move(counts), {}, root, buffers));
  });
}

void Allgatherv(const PySession& self, nb::handle send, nb::handle recv, std::vector<int64_t> counts) {
  const auto buffers = Buffers::Make();
  const ConstBytes from = buffers->Read(send);
  const MutableBytes into = buffers->Write(recv);
  Run(self, [&](Communicator& communicator) {
    return WaitFor(communicator.Iallgatherv(from, into, std::move(counts), {}, buffers));
  });
}

void Scatterv(const PySession& self, nb::handle send, std::vector<int64_t> counts, nb::handle recv, Rank root) {
  const auto buffers = Buffers::Make();
  const ConstBytes from = buffers->Read(send);
  const MutableBytes into = buffers->Write(recv);
  Run(self, [&](Communicator& communicator) {
    return WaitFor(communicator.Iscatterv(from, std::move(counts), {}, into, root, buffers));
  });
}

void Alltoallv(const PySession& self, nb::handle send, std::vector<int64_t> send_counts, nb::handle recv,
               std::vector<int64_t> recv_counts) {
  const auto buffers = Buffers::Make();
  const ConstBytes from = buffers->Read(send);
  const MutableBytes into = buffers->Write(recv);
  Run(self, [&](Communicator& communicator) {
    return WaitFor(
        communicator.Ialltoallv(from, std::move(send_counts), {}, into, std::move(recv_counts), {}, buffers));
  });
}

void Reduce(const PySession& self, nb::handle send, nb::handle recv, int64_t count, const std::string& type,
            nb::handle op, Rank root) {
  const auto buffers = Buffers::Make();
  const ConstBytes from = buffers->Read(send);
  const MutableBytes into = buffers->Write(recv);
  const Reduction reduction = ParseReduction(type, op);
  Run(self, [&](Communicator& communicator) {
    return WaitFor(communicator.Ireduce(from, into, count, reduction, root, buffers));
  });
}

void Allreduce(const PySession& self, nb::handle send, nb::handle recv, int64_t count, const std::string& type,
               nb::handle op) {
  const auto buffers = Buffers::Make();
  const ConstBytes from = buffers->Read(send);
  const MutableBytes into = buffers->Write(recv);
  const Reduction reduction = ParseReduction(type, op);
  Run(self, [&](Communicator& communicator) {
    return WaitFor(communicator.Iallreduce(from, into, count, reduction, buffers));
  });
}

void Scan(const PySession& self, nb::handle send, nb::handle recv, int64_t count, const std::string& type,
          nb::handle op) {
  const auto buffers = Buffers::Make();
  const ConstBytes from = buffers->Read(send);
  const MutableBytes into = buffers->Write(recv);
  const Reduction reduction = ParseReduction(type, op);
  Run(self,
      [&](Communicator& communicator) { return WaitFor(communicator.Iscan(from, into, count, reduction, buffers)); });
}

arrow::Result<Tag> UserTag(int64_t tag) {
  if (tag < 0 || tag > static_cast<int64_t>(Communicator::kMaxTag)) {
    return arrow::Status::Invalid("tag ", tag, " is outside 0 ... ", Communicator::kMaxTag);
  }
  return static_cast<Tag>(tag);
}

void Send(const PySession& self, Rank to, int64_t tag, const nb::list& parts) {
  const auto buffers = Buffers::Make();
  std::vector<ConstBytes> spans;
  for (const nb::handle part : parts) spans.push_back(buffers->Read(part));
  Run(self, [&](Communicator& communicator) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const Tag checked, UserTag(tag));
    return WaitFor(communicator.Isend(to, checked, spans, buffers));
  });
}

int64_t Recv(const PySession& self, Rank source, int64_t tag, nb::handle into) {
  const auto buffers = Buffers::Make();
  const MutableBytes bytes = buffers->Write(into);
  int64_t length = 0;
  Run(self, [&](Communicator& communicator) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const Tag checked, UserTag(tag));
    ARROW_ASSIGN_OR_RAISE(const RequestPtr request, communicator.Irecv(source, checked, {bytes}, buffers));
    ARROW_RETURN_NOT_OK(request->Wait());
    length = request->received_bytes();
    return arrow::Status::OK();
  });
  return length;
}

void Agree(const PySession& self, const std::string& operation, const nb::object& problem) {
  const arrow::Status local =
      problem.is_none() ? arrow::Status::OK() : arrow::Status::Invalid(nb::cast<std::string>(problem));
  Run(self, [&](Communicator& communicator) { return exchange::Agree(communicator, local, operation); });
}

void Close(const PySession& self) {
  arrow::Status status;
  {
    const nb::gil_scoped_release release;
    status = self.session->Close();
  }
  Check(status, self.rank_to_name());
}

void Abort(const PySession& self, const std::string& cause) {
  const nb::gil_scoped_release release;
  self.session->Abort(arrow::Status::UnknownError(cause));
}

}  // namespace

Context LocalContext() {
  if (const auto session = latest_session.lock(); session != nullptr) {
    Context context = session->session->context();
    context.tracer = nullptr;
    return context;
  }
  Context context;
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (::sched_getaffinity(0, sizeof(cores), &cores) == 0) context.threads = std::max(1, CPU_COUNT(&cores));
  return context;
}

void BindSession(nb::module_& module) {
  nb::class_<PySession>(module, "Session")
      .def_static("open", &Open, nb::kw_only(), nb::arg("backend"), nb::arg("store"), nb::arg("rendezvous"),
                  nb::arg("rendezvous_key"), nb::arg("rendezvous_ca"), nb::arg("job"), nb::arg("epoch"),
                  nb::arg("secret"), nb::arg("rank"), nb::arg("world_size"), nb::arg("timeout"),
                  nb::arg("connect_timeout"), nb::arg("relay_after"), nb::arg("memory_limit"), nb::arg("spill_dir"),
                  nb::arg("threads"), nb::arg("encryption"), nb::arg("advertise"), nb::arg("shm"),
                  nb::arg("compression"), nb::arg("trace_file"), nb::arg("check_collectives"),
                  nb::arg("native_communicator"))
      .def_prop_ro("rank", [](const PySession& self) { return self.rank; })
      .def_prop_ro("world_size", [](const PySession& self) { return self.world_size; })
      .def_prop_ro("job", [](const PySession& self) { return self.session->job(); })
      .def_prop_ro("epoch", [](const PySession& self) { return self.session->epoch(); })
      .def_prop_ro("threads", [](const PySession& self) { return self.session->context().threads; })
      .def_prop_ro("backend", [](const PySession& self) { return Check(self.session->communicator())->backend(); })
      .def_prop_ro("timeout", [](const PySession& self) { return self.session->options().timeout_seconds; })
      .def("dup", &Dup)
      .def("split", &Split)
      .def("stats", &Stats)
      .def("links", &Links)
      .def("abort", &Abort)
      .def("close", &Close)
      .def("barrier",
           [](const PySession& self) { Run(self, [](Communicator& communicator) { return communicator.Barrier(); }); })
      .def("agree", &Agree, nb::arg("operation"), nb::arg("problem").none())
      .def("allgather_bytes", &AllgatherBytes)
      .def("broadcast", &Broadcast)
      .def("gatherv", &Gatherv, nb::arg("send").none(), nb::arg("recv"), nb::arg("counts"), nb::arg("root"))
      .def("allgatherv", &Allgatherv, nb::arg("send").none(), nb::arg("recv"), nb::arg("counts"))
      .def("scatterv", &Scatterv, nb::arg("send").none(), nb::arg("counts"), nb::arg("recv"), nb::arg("root"))
      .def("alltoallv", &Alltoallv)
      .def("reduce", &Reduce)
      .def("allreduce", &Allreduce)
      .def("scan", &Scan)
      .def("send", &Send)
      .def("recv", &Recv);
}

}  // namespace weft::python
