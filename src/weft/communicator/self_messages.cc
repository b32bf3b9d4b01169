#include "weft/communicator/self_messages.h"

#include "weft/communicator/message_limits.h"

namespace weft {
namespace {

void CopyToSelf(Operation& send, Operation& receive) {
  iovec span;
  int64_t left = send.size;
  while (left > 0) {
    int64_t piece = 0;
    send.send_cursor.Fill(&span, 1, left, &piece);
    receive.recv_cursor.CopyFrom(static_cast<const std::byte*>(span.iov_base), piece);
    send.send_cursor.Advance(piece);
    left -= piece;
  }
}

}  // namespace

SelfMessages::SelfMessages(Rank rank, int world_size, Ledger* ledger)
    : rank_(rank), window_(EagerWindow(world_size)), ledger_(ledger) {
  info_.peer = rank;
  info_.path = "self";
}

void SelfMessages::Send(const OperationRef& operation) {
  const int64_t size = operation->size;
  info_.bytes_sent += size;
  ++info_.messages_sent;
  if (const OperationRef receive = matching_.TakePosted(operation->tag)) {
    if (size > receive->size) {
      ledger_->Complete(*receive, MismatchError(rank_, *receive, size), 0);
    } else {
      CopyToSelf(*operation, *receive);
      ledger_->Complete(*receive, arrow::Status::OK(), size);
    }
    ledger_->Complete(*operation, arrow::Status::OK(), size);
  } else if (size <= kMaxCopied && buffered_ + size + kEagerOverhead <= window_) {
    buffered_ += size + kEagerOverhead;
    auto bytes = std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(size));
    operation->send_cursor.CopyTo(bytes.get(), size);
    matching_.AddUnexpected(operation->tag, {std::move(bytes), size, 0, nullptr});
    ledger_->Complete(*operation, arrow::Status::OK(), size);
  } else {
    matching_.AddUnexpected(operation->tag, {nullptr, size, 0, operation});
  }
}

void SelfMessages::Recv(const OperationRef& operation) {
  std::optional<Unexpected> message = matching_.TakeUnexpected(operation->tag);
  while (message && message->send && message->send->done())
    message = matching_.TakeUnexpected(operation->tag);  // cancelled
  if (!message) {
    matching_.Post(operation);
    return;
  }
  if (message->bytes) buffered_ -= message->size + kEagerOverhead;
  if (message->size > operation->size) {
    ledger_->Complete(*operation, MismatchError(rank_, *operation, message->size), 0);
  } else {
    if (message->bytes) {
      operation->recv_cursor.CopyFrom(message->bytes.get(), message->size);
    } else {
      CopyToSelf(*message->send, *operation);
    }
    info_.bytes_received += message->size;
    ++info_.messages_received;
    ledger_->Complete(*operation, arrow::Status::OK(), message->size);
  }
  if (message->send) ledger_->Complete(*message->send, arrow::Status::OK(), message->size);
}

void SelfMessages::Cancel(Operation& operation, const arrow::Status& status) {
  if (!operation.is_send) matching_.Remove(operation);
  ledger_->Complete(operation, status, 0);
}

void SelfMessages::CompleteAll(const arrow::Status& status) {
  matching_.ForEachPosted([&](const OperationRef& it) { ledger_->Complete(*it, status, 0); });
  matching_.ForEachUnexpected([&](const Unexpected& it) {
    if (it.send) ledger_->Complete(*it.send, status, 0);
  });
  matching_.Clear();
}

}  // namespace weft
