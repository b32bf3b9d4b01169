// Collectives that combine numbers. Results are computed from all ranks' inputs by plain loops in wide arithmetic; the
// inputs are chosen so that they are exact in any order.
#include <arrow/type.h>
#include <arrow/util/float16.h>

#include <cmath>
#include <cstring>

#include "conformance/pairwise.h"
#include "conformance/worlds.h"

namespace weft::testing {
namespace {

using Bytes = std::vector<std::byte>;

constexpr arrow::Type::type kTypes[] = {arrow::Type::BOOL,       arrow::Type::INT8,   arrow::Type::INT16,
                                        arrow::Type::INT32,      arrow::Type::INT64,  arrow::Type::UINT8,
                                        arrow::Type::UINT16,     arrow::Type::UINT32, arrow::Type::UINT64,
                                        arrow::Type::HALF_FLOAT, arrow::Type::FLOAT,  arrow::Type::DOUBLE};
constexpr ReduceOp kOps[] = {ReduceOp::kSum,        ReduceOp::kProd,      ReduceOp::kMin,    ReduceOp::kMax,
                             ReduceOp::kLogicalAnd, ReduceOp::kLogicalOr, ReduceOp::kBitAnd, ReduceOp::kBitOr};

bool IsFloat(arrow::Type::type type) {
  return type == arrow::Type::HALF_FLOAT || type == arrow::Type::FLOAT || type == arrow::Type::DOUBLE;
}
bool IsSigned(arrow::Type::type type) {
  return type == arrow::Type::INT8 || type == arrow::Type::INT16 || type == arrow::Type::INT32 ||
         type == arrow::Type::INT64;
}
size_t ElementSize(arrow::Type::type type) {
  switch (type) {
    case arrow::Type::BOOL:
    case arrow::Type::INT8:
    case arrow::Type::UINT8:
      return 1;
    case arrow::Type::INT16:
    case arrow::Type::UINT16:
    case arrow::Type::HALF_FLOAT:
      return 2;
    case arrow::Type::INT32:
    case arrow::Type::UINT32:
    case arrow::Type::FLOAT:
      return 4;
    default:
      return 8;
  }
}

/// A number of any type: floats as double, integers as the low bits.
struct Number {
  double real = 0;
  uint64_t bits = 0;
};

/// Integers: any value. Floats: small whole numbers, powers of two for products.
Number Input(arrow::Type::type type, ReduceOp op, int rank, int64_t i) {
  const uint64_t draw = Mix(static_cast<uint64_t>(rank) * 1000003 + static_cast<uint64_t>(i));
  if (type == arrow::Type::BOOL) return {0, draw % 3 == 0 ? 1U : 0U};
  if (!IsFloat(type)) return {0, draw % 5 == 0 ? 0 : draw};
  constexpr double kFactors[] = {1, -1, 2, 0.5};
  if (op == ReduceOp::kProd) return {kFactors[draw % 4], 0};
  return {static_cast<double>(draw % 17) - 8, 0};
}

uint64_t Truncate(uint64_t bits, size_t size) { return size == 8 ? bits : bits & ((uint64_t{1} << (size * 8)) - 1); }

void Put(arrow::Type::type type, const Number& number, std::byte* to) {
  if (type == arrow::Type::HALF_FLOAT) {
    const uint16_t bits = arrow::util::Float16::FromDouble(number.real).bits();
    std::memcpy(to, &bits, 2);
  } else if (type == arrow::Type::FLOAT) {
    const auto value = static_cast<float>(number.real);
    std::memcpy(to, &value, 4);
  } else if (type == arrow::Type::DOUBLE) {
    std::memcpy(to, &number.real, 8);
  } else {
    std::memcpy(to, &number.bits, ElementSize(type));
  }
}

int64_t SignExtend(uint64_t bits, size_t size) {
  const auto shift = static_cast<int>(64 - size * 8);
  return static_cast<int64_t>(bits << shift) >> shift;
}

Number Combine(arrow::Type::type type, ReduceOp op, const Number& a, const Number& b) {
  if (IsFloat(type)) {
    switch (op) {
      case ReduceOp::kSum:
        return {a.real + b.real, 0};
      case ReduceOp::kProd:
        return {a.real * b.real, 0};
      case ReduceOp::kMin:
        return {std::min(a.real, b.real), 0};
      case ReduceOp::kMax:
        return {std::max(a.real, b.real), 0};
      case ReduceOp::kLogicalAnd:
        return {a.real != 0 && b.real != 0 ? 1.0 : 0.0, 0};
      default:
        return {a.real != 0 || b.real != 0 ? 1.0 : 0.0, 0};
    }
  }
  const size_t size = ElementSize(type);
  const uint64_t x = Truncate(a.bits, size);
  const uint64_t y = Truncate(b.bits, size);
  const bool x_less = IsSigned(type) ? SignExtend(x, size) < SignExtend(y, size) : x < y;
  switch (op) {
    case ReduceOp::kSum:
      return {0, type == arrow::Type::BOOL ? x | y : x + y};
    case ReduceOp::kProd:
      return {0, x * y};
    case ReduceOp::kMin:
      return {0, x_less ? x : y};
    case ReduceOp::kMax:
      return {0, x_less ? y : x};
    case ReduceOp::kLogicalAnd:
      return {0, x != 0 && y != 0 ? 1U : 0U};
    case ReduceOp::kLogicalOr:
      return {0, x != 0 || y != 0 ? 1U : 0U};
    case ReduceOp::kBitAnd:
      return {0, x & y};
    case ReduceOp::kBitOr:
      return {0, x | y};
  }
  return {};
}

enum Kind { kReduce, kAllreduce, kReduceScatter, kScan };
enum Mode { kBlocking, kNonBlocking, kInPlace };

struct Case {
  Kind kind;
  arrow::Type::type type;
  ReduceOp op;
  int64_t count;
  Rank root;
  Mode mode;
};

/// All ranks' inputs and, for each rank, those of the ranks up to it combined. The same for every kind, root and mode.
struct Prefixes {
  arrow::Type::type type = arrow::Type::NA;
  ReduceOp op = ReduceOp::kSum;
  int64_t count = -1;
  std::vector<Bytes> inputs;
  std::vector<Bytes> prefixes;
};

Prefixes Compute(const Case& test, int size) {
  Prefixes made{test.type, test.op, test.count, {}, {}};
  const size_t element = ElementSize(test.type);
  const auto bytes = static_cast<size_t>(test.count) * element;
  made.inputs.assign(static_cast<size_t>(size), Bytes(bytes));
  made.prefixes.assign(static_cast<size_t>(size), Bytes(bytes));
  for (int64_t i = 0; i < test.count; ++i) {
    Number sum;
    for (int rank = 0; rank < size; ++rank) {
      const Number input = Input(test.type, test.op, rank, i);
      sum = rank == 0 ? input : Combine(test.type, test.op, sum, input);
      const size_t at = static_cast<size_t>(i) * element;
      Put(test.type, input, &made.inputs[static_cast<size_t>(rank)][at]);
      Put(test.type, sum, &made.prefixes[static_cast<size_t>(rank)][at]);
    }
  }
  return made;
}

/// What each rank must have in the end.
struct Oracle {
  std::vector<Bytes> results;   // empty: this rank gets none
  std::vector<int64_t> counts;  // of a reduce-scatter
};

Oracle Expect(const Case& test, int size, const std::vector<Bytes>& prefixes) {
  Oracle oracle;
  const Bytes& whole = prefixes.back();
  oracle.results.assign(static_cast<size_t>(size), whole);
  if (test.kind == kScan) oracle.results = prefixes;
  if (test.kind == kReduce) {
    for (int rank = 0; rank < size; ++rank) {
      if (rank != test.root) oracle.results[static_cast<size_t>(rank)].clear();
    }
  }
  if (test.kind == kReduceScatter) {
    // Uneven: rank 0 has the rest, the last rank nothing.
    oracle.counts.assign(static_cast<size_t>(size), test.count / (size + 1));
    oracle.counts.back() = 0;
    oracle.counts[0] += test.count - test.count / (size + 1) * (size - 1);
    if (size == 1) oracle.counts[0] = test.count;
    auto next = whole.begin();
    for (size_t rank = 0; rank < oracle.counts.size(); ++rank) {
      const auto end = next + oracle.counts[rank] * static_cast<int64_t>(ElementSize(test.type));
      oracle.results[rank].assign(next, end);
      next = end;
    }
  }
  return oracle;
}

std::string Describe(const Case& test) {
  constexpr const char* kKinds[] = {"reduce", "allreduce", "reduce_scatter", "scan"};
  constexpr const char* kModes[] = {"blocking", "non-blocking", "in place"};
  return std::string(kKinds[test.kind]) + " " + std::string(ReduceOpName(test.op)) + " of " +
         std::to_string(test.count) + " " + arrow::internal::ToTypeName(test.type) + ", root " +
         std::to_string(test.root) + ", " + kModes[test.mode];
}

arrow::Result<RequestPtr> Start(Communicator& c, const Case& test, const Oracle& oracle, ConstBytes in,
                                MutableBytes out) {
  const Reduction reduction{.type = test.type, .op = test.op};
  switch (test.kind) {
    case kReduce:
      return c.Ireduce(in, out, test.count, reduction, test.root);
    case kAllreduce:
      return c.Iallreduce(in, out, test.count, reduction);
    case kReduceScatter:
      return c.IreduceScatter(in, out, oracle.counts, reduction);
    case kScan:
      return c.Iscan(in, out, test.count, reduction);
  }
  return arrow::Status::UnknownError("no such kind");
}

arrow::Status Drive(Communicator& c, const Case& test, arrow::Result<RequestPtr> started) {
  ARROW_ASSIGN_OR_RAISE(const RequestPtr request, std::move(started));
  if (test.mode != kNonBlocking) return request->Wait();
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const bool done, request->Test());
    if (done) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(c.Progress(std::chrono::milliseconds(50)));
  }
}

