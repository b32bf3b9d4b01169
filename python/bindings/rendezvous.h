// The rendezvous server within a Python process, and what is built.
#pragma once

#include <nanobind/nanobind.h>

namespace weft::python {

void BindRendezvous(nanobind::module_& module);

}  // namespace weft::python
