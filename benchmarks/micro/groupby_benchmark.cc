// Two aggregates by keys of several kinds and numbers of groups.
#include <arrow/api.h>
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "weft/kernels/groupby.h"

namespace {

using weft::kernels::AggregateFunction;

constexpr int64_t kRows = 10'000'000;

uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

void Check(const arrow::Status& status) {
  if (!status.ok()) std::abort();
}

/// Keys below `groups`, spread over the whole range of 64 bits if `spread`.
std::shared_ptr<arrow::Array> Keys(uint64_t groups, bool spread) {
  arrow::Int64Builder builder;
  Check(builder.Reserve(kRows));
  for (uint64_t i = 0; i < kRows; ++i) {
    const uint64_t key = Mix(i * 0x9e3779b97f4a7c15ULL) % groups;
    builder.UnsafeAppend(static_cast<int64_t>(spread ? Mix(key) : key));
  }
  return builder.Finish().ValueOrDie();
}

std::shared_ptr<arrow::Array> StringKeys(uint64_t groups, size_t padding) {
  arrow::StringBuilder builder;
  for (uint64_t i = 0; i < kRows; ++i) {
    std::string text(padding, 'k');
    text.append(std::to_string(Mix(i * 0x9e3779b97f4a7c15ULL) % groups));
    Check(builder.Append(text));
  }
  return builder.Finish().ValueOrDie();
}

void Run(benchmark::State& state, const std::shared_ptr<arrow::Array>& keys,
         const std::vector<AggregateFunction>& functions = {AggregateFunction::kSum, AggregateFunction::kMean}) {
  arrow::Int64Builder integers;
  arrow::DoubleBuilder reals;
  Check(integers.Reserve(kRows));
  Check(reals.Reserve(kRows));
  for (uint64_t i = 0; i < kRows; ++i) {
    integers.UnsafeAppend(static_cast<int64_t>(Mix(i + 77) % 1000));
    reals.UnsafeAppend(static_cast<double>(Mix(i + 99) % 100000) * 0.001);
  }
  const auto table =
      arrow::Table::Make(arrow::schema({arrow::field("k", keys->type()), arrow::field("v", arrow::int64()),
                                        arrow::field("w", arrow::float64())}),
                         {keys, integers.Finish().ValueOrDie(), reals.Finish().ValueOrDie()});
  weft::Context context;
  context.threads = static_cast<int>(state.range(0));
  const weft::kernels::GroupByOptions options{
      .keys = {0}, .aggregations = {{functions[0], 1, "a"}, {functions[1], 2, "b"}}, .sort = state.range(1) != 0};
  for (auto _ : state) benchmark::DoNotOptimize(weft::kernels::GroupBy(table, options, context).ValueOrDie());
  state.SetItemsProcessed(state.iterations() * kRows);
}

void GroupBy100(benchmark::State& state) { Run(state, Keys(100, false)); }
void GroupBy100Spread(benchmark::State& state) { Run(state, Keys(100, true)); }
void GroupBy1M(benchmark::State& state) { Run(state, Keys(1'000'000, false)); }
void GroupBy1MSpread(benchmark::State& state) { Run(state, Keys(1'000'000, true)); }
void GroupBy10M(benchmark::State& state) { Run(state, Keys(10'000'000, false)); }
void GroupBy1MExtremes(benchmark::State& state) {
  Run(state, Keys(1'000'000, false), {AggregateFunction::kMin, AggregateFunction::kMax});
}
void GroupBy1MDeviations(benchmark::State& state) {
  Run(state, Keys(1'000'000, false), {AggregateFunction::kStd, AggregateFunction::kStd});
}
void GroupByShortStrings(benchmark::State& state) { Run(state, StringKeys(1'000'000, 2)); }
void GroupByLongStrings(benchmark::State& state) { Run(state, StringKeys(1'000'000, 40)); }

/// Threads, and whether the result is sorted.
#define WEFT_ARGS ->Args({1, 0})->Args({2, 0})->Args({2, 1})->Unit(benchmark::kMillisecond)->UseRealTime()
BENCHMARK(GroupBy100) WEFT_ARGS;
BENCHMARK(GroupBy100Spread) WEFT_ARGS;
BENCHMARK(GroupBy1M) WEFT_ARGS;
BENCHMARK(GroupBy1MSpread) WEFT_ARGS;
BENCHMARK(GroupBy10M) WEFT_ARGS;
BENCHMARK(GroupBy1MExtremes) WEFT_ARGS;
BENCHMARK(GroupBy1MDeviations) WEFT_ARGS;
BENCHMARK(GroupByShortStrings) WEFT_ARGS;
BENCHMARK(GroupByLongStrings) WEFT_ARGS;

}  // namespace
