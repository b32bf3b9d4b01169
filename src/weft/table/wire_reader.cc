#include <arrow/ipc/message.h>
#include <arrow/ipc/reader.h>
#include <arrow/util/bit_util.h>

#include <cstring>
#include <deque>
#include <map>

#include "weft/base/byte_codec.h"
#include "weft/table/validate.h"
#include "weft/table/wire.h"
#include "weft/table/wire_format.h"

namespace weft::table {
namespace {

using arrow::Status;
using arrow::ipc::Message;
using namespace wire;  // NOLINT(google-build-using-namespace): the layout's own names

/// The fields of a flatbuffer's table that Arrow's API does not show. Only for tables that Message::Open has verified.
/// The format: https://flatbuffers.dev/internals
class FlatTable {
 public:
  explicit FlatTable(const void* table) : table_(static_cast<const uint8_t*>(table)) {}

  /// The field's place, or nullptr where it has its default value.
  const uint8_t* Field(int index) const {
    const uint8_t* vtable = table_ - Load<int32_t>(table_);
    const auto slot = static_cast<uint16_t>(4 + 2 * index);
    if (slot >= Load<uint16_t>(vtable)) return nullptr;
    const auto offset = Load<uint16_t>(vtable + slot);
    return offset == 0 ? nullptr : table_ + offset;
  }

  const uint8_t* Table(int index) const {
    const uint8_t* field = Field(index);
    return field == nullptr ? nullptr : field + Load<uint32_t>(field);
  }

 private:
  template <typename T>
  static T Load(const uint8_t* p) {
    T value;
    std::memcpy(&value, p, sizeof(T));
    return value;
  }

  const uint8_t* table_;
};

// Positions of fields in Arrow's Message.fbs.
constexpr int kBatchCompression = 3;
constexpr int kDictionaryData = 1;
constexpr int kDictionaryIsDelta = 2;

/// Blocks are neither compressed nor do they add to a dictionary: what does is refused, since Arrow would work on the
/// data before it has been validated.
Status CheckPlain(const Message& message, Kind kind) {
  const uint8_t* batch = static_cast<const uint8_t*>(message.header());
  if (batch == nullptr) return Status::Invalid("a message without content");
  if (kind == Kind::kDictionary) {
    const FlatTable dictionary(batch);
    const uint8_t* delta = dictionary.Field(kDictionaryIsDelta);
    if (delta != nullptr && *delta != 0) return Status::Invalid("a dictionary that adds to another");
    batch = dictionary.Table(kDictionaryData);
    if (batch == nullptr) return Status::Invalid("a dictionary without values");
  }
  if (FlatTable(batch).Field(kBatchCompression) != nullptr) return Status::Invalid("a compressed body");
  return Status::OK();
}

/// Gives Arrow's stream reader the messages of the block at hand.
class MessageQueue : public arrow::ipc::MessageReader {
 public:
  explicit MessageQueue(std::shared_ptr<std::deque<std::unique_ptr<Message>>> messages)
      : messages_(std::move(messages)) {}

  arrow::Result<std::unique_ptr<Message>> ReadNextMessage() override {
    if (messages_->empty()) return Status::Invalid("a block ends before its rows");
    auto message = std::move(messages_->front());
    messages_->pop_front();
    return message;
  }

 private:
  std::shared_ptr<std::deque<std::unique_ptr<Message>>> messages_;
};

class Reader : public WireReader {
 public:
  Reader(Rank sender, int64_t max_body_bytes, const Context& context)
      : sender_(sender), max_body_bytes_(max_body_bytes) {
    options_.memory_pool = context.pool;
    options_.use_threads = false;
    options_.ensure_native_endian = false;
  }

  arrow::Result<WireHeader> ReadHeader(std::shared_ptr<arrow::Buffer> header) override {
    if (state_ != State::kHeader) return Status::Invalid("a header is read where none is due");
    state_ = State::kFailed;
    auto parsed = Parse(header);
    if (!parsed.ok()) return Blame(parsed.status());
    last_ = parsed->last;
    error_ = !parsed->status.ok();
    state_ = State::kBody;
    return parsed;
  }

  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Read(std::vector<std::shared_ptr<arrow::Buffer>> bodies) override {
    if (state_ != State::kBody) return Status::Invalid("a body is read where none is due");
    state_ = State::kFailed;
    // With an error a stream may break off where the sender had made a part of a block.
    auto batch = error_ ? arrow::Result<std::shared_ptr<arrow::RecordBatch>>(nullptr) : ReadBatch(bodies);
    if (!batch.ok()) return Blame(batch.status());
    state_ = last_ ? State::kEnd : State::kHeader;
    entries_.clear();
    return batch;
  }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

 private:
  enum class State { kHeader, kBody, kEnd, kFailed };

