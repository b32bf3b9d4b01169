#include <arrow/array.h>
#include <arrow/compare.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/ipc/writer.h>
#include <arrow/util/bit_util.h>

#include <array>
#include <cstring>
#include <unordered_map>

#include "weft/base/byte_codec.h"
#include "weft/table/validate.h"
#include "weft/table/wire.h"
#include "weft/table/wire_format.h"

namespace weft::table {
namespace {

using arrow::Status;
using arrow::ipc::IpcPayload;
using namespace wire;  // NOLINT(google-build-using-namespace): the layout's own names

constexpr std::array<std::byte, kAlignment> kPadding{};

/// The same buffers, or equal values.
bool SameDictionary(const std::shared_ptr<arrow::Array>& a, const std::shared_ptr<arrow::Array>& b) {
  if (a == nullptr || a->length() != b->length()) return false;
  if (a->data() == b->data()) return true;
  if (a->offset() == b->offset() && a->data()->buffers == b->data()->buffers && a->data()->child_data.empty()) {
    return true;
  }
  return a->Equals(*b, arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(false));
}

class Writer : public WireWriter {
 public:
  Writer(std::shared_ptr<arrow::Schema> schema, const Context& context)
      : schema_(std::move(schema)), pool_(context.pool), mapper_(*schema_) {
    options_.memory_pool = context.pool;
    options_.allow_64bit = true;
    options_.use_threads = false;
  }

  arrow::Result<WireBlock> Write(const std::shared_ptr<arrow::RecordBatch>& batch) override {
    if (finished_) return Status::Invalid("a block is written to a stream that has ended");
    if (!batch->schema()->Equals(*schema_, /*check_metadata=*/false)) {
      return Status::TypeError("a batch of other columns than its stream: ", batch->schema()->ToString(), " and ",
                               schema_->ToString());
    }
    auto payloads = std::make_shared<std::vector<IpcPayload>>();
    ARROW_RETURN_NOT_OK(AddSchema(payloads.get()));
    ARROW_RETURN_NOT_OK(AddDictionaries(*batch, payloads.get()));
    ARROW_RETURN_NOT_OK(arrow::ipc::GetRecordBatchPayload(*batch, options_, &payloads->emplace_back()));
    return MakeBlock(std::move(payloads), /*last=*/false, Status::OK());
  }

  arrow::Result<WireBlock> Finish(const Status& status) override {
    if (finished_) return Status::Invalid("a stream is ended twice");
    finished_ = true;
    auto payloads = std::make_shared<std::vector<IpcPayload>>();
    ARROW_RETURN_NOT_OK(AddSchema(payloads.get()));
    return MakeBlock(std::move(payloads), /*last=*/true, status);
  }

 private:
  Status AddSchema(std::vector<IpcPayload>* payloads) {
    if (schema_sent_) return Status::OK();
    schema_sent_ = true;
    return arrow::ipc::GetSchemaPayload(*schema_, options_, mapper_, &payloads->emplace_back());
  }

  Status AddDictionaries(const arrow::RecordBatch& batch, std::vector<IpcPayload>* payloads) {
    if (mapper_.num_fields() == 0) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto dictionaries, arrow::ipc::CollectDictionaries(batch, mapper_));
    for (const auto& [id, dictionary] : dictionaries) {
      std::shared_ptr<arrow::Array>& sent = sent_[id];
      if (SameDictionary(sent, dictionary)) continue;
      ARROW_RETURN_NOT_OK(arrow::ipc::GetDictionaryPayload(id, dictionary, options_, &payloads->emplace_back()));
      sent = dictionary;
    }
    return Status::OK();
  }

  arrow::Result<WireBlock> MakeBlock(std::shared_ptr<std::vector<IpcPayload>> payloads, bool last,
                                     const Status& status) {
    ByteWriter header;
    header.Put(kMagic).Put(kVersion).Put(last ? kLastFlag : uint8_t{0}).Put(static_cast<uint8_t>(status.code()));
    header.PutString(std::string_view(status.message()).substr(0, kMaxStatusText));
    header.Put(static_cast<uint32_t>(payloads->size()));
    WireBlock block;
    for (const IpcPayload& payload : *payloads) {
      if (payload.metadata->size() > kMaxWireHeaderBytes) {
        return Status::CapacityError("a schema of ", payload.metadata->size(), " bytes is too large to be sent");
      }
      header.Put(KindOf(payload.type)).Put(static_cast<uint32_t>(payload.metadata->size())).Put(payload.body_length);
      block.body_bytes += payload.body_length;
      ARROW_RETURN_NOT_OK(AddBody(payload, &block.body));
    }
    ARROW_ASSIGN_OR_RAISE(block.header, MakeHeader(header.bytes(), *payloads));
    block.body_owner = std::move(payloads);
    return block;
  }

  static Status AddBody(const IpcPayload& payload, std::vector<ConstBytes>* body) {
    int64_t size = 0;
    for (const auto& buffer : payload.body_buffers) {
      if (buffer == nullptr || buffer->size() == 0) continue;
      body->emplace_back(reinterpret_cast<const std::byte*>(buffer->data()), static_cast<size_t>(buffer->size()));
      const int64_t padded = arrow::bit_util::RoundUpToPowerOf2(buffer->size(), kAlignment);
      if (padded != buffer->size()) {
        body->emplace_back(kPadding.data(), static_cast<size_t>(padded - buffer->size()));
      }
      size += padded;
    }
    if (size == payload.body_length) return Status::OK();
    return Status::UnknownError("the buffers of an IPC message have ", size, " bytes, its body ", payload.body_length);
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> MakeHeader(const std::string& front,
                                                           const std::vector<IpcPayload>& payloads) const {
    const auto align = [](int64_t size) { return arrow::bit_util::RoundUpToPowerOf2(size, kAlignment); };
    int64_t size = align(static_cast<int64_t>(front.size()));
    for (const IpcPayload& payload : payloads) size += align(payload.metadata->size());
    if (size > kMaxWireHeaderBytes) {
      return Status::CapacityError("a block with a header of ", size, " bytes is too large to be sent");
    }
    ARROW_ASSIGN_OR_RAISE(auto header, arrow::AllocateBuffer(size, pool_));
    uint8_t* out = header->mutable_data();
    std::memset(out, 0, static_cast<size_t>(size));
    std::memcpy(out, front.data(), front.size());
    out += align(static_cast<int64_t>(front.size()));
    for (const IpcPayload& payload : payloads) {
      std::memcpy(out, payload.metadata->data(), static_cast<size_t>(payload.metadata->size()));
      out += align(payload.metadata->size());
    }
    return std::shared_ptr<arrow::Buffer>(std::move(header));
  }

  std::shared_ptr<arrow::Schema> schema_;
  arrow::MemoryPool* pool_;
  arrow::ipc::DictionaryFieldMapper mapper_;
  arrow::ipc::IpcWriteOptions options_ = arrow::ipc::IpcWriteOptions::Defaults();
  std::unordered_map<int64_t, std::shared_ptr<arrow::Array>> sent_;
  bool schema_sent_ = false;
  bool finished_ = false;
};

}  // namespace

arrow::Result<std::unique_ptr<WireWriter>> WireWriter::Make(std::shared_ptr<arrow::Schema> schema,
                                                            const Context& context) {
  for (const auto& field : schema->fields()) ARROW_RETURN_NOT_OK(CheckWireType(*field->type(), field->name()));
  return std::make_unique<Writer>(std::move(schema), context);
}

}  // namespace weft::table
