// A link whose peer is authenticated and yet says anything: frames of any order, length, number and credit, while this
// side sends, receives, cancels and leaves.
#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/input.h"
#include "weft/backends/tcp/link.h"

namespace weft::tcp {
namespace {

using fuzz::Input;
using fuzz::Require;

constexpr size_t kMostBytes = 600 << 10;

/// The memory of all operations: fresh pages for each would cost more than the rest. An operation has the last bytes of
/// it, so that one step too far is seen; that they overlap does no harm, for nobody looks at what is in them.
std::byte* LastBytes(size_t size) {
  static std::byte* const memory = new std::byte[kMostBytes];
  return memory + kMostBytes - size;
}

struct Wire {
  std::string heard;
  size_t taken = 0;  // of `heard`
  size_t takes = 1 << 20;
  int64_t said = 0;
};

class MemoryStream : public ByteStream {
 public:
  explicit MemoryStream(Wire* wire) : wire_(wire) {}
  int descriptor() const override { return -1; }
  void Allow(int64_t bytes) override { allowed_ = static_cast<size_t>(bytes); }
  IoResult Read(std::span<const iovec> into) override {
    int64_t moved = 0;
    for (const iovec& span : into) {
      const size_t size = std::min({span.iov_len, wire_->heard.size() - wire_->taken, allowed_});
      allowed_ -= size;
      std::memcpy(span.iov_base, wire_->heard.data() + wire_->taken, size);
      wire_->taken += size;
      moved += static_cast<int64_t>(size);
    }
    return moved == 0 ? IoResult{} : IoResult{IoResult::Kind::kMoved, moved, 0};
  }
  IoResult Write(std::span<const iovec> from) override {
    int64_t moved = 0;
    for (const iovec& span : from) {
      const size_t size = std::min(span.iov_len, wire_->takes);
      wire_->takes -= size;
      moved += static_cast<int64_t>(size);
    }
    wire_->said += moved;
    return moved == 0 ? IoResult{} : IoResult{IoResult::Kind::kMoved, moved, 0};
  }
  void ShutdownWrite() override {}

 private:
  Wire* const wire_;
  size_t allowed_ = SIZE_MAX;
};

class Conversation {
 public:
  Conversation() {
    context_.rank = 0;
    context_.world_size = 256;  // the smallest window
    context_.stage.swap(Stage());
    context_.remakes = true;
    context_.shared_bytes = kMostMemory;
    info_.peer = 1;
    link_ = std::make_unique<Link>(&context_, info_, std::make_unique<MemoryStream>(&wire_));
    SayResume(0, 0);
  }
  ~Conversation() { context_.stage.swap(Stage()); }

  /// False when the link has failed.
  bool Step(Input* input) {
    const uint8_t step = input->Byte();
    switch (step % 9) {
      case 0:
        wire_.heard.append(input->Chunk());
        return Hear();
      case 1:
      case 2:
      case 3:
        Say(input);
        return Hear();
      case 4:
        return Begin(false, input);
      case 5:
        return Begin(true, input);
      case 6:
        if (!operations_.empty())
          link_->Cancel(operations_[step / 9 % operations_.size()], arrow::Status::Cancelled(""));
        return true;
      case 7:
        return GoOn(input);
      default:
        wire_.takes = input->Number<uint16_t>();
        return link_->Flush().ok();
    }
  }

  void End(bool leave) {
    const std::string text(8, 'x');
    if (leave) {
      link_->Leave(arrow::Status::Cancelled("leaving"));
    } else {
      link_->Fail(arrow::Status::Cancelled("failing"), &text);
    }
    (void)Hear();
    for (const OperationRef& operation : operations_) Require(operation->done());
  }

 private:
  static std::vector<std::byte>& Stage() {
    static auto* const stage = new std::vector<std::byte>(64 << 10);
    return *stage;
  }

