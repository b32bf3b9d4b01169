// The join's kernels on one rank. Arguments: rows a side, threads; shapes beyond two int64 columns by name.
#include <arrow/api.h>
#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "weft/kernels/hash_join.h"
#include "weft/kernels/join.h"

namespace weft::kernels {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

std::shared_ptr<arrow::Array> RandomInts(int64_t rows, int64_t below, uint64_t seed) {
  std::mt19937_64 random(seed);
  auto values = arrow::AllocateBuffer(rows * 8).ValueOrDie();
  auto* out = reinterpret_cast<int64_t*>(values->mutable_data());
  for (int64_t i = 0; i < rows; ++i) out[i] = static_cast<int64_t>(random() % static_cast<uint64_t>(below));
  return std::make_shared<arrow::Int64Array>(rows, std::move(values));
}

/// The integers as text of 8 to 40 bytes, the same text for the same integer.
std::shared_ptr<arrow::Array> AsText(const arrow::Array& ints) {
  arrow::StringBuilder out;
  const auto& values = static_cast<const arrow::Int64Array&>(ints);
  for (int64_t i = 0; i < values.length(); ++i) {
    std::string text = std::to_string(values.Value(i));
    text.insert(0, 8 + static_cast<size_t>(values.Value(i)) % 25, 'k');
    if (!out.Append(text).ok()) return nullptr;
  }
  return out.Finish().ValueOrDie();
}

/// Keys are uniform below 0.9 rows, or below `distinct`.
TablePtr MakeTable(int64_t rows, int keys, int payloads, uint64_t seed, int64_t distinct = 0) {
  const int64_t below = distinct > 0 ? distinct : std::max<int64_t>(1, rows * 9 / 10);
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (int c = 0; c < keys + payloads; ++c) {
    fields.push_back(arrow::field("col" + std::to_string(c), arrow::int64()));
    arrays.push_back(RandomInts(rows, c > 0 && c < keys ? 2 : below, seed + static_cast<uint64_t>(c)));
  }
  return arrow::Table::Make(arrow::schema(fields), arrays);
}

void RunJoin(benchmark::State& state, const TablePtr& left, const TablePtr& right, const JoinOptions& options,
             const HashJoinTuning& tuning = {}) {
  Context context;
  context.threads = static_cast<int>(state.range(1));
  int64_t rows = 0;
  for (auto _ : state) {
    auto out = options.algorithm == JoinAlgorithm::kHash ? HashJoin(left, right, options, tuning, context)
                                                         : Join(left, right, options, context);
    if (!out.ok()) return state.SkipWithError(out.status().ToString().c_str());
    rows = (*out)->num_rows();
  }
  state.SetItemsProcessed(state.iterations() * (left->num_rows() + right->num_rows()));
  state.counters["out"] = static_cast<double>(rows);
}

void Inner(benchmark::State& state) {
  RunJoin(state, MakeTable(state.range(0), 1, 1, 1), MakeTable(state.range(0), 1, 1, 2), {{0}, {0}});
}

void InnerByBits(benchmark::State& state) {
  HashJoinTuning tuning;
  tuning.partition_bits = static_cast<int>(state.range(2));
  RunJoin(state, MakeTable(state.range(0), 1, 1, 1), MakeTable(state.range(0), 1, 1, 2), {{0}, {0}}, tuning);
}

void InnerMixed(benchmark::State& state) {
  HashJoinTuning tuning;
  tuning.places_per_row = 0;
  RunJoin(state, MakeTable(state.range(0), 1, 1, 1), MakeTable(state.range(0), 1, 1, 2), {{0}, {0}}, tuning);
}

void Sorted(benchmark::State& state) {
  JoinOptions options{{0}, {0}};
  options.algorithm = JoinAlgorithm::kSort;
  RunJoin(state, MakeTable(state.range(0), 1, 1, 1), MakeTable(state.range(0), 1, 1, 2), options);
}

void TwoKeys(benchmark::State& state) {
  RunJoin(state, MakeTable(state.range(0), 2, 1, 1), MakeTable(state.range(0), 2, 1, 2), {{0, 1}, {0, 1}});
}

void Outer(benchmark::State& state) {
  RunJoin(state, MakeTable(state.range(0), 1, 1, 1), MakeTable(state.range(0), 1, 1, 2), {{0}, {0}, JoinType::kOuter});
}

void TenPayloads(benchmark::State& state) {
  RunJoin(state, MakeTable(state.range(0), 1, 10, 1), MakeTable(state.range(0), 1, 10, 20), {{0}, {0}});
}

void SmallBuild(benchmark::State& state) {
  RunJoin(state, MakeTable(state.range(0), 1, 1, 1, 1000), MakeTable(1000, 1, 1, 2), {{0}, {0}});
}

/// Different keys close together, each of which is probed by so many rows.
void OneToMany(benchmark::State& state) {
  const int64_t rows = state.range(0);
  const int64_t keys = rows / state.range(2);
  std::vector<int64_t> order(static_cast<size_t>(keys));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::shuffle(order.begin(), order.end(), std::mt19937_64(4));
  arrow::Int64Builder builder;
  if (!builder.AppendValues(order).ok()) std::abort();
  const auto column = std::make_shared<arrow::ChunkedArray>(builder.Finish().ValueOrDie());
  const auto schema = arrow::schema({arrow::field("col0", arrow::int64()), arrow::field("a", arrow::int64())});
  RunJoin(state, arrow::Table::Make(schema, {column, column}), MakeTable(rows, 1, 1, 2, keys), {{0}, {0}});
}

void TextKey(benchmark::State& state) {
  const auto table = [&](uint64_t seed) {
    const auto ints = MakeTable(state.range(0), 1, 1, seed);
    const auto text = AsText(*ints->column(0)->chunk(0));
    return arrow::Table::Make(arrow::schema({arrow::field("col0", arrow::utf8()), ints->field(1)}),
                              {text, ints->column(1)->chunk(0)});
  };
  RunJoin(state, table(1), table(2), {{0}, {0}});
}

constexpr int64_t kRows = 4'500'000;

#define WEFT_JOIN_BENCHMARK(name, rows) \
  BENCHMARK(name)->Args({rows, 1})->Args({rows, 2})->Unit(benchmark::kMillisecond)->UseRealTime()
WEFT_JOIN_BENCHMARK(Inner, kRows);
WEFT_JOIN_BENCHMARK(Inner, 18'200'000);
WEFT_JOIN_BENCHMARK(Inner, 10'000);
WEFT_JOIN_BENCHMARK(InnerMixed, kRows);
WEFT_JOIN_BENCHMARK(InnerMixed, 18'200'000);
WEFT_JOIN_BENCHMARK(Sorted, kRows);
WEFT_JOIN_BENCHMARK(TwoKeys, kRows);
WEFT_JOIN_BENCHMARK(Outer, kRows);
WEFT_JOIN_BENCHMARK(TenPayloads, 1'000'000);
WEFT_JOIN_BENCHMARK(SmallBuild, kRows);
BENCHMARK(OneToMany)
    ->ArgsProduct({{kRows}, {2}, {2, 3, 4, 5, 8, 10, 16, 30}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
WEFT_JOIN_BENCHMARK(TextKey, 1'000'000);
WEFT_JOIN_BENCHMARK(TextKey, kRows);
BENCHMARK(InnerByBits)
    ->ArgsProduct({{kRows, 18'200'000}, {2}, {0, 6, 7, 8, 9, 10, 11}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace weft::kernels
