// Writes the first inputs of the fuzz targets: conversations as honest ends have them.
//
//   fuzz_make_seeds DIRECTORY
#include <arrow/api.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "weft/base/byte_codec.h"
#include "weft/base/context.h"
#include "weft/rendezvous/protocol.h"
#include "weft/table/wire.h"
#include "weft/table/wire_compression.h"

namespace {

using weft::ByteWriter;
using weft::rendezvous::Frame;
using weft::rendezvous::MessageType;

std::string root;

void Write(const std::string& target, const std::string& name, const std::string& bytes) {
  const std::filesystem::path folder = std::filesystem::path(root) / target;
  std::filesystem::create_directories(folder);
  std::ofstream(folder / name, std::ios::binary) << bytes;
}

std::string Chunk(const std::string& bytes) {
  return ByteWriter().Put(static_cast<uint16_t>(bytes.size())).PutRaw(bytes).Take();
}

/// One byte each.
std::string Bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

/// Steps of rendezvous_server_fuzz.cc: number of the step times four, and the client.
std::string Step(int step, int client) { return Bytes({4 * step + client}); }

std::string Request(int client, MessageType type, int id, const std::string& fields) {
  return Step(5, client) + Bytes({static_cast<int>(type) - 16, id}) + Chunk(fields);
}

void RendezvousServer() {
  const std::string set = ByteWriter().PutString("weft:j:0:k").PutString("value").Put(int64_t{60000}).Take();
  const std::string wait = ByteWriter().PutString("weft:j:0:k").Put(uint32_t{500}).Take();
  const std::string swap = ByteWriter()
                               .PutString("weft:j:0:k")
                               .Put(uint8_t{1})
                               .PutString("value")
                               .PutString("other")
                               .Put(int64_t{1000})
                               .Take();
  const std::string add = ByteWriter().PutString("weft:j:0:n").Put(int64_t{3}).Put(int64_t{1000}).Take();
  const std::string key = ByteWriter().PutString("weft:j:0:k").Take();
  std::string store = Step(2, 0) + Step(2, 1) + Request(1, MessageType::kWait, 9, wait);
  store += Request(0, MessageType::kSet, 1, set) + Request(0, MessageType::kCompareAndSet, 2, swap);
  store += Request(0, MessageType::kAdd, 3, add) + Request(1, MessageType::kGet, 4, key);
  store += Request(1, MessageType::kDelete, 5, key) + Request(1, MessageType::kWait, 6, wait);
  store += Request(1, MessageType::kCancel, 6, "") + Step(6, 0) + Bytes({0, 8}) + Step(8, 0);
  Write("rendezvous_server", "store", store);
  // Rank 0 and rank 1 of a world of two, then their asks.
  std::string pair = Step(2, 0) + Step(2, 1) + Step(3, 0) + Bytes({0, 0x20}) + Step(3, 1) + Bytes({0, 0x21});
  pair += Step(0, 0) + Chunk(weft::rendezvous::EncodeAsk({1})) + Step(0, 1) + Chunk(weft::rendezvous::EncodeAsk({0}));
  pair += Step(0, 0) + Chunk(Frame(MessageType::kRest, "")) + Step(9, 1) + Step(6, 0) + Bytes({0, 32});
  Write("rendezvous_server", "pair", pair);
  std::string relay = Step(2, 0) + Step(2, 1) + Step(4, 0) + Bytes({1, 0x10}) + Step(4, 1) + Bytes({1, 0x01});
  relay +=
      Step(0, 0) + Chunk(std::string(3000, 'r')) + Step(7, 1) + Step(0, 0) + Chunk("more") + Step(7, 1) + Step(8, 0);
  Write("rendezvous_server", "relay", relay + Step(8, 1));
  Write("rendezvous_server", "junk", Step(0, 0) + Chunk("GET / HTTP/1.1\r\n\r\n"));
}

void RendezvousClient() {
  using namespace weft::rendezvous;  // NOLINT(google-build-using-namespace): names of messages
  const auto fed = [](const std::string& bytes) {
    std::string text;
    for (size_t at = 0; at < bytes.size(); at += 200) {
      const std::string piece = bytes.substr(at, 200);
      text += Bytes({static_cast<int>(piece.size()) - 1}) + piece;
    }
    return text;
  };
  Welcome welcome;
  welcome.observed_host = "192.0.2.1";
  welcome.observed_port = 4711;
  welcome.server_version = "0.1.0";
  const std::string greeting = Encode(Challenge{}) + Encode(welcome);
  Write("rendezvous_client", "greeting", Bytes({0}) + fed(greeting));
  Write("rendezvous_client", "refusal", Bytes({4}) + fed(Encode(Refusal{RefusalCode::kFull, "full"})));
  Write("rendezvous_client", "relay", Bytes({1}) + fed(greeting + EncodeReply(1, ReplyCode::kOk, "")));
  const std::string go = Encode(Go{.peer = 1, .host = "192.0.2.1", .port = 9, .seed = 7}).substr(5);
  Write("rendezvous_client", "notices",
        Bytes({2, 33}) + Chunk(go) + Bytes({34}) + Chunk(Encode(Gone{1}).substr(5)) + Bytes({35}) +
            Chunk(EncodeHere(1).substr(5)));
  Write("rendezvous_client", "go", Bytes({3}) + go);
  Write("rendezvous_client", "welcome", Bytes({3}) + Encode(welcome).substr(5));
  Write("rendezvous_client", "claim", Bytes({3}) + std::string(104, 'c'));
}

void Links() {
  Write("handshake", "stranger", Bytes({0, 0}) + Chunk("WEFT" + Bytes({2, 1, 88, 0}) + std::string(88, 'h')));
  Write("handshake", "refused", Bytes({0, 1}) + Chunk("WEFT" + Bytes({2, 4, 9, 0, 6, 4, 0, 0, 0}) + "text"));
  Write("handshake", "honest", Bytes({1, 0}) + std::string(24, '\0'));
  Write("handshake", "punched", Bytes({1, 129}) + std::string(24, '\0'));
  Write("handshake", "altered", Bytes({1, 1, 0, 0, 1, 9, 0, 0, 0, 3}) + std::string(20, '\0'));
  const std::string candidates = ByteWriter().Put(uint8_t{2}).PutString("host").PutString("").Put(uint32_t{0}).Take();
  Write("handshake", "candidates", Bytes({2}) + candidates);
  // Frames of link_fuzz.cc: step, type, flags, tag, size, what more, payload.
  const auto frame = [](int type, int flags, int tag, uint32_t size, int more, const std::string& payload) {
    return Bytes({1, type - 1, flags, tag}) + ByteWriter().Put(size).Take() + Bytes({more}) + Chunk(payload);
  };
  const auto begin = [](bool send, uint32_t size, int tag) {
    return Bytes({send ? 5 : 4}) + ByteWriter().Put(size).Take() + Bytes({tag});
  };
  Write("link", "eager",
        Bytes({0}) + frame(1, 0, 1, 0, 0, "hello") + begin(false, 64, 1) + begin(false, 64, 2) +
            frame(1, 1, 2, 0, 0, "again") + frame(8, 0, 0, 0, 0, ""));
  Write("link", "announced",
        Bytes({1}) + begin(false, 8, 1) + frame(2, 0, 1, 8, 0, "") + frame(4, 0, 1, 0, 0, "half") +
            frame(4, 1, 1, 4, 0, "half") + frame(6, 1, 0, 0, 0, "waits") +
            frame(7, 0, 0, 0, 0, Bytes({1, 0, 0, 0, 0, 0, 0, 0, 0})));
  Write("link", "sends",
        Bytes({0}) + begin(true, 5, 1) + begin(true, 400000, 2) + frame(3, 0, 2, 400000, 0, "") +
            frame(5, 0, 0, 0, 1, "") + frame(8, 0, 0, 0, 0, ""));
}

std::shared_ptr<arrow::RecordBatch> Batch() {
  using arrow::field;
  const auto words = arrow::dictionary(arrow::int8(), arrow::utf8());
  const auto schema = arrow::schema(
      {field("i", arrow::int64()), field("s", arrow::utf8()), field("b", arrow::boolean()), field("d", words),
       field("l", arrow::list(arrow::int32())), field("r", arrow::run_end_encoded(arrow::int32(), arrow::utf8()))});
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (const auto& one : schema->fields()) {
    auto builder = *arrow::MakeBuilder(one->type());
    (void)builder->AppendEmptyValue();
    (void)builder->AppendNull();
    (void)builder->AppendEmptyValue();
    columns.push_back(*builder->Finish());
  }
  return arrow::RecordBatch::Make(schema, 3, columns);
}

std::string BlockBytes(const weft::table::WireBlock& block) {
  std::string text = ByteWriter().Put(static_cast<uint32_t>(block.header->size())).Take() + block.header->ToString();
  for (const auto& piece : block.body) text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  return text;
}

/// The same with a body of LZ4, where that is smaller.
arrow::Result<std::string> CompressedBlockBytes(const weft::table::WireBlock& block) {
  ARROW_ASSIGN_OR_RAISE(const auto body,
                        weft::table::CompressBody(block.body, block.body_bytes, arrow::default_memory_pool()));
  if (body == nullptr) return arrow::Status::Invalid("a seed that does not shrink");
  const auto size = static_cast<uint32_t>(block.header->size()) | uint32_t{1} << 31;
  return ByteWriter()
      .Put(size)
      .PutRaw(block.header->ToString())
      .Put(static_cast<uint32_t>(body->size()))
      .PutRaw(body->ToString())
      .Take();
}

arrow::Status Tables() {
  const weft::Context context;
  const auto batch = Batch();
  ARROW_ASSIGN_OR_RAISE(auto writer, weft::table::WireWriter::Make(batch->schema(), context));
  ARROW_ASSIGN_OR_RAISE(const auto first, writer->Write(batch));
  ARROW_ASSIGN_OR_RAISE(const auto second, writer->Write(batch->Slice(1)));
  ARROW_ASSIGN_OR_RAISE(const auto last, writer->Finish(arrow::Status::OK()));
  ARROW_ASSIGN_OR_RAISE(const std::string compressed, CompressedBlockBytes(first));
  Write("table", "compressed", compressed + BlockBytes(second) + BlockBytes(last));
  Write("table", "rows", BlockBytes(first) + BlockBytes(second) + BlockBytes(last));
  ARROW_ASSIGN_OR_RAISE(auto failing, weft::table::WireWriter::Make(batch->schema(), context));
  ARROW_ASSIGN_OR_RAISE(const auto error, failing->Finish(arrow::Status::Invalid("no more rows")));
  Write("table", "error", BlockBytes(error));
  return arrow::Status::OK();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: fuzz_make_seeds DIRECTORY\n");
    return 2;
  }
  root = argv[1];
  RendezvousServer();
  RendezvousClient();
  Links();
  const arrow::Status status = Tables();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
