#include "weft/backends/libfabric/fabric_wire.h"

#include <rdma/fi_cm.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_tagged.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <string_view>

#include "weft/base/fault_point.h"
#include "weft/base/open_files.h"

namespace weft::libfabric {
namespace {

/// Providers copy messages of this length, and do not need the receiver's answer for them.
constexpr size_t kNoteBytes = 8 << 10;
constexpr Duration kEndsEvery = std::chrono::milliseconds(20);
constexpr size_t kMaxPieceBytes = size_t{1} << 30;

/// In one process, endpoints of shm reach into each other's memory without asking whether it is still there: they are
/// closed together, when none is in use.
constexpr const char* kShm = "shm";
constexpr std::string_view kShmPrefix = "fi_shm://";
std::mutex shm_mutex;
int shm_open = 0;
std::vector<FabricObjects> shm_closed;

/// Notes that one peer may have on their way: bounded for all peers of a large world together.
uint32_t NotesFor(int world_size) {
  constexpr size_t kInAll = 64 << 20;
  const size_t share = kInAll / kNoteBytes / static_cast<size_t>(world_size);
  return static_cast<uint32_t>(std::clamp<size_t>(share, 16, 64));
}

}  // namespace

arrow::Result<std::unique_ptr<Wire>> FabricWire::Make(const BackendContext& context, InfoPtr info, Deadline deadline) {
  Membership& membership = *context.membership;
  std::unique_ptr<FabricWire> wire(new FabricWire(membership.rank(), membership.world_size(), std::move(info)));
  // Before any rank has memory that it could leave behind.
  ARROW_ASSIGN_OR_RAISE(const auto processes, membership.ExchangeAll("libfabric/processes", ProcessWatch::Identity(),
                                                                     deadline, context.communicator.check_interrupt));
  for (size_t i = 0; i < processes.size(); ++i) wire->processes_.Add(static_cast<Rank>(i), processes[i]);
  ARROW_RETURN_NOT_OK(wire->Open());
  const arrow::Status met = wire->Meet(context, deadline);
  if (met.ok()) return wire;
  for (const Rank peer : wire->processes_.Ended()) wire->RemoveMemory(peer);
  return met;
}

arrow::Status FabricWire::Meet(const BackendContext& context, Deadline deadline) {
  ARROW_ASSIGN_OR_RAISE(const std::string own, OwnAddress());
  FaultPoint(FaultPhase::kRendezvous);
  ARROW_ASSIGN_OR_RAISE(const auto addresses, context.membership->ExchangeAll("libfabric/addresses", own, deadline,
                                                                              context.communicator.check_interrupt));
  return Connect(addresses);
}

FabricWire::FabricWire(Rank rank, int world_size, InfoPtr info)
    : rank_(rank),
      world_size_(world_size),
      info_(std::move(info)),
      provider_(info_->fabric_attr->prov_name),
      addresses_text_(static_cast<size_t>(world_size)) {
  for (Rank peer = 0; peer < world_size; ++peer) {
    if (peer != rank) unheard_.insert(peer);
  }
}

arrow::Status FabricWire::Open() {
  const int usable = 64 - std::countl_zero(info_->ep_attr->mem_tag_format);
  const int source_bits = std::bit_width(static_cast<uint32_t>(world_size_ - 1));
  key_bits_ = usable - 1 - source_bits;
  if (key_bits_ < 20) {
    return arrow::Status::Invalid("libfabric: provider ", provider_, " leaves ", usable,
                                  " bits of a tag, too few for a world of ", world_size_);
  }
  piece_bit_ = uint64_t{1} << (usable - 1);
  source_mask_ = ((uint64_t{1} << source_bits) - 1) << key_bits_;
  limits_.note = std::min(kNoteBytes, info_->ep_attr->max_msg_size);
  limits_.notes = NotesFor(world_size_);
  limits_.piece = static_cast<int64_t>(std::min(kMaxPieceBytes, info_->ep_attr->max_msg_size));
  limits_.spans = std::max<size_t>(1, std::min(info_->tx_attr->iov_limit, info_->rx_attr->iov_limit));

  fid_fabric* fabric = nullptr;
  int code = fi_fabric(info_->fabric_attr, &fabric, nullptr);
  if (code != 0) return FabricError("fi_fabric", code);
  if (provider_ == kShm) {
    const std::lock_guard lock(shm_mutex);
    ++shm_open;
  }
  objects_.fabric.reset(fabric);
  fid_domain* domain = nullptr;
  code = fi_domain(fabric, info_.get(), &domain, nullptr);
  if (code != 0) return FabricError("fi_domain", code);
  objects_.domain.reset(domain);
  ARROW_RETURN_NOT_OK(OpenQueue());
  fi_av_attr address_attributes = {};
  address_attributes.type = FI_AV_TABLE;
  address_attributes.count = static_cast<size_t>(world_size_);
  fid_av* addresses = nullptr;
  code = fi_av_open(domain, &address_attributes, &addresses, nullptr);
  if (code != 0) return FabricError("fi_av_open", code);
  objects_.addresses.reset(addresses);
  fid_ep* endpoint = nullptr;
  code = fi_endpoint(domain, info_.get(), &endpoint, nullptr);
  if (code != 0) return FabricError("fi_endpoint", code);
  objects_.endpoint.reset(endpoint);
  code = fi_ep_bind(endpoint, &addresses->fid, 0);
  if (code == 0) code = fi_ep_bind(endpoint, &objects_.queue->fid, FI_TRANSMIT | FI_RECV);
  if (code != 0) return FabricError("fi_ep_bind", code);
  code = fi_enable(endpoint);
  if (code != 0) return FabricError("fi_enable", code);
  return arrow::Status::OK();
}

arrow::Status FabricWire::OpenQueue() {
  fi_cq_attr attributes = {};
  attributes.format = FI_CQ_FORMAT_TAGGED;
  attributes.size = info_->tx_attr->size + info_->rx_attr->size;
  attributes.wait_obj = FI_WAIT_FD;
  fid_cq* queue = nullptr;
  int code = fi_cq_open(objects_.domain.get(), &attributes, &queue, nullptr);
  if (code == 0) {
    objects_.queue.reset(queue);
    code = fi_control(&queue->fid, FI_GETWAIT, &queue_descriptor_);
    if (code != 0) return FabricError("fi_control(FI_GETWAIT)", code);
    wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_ < 0) return arrow::Status::IOError("libfabric: eventfd: ", ErrnoText(errno));
    return arrow::Status::OK();
  }
  attributes.wait_obj = FI_WAIT_NONE;
  code = fi_cq_open(objects_.domain.get(), &attributes, &queue, nullptr);
  if (code != 0) return FabricError("fi_cq_open", code);
  objects_.queue.reset(queue);
  return arrow::Status::OK();
}

