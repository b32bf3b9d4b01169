#include "rendezvous.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "errors.h"
#include "weft/communicator/backend.h"
#if WEFT_HAVE_RENDEZVOUS
#include "weft/rendezvous/limit_options.h"
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

PyServer StartServer(const std::string& host, uint16_t port, const std::string& key, bool open,
                     const std::vector<std::string>& more_keys, const std::string& tls_certificate,
                     const std::string& tls_key, const std::string& http,
                     const std::map<std::string, std::string>& limits) {
  RendezvousServerOptions options;
  options.host = host;
  options.port = port;
  options.key = key;
  options.open = open;
  options.more_keys = more_keys;
  options.tls_certificate = tls_certificate;
  options.tls_key = tls_key;
  if (!http.empty()) options.http = Check(ParseEndpoint(http));
  for (const auto& [name, text] : limits) {
    const auto* option = rendezvous::FindLimitOption(name);
    if (option == nullptr) Check(arrow::Status::Invalid("a rendezvous server has no limit '", name, "'"));
    Check(rendezvous::SetLimit(*option, text, &options.limits));
  }
  arrow::Result<std::unique_ptr<RendezvousServer>> server;
  {
    const nb::gil_scoped_release release;
    server = RendezvousServer::Start(options);
  }
  return {Check(std::move(server))};
}

void Renew(const PyServer& self, const std::string& key, const std::vector<std::string>& more_keys,
           const std::string& tls_certificate, const std::string& tls_key) {
  RendezvousServerOptions options;
  options.key = key;
  options.more_keys = more_keys;
  options.tls_certificate = tls_certificate;
  options.tls_key = tls_key;
  Check(self.server->Renew(options));
}

/// Name, unit, help and default of each limit.
nb::list Limits() {
  nb::list found;
  const RendezvousLimits limits;
  for (const auto& option : rendezvous::LimitOptions()) {
    found.append(nb::make_tuple(option.name, option.unit, option.help, LimitText(option, option.get(limits))));
  }
  return found;
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
  found["rooms"] = statistics.rooms;
  found["gos"] = statistics.gos;
  found["relayed_pairs"] = statistics.relayed_pairs;
  found["relayed_bytes"] = statistics.relayed_bytes;
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
      .def_static("start", &StartServer, nb::arg("host"), nb::arg("port"), nb::arg("key"), nb::arg("open"),
                  nb::kw_only(), nb::arg("more_keys") = std::vector<std::string>(), nb::arg("tls_certificate") = "",
                  nb::arg("tls_key") = "", nb::arg("http") = "",
                  nb::arg("limits") = std::map<std::string, std::string>())
      .def_prop_ro("address", [](const PyServer& self) { return self.server->address(); })
      .def_prop_ro("port", [](const PyServer& self) { return self.server->port(); })
      .def_prop_ro("http_address", [](const PyServer& self) { return self.server->http_address(); })
      .def("statistics", &Statistics)
      .def("renew", &Renew)
      .def(
          "stop",
          [](const PyServer& self, double drain) {
            const nb::gil_scoped_release release;
            self.server->Stop(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(drain)));
          },
          nb::arg("drain") = 0.0);
  module.def("rendezvous_limits", &Limits);
#endif
}

}  // namespace weft::python
