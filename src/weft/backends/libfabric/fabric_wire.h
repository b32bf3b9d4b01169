// A Wire on one reliable-datagram endpoint of libfabric with tagged messages.
#pragma once

#include <arrow/result.h>
#include <rdma/fabric.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>

#include <atomic>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "weft/backends/libfabric/fabric_provider.h"
#include "weft/communicator/process_watch.h"
#include "weft/communicator/wire.h"

namespace weft::libfabric {

template <typename Fid>
struct FidDeleter {
  void operator()(Fid* fid) const { (void)fi_close(&fid->fid); }
};
template <typename Fid>
using FidPtr = std::unique_ptr<Fid, FidDeleter<Fid>>;

enum class FabricContextKind : uint8_t { kNoteOut, kNoteIn, kPiece };

/// What an operation of libfabric is known by; its first member is the library's to use.
struct FabricContext {
  fi_context2 reserved;
  FabricContextKind kind;
  Rank peer = -1;
  uint64_t cookie = 0;
  bool receive = false;
  std::unique_ptr<std::byte[]> note;
};

/// In the order in which they are opened; closed the other way round.
struct FabricObjects {
  std::vector<std::unique_ptr<FabricContext>> contexts;
  FidPtr<fid_fabric> fabric;
  FidPtr<fid_domain> domain;
  FidPtr<fid_cq> queue;
  FidPtr<fid_av> addresses;
  FidPtr<fid_ep> endpoint;
};

/// Tags of libfabric, from the highest bit that the provider leaves to its users: one bit that tells pieces from notes,
/// as many as the ranks need for the source, and the key of a piece below (a running number, taken modulo what fits).
/// The communicator's tags, which are wider than what is left, travel in the notes.
class FabricWire : public Wire {
 public:
  /// Collective: exchanges addresses.
  static arrow::Result<std::unique_ptr<Wire>> Make(const BackendContext& context, InfoPtr info, Deadline deadline);
  ~FabricWire() override { Close(); }

  const WireLimits& limits() const override { return limits_; }
  std::string path() const override { return "libfabric " + provider_; }
  std::string address(Rank peer) const override { return addresses_text_[static_cast<size_t>(peer)]; }

  arrow::Result<bool> SendNote(Rank to, std::span<const iovec> spans) override;
  arrow::Result<bool> SendPiece(Rank to, uint64_t key, std::span<const iovec> spans, uint64_t cookie) override;
  arrow::Result<bool> ReceivePiece(Rank from, uint64_t key, std::span<const iovec> spans, uint64_t cookie) override;
  arrow::Status EndPiece(uint64_t) override { return arrow::Status::OK(); }
  void CancelPiece(uint64_t cookie) override;

  void Poll(WireSink& sink) override;
  bool Drained() const override { return notes_out_ == 0; }
  void Wait(Duration wait) override;
  void Wake() override;
  void Close() override;

 private:
  using Kind = FabricContextKind;
  using Context = FabricContext;

  FabricWire(Rank rank, int world_size, InfoPtr info);
  arrow::Status Open();
  arrow::Status OpenQueue();
  arrow::Result<std::string> OwnAddress();
  arrow::Status Meet(const BackendContext& context, Deadline deadline);
  arrow::Status Connect(const std::vector<std::string>& addresses);
  void Describe(const std::vector<std::string>& addresses);
  bool PostNote(Context* context);
  void PostNotes();
  void RemoveMemory(Rank peer);
  void RemoveName(Rank owner);
  void LookForEnds(WireSink& sink);
  void CloseObjects();
  Context* TakePiece(Rank peer, uint64_t cookie, bool receive);
  arrow::Result<bool> Posted(ssize_t code, Context* piece, const char* call);
  void Complete(const fi_cq_tagged_entry& entry, WireSink& sink);
  bool CompleteError(WireSink& sink);

  uint64_t SourceBits(Rank rank) const { return static_cast<uint64_t>(rank) << key_bits_; }
  uint64_t PieceTag(Rank from, uint64_t key) const {
    return piece_bit_ | SourceBits(from) | (key & ((uint64_t{1} << key_bits_) - 1));
  }

  const Rank rank_;
  const int world_size_;
  const InfoPtr info_;
  const std::string provider_;
  WireLimits limits_;
  uint64_t piece_bit_ = 0;
  uint64_t source_mask_ = 0;
  int key_bits_ = 0;

  FabricObjects objects_;
  int queue_descriptor_ = -1;  // -1: the provider has none, and is looked at again and again
  int wake_ = -1;
  std::atomic<bool> woken_{false};
  std::atomic<int> idle_{0};  // waits in a row after which nothing was found

  std::vector<fi_addr_t> peers_;
  std::vector<std::string> addresses_text_;
  std::vector<Context*> spare_;                    // of pieces
  std::vector<Context*> spare_notes_;              // for sending
  std::deque<Context*> unposted_;                  // for receiving
  std::unordered_map<uint64_t, Context*> pieces_;  // by cookie
  int64_t notes_out_ = 0;
  std::set<Rank> unheard_;  // peers of which no note has come yet
  ProcessWatch processes_;
  Clock::time_point looked_for_ends_;
};

}  // namespace weft::libfabric