arrow::Result<std::string> FabricWire::OwnAddress() {
  std::string address(256, '\0');
  size_t length = address.size();
  int code = fi_getname(&objects_.endpoint->fid, address.data(), &length);
  if (code == -FI_ETOOSMALL) {
    address.resize(length);
    code = fi_getname(&objects_.endpoint->fid, address.data(), &length);
  }
  if (code != 0) return FabricError("fi_getname", code);
  address.resize(length);
  return address;
}

arrow::Status FabricWire::Connect(const std::vector<std::string>& addresses) {
  for (const std::string& address : addresses) {
    FaultPoint(FaultPhase::kConnect);
    fi_addr_t peer = FI_ADDR_UNSPEC;
    const int count = fi_av_insert(objects_.addresses.get(), address.data(), 1, &peer, 0, nullptr);
    if (count != 1) return FabricError("fi_av_insert", count < 0 ? count : -FI_EADDRNOTAVAIL);
    peers_.push_back(peer);
  }
  Describe(addresses);
  // The provider may be left with notes that have no receive yet: as many as the peers may send, no more.
  const size_t wanted = static_cast<size_t>(world_size_ - 1) * limits_.notes;
  const size_t posted = std::min(wanted, std::max<size_t>(1, info_->rx_attr->size / 4 * 3));
  for (size_t i = 0; i < posted; ++i) {
    objects_.contexts.push_back(std::make_unique<Context>());
    objects_.contexts.back()->kind = Kind::kNoteIn;
    objects_.contexts.back()->note = std::make_unique_for_overwrite<std::byte[]>(limits_.note);
    unposted_.push_back(objects_.contexts.back().get());
  }
  PostNotes();
  return arrow::Status::OK();
}

void FabricWire::Describe(const std::vector<std::string>& addresses) {
  for (size_t i = 0; i < addresses.size(); ++i) {
    char text[256] = "";
    size_t length = sizeof(text);
    fi_av_straddr(objects_.addresses.get(), addresses[i].data(), text, &length);
    addresses_text_[i] = std::string(text, ::strnlen(text, sizeof(text)));
  }
}

