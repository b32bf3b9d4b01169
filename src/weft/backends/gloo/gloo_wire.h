// A Wire on Gloo's unbound buffers.
#pragma once

#include <arrow/result.h>
#include <gloo/transport/unbound_buffer.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "weft/backends/gloo/gloo_mesh.h"
#include "weft/communicator/wire.h"

namespace weft::gloo {

/// Gloo's buffers can be waited for, one thread a buffer, and not looked at; a wait that ends by its time closes all
/// connections. So all notes of all peers go to one buffer: a ring of places for each peer, every place with a receive
/// of its own. Its waits count notes, and a number at the head of each place tells where they are. Waits are ended in
/// good order by a thread that looks for their time.
///
/// A note's place is read only when as many notes have been counted as places show their numbers: then none is half
/// there. Where a connection has ended, waiting throws: from then on places are looked at again and again.
class GlooWire : public Wire {
 public:
  static arrow::Result<std::unique_ptr<Wire>> Make(Mesh mesh);
  ~GlooWire() override { Close(); }

  const WireLimits& limits() const override { return limits_; }
  std::string path() const override { return "gloo tcp"; }
  std::string address(Rank peer) const override { return mesh_.addresses[static_cast<size_t>(peer)]; }

  arrow::Result<bool> SendNote(Rank to, std::span<const iovec> spans) override;
  arrow::Result<bool> SendPiece(Rank to, uint64_t key, std::span<const iovec> spans, uint64_t cookie) override;
  arrow::Result<bool> ReceivePiece(Rank from, uint64_t key, std::span<const iovec> spans, uint64_t cookie) override;
  arrow::Status EndPiece(uint64_t cookie) override;
  /// Gloo takes nothing back.
  void CancelPiece(uint64_t) override {}

  void Poll(WireSink& sink) override;
  bool Drained() const override { return true; }
  void Wait(Duration wait) override;
  void Wake() override;
  void Close() override;

 private:
  using Buffer = std::unique_ptr<::gloo::transport::UnboundBuffer>;
  struct Peer {
    uint64_t sent = 0;
    uint64_t taken = 0;
    /// Its receive never ends but by the end of the connection.
    Buffer sentinel;
    std::byte sentinel_byte{};
    uint32_t shown = 0;
    bool gone = false;
    bool told = false;
  };
  struct Piece {
    Buffer buffer;
    bool receive = false;
  };

  explicit GlooWire(Mesh mesh);
  arrow::Status Start();
  std::byte* Place(std::byte* arena, Rank peer, uint64_t number) const;
  size_t Offset(Rank peer, uint64_t number) const;
  void PostNote(Rank peer, uint64_t number);
  bool Shows(Rank peer, uint64_t number) const;
  size_t LookAtPlaces();
  bool CountOne(size_t counted);
  std::unique_lock<std::mutex> EnterInbox();
  bool WaitForNote(Duration wait);
  void TakeNotes(WireSink& sink);
  bool LookForEnds();
  static bool Gone(Peer& peer);
  void Nap(Duration wait);
  void RunTicker();

  Mesh mesh_;
  WireLimits limits_;
  size_t place_bytes_ = 0;
  std::unique_ptr<std::byte[]> inbox_bytes_;
  std::unique_ptr<std::byte[]> outbox_bytes_;
  Buffer inbox_;
  Buffer outbox_;
  std::vector<Peer> peers_;
  std::unordered_map<uint64_t, Piece> pieces_;  // by cookie

  std::atomic<size_t> counted_{0};  // notes that waits have counted and Poll has not yet taken
  std::atomic<bool> broken_{false};
  std::atomic<int> idle_{0};
  std::atomic<bool> woken_{false};
  std::atomic<bool> napped_{false};
  std::mutex sleeping_;  // held while a thread waits for the inbox
  std::atomic<int64_t> sleep_end_{0};

  std::mutex ticker_mutex_;
  std::condition_variable ticker_changed_;
  bool stop_ = false;
  std::thread ticker_;
};

}  // namespace weft::gloo
