// All interleavings of a few processes that run the real code against a world of named values (a store, an object
// store).
//
// A process is a function that asks the world through `Dialogue`. It runs until it asks something that it has no answer
// to yet; that question is its next step. To take the step the question is answered from the world as it is, and the
// process runs again from its beginning with one answer more. So the state of a process is the list of its answers,
// nothing in the code is rewritten for the model, and a run needs no threads. The search is breadth-first over (world,
// answers of each process, budgets): the trace to what breaks an invariant is a shortest one. Lists of answers only
// grow, so a search that came to its end has shown that every run ends.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weft::model {

/// Values by name. Names that begin with "#" are the model's own, for invariants; no process sees them.
using World = std::map<std::string, std::string>;

/// One run of one process.
class Dialogue {
 public:
  explicit Dialogue(const std::vector<std::string>& answers) : answers_(answers) {}

  /// The answer, or nullopt: the process is to unwind, and whatever it asks on its way out is not asked.
  std::optional<std::string> Ask(const std::string& question) {
    if (stopped_) return std::nullopt;
    if (at_ < answers_.size()) return answers_[at_++];
    stopped_ = true;
    next_ = question;
    return std::nullopt;
  }
  /// What the process has come to know or to be, for invariants.
  void Note(std::string what) {
    if (!stopped_) notes_.push_back(std::move(what));
  }
  bool stopped() const { return stopped_; }
  const std::string& next() const { return next_; }
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  const std::vector<std::string>& answers_;
  size_t at_ = 0;
  bool stopped_ = false;
  std::string next_;
  std::vector<std::string> notes_;
};

struct Process {
  std::string name;
  /// Returns how it ended; what it returns after it was stopped does not count.
  std::function<std::string(Dialogue&)> run;
};

/// One way in which a question can be answered.
struct Reply {
  World world;
  std::string answer;
};

/// What an invariant sees of a process: its notes, and how it ended where it has.
struct ProcessView {
  const std::vector<std::string>* notes;
  const std::string* result;  // nullptr: it has not
  bool crashed;
};
using View = std::vector<ProcessView>;

struct Setting {
  std::vector<Process> processes;
  World world;
  /// All ways in which the world may answer now.
  std::function<std::vector<Reply>(const World&, size_t process, const std::string& question)> answer;
  /// Empty, or what is broken. For each step, with what was before it.
  std::function<std::string(const World&, const View& before, const View& after)> broken;
  /// Names of which the world may lose one, as by a time to live.
  std::function<bool(const std::string& name)> expires = [](const std::string&) { return false; };
  /// How often that may happen in a run, how many processes may die (at any step), and how many questions may be
  /// carried out twice, of which the second answer comes back (a client whose answer was lost asks again).
  int expiries = 0;
  int crashes = 0;
  int repeats = 0;
  int64_t most_states = 20'000'000;
};

struct Explored {
  int64_t states = 0;
  int64_t steps = 0;
  int depth = 0;
  /// Whether all states were seen.
  bool complete = false;
  /// Empty, or the invariant that broke, and how.
  std::string broken;
  std::vector<std::string> trace;

  std::string Text() const {
    std::string text = std::to_string(states) + " states, " + std::to_string(steps) + " steps, depth " +
                       std::to_string(depth) + (complete ? "" : ", not all");
    if (!broken.empty()) text += "\nbroken: " + broken;
    for (const std::string& step : trace) text += "\n  " + step;
    return text;
  }
};

class Explorer {
 public:
  explicit Explorer(Setting setting) : setting_(std::move(setting)), roots_(setting_.processes.size()) {
    for (size_t i = 0; i < roots_.size(); ++i) roots_[i] = AddNode(i, UINT32_MAX, "");
  }