  struct Entry {
    Kind kind;
    int64_t body_bytes;
    std::shared_ptr<arrow::Buffer> metadata;
  };

  Status Blame(const Status& status) const {
    if (status.IsOutOfMemory()) return status;
    return Status::Invalid("rank ", sender_, " sent a block of a table that does not hold: ", status.message());
  }

  arrow::Result<WireHeader> Parse(const std::shared_ptr<arrow::Buffer>& header) {
    ByteReader in({reinterpret_cast<const char*>(header->data()), static_cast<size_t>(header->size())});
    ARROW_ASSIGN_OR_RAISE(const auto magic, in.Get<uint32_t>());
    ARROW_ASSIGN_OR_RAISE(const auto version, in.Get<uint16_t>());
    if (magic != kMagic) return Status::Invalid("it is no block of a table");
    if (version != kVersion) return Status::Invalid("it is of version ", version, ", this rank reads ", kVersion);
    ARROW_ASSIGN_OR_RAISE(const auto flags, in.Get<uint8_t>());
    ARROW_ASSIGN_OR_RAISE(const auto code, in.Get<uint8_t>());
    ARROW_ASSIGN_OR_RAISE(const auto text, in.GetString());
    if (flags > kLastFlag) return Status::Invalid("unknown flags ", static_cast<int>(flags));
    WireHeader out;
    out.last = flags == kLastFlag;
    if (code != 0) {
      if (!out.last) return Status::Invalid("an error in a block that is not the last");
      // A code that this build does not know is an error still.
      const auto known = code <= static_cast<uint8_t>(arrow::StatusCode::AlreadyExists)
                             ? static_cast<arrow::StatusCode>(code)
                             : arrow::StatusCode::UnknownError;
      out.status = Status(known, "rank " + std::to_string(sender_) + ": " + std::string(text));
    }
    ARROW_RETURN_NOT_OK(ParseEntries(header, &in));
    for (const Entry& entry : entries_) {
      if (entry.kind != Kind::kSchema) out.body_sizes.push_back(entry.body_bytes);
    }
    return out;
  }

  /// Fills `entries_`: [schema, in the first block] dictionaries [one batch, not in the last block].
  Status ParseEntries(const std::shared_ptr<arrow::Buffer>& header, ByteReader* in) {
    ARROW_ASSIGN_OR_RAISE(const auto count, in->Get<uint32_t>());
    if (count > in->left() / kEntryBytes) return Status::Invalid(count, " messages do not fit its header");
    std::vector<uint32_t> sizes(count);
    int64_t bodies = 0;
    entries_.resize(count);
    for (uint32_t i = 0; i < count; ++i) {
      ARROW_ASSIGN_OR_RAISE(entries_[i].kind, in->Get<Kind>());
      ARROW_ASSIGN_OR_RAISE(sizes[i], in->Get<uint32_t>());
      ARROW_ASSIGN_OR_RAISE(entries_[i].body_bytes, in->Get<int64_t>());
      const int64_t bytes = entries_[i].body_bytes;
      if (bytes < 0 || bytes > max_body_bytes_ - bodies) {
        return Status::Invalid("a body of ", bytes, " bytes; at most ", max_body_bytes_, " are taken");
      }
      bodies += bytes;
    }
    int64_t at = header->size() - static_cast<int64_t>(in->left());
    for (uint32_t i = 0; i < count; ++i) {
      at = arrow::bit_util::RoundUpToPowerOf2(at, kAlignment);
      if (at > header->size() || sizes[i] > header->size() - at) return Status::Invalid("metadata beyond its header");
      entries_[i].metadata = arrow::SliceBuffer(header, at, sizes[i]);
      at += sizes[i];
    }
    return Status::OK();
  }

  arrow::Result<std::shared_ptr<arrow::RecordBatch>> ReadBatch(
      const std::vector<std::shared_ptr<arrow::Buffer>>& bodies) {
    messages_->clear();
    size_t body = 0;
    bool has_batch = false;
    for (size_t i = 0; i < entries_.size(); ++i) {
      Entry& entry = entries_[i];
      const bool in_place = entry.kind == Kind::kSchema       ? i == 0 && stream_ == nullptr
                            : entry.kind == Kind::kDictionary ? !has_batch && !last_
                                                              : !has_batch && !last_ && i + 1 == entries_.size();
      if (!in_place) return Status::Invalid("messages that are too many or out of order");
      has_batch = entry.kind == Kind::kBatch;
      std::shared_ptr<arrow::Buffer> buffer;
      if (entry.kind != Kind::kSchema) {
        if (body == bodies.size()) return Status::Invalid("fewer bodies than messages were given");
        buffer = bodies[body++];
      }
      ARROW_RETURN_NOT_OK(AddMessage(std::move(entry), std::move(buffer)));
      if (i == 0) ARROW_RETURN_NOT_OK(OpenStream());
    }
    if (body != bodies.size()) return Status::Invalid("more bodies than messages were given");
    if (stream_ == nullptr) return Status::Invalid("its first block has no schema");
    if (last_) return std::shared_ptr<arrow::RecordBatch>();
    if (!has_batch) return Status::Invalid("a block has no rows");
    std::shared_ptr<arrow::RecordBatch> batch;
    ARROW_RETURN_NOT_OK(stream_->ReadNext(&batch));
    if (batch == nullptr || !messages_->empty()) return Status::Invalid("messages that are too many or out of order");
    ARROW_RETURN_NOT_OK(Validate(*batch));
    return batch;
  }

