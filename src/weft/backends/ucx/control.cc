#include "weft/backends/ucx/control.h"

#include "weft/base/byte_codec.h"

namespace weft::ucx {
namespace {

constexpr uint8_t kVersion = 1;

}  // namespace

std::string Control::Encode() const {
  ByteWriter writer;
  writer.Put(kVersion).Put(kind).Put(from).Put(world).Put(clock).PutString(text);
  return writer.Take();
}

arrow::Result<Control> Control::Decode(std::string_view bytes) {
  ByteReader reader(bytes);
  Control control;
  ARROW_ASSIGN_OR_RAISE(const auto version, reader.Get<uint8_t>());
  if (version != kVersion) return arrow::Status::Invalid("control message of version ", int{version});
  ARROW_ASSIGN_OR_RAISE(control.kind, reader.Get<ControlKind>());
  ARROW_ASSIGN_OR_RAISE(control.from, reader.Get<Rank>());
  ARROW_ASSIGN_OR_RAISE(control.world, reader.Get<uint64_t>());
  ARROW_ASSIGN_OR_RAISE(control.clock, reader.Get<int64_t>());
  ARROW_ASSIGN_OR_RAISE(control.text, reader.GetString());
  ARROW_RETURN_NOT_OK(reader.Finish());
  return control;
}

std::string Introduction::Encode() const {
  ByteWriter writer;
  writer.Put(kVersion).PutString(ucx_version).PutString(host).Put(pid).Put(process_start);
  writer.Put(static_cast<uint8_t>(shared_memory)).PutString(listener).PutString(address);
  return writer.Take();
}

arrow::Result<Introduction> Introduction::Decode(std::string_view bytes) {
  ByteReader reader(bytes);
  Introduction made;
  ARROW_ASSIGN_OR_RAISE(const auto version, reader.Get<uint8_t>());
  if (version != kVersion) {
    return arrow::Status::Invalid("it speaks version ", int{version}, " of this backend's protocol, this rank ",
                                  int{kVersion});
  }
  ARROW_ASSIGN_OR_RAISE(made.ucx_version, reader.GetString());
  ARROW_ASSIGN_OR_RAISE(made.host, reader.GetString());
  ARROW_ASSIGN_OR_RAISE(made.pid, reader.Get<int32_t>());
  ARROW_ASSIGN_OR_RAISE(made.process_start, reader.Get<uint64_t>());
  ARROW_ASSIGN_OR_RAISE(const auto shared_memory, reader.Get<uint8_t>());
  made.shared_memory = shared_memory != 0;
  ARROW_ASSIGN_OR_RAISE(made.listener, reader.GetString());
  ARROW_ASSIGN_OR_RAISE(made.address, reader.GetString());
  ARROW_RETURN_NOT_OK(reader.Finish());
  return made;
}

}  // namespace weft::ucx