  bool Hear() {
    const arrow::Status status = link_->OnReadable();
    if (wire_.taken == wire_.heard.size()) ForgetHeard();
    context_.ledger.released.clear();
    context_.heard.clear();
    return status.ok();
  }

  void ForgetHeard() {
    wire_.heard.clear();
    wire_.taken = 0;
  }

  void SayResume(uint64_t has, uint64_t part) {
    FrameHeader header;
    header.type = FrameType::kResume;
    header.acknowledgement = has;
    header.size = part;
    header.credit = uint64_t{1} << 30;
    const HeaderBytes bytes = EncodeHeader(header);
    wire_.heard.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  /// The stream breaks, seen by this rank or by the peer alone, and another one takes its place.
  bool GoOn(Input* input) {
    const uint8_t how = input->Byte();
    if (link_->ended()) return true;
    if ((how & 1) != 0 && !link_->Break("broke", (how & 2) != 0).ok()) return false;
    if (link_->ended()) return true;
    ForgetHeard();
    if (!link_->Resume(std::make_unique<MemoryStream>(&wire_), info_).ok()) return false;
    SayResume(input->Byte(), (how & 4) != 0 ? input->Number<uint32_t>() : 0);
    said_ -= std::min<uint64_t>(said_, how >> 5);
    return Hear();
  }

  /// A frame that is nearly right, so that it gets further than the header's checks.
  void Say(Input* input) {
    FrameHeader header;
    header.type = static_cast<FrameType>(1 + input->Byte() % 10);
    header.flags = input->Byte() % 8;
    header.tag = input->Byte() % 4;
    header.size = input->Number<uint32_t>();
    const uint8_t more = input->Byte();
    header.sequence = IsNumbered(header.type) ? ++said_ : 0;
    if ((more & 1) != 0) header.acknowledgement = input->Byte();
    header.credit = (more & 2) != 0 ? input->Number<uint64_t>() : uint64_t{1} << 30;
    std::string payload(input->Chunk());
    if ((more & 4) != 0) payload.resize(input->Number<uint32_t>() % (300 << 10), 'p');
    header.length = static_cast<uint32_t>(payload.size());
    if (header.type == FrameType::kEager && (more & 8) == 0) header.size = header.length;
    if ((more & 16) != 0) header.length = input->Number<uint32_t>();
    const HeaderBytes bytes = EncodeHeader(header);
    wire_.heard.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (InStream(header) > 0) wire_.heard.append(payload);
  }

  bool Begin(bool send, Input* input) {
    if (operations_.size() >= 64) return true;
    auto operation = std::make_shared<Operation>();
    const size_t size = input->Number<uint32_t>() % kMostBytes;
    std::byte* const memory = LastBytes(size);
    operation->is_send = send;
    operation->peer = 1;
    operation->tag = input->Byte() % 4;
    operation->size = static_cast<int64_t>(size);
    operation->started = Clock::now();
    if (send) {
      operation->send_parts = {{memory, size / 2}, {memory + size / 2, size - size / 2}};
      operation->send_cursor = PartCursor<ConstBytes>(&operation->send_parts);
    } else {
      operation->recv_parts = {{memory, size / 3}, {memory + size / 3, size - size / 3}};
      operation->recv_cursor = PartCursor<MutableBytes>(&operation->recv_parts);
    }
    ++context_.ledger.pending;
    if (!(send ? link_->Send(operation) : link_->Recv(operation)).ok()) return false;  // it is the caller's again
    operations_.push_back(operation);
    return true;
  }

  LinkContext context_;
  Wire wire_;
  LinkInfo info_;
  std::unique_ptr<Link> link_;
  uint64_t said_ = 0;
  std::vector<OperationRef> operations_;
};

}  // namespace
}  // namespace weft::tcp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weft::fuzz::Input input(data, size);
  weft::tcp::Conversation conversation;
  const bool leave = input.Byte() % 2 == 0;
  while (!input.empty() && conversation.Step(&input)) {
  }
  conversation.End(leave);
  return 0;
}