  Status AddMessage(Entry entry, std::shared_ptr<arrow::Buffer> body) {
    ARROW_ASSIGN_OR_RAISE(auto message, Message::Open(std::move(entry.metadata), body));
    const auto type = message->type();
    if (KindOf(type) != entry.kind || type == arrow::ipc::MessageType::TENSOR ||
        type == arrow::ipc::MessageType::SPARSE_TENSOR || type == arrow::ipc::MessageType::NONE) {
      return Status::Invalid("a message of another kind than its header says");
    }
    if (entry.kind != Kind::kSchema) {
      if (message->body_length() != entry.body_bytes || body->size() != entry.body_bytes) {
        return Status::Invalid("a body of ", body->size(), " bytes where ", message->body_length(), " belong");
      }
      ARROW_RETURN_NOT_OK(CheckPlain(*message, entry.kind));
    }
    messages_->push_back(std::move(message));
    return Status::OK();
  }

  /// Reads the schema, once.
  Status OpenStream() {
    if (stream_ != nullptr) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(
        stream_, arrow::ipc::RecordBatchStreamReader::Open(std::make_unique<MessageQueue>(messages_), options_));
    const auto schema = stream_->schema();
    if (!schema->is_native_endian()) return Status::Invalid("it is of a machine with another byte order");
    for (const auto& field : schema->fields()) ARROW_RETURN_NOT_OK(CheckWireType(*field->type(), field->name()));
    schema_ = schema;
    return Status::OK();
  }

  /// Dictionaries stay from block to block and are looked at once.
  Status Validate(const arrow::RecordBatch& batch) {
    const auto columns = batch.column_data();
    std::map<const arrow::ArrayData*, std::weak_ptr<arrow::ArrayData>> known;
    for (const auto& column : columns) {
      if (column == nullptr || column->length != batch.num_rows()) {
        return Status::Invalid("a column is shorter than its block");
      }
      ARROW_RETURN_NOT_OK(ValidateDictionaries(*column, &known));
      ARROW_RETURN_NOT_OK(ValidateArrayData(*column, /*with_dictionary=*/false));
    }
    valid_dictionaries_ = std::move(known);
    return Status::OK();
  }

  Status ValidateDictionaries(const arrow::ArrayData& array,
                              std::map<const arrow::ArrayData*, std::weak_ptr<arrow::ArrayData>>* known) {
    if (array.dictionary != nullptr && !known->contains(array.dictionary.get())) {
      const auto it = valid_dictionaries_.find(array.dictionary.get());
      // The weak pointer tells an old dictionary from a new one at its address.
      if (it == valid_dictionaries_.end() || it->second.lock() != array.dictionary) {
        ARROW_RETURN_NOT_OK(ValidateArrayData(*array.dictionary, /*with_dictionary=*/true));
      }
      known->emplace(array.dictionary.get(), array.dictionary);
    }
    for (const auto& child : array.child_data) {
      if (child != nullptr) ARROW_RETURN_NOT_OK(ValidateDictionaries(*child, known));
    }
    return Status::OK();
  }

  Rank sender_;
  int64_t max_body_bytes_;
  arrow::ipc::IpcReadOptions options_ = arrow::ipc::IpcReadOptions::Defaults();
  std::shared_ptr<std::deque<std::unique_ptr<Message>>> messages_ =
      std::make_shared<std::deque<std::unique_ptr<Message>>>();
  std::shared_ptr<arrow::ipc::RecordBatchStreamReader> stream_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<Entry> entries_;
  std::map<const arrow::ArrayData*, std::weak_ptr<arrow::ArrayData>> valid_dictionaries_;
  State state_ = State::kHeader;
  bool last_ = false;
  /// The block at hand ends the stream with an error of the sender's.
  bool error_ = false;
};

}  // namespace

arrow::Result<std::unique_ptr<WireReader>> WireReader::Make(Rank sender, int64_t max_body_bytes,
                                                            const Context& context) {
  return std::make_unique<Reader>(sender, max_body_bytes, context);
}

}  // namespace weft::table
