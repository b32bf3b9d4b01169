// The layout of a block's header, shared by the two sides of the wire form.
#pragma once

#include <arrow/ipc/message.h>

#include <cstdint>

// A header, little-endian:
//   uint32 magic, uint16 version, uint8 flags (1: last), uint8 status code, uint32 length and bytes of the status text,
//   uint32 number of messages, and for each uint8 kind, uint32 length of metadata, int64 length of body;
//   then, each beginning at a multiple of 8, the messages' metadata: flatbuffers of Arrow's IPC format.
// The bodies follow one after the other in a message of their own.
namespace weft::table::wire {

constexpr uint32_t kMagic = 0x42544657;  // "WFTB"
constexpr uint16_t kVersion = 1;
constexpr uint8_t kLastFlag = 1;
/// Flatbuffers must lie at multiples of this, and Arrow pads the buffers of a body to it.
constexpr int64_t kAlignment = 8;
/// kind, length of metadata, length of body.
constexpr size_t kEntryBytes = 1 + 4 + 8;
constexpr size_t kMaxStatusText = 64 << 10;

enum class Kind : uint8_t { kSchema = 0, kDictionary = 1, kBatch = 2 };

inline Kind KindOf(arrow::ipc::MessageType type) {
  if (type == arrow::ipc::MessageType::SCHEMA) return Kind::kSchema;
  return type == arrow::ipc::MessageType::DICTIONARY_BATCH ? Kind::kDictionary : Kind::kBatch;
}

}  // namespace weft::table::wire