  Explored Run() {
    State first{};
    first.world = WorldId(setting_.world);
    first.expiries = static_cast<uint8_t>(setting_.expiries);
    first.crashes = static_cast<uint8_t>(setting_.crashes);
    first.repeats = static_cast<uint8_t>(setting_.repeats);
    for (size_t i = 0; i < roots_.size(); ++i) first.nodes[i] = roots_[i];
    Reach(first, UINT32_MAX);
    while (at_ < states_.size() && found_.broken.empty()) {
      if (static_cast<int64_t>(states_.size()) > setting_.most_states) break;
      Expand(static_cast<uint32_t>(at_++));
    }
    found_.complete = at_ == states_.size();
    found_.states = static_cast<int64_t>(states_.size());
    return found_;
  }

 private:
  static constexpr size_t kMostProcesses = 6;

  /// A process after so many answers.
  struct Node {
    size_t process;
    std::vector<std::string> answers;
    std::vector<std::string> notes;
    std::string next;
    std::optional<std::string> result;
    std::map<std::string, uint32_t> after;
  };

  struct State {
    std::array<uint32_t, kMostProcesses> nodes;
    uint32_t world;
    uint8_t crashed;  // one bit a process
    uint8_t expiries;
    uint8_t crashes;
    uint8_t repeats;
    bool operator==(const State&) const = default;
  };
  struct HashState {
    size_t operator()(const State& state) const {
      uint64_t sum = 14695981039346656037ull;
      const auto add = [&](uint64_t value) { sum = (sum ^ value) * 1099511628211ull; };
      for (const uint32_t node : state.nodes) add(node);
      add(state.world);
      add(uint64_t{state.crashed} << 24 | uint64_t{state.expiries} << 16 | uint64_t{state.crashes} << 8 |
          state.repeats);
      return static_cast<size_t>(sum ^ sum >> 29);
    }
  };
  uint32_t WorldId(const World& world) {
    std::string key;
    for (const auto& [name, value] : world) key += name + '\0' + value + '\0';
    const auto [entry, added] = world_ids_.try_emplace(key, static_cast<uint32_t>(worlds_.size()));
    if (added) worlds_.push_back(world);
    return entry->second;
  }

  uint32_t AddNode(size_t process, uint32_t parent, const std::string& answer) {
    Node node{process, {}, {}, {}, {}, {}};
    if (parent != UINT32_MAX) {
      node.answers = nodes_[parent].answers;
      node.answers.push_back(answer);
    }
    Dialogue dialogue(node.answers);
    std::string result = setting_.processes[process].run(dialogue);
    node.notes = dialogue.notes();
    if (dialogue.stopped()) {
      node.next = dialogue.next();
    } else {
      node.result = std::move(result);
    }
    nodes_.push_back(std::move(node));
    return static_cast<uint32_t>(nodes_.size() - 1);
  }

  uint32_t After(uint32_t node, const std::string& answer) {
    const auto known = nodes_[node].after.find(answer);
    if (known != nodes_[node].after.end()) return known->second;
    uint32_t next = AddNode(nodes_[node].process, node, answer);
    if (nodes_[next].result.has_value()) next = End(next);
    nodes_[node].after[answer] = next;
    return next;
  }

  /// The one node for all ways to this end: who is not there any more has no future in which the ways could differ.
  uint32_t End(uint32_t node) {
    std::string key = std::to_string(nodes_[node].process) + '\0' + nodes_[node].result.value_or("");
    for (const std::string& note : nodes_[node].notes) key += '\0' + note;
    return ends_.try_emplace(key, node).first->second;
  }

  void Look(const State& state, View* view) const {
    view->clear();
    for (size_t i = 0; i < roots_.size(); ++i) {
      const Node& node = nodes_[state.nodes[i]];
      view->push_back({&node.notes, node.result.has_value() ? &*node.result : nullptr, (state.crashed >> i & 1) != 0});
    }
  }

