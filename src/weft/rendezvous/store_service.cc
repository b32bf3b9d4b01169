#include "weft/rendezvous/store_service.h"

#include <utility>
#include <vector>

#include "weft/base/byte_codec.h"

namespace weft::rendezvous {
namespace {

/// A request's fields after the id, as far as its type has them.
struct Request {
  std::string key;
  std::optional<std::string_view> expected;
  std::string_view value;
  int64_t delta = 0;
  Duration time_to_live = Duration::zero();
};

arrow::Status ReadTimeToLive(ByteReader* reader, Duration* time_to_live) {
  ARROW_ASSIGN_OR_RAISE(const int64_t raw, reader->Get<int64_t>());
  constexpr int64_t kMost = std::chrono::duration_cast<std::chrono::milliseconds>(Duration::max()).count();
  *time_to_live = std::chrono::milliseconds(std::clamp<int64_t>(raw, 0, kMost));
  return arrow::Status::OK();
}

arrow::Result<Request> ReadRequest(MessageType type, std::string_view body) {
  ByteReader reader(body);
  Request request;
  ARROW_ASSIGN_OR_RAISE(request.key, reader.GetString());
  switch (type) {
    case MessageType::kSet: {
      ARROW_ASSIGN_OR_RAISE(request.value, reader.GetString());
      ARROW_RETURN_NOT_OK(ReadTimeToLive(&reader, &request.time_to_live));
      break;
    }
    case MessageType::kCompareAndSet: {
      ARROW_ASSIGN_OR_RAISE(const auto has_expected, reader.Get<uint8_t>());
      ARROW_ASSIGN_OR_RAISE(const auto expected, reader.GetString());
      if (has_expected != 0) request.expected = expected;
      ARROW_ASSIGN_OR_RAISE(request.value, reader.GetString());
      ARROW_RETURN_NOT_OK(ReadTimeToLive(&reader, &request.time_to_live));
      break;
    }
    case MessageType::kAdd: {
      ARROW_ASSIGN_OR_RAISE(request.delta, reader.Get<int64_t>());
      ARROW_RETURN_NOT_OK(ReadTimeToLive(&reader, &request.time_to_live));
      break;
    }
    case MessageType::kGet:
    case MessageType::kDelete:
      break;
    default:
      return arrow::Status::Invalid("a message of type ", static_cast<int>(type), " is no request");
  }
  ARROW_RETURN_NOT_OK(reader.Finish());
  return request;
}

std::string ErrorReply(uint64_t id, const arrow::Status& status) {
  return EncodeReply(id, status.IsCapacityError() ? ReplyCode::kFull : ReplyCode::kInvalid, status.message());
}

std::string ValueReply(uint64_t id, const std::string& value) { return EncodeReply(id, ReplyCode::kOk, value); }

/// The body of the answer to Get: whether there is a value, and the value.
std::string MaybeValue(const std::string* value) { return value == nullptr ? std::string(1, '\0') : '\1' + *value; }

}  // namespace

arrow::Status StoreService::Handle(StoreClient* client, MessageType type, std::string_view body, KeyTable::Time now) {
  ByteReader reader(body);
  ARROW_ASSIGN_OR_RAISE(const auto id, reader.Get<uint64_t>());
  const std::string_view rest = body.substr(sizeof(uint64_t));
  if (type == MessageType::kWait) return HandleWait(client, id, rest, now);
  if (type == MessageType::kCancel) {
    ARROW_RETURN_NOT_OK(reader.Finish());
    // The wait may have been answered while the cancellation was on its way.
    if (client->waits_.contains(id)) Forget(client, id);
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const Request request, ReadRequest(type, rest));
  arrow::Status status = CheckStoreKey(request.key);
  std::string answer;
  bool wrote = false;
  if (status.ok() && type == MessageType::kSet) {
    status = table_.Set(request.key, request.value, request.time_to_live, now);
    wrote = status.ok();
  } else if (status.ok() && type == MessageType::kCompareAndSet) {
    status = CheckStoreValue(request.key, request.value);
    if (status.ok()) {
      auto set = table_.CompareAndSet(request.key, request.expected, request.value, request.time_to_live, now);
      status = set.status();
      wrote = set.ok() && *set;
    }
    answer.assign(1, wrote ? '\1' : '\0');
  } else if (status.ok() && type == MessageType::kAdd) {
    auto sum = table_.Add(request.key, request.delta, request.time_to_live, now);
    status = sum.status();
    wrote = sum.ok();
    if (wrote) answer = ByteWriter().Put(*sum).Take();
  } else if (status.ok() && type == MessageType::kGet) {
    answer = MaybeValue(table_.Get(request.key, now));
  } else if (status.ok()) {
    table_.Delete(request.key);
  }
  client->Send(status.ok() ? EncodeReply(id, ReplyCode::kOk, answer) : ErrorReply(id, status));
  if (wrote) Wake(request.key, now);
  return arrow::Status::OK();
}

arrow::Status StoreService::HandleWait(StoreClient* client, uint64_t id, std::string_view body, KeyTable::Time now) {
  ByteReader reader(body);
  ARROW_ASSIGN_OR_RAISE(const auto raw_key, reader.GetString());
  std::string key(raw_key);
  ARROW_ASSIGN_OR_RAISE(const auto timeout, reader.Get<uint32_t>());
  ARROW_RETURN_NOT_OK(reader.Finish());
  if (client->waits_.contains(id)) return arrow::Status::Invalid("two waits have the id ", id);
  if (const arrow::Status status = CheckStoreKey(key); !status.ok()) {
    client->Send(ErrorReply(id, status));
    return arrow::Status::OK();
  }
  if (const std::string* value = table_.Get(key, now); value != nullptr) {
    client->Send(ValueReply(id, *value));
    return arrow::Status::OK();
  }
  if (client->waits_.size() >= limits_.waits_per_client) {
    client->Send(ErrorReply(id, arrow::Status::CapacityError("this connection has ", client->waits_.size(),
                                                             " waits under way, its limit")));
    return arrow::Status::OK();
  }
  const Parked parked{client, id};
  auto& waiters = by_key_[key];
  const auto by_key = waiters.insert(waiters.end(), parked);
  const Duration length = std::min<Duration>(std::chrono::milliseconds(timeout), limits_.wait);
  const auto by_deadline = by_deadline_.emplace(now + length, parked);
  client->waits_.emplace(id, StoreClient::Wait{std::move(key), by_key, by_deadline});
  return arrow::Status::OK();
}

void StoreService::Wake(const std::string& key, KeyTable::Time now) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  // Sending may end connections and so take waits away: first all are taken out, then they are answered.
  const std::vector<Parked> waiters(found->second.begin(), found->second.end());
  for (const Parked& parked : waiters) Forget(parked.client, parked.id);
  const std::string* value = table_.Get(key, now);
  if (value == nullptr) return;
  for (const Parked& parked : waiters) parked.client->Send(ValueReply(parked.id, *value));
}

void StoreService::Forget(StoreClient* client, uint64_t id) {
  const auto found = client->waits_.find(id);
  const auto waiters = by_key_.find(found->second.key);
  waiters->second.erase(found->second.by_key);
  if (waiters->second.empty()) by_key_.erase(waiters);
  by_deadline_.erase(found->second.by_deadline);
  client->waits_.erase(found);
}

void StoreService::Tick(KeyTable::Time now) {
  table_.Expire(now);
  while (!by_deadline_.empty() && by_deadline_.begin()->first <= now) {
    const Parked parked = by_deadline_.begin()->second;
    Forget(parked.client, parked.id);
    parked.client->Send(EncodeReply(parked.id, ReplyCode::kTimedOut, "no value came in time"));
  }
}

void StoreService::Remove(StoreClient* client) {
  while (!client->waits_.empty()) Forget(client, client->waits_.begin()->first);
}

}  // namespace weft::rendezvous
