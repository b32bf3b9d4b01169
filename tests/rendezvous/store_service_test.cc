#include "weft/rendezvous/store_service.h"

#include <gtest/gtest.h>

#include <random>

#include "rendezvous/raw_client.h"

namespace weft::rendezvous {
namespace {

using std::chrono::seconds;

const KeyTable::Time kStart{seconds(1000)};

class Client : public StoreClient {
 public:
  void Send(std::string frame) override { replies.push_back(Read(frame)); }
  static Reply Read(const std::string& frame) {
    const auto reply =
        ReadReply(Message{static_cast<MessageType>(frame[kLengthBytes]), frame.substr(kLengthBytes + 1)});
    EXPECT_TRUE(reply.has_value());
    return reply.value_or(Reply{});
  }
  Reply Take() {
    EXPECT_EQ(replies.size(), 1u);
    Reply reply = replies.empty() ? Reply{} : replies.front();
    replies.clear();
    return reply;
  }
  std::vector<Reply> replies;
};

arrow::Status Give(StoreService* service, Client* client, const std::string& frame, KeyTable::Time now = kStart) {
  return service->Handle(client, static_cast<MessageType>(frame[kLengthBytes]),
                         std::string_view(frame).substr(kLengthBytes + 1), now);
}

TEST(StoreService, WakesAllWhoWait) {
  StoreService service({});
  Client a, b, writer;
  ASSERT_TRUE(Give(&service, &a, WaitRequest(1, "k", 5000)).ok());
  ASSERT_TRUE(Give(&service, &a, WaitRequest(2, "other", 5000)).ok());
  ASSERT_TRUE(Give(&service, &b, WaitRequest(1, "k", 5000)).ok());
  EXPECT_EQ(service.waits(), 3);
  EXPECT_TRUE(a.replies.empty());
  ASSERT_TRUE(Give(&service, &writer, SetRequest(9, "k", "v")).ok());
  EXPECT_EQ(writer.Take().id, 9u);
  for (Client* client : {&a, &b}) {
    const Reply reply = client->Take();
    EXPECT_EQ(reply.id, 1u);
    EXPECT_EQ(reply.code, ReplyCode::kOk);
    EXPECT_EQ(reply.body, "v");
  }
  EXPECT_EQ(service.waits(), 1);
  service.Remove(&a);
  EXPECT_EQ(service.waits(), 0);
  EXPECT_FALSE(a.waiting());
}

TEST(StoreService, WaitsEnd) {
  StoreService service({.table = {}, .waits_per_client = 2, .wait = seconds(50)});
  Client client;
  ASSERT_TRUE(Give(&service, &client, WaitRequest(1, "a", 5000)).ok());
  ASSERT_TRUE(Give(&service, &client, WaitRequest(2, "b", UINT32_MAX)).ok());
  ASSERT_TRUE(Give(&service, &client, WaitRequest(3, "c", 5000)).ok());
  EXPECT_EQ(client.Take().code, ReplyCode::kFull);
  // A second wait of the same number is no honest client's.
  EXPECT_FALSE(Give(&service, &client, WaitRequest(2, "b", 5000)).ok());
  service.Tick(kStart + seconds(4));
  EXPECT_TRUE(client.replies.empty());
  service.Tick(kStart + seconds(5));
  const Reply first = client.Take();
  EXPECT_EQ(first.id, 1u);
  EXPECT_EQ(first.code, ReplyCode::kTimedOut);
  service.Tick(kStart + seconds(50));
  EXPECT_EQ(client.Take().id, 2u);
  ASSERT_TRUE(Give(&service, &client, WaitRequest(4, "a", 5000)).ok());
  ASSERT_TRUE(Give(&service, &client, CancelRequest(4)).ok());
  ASSERT_TRUE(Give(&service, &client, CancelRequest(4)).ok());
  EXPECT_EQ(service.waits(), 0);
  EXPECT_TRUE(client.replies.empty());
}

TEST(StoreService, AValueThatExpiredWakesNoOne) {
  StoreService service({});
  Client client;
  ASSERT_TRUE(Give(&service, &client, SetRequest(1, "k", "v", 1000)).ok());
  ASSERT_TRUE(Give(&service, &client, WaitRequest(2, "k", 9000), kStart + seconds(2)).ok());
  EXPECT_EQ(client.Take().id, 1u);
  EXPECT_EQ(service.waits(), 1);
  service.Remove(&client);
}

TEST(StoreService, SaysWhatIsFull) {
  StoreService service({.table = {.keys_per_job = 1}});
  Client client;
  ASSERT_TRUE(Give(&service, &client, SetRequest(1, "weft:j:a", "v")).ok());
  EXPECT_EQ(client.Take().code, ReplyCode::kOk);
  ASSERT_TRUE(Give(&service, &client, SetRequest(2, "weft:j:b", "v")).ok());
  const Reply full = client.Take();
  EXPECT_EQ(full.code, ReplyCode::kFull);
  EXPECT_NE(full.body.find("full"), std::string::npos) << full.body;
  ASSERT_TRUE(Give(&service, &client, SetRequest(3, std::string(513, 'k'), "v")).ok());
  EXPECT_EQ(client.Take().code, ReplyCode::kInvalid);
}

std::vector<std::string> EveryRequest() {
  const auto with = [](MessageType type, const ByteWriter& body) { return Frame(type, body.bytes()); };
  std::vector<std::string> requests = {SetRequest(1, "key", "value"), GetRequest(2, "key"), WaitRequest(3, "none", 10),
                                       CancelRequest(3)};
  ByteWriter swap;
  swap.Put(uint64_t{4}).PutString("key").Put(uint8_t{1}).PutString("value").PutString("new").Put(int64_t{1000});
  requests.push_back(with(MessageType::kCompareAndSet, swap));
  ByteWriter add;
  add.Put(uint64_t{5}).PutString("n").Put(int64_t{1}).Put(int64_t{1000});
  requests.push_back(with(MessageType::kAdd, add));
  ByteWriter remove;
  remove.Put(uint64_t{6}).PutString("key");
  requests.push_back(with(MessageType::kDelete, remove));
  return requests;
}

TEST(StoreService, RefusesRequestsCutShortOrTooLong) {
  for (const std::string& request : EveryRequest()) {
    StoreService service({});
    Client client;
    for (size_t length = kLengthBytes + 1; length < request.size(); ++length) {
      EXPECT_FALSE(Give(&service, &client, request.substr(0, length)).ok()) << length;
    }
    EXPECT_FALSE(Give(&service, &client, request + "x").ok());
    EXPECT_TRUE(client.replies.empty());
    EXPECT_EQ(service.table().keys(), 0);
    EXPECT_EQ(service.waits(), 0);
    EXPECT_TRUE(Give(&service, &client, request).ok());
    service.Remove(&client);
  }
  StoreService service({});
  Client client;
  for (const int type : {0, 1, 3, 5, 15, 23, 32, 33, 255}) {
    EXPECT_FALSE(Give(&service, &client, Frame(static_cast<MessageType>(type), std::string(20, '\0'))).ok()) << type;
  }
}

TEST(StoreService, SurvivesDamagedRequests) {
  std::mt19937 random(11);
  const auto requests = EveryRequest();
  StoreService service({.table = {.keys_per_job = 100}, .waits_per_client = 10});
  Client client;
  auto now = kStart;
  for (int i = 0; i < 50000; ++i) {
    std::string frame = requests[random() % requests.size()];
    for (size_t changes = random() % 4; changes > 0; --changes) {
      const size_t at = kLengthBytes + random() % (frame.size() - kLengthBytes);
      frame[at] = static_cast<char>(random());
    }
    if (random() % 8 == 0) frame.resize(kLengthBytes + 1 + random() % (frame.size() - kLengthBytes));
    [[maybe_unused]] const auto status = Give(&service, &client, frame, now);
    if (random() % 16 == 0) service.Tick(now += seconds(1));
    client.replies.clear();
    ASSERT_LE(service.waits(), 10);
    ASSERT_LE(service.table().keys(), 100);
  }
  service.Remove(&client);
  EXPECT_EQ(service.waits(), 0);
}

}  // namespace
}  // namespace weft::rendezvous