bool FabricWire::PostNote(Context* context) {
  return fi_trecv(objects_.endpoint.get(), context->note.get(), limits_.note, nullptr, FI_ADDR_UNSPEC, 0, source_mask_,
                  context) == 0;
}

void FabricWire::PostNotes() {
  while (!unposted_.empty() && PostNote(unposted_.front())) unposted_.pop_front();
}

arrow::Result<bool> FabricWire::SendNote(Rank to, std::span<const iovec> spans) {
  size_t length = 0;
  for (const iovec& span : spans) length += span.iov_len;
  const fi_addr_t peer = peers_[static_cast<size_t>(to)];
  const auto gather = [&](std::byte* target) {
    for (const iovec& span : spans) {
      if (span.iov_len > 0) std::memcpy(target, span.iov_base, span.iov_len);
      target += span.iov_len;
    }
  };
  ssize_t code = 0;
  constexpr size_t kInjected = 512;
  if (length <= std::min(kInjected, info_->tx_attr->inject_size)) {
    std::byte bytes[kInjected];
    gather(bytes);
    code = fi_tinject(objects_.endpoint.get(), bytes, length, peer, SourceBits(rank_));
  } else {
    if (spare_notes_.empty()) {
      objects_.contexts.push_back(std::make_unique<Context>());
      objects_.contexts.back()->kind = Kind::kNoteOut;
      objects_.contexts.back()->note = std::make_unique_for_overwrite<std::byte[]>(limits_.note);
      spare_notes_.push_back(objects_.contexts.back().get());
    }
    Context* const context = spare_notes_.back();
    context->peer = to;
    gather(context->note.get());
    code = fi_tsend(objects_.endpoint.get(), context->note.get(), length, nullptr, peer, SourceBits(rank_), context);
    if (code == 0) {
      spare_notes_.pop_back();
      ++notes_out_;
    }
  }
  if (code == -FI_EAGAIN) return false;
  if (code != 0) return FabricError("a send", code);
  return true;
}

FabricWire::Context* FabricWire::TakePiece(Rank peer, uint64_t cookie, bool receive) {
  if (spare_.empty()) {
    objects_.contexts.push_back(std::make_unique<Context>());
    objects_.contexts.back()->kind = Kind::kPiece;
    spare_.push_back(objects_.contexts.back().get());
  }
  Context* const piece = spare_.back();
  spare_.pop_back();
  piece->peer = peer;
  piece->cookie = cookie;
  piece->receive = receive;
  return piece;
}

arrow::Result<bool> FabricWire::Posted(ssize_t code, Context* piece, const char* call) {
  if (code == 0) {
    pieces_.emplace(piece->cookie, piece);
    return true;
  }
  spare_.push_back(piece);
  if (code == -FI_EAGAIN) return false;
  return FabricError(call, code);
}

arrow::Result<bool> FabricWire::SendPiece(Rank to, uint64_t key, std::span<const iovec> spans, uint64_t cookie) {
  Context* const piece = TakePiece(to, cookie, false);
  const ssize_t code = fi_tsendv(objects_.endpoint.get(), spans.data(), nullptr, spans.size(),
                                 peers_[static_cast<size_t>(to)], PieceTag(rank_, key), piece);
  return Posted(code, piece, "a send");
}

arrow::Result<bool> FabricWire::ReceivePiece(Rank from, uint64_t key, std::span<const iovec> spans, uint64_t cookie) {
  Context* const piece = TakePiece(from, cookie, true);
  const ssize_t code = fi_trecvv(objects_.endpoint.get(), spans.data(), nullptr, spans.size(), FI_ADDR_UNSPEC,
                                 PieceTag(from, key), 0, piece);
  return Posted(code, piece, "a receive");
}

void FabricWire::CancelPiece(uint64_t cookie) {
  const auto found = pieces_.find(cookie);
  // Providers cannot take back what they send; the end of the endpoint does.
  if (found != pieces_.end() && found->second->receive) (void)fi_cancel(&objects_.endpoint->fid, found->second);
}