class Reductions : public OverWorlds {
 protected:
  void RunCase(World& world, const Case& test) {
    if (known_.type != test.type || known_.op != test.op || known_.count != test.count) {
      known_ = Compute(test, size());
    }
    const Oracle oracle = Expect(test, size(), known_.prefixes);
    world.Run([&](RankContext& c) {
      c.At(Describe(test));
      const auto me = static_cast<size_t>(c->rank());
      Bytes in = known_.inputs[me];
      const Bytes& expected = oracle.results[me];
      const bool in_place = test.mode == kInPlace && expected.size() == in.size();
      Bytes out(expected.size(), std::byte{0x5a});
      const arrow::Status status =
          Drive(*c, test, Start(*c, test, oracle, in, in_place ? MutableBytes(in) : MutableBytes(out)));
      EXPECT_TRUE(status.ok()) << Describe(test) << ": " << status.ToString();
      const Bytes& got = in_place ? in : out;
      if (!expected.empty()) {
        EXPECT_TRUE(got == expected) << Describe(test) << " on rank " << me << " of " << size();
      }
      if (!in_place) {
        EXPECT_TRUE(in == known_.inputs[me]) << "the input was changed by " << Describe(test);
      }
    });
  }

  Prefixes known_;
};

TEST_P(Reductions, AgreeWithPlainLoops) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  const std::vector<size_t> levels = {std::size(kTypes), std::size(kOps), 4, 4, 3, 3};
  for (const std::vector<size_t>& row : Soak() ? Product(levels) : Pairwise(levels)) {
    Case test{static_cast<Kind>(row[3]), kTypes[row[0]], kOps[row[1]], 0, 0, static_cast<Mode>(row[5])};
    const bool bits = test.op == ReduceOp::kBitAnd || test.op == ReduceOp::kBitOr;
    if (bits && IsFloat(test.type)) continue;
    const auto element = static_cast<int64_t>(ElementSize(test.type));
    const int64_t counts[] = {0, 1, 1001, (int64_t{1} << 20) / element + 1};
    test.count = counts[row[2]];
    const Rank roots[] = {0, size() / 2, size() - 1};
    test.root = roots[row[4]];
    const bool has_root = test.kind == kReduce;
    // Of the whole product, what differs only in a root that is not looked at is run once.
    if (Soak() && row[4] > 0 && (!has_root || test.root == roots[row[4] - 1])) continue;
    RunCase(world, test);
  }
}

