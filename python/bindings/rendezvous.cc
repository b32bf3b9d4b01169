#include "rendezvous.h"

#include <nanobind/stl/string.h>

#include <memory>
#include <string>
#include <utility>

#include "errors.h"
#include "weft/communicator/backend.h"
#if WEFT_HAVE_RENDEZVOUS
#include "weft/rendezvous/server.h"
#endif

namespace weft::python {

namespace nb = nanobind;

namespace {

nb::list Backends() {
  nb::list found;
  for (const BackendInfo& backend : ListBackends()) {
    nb::dict one;
    one["name"] = backend.name;
    one["built"] = backend.built;
    one["detail"] = backend.detail;
    one["has_world"] = backend.has_world;
    found.append(one);
  }
  return found;
}

#if WEFT_HAVE_RENDEZVOUS
struct PyServer {
  std::unique_ptr<RendezvousServer> server;
};

PyServer StartServer(const std::string& host, uint16_t port, const std::string& key, bool open) {
  RendezvousServerOptions options;
  options.host = host;
  options.port = port;
  options.key = key;
  options.open = open;
  arrow::Result<std::unique_ptr<RendezvousServer>> server;
  {
    const nb::gil_scoped_release release;
    server = RendezvousServer::Start(options);
  }
  return {Check(std::move(server))};
}

nb::dict Statistics(const PyServer& self) {
  const auto statistics = self.server->statistics();
  nb::dict found;
  found["connections"] = statistics.connections;
  found["admitted"] = statistics.admitted;
  found["accepted_in_all"] = statistics.accepted_in_all;
  found["refused_in_all"] = statistics.refused_in_all;
  found["waits"] = statistics.waits;
  found["keys"] = statistics.keys;
  found["bytes"] = statistics.bytes;
  return found;
}
#endif

}  // namespace

void BindRendezvous(nb::module_& module) {
  module.def("backends", &Backends);
  module.def("backend_version", [](const std::string& name) { return Check(BackendVersion(name)); });
  module.attr("have_rendezvous") = WEFT_HAVE_RENDEZVOUS != 0;
#if WEFT_HAVE_RENDEZVOUS
  nb::class_<PyServer>(module, "RendezvousServer")
      .def_static("start", &StartServer, nb::arg("host"), nb::arg("port"), nb::arg("key"), nb::arg("open"))
      .def_prop_ro("address", [](const PyServer& self) { return self.server->address(); })
      .def_prop_ro("port", [](const PyServer& self) { return self.server->port(); })
      .def("statistics", &Statistics)
      .def("stop", [](const PyServer& self) {
        const nb::gil_scoped_release release;
        self.server->Stop();
      });
#endif
}

}  // namespace weft::python