  /// What happened between two states that follow each other.
  std::string StepText(const State& before, const State& after) const {
    for (size_t i = 0; i < roots_.size(); ++i) {
      const std::string& name = setting_.processes[i].name;
      if (before.crashed != after.crashed && (after.crashed >> i & 1) != (before.crashed >> i & 1))
        return name + " dies";
      if (before.nodes[i] == after.nodes[i]) continue;
      const Node& node = nodes_[before.nodes[i]];
      const auto answer = std::find_if(node.after.begin(), node.after.end(),
                                       [&](const auto& entry) { return entry.second == after.nodes[i]; });
      return name + ": " + node.next + " -> " + answer->first +
             (before.repeats == after.repeats ? "" : " (asked twice)");
    }
    for (const auto& [key, value] : worlds_[before.world]) {
      if (!worlds_[after.world].contains(key)) return key + " expires";
    }
    return "nothing";
  }

  void Trace(uint32_t to) {
    for (uint32_t at = to; origins_[at] != UINT32_MAX; at = origins_[at]) {
      found_.trace.insert(found_.trace.begin(), StepText(states_[origins_[at]], states_[at]));
    }
  }

  void Reach(const State& state, uint32_t from) {
    ++found_.steps;
    Look(from == UINT32_MAX ? state : states_[from], &before_);
    Look(state, &after_);
    found_.broken = setting_.broken(worlds_[state.world], before_, after_);
    const auto [entry, added] = ids_.try_emplace(state, static_cast<uint32_t>(states_.size()));
    if (!added && found_.broken.empty()) return;
    if (!added) {
      Trace(from);
      found_.trace.push_back(StepText(states_[from], state));
      return;
    }
    states_.push_back(state);
    origins_.push_back(from);
    depths_.push_back(from == UINT32_MAX ? 0 : depths_[from] + 1);
    found_.depth = std::max(found_.depth, depths_.back());
    if (!found_.broken.empty()) Trace(entry->second);
  }

  void Step(uint32_t id, size_t process, const World& world, State next) {
    const std::string question = nodes_[next.nodes[process]].next;
    const uint32_t node = next.nodes[process];
    for (const Reply& reply : setting_.answer(world, process, question)) {
      if (!found_.broken.empty()) return;
      next.world = WorldId(reply.world);
      next.nodes[process] = After(node, reply.answer);
      Reach(next, id);
    }
  }

  void Expand(uint32_t id) {
    const State state = states_[id];
    const World world = worlds_[state.world];
    bool alive = false;
    for (size_t i = 0; i < roots_.size() && found_.broken.empty(); ++i) {
      if ((state.crashed >> i & 1) != 0 || nodes_[state.nodes[i]].result.has_value()) continue;
      alive = true;
      Step(id, i, world, state);
      if (state.crashes > 0) {
        State next = state;
        next.crashed = static_cast<uint8_t>(next.crashed | 1u << i);
        next.nodes[i] = End(next.nodes[i]);
        --next.crashes;
        Reach(next, id);
      }
      if (state.repeats > 0) {
        const std::string question = nodes_[state.nodes[i]].next;
        for (const Reply& first : setting_.answer(world, i, question)) {
          State next = state;
          --next.repeats;
          Step(id, i, first.world, next);
        }
      }
    }
    if (!alive || state.expiries == 0) return;
    for (const auto& [name, value] : world) {
      if (!found_.broken.empty() || !setting_.expires(name)) continue;
      World less = world;
      less.erase(name);
      State next = state;
      next.world = WorldId(less);
      --next.expiries;
      Reach(next, id);
    }
  }

  const Setting setting_;
  std::vector<uint32_t> roots_;
  std::deque<Node> nodes_;
  std::vector<World> worlds_;
  std::unordered_map<std::string, uint32_t> ends_;
  std::unordered_map<std::string, uint32_t> world_ids_;
  std::vector<State> states_;
  std::vector<int> depths_;
  std::vector<uint32_t> origins_;  // the state before
  std::unordered_map<State, uint32_t, HashState> ids_;
  size_t at_ = 0;
  View before_;
  View after_;
  Explored found_;
};

}  // namespace weft::model