/// Composition of x -> a x + b modulo 2^64: associative, not commutative.
struct Affine {
  uint64_t a;
  uint64_t b;
  bool operator==(const Affine&) const = default;
};
Affine Then(const Affine& first, const Affine& second) { return {second.a * first.a, second.a * first.b + second.b}; }

arrow::Status ComposeAll(const std::byte* in, std::byte* inout, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    Affine lower;
    Affine higher;
    std::memcpy(&lower, in + i * 16, 16);
    std::memcpy(&higher, inout + i * 16, 16);
    const Affine both = Then(lower, higher);
    std::memcpy(inout + i * 16, &both, 16);
  }
  return arrow::Status::OK();
}

TEST_P(Reductions, FunctionsThatDoNotCommuteAreCalledInRankOrder) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  const auto input = [](int rank, int64_t i) {
    const uint64_t draw = Mix(static_cast<uint64_t>(rank * 7919 + i));
    return Affine{draw | 1, Mix(draw)};
  };
  const Reduction reduction{.type = arrow::Type::NA, .function = &ComposeAll, .element_size = sizeof(Affine)};
  world.Run([&](RankContext& c) {
    for (const int64_t count : {1, 63, 5000, 70000}) {
      c.At("function over " + std::to_string(count));
      const auto n = static_cast<size_t>(count);
      std::vector<Affine> mine(n);
      std::vector<Affine> all(n);
      std::vector<Affine> prefix(n);
      for (size_t i = 0; i < n; ++i) {
        for (int r = 0; r < size(); ++r) {
          const Affine one = input(r, static_cast<int64_t>(i));
          all[i] = r == 0 ? one : Then(all[i], one);
          if (r == c->rank()) {
            mine[i] = one;
            prefix[i] = all[i];
          }
        }
      }
      const ConstBytes in = std::as_bytes(std::span(mine));
      std::vector<Affine> got(n);
      const MutableBytes out = std::as_writable_bytes(std::span(got));
      EXPECT_TRUE(c->Allreduce(in, out, count, reduction).ok());
      EXPECT_TRUE(got == all);
      EXPECT_TRUE(c->Scan(in, out, count, reduction).ok());
      EXPECT_TRUE(got == prefix);
      for (Rank root = 0; root < size(); ++root) {
        EXPECT_TRUE(c->Reduce(in, out, count, reduction, root).ok());
        if (root == c->rank()) {
          EXPECT_TRUE(got == all);
        }
      }
      std::vector<int64_t> counts(static_cast<size_t>(size()), count / size());
      counts.back() += count % size();
      const auto begin = c->rank() * (count / size());
      const auto own = counts[static_cast<size_t>(c->rank())];
      EXPECT_TRUE(c->ReduceScatter(in, out, counts, reduction).ok());
      EXPECT_TRUE(std::equal(got.begin(), got.begin() + own, all.begin() + begin));
    }
  });
}

