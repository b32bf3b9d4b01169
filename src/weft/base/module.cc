#include "weft/base/module.h"

#include <arrow/status.h>
#include <dlfcn.h>

#include "weft/base/kept_signals.h"
#include "weft/base/open_files.h"

namespace weft {
namespace {

/// A module and, one after another, the libraries behind it, which may look for files of their own.
constexpr int64_t kFilesToLoad = 4;

/// Where this library lies, with a slash behind it; empty where that is not known.
std::string OwnFolder() {
  Dl_info info;
  if (::dladdr(reinterpret_cast<const void*>(&LoadModule), &info) == 0 || info.dli_fname == nullptr) return "";
  const std::string path = info.dli_fname;
  return path.substr(0, path.find_last_of('/') + 1);
}

}  // namespace

arrow::Result<void*> LoadModule(const std::string& name, const char* symbol) {
  const std::string path = OwnFolder() + "libweft_" + name + ".so";
  ARROW_RETURN_NOT_OK(RequireOpenFiles("loading module '" + name + "'", kFilesToLoad));
  const KeptSignals kept;  // libraries behind it may catch some as they are loaded
  void* const module = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) return arrow::Status::IOError("Weft's module '", name, "' cannot be loaded: ", ::dlerror());
  void* const address = ::dlsym(module, symbol);
  if (address == nullptr) return arrow::Status::Invalid(path, " has no function ", symbol, ": it is of another Weft");
  return address;
}

}  // namespace weft
