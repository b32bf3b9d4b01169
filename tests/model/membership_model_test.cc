// Epochs, ranks and the meeting of all ranks: Membership itself, in all interleavings of its calls to the store.
#include <gtest/gtest.h>

#include <charconv>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <set>

#include "model/explorer.h"
#include "weft/base/communication_error.h"
#include "weft/bootstrap/membership.h"

namespace weft::model {
namespace {

bool Soak() { return std::getenv("WEFT_SOAK") != nullptr; }

/// The highest epoch that was ever opened.
constexpr const char* kHighest = "#highest";
constexpr const char* kFence = "weft:j:fence";
constexpr std::string_view kNone = "(none)";
/// Workers that count epochs may chase each other through a thousand of them (Join's own bound), each time for the
/// reason that one of them has come to an end. The model leaves a worker that would open one above this.
constexpr int kMostEpochs = 2;
constexpr const char* kBound = "(bound)";

/// Ways in which a store, or who uses it, could be wrong.
enum class Fault { kNone, kSetForCompareAndSet, kFenceIsNotKept };

/// A store whose answers come from a dialogue. A call without an answer fails, which unwinds whoever made it.
class DialogueStore : public Store {
 public:
  DialogueStore(Dialogue* dialogue, std::string process) : dialogue_(dialogue), process_(std::move(process)) {}

  arrow::Status Set(const std::string& key, const std::string& value, Duration /*time_to_live*/) override {
    return Ask("set|" + key + "|" + value).status();
  }
  arrow::Result<bool> CompareAndSet(const std::string& key, const std::optional<std::string>& expected,
                                    const std::string& desired, Duration /*time_to_live*/) override {
    // A token is random; in the model it is the process's name, so that equal runs are equal states.
    const bool token = key.find(":rank/") != std::string::npos;
    if (token) tokens_[key] = desired;
    const std::string wanted = expected.has_value() ? *expected : std::string(kNone);
    ARROW_ASSIGN_OR_RAISE(const auto answer, Ask("cas|" + key + "|" + wanted + "|" + (token ? process_ : desired)));
    return answer == "yes";
  }
  arrow::Result<std::optional<std::string>> Get(const std::string& key) override {
    ARROW_ASSIGN_OR_RAISE(const auto answer, Ask("get|" + key));
    if (answer == kNone) return std::nullopt;
    const auto token = tokens_.find(key);
    return token != tokens_.end() && answer == process_ ? token->second : answer;
  }
  arrow::Result<int64_t> Add(const std::string& key, int64_t delta, Duration /*time_to_live*/) override {
    ARROW_ASSIGN_OR_RAISE(const auto answer, Ask("add|" + key + "|" + std::to_string(delta)));
    return std::stoll(answer);
  }
  arrow::Result<std::string> Wait(const std::string& key, Deadline /*deadline*/,
                                  const std::function<arrow::Status()>& /*check_interrupt*/) override {
    ARROW_ASSIGN_OR_RAISE(const auto answer, Ask("wait|" + key));
    if (answer != kNone) return answer;
    return MakeCommunicationError({.failure = CommunicationFailure::kTimedOut, .phase = "rendezvous"}, "not in time");
  }
  arrow::Status Delete(const std::string& key) override { return Ask("delete|" + key).status(); }

 private:
  arrow::Result<std::string> Ask(const std::string& question) {
    auto answer = dialogue_->Ask(question);
    if (!answer.has_value()) return arrow::Status::Cancelled("the dialogue ends here");
    if (*answer == kBound) return arrow::Status::Cancelled(kBound);
    return *std::move(answer);
  }