void FabricWire::Complete(const fi_cq_tagged_entry& entry, WireSink& sink) {
  auto* const context = static_cast<Context*>(entry.op_context);
  if (context == nullptr) return;
  switch (context->kind) {
    case Kind::kNoteOut:
      --notes_out_;
      spare_notes_.push_back(context);
      return;
    case Kind::kNoteIn: {
      const auto from = static_cast<Rank>((entry.tag & source_mask_) >> key_bits_);
      sink.OnNote(from, {context->note.get(), std::min(entry.len, limits_.note)});
      unposted_.push_back(context);
      if (unheard_.erase(from) > 0 && unheard_.empty()) RemoveName(rank_);
      return;
    }
    case Kind::kPiece: {
      const uint64_t cookie = context->cookie;
      pieces_.erase(cookie);
      spare_.push_back(context);
      sink.OnPiece(cookie, arrow::Status::OK());
      return;
    }
  }
}

/// False where there was no error after all.
bool FabricWire::CompleteError(WireSink& sink) {
  fi_cq_err_entry error = {};
  if (fi_cq_readerr(objects_.queue.get(), &error, 0) != 1) return false;
  auto* const context = static_cast<Context*>(error.op_context);
  if (context == nullptr) return true;
  const std::string text = std::string("libfabric (") + provider_ + ") says \"" + fi_strerror(error.err) + "\"";
  switch (context->kind) {
    case Kind::kNoteOut:
      --notes_out_;
      spare_notes_.push_back(context);
      sink.OnLost(context->peer, text);
      break;
    case Kind::kNoteIn:
      if (error.err != FI_ECANCELED) unposted_.push_back(context);
      break;
    case Kind::kPiece: {
      const uint64_t cookie = context->cookie;
      pieces_.erase(cookie);
      spare_.push_back(context);
      sink.OnPiece(cookie, arrow::Status::IOError(text));
      break;
    }
  }
  return true;
}

void FabricWire::Poll(WireSink& sink) {
  constexpr size_t kBatch = 32;
  constexpr int kBatches = 16;
  fi_cq_tagged_entry entries[kBatch];
  bool any = false;
  for (int batch = 0; batch < kBatches; ++batch) {
    const ssize_t count = fi_cq_read(objects_.queue.get(), entries, kBatch);
    if (count == -FI_EAVAIL) {
      if (!CompleteError(sink)) break;
      any = true;
      continue;
    }
    if (count <= 0) break;
    any = true;
    for (ssize_t i = 0; i < count; ++i) Complete(entries[i], sink);
    PostNotes();
    if (count < static_cast<ssize_t>(kBatch)) break;
  }
  if (!unposted_.empty()) PostNotes();
  LookForEnds(sink);
  if (any) idle_.store(0, std::memory_order_relaxed);
}

/// No provider of those known says of its own accord that a peer is gone.
void FabricWire::LookForEnds(WireSink& sink) {
  if (processes_.descriptor() < 0) return;
  const auto now = Clock::now();
  if (now - looked_for_ends_ < kEndsEvery) return;
  looked_for_ends_ = now;
  for (const Rank peer : processes_.Ended()) {
    sink.OnLost(peer, "its process has ended");
    RemoveMemory(peer);
  }
}

/// Memory that all peers have mapped, as whoever sent something has, needs no name. What a rank that is killed after
/// the others have left would leave behind is gone before they leave.
void FabricWire::RemoveName(Rank owner) {
  if (provider_ != kShm) return;
  const std::string& name = addresses_text_[static_cast<size_t>(owner)];
  if (name.starts_with(kShmPrefix)) (void)::shm_unlink(name.c_str() + kShmPrefix.size());
}

/// One that was killed has left its memory behind; one that closed has not. Until its address is known it is only known
/// that shm names memory by the process.
void FabricWire::RemoveMemory(Rank peer) {
  if (provider_ != kShm) return;
  RemoveName(peer);
  const pid_t process = processes_.process(peer);
  if (process <= 0) return;
  const std::string front = std::to_string(process) + ":";
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm", error)) {
    const std::string file = entry.path().filename().string();
    if (file.starts_with(front)) (void)::shm_unlink(("/" + file).c_str());
  }
}

void FabricWire::CloseObjects() {
  if (provider_ != kShm) {
    const FabricObjects closing = std::move(objects_);
    return;
  }
  const std::lock_guard lock(shm_mutex);
  shm_closed.push_back(std::move(objects_));
  if (--shm_open > 0) return;
  for (FabricObjects& objects : shm_closed) objects.endpoint = nullptr;
  shm_closed.clear();
}

void FabricWire::Close() {
  if (objects_.fabric == nullptr) return;
  CloseObjects();
  pieces_.clear();
  if (wake_ >= 0) ::close(wake_);
  wake_ = -1;
}

}  // namespace weft::libfabric