TEST_P(Reductions, FloatsAreTheSameOnEveryRankAndRun) {
  World world = Make();
  ASSERT_TRUE(world.ok());
  for (const int64_t count : {1, 100, 40000}) {
    world.Run([&](RankContext& c) {
      std::vector<std::vector<double>> outs;
      for (const int run : {0, 1}) {
        std::vector<double> in;
        for (int64_t i = 0; i < count; ++i) {
          const uint64_t draw = Mix(static_cast<uint64_t>(c->rank() * 100003 + i));
          in.push_back(std::ldexp(static_cast<double>(draw >> 11), static_cast<int>(draw % 80) - 90));
        }
        // Ranks come late in another order in each run.
        std::this_thread::sleep_for(std::chrono::milliseconds(run == 0 ? c->rank() : size() - c->rank()));
        outs.emplace_back(in.size());
        EXPECT_TRUE(c->Allreduce(std::as_bytes(std::span(in)), std::as_writable_bytes(std::span(outs.back())), count,
                                 {.type = arrow::Type::DOUBLE})
                        .ok());
      }
      const size_t bytes = outs[0].size() * sizeof(double);
      EXPECT_EQ(0, std::memcmp(outs[0].data(), outs[1].data(), bytes));
      Bytes all(bytes * static_cast<size_t>(size()));
      EXPECT_TRUE(c->Allgather(std::as_bytes(std::span(outs[0])), all).ok());
      for (size_t rank = 0; rank < static_cast<size_t>(size()); ++rank) {
        EXPECT_EQ(0, std::memcmp(outs[0].data(), all.data() + rank * bytes, bytes)) << "of rank " << rank;
      }
    });
  }
}

TEST_P(Reductions, ErrorOfAFunctionIsReturnedAndToldToTheOthers) {
  if (size() == 1) return;  // nothing is combined
  World world = Make();
  ASSERT_TRUE(world.ok());
  const Reduction reduction{
      .type = arrow::Type::NA,
      .function = [](const std::byte*, std::byte*, int64_t) { return arrow::Status::KeyError("no such unit"); },
      .element_size = 8};
  world.Run([&](RankContext& c) {
    int64_t value = 1;
    const arrow::Status status =
        c->Allreduce(std::as_bytes(std::span(&value, 1)), std::as_writable_bytes(std::span(&value, 1)), 1, reduction);
    EXPECT_FALSE(status.ok());
    EXPECT_NE(status.ToString().find("no such unit"), std::string::npos) << status.ToString();
    EXPECT_FALSE(c->failure().ok());
  });
}

WEFT_OVER_WORLDS(Reductions, 1, 2, 3, 4, 5, 8);

}  // namespace
}  // namespace weft::testing