  Dialogue* const dialogue_;
  const std::string process_;
  std::map<std::string, std::string> tokens_;  // of this run, by key
};

std::vector<std::string> Fields(const std::string& question, size_t most) {
  std::vector<std::string> fields;
  size_t begin = 0;
  while (fields.size() + 1 < most) {
    const size_t bar = question.find('|', begin);
    if (bar == std::string::npos) break;
    fields.push_back(question.substr(begin, bar - begin));
    begin = bar + 1;
  }
  fields.push_back(question.substr(begin));
  return fields;
}

void Write(World* world, const std::string& key, const std::string& value) {
  (*world)[key] = value;
  if (key == kFence && std::stoi(value) > std::stoi((*world)[kHighest])) (*world)[kHighest] = value;
}

/// What a store answers, atomically.
std::vector<Reply> Answer(const World& world, const std::string& question, Fault fault) {
  const auto fields = Fields(question, 4);
  const std::string& call = fields[0];
  const std::string& key = fields[1];
  const auto at = world.find(key);
  const std::string there = at == world.end() ? std::string(kNone) : at->second;
  World next = world;
  if (call == "get") return {{next, fault == Fault::kFenceIsNotKept && key == kFence ? std::string(kNone) : there}};
  // Waiting goes on until the value is there; at any time the caller's patience may end.
  if (call == "wait") return {{next, there}};
  if (call == "delete") {
    next.erase(key);
    return {{next, "done"}};
  }
  if (call == "set") {
    Write(&next, key, fields[2]);
    return {{next, "done"}};
  }
  if (call == "add") {
    const int64_t sum = (there == kNone ? 0 : std::stoll(there)) + std::stoll(fields[2]);
    // As a store does it: asking for the sum makes none.
    if (fields[2] != "0" || there != kNone) next[key] = std::to_string(sum);
    return {{next, std::to_string(sum)}};
  }
  if (key == kFence && std::stoi(fields[3]) > kMostEpochs) return {{next, kBound}};
  const bool compares = fault != Fault::kSetForCompareAndSet && !(fault == Fault::kFenceIsNotKept && key == kFence);
  if (compares && there != fields[2]) return {{next, "no"}};
  Write(&next, key, fields[3]);
  return {{next, "yes"}};
}

std::string Ending(const arrow::Status& status) {
  if (IsCommunicationError(status, CommunicationFailure::kSuperseded)) return "superseded";
  if (IsCommunicationError(status, CommunicationFailure::kTimedOut)) return "timed out";
  if (IsCommunicationError(status, CommunicationFailure::kPeerLost)) return "peer lost";
  return status.IsCancelled() ? kBound : status.ToString();
}

/// A worker from its start on: joins, and where it `meets`, exchanges with all others and leaves. Its deadline has
/// passed, so each of its waits may end as soon as it has begun, and does at last.
Process Worker(const std::string& name, int64_t epoch, int world_size, int rank, bool meets = false) {
  const JobIdentity identity{.job = "j", .epoch = epoch, .world_size = world_size, .rank = rank};
  return {name, [=](Dialogue& dialogue) -> std::string {
            const auto store = std::make_shared<DialogueStore>(&dialogue, name);
            auto joined = Membership::Join(store, identity);
            if (!joined.ok()) return Ending(joined.status());
            Membership& member = **joined;
            const std::string place = std::to_string(member.epoch()) + " " + std::to_string(member.rank());
            dialogue.Note("joined " + place);
            if (!meets) return "joined";
            const auto all = member.ExchangeAll("meet", place + " " + name, Deadline::After(Duration::zero()));
            if (!all.ok()) return Ending(all.status());
            std::string met = "met";
            for (const std::string& one : *all) met += ", " + one;
            dialogue.Note(met);
            const arrow::Status left = member.Leave();
            return left.ok() ? "left" : Ending(left);
          }};
}

/// No two ranks have one number in one epoch. Who joins or has met is then in the highest epoch that was ever opened.
/// Who has met has met one worker of each rank of its own epoch, and the same ones as all others. Each ends in one of
/// the ways that are documented.
std::string Broken(const World& world, const View& before, const View& after, bool fenced) {
  std::set<std::string> places;
  std::map<std::string, std::string> meetings;
  for (size_t i = 0; i < after.size(); ++i) {
    const ProcessView& process = after[i];
    std::string epoch;
    for (const std::string& note : *process.notes) {
      if (note.starts_with("joined ")) {
        const std::string place = note.substr(7);
        epoch = place.substr(0, place.find(' '));
        if (!places.insert(place).second) return "two workers are epoch and rank " + place;
      } else {
        int rank = 0;
        for (size_t at = note.find(", "); at != std::string::npos; at = note.find(", ", at + 2), ++rank) {
          const std::string who = epoch + " " + std::to_string(rank) + " ";
          if (!note.substr(at + 2).starts_with(who)) return "of epoch " + epoch + ": " + note;
        }
        const auto [other, first] = meetings.try_emplace(epoch, note);
        if (!first && other->second != note) return "one " + other->second + ", another " + note;
      }
    }
    if (fenced && before[i].notes->size() < process.notes->size() && epoch != world.at(kHighest)) {
      return process.notes->back() + " in epoch " + epoch + ", and there is epoch " + world.at(kHighest);
    }
    if (process.result == nullptr) continue;
    static const std::set<std::string> kEndings = {"joined", "left", "superseded", "timed out", "peer lost", kBound};
    if (!kEndings.contains(*process.result)) return "a worker ended by: " + *process.result;
  }
  return "";
}

bool Never(const std::string& /*name*/) { return false; }
bool IsMark(const std::string& name) { return name.find(":rank/") != std::string::npos; }
bool IsFence(const std::string& name) { return name == kFence; }
/// What lives one hour.
bool IsShort(const std::string& name) {
  return name.find(":all/") != std::string::npos || name.find(":left") != std::string::npos;
}

struct Bounds {
  int crashes = 0;
  int repeats = 0;
  int expiries = 0;
  bool (*expires)(const std::string&) = Never;
};

Explored Explore(std::vector<Process> workers, const Bounds& bounds, Fault fault = Fault::kNone) {
  Setting setting;
  setting.processes = std::move(workers);
  setting.world = {{kHighest, "-1"}};
  setting.answer = [fault](const World& world, size_t /*process*/, const std::string& question) {
    return Answer(world, question, fault);
  };
  // Between a fence that has outlived its time and the one that is put back, who comes late is not seen to be late.
  const bool fenced = bounds.expires != IsFence;
  setting.broken = [fenced](const World& world, const View& before, const View& after) {
    return Broken(world, before, after, fenced);
  };
  setting.expires = bounds.expires;
  setting.crashes = bounds.crashes;
  setting.expiries = bounds.expiries;
  setting.repeats = bounds.repeats;
  const Explored explored = Explorer(std::move(setting)).Run();
  std::cout << explored.Text() << std::endl;
  return explored;
}

void Holds(const Explored& explored) {
  EXPECT_EQ(explored.broken, "");
  EXPECT_TRUE(explored.complete);
}

void Breaks(const Explored& explored, const std::string& invariant) {
  EXPECT_NE(explored.broken.find(invariant), std::string::npos) << explored.Text();
}

std::vector<Process> RankTwice(bool meet) {
  return {Worker("a", 0, 2, 0, meet), Worker("b", 0, 2, 1, meet), Worker("b'", 0, 2, 1, meet)};
}
std::vector<Process> Restart(bool meet) {
  return {Worker("a", 0, 2, 0, meet), Worker("b", 0, 2, 1, meet), Worker("A", 1, 2, 0)};
}
/// Workers that are given no epoch, and ranks or none.
std::vector<Process> Counted(int workers, int world_size, int rank) {
  std::vector<Process> processes;
  for (int i = 0; i < workers; ++i)
    processes.push_back(Worker(std::string(1, static_cast<char>('a' + i)), -1, world_size, rank));
  return processes;
}

TEST(MembershipModel, ARankIsDeliveredTwice) {
  Holds(Explore(RankTwice(false), {.crashes = 1}));
  Holds(Explore(RankTwice(false), {.repeats = 1}));
}

TEST(MembershipModel, ARestartWhileTheFirstAttemptLives) {
  Holds(Explore(Restart(false), {.crashes = 1}));
  Holds(Explore(Restart(false), {.repeats = 1}));
  Holds(Explore(Restart(false), {.expiries = 1, .expires = IsFence}));
}

TEST(MembershipModel, RanksAndEpochsThatAreCounted) {
  Holds(Explore(Counted(2, 2, -1), {.crashes = 1, .repeats = 1}));
  Holds(Explore(Counted(2, 1, -1), {.crashes = 1}));
  Holds(Explore(Counted(2, 2, 1), {.crashes = 1}));
}

TEST(MembershipModel, AllRanksMeet) {
  const std::vector<Process> two = {Worker("a", 0, 2, 0, true), Worker("b", 0, 2, 1, true)};
  Holds(Explore(two, {.crashes = 1}));
  Holds(Explore(two, {.repeats = 1}));
  Holds(Explore(two, {.expiries = 2, .expires = IsShort}));
  Holds(Explore({Worker("a", 0, 1, 0, true), Worker("A", 1, 1, 0, true)}, {.crashes = 1}));
}

TEST(MembershipModel, MoreOfAll) {
  if (!Soak()) GTEST_SKIP() << "set WEFT_SOAK=1";
  Holds(Explore(RankTwice(true), {.crashes = 1}));
  Holds(Explore(RankTwice(true), {.expiries = 1, .expires = IsShort}));
  Holds(Explore(Restart(true), {.crashes = 1}));
  Holds(Explore(Restart(true), {.repeats = 1}));
  // As far as memory goes: these are too many to see all.
  EXPECT_EQ(Explore(Counted(3, 2, -1), {}).broken, "");
  EXPECT_EQ(Explore(Counted(3, 3, 0), {}).broken, "");
  const std::vector<Process> four = {Worker("a", 0, 1, 0), Worker("b", 1, 1, 0), Worker("c", 2, 1, 0),
                                     Worker("c'", 2, 1, 0)};
  Holds(Explore(four, {.crashes = 1}));
  Holds(Explore(four, {.repeats = 1}));
  // Both at once are too many for four.
  Holds(Explore({four[0], four[1], four[2]}, {.crashes = 1, .repeats = 1}));
  Holds(Explore({four[0], four[2], four[3]}, {.crashes = 1, .repeats = 1}));
}

TEST(MembershipModel, BreaksWithoutCompareAndSet) {
  Breaks(Explore(RankTwice(false), {}, Fault::kSetForCompareAndSet), "two workers are epoch and rank 0 1");
}

TEST(MembershipModel, BreaksWithoutAFence) {
  Breaks(Explore(Restart(false), {}, Fault::kFenceIsNotKept), "and there is epoch 1");
}

TEST(MembershipModel, BreaksWhereALeaseEndsBeforeItsWorker) {
  Breaks(Explore(RankTwice(false), {.expiries = 1, .expires = IsMark}), "two workers are epoch and rank 0 1");
}

}  // namespace
}  // namespace weft::model
