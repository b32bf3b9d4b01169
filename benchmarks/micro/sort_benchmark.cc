// Sort by keys of several kinds; the tables have the key columns and one int64 column besides.
#include <arrow/api.h>
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "weft/kernels/sort.h"

namespace {

constexpr int64_t kRows = 10'000'000;

uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

void Check(const arrow::Status& status) {
  if (!status.ok()) std::abort();
}

std::shared_ptr<arrow::Array> Numbers(uint64_t bound, uint64_t seed) {
  arrow::Int64Builder builder;
  Check(builder.Reserve(kRows));
  for (uint64_t i = 0; i < kRows; ++i) {
    const uint64_t value = Mix(i * 0x9e3779b97f4a7c15ULL + seed);
    builder.UnsafeAppend(static_cast<int64_t>(bound == 0 ? value : value % bound));
  }
  return builder.Finish().ValueOrDie();
}

std::shared_ptr<arrow::Array> Strings(uint64_t bound, size_t padding) {
  arrow::LargeStringBuilder builder;
  for (uint64_t i = 0; i < kRows; ++i) {
    std::string text(padding, 'k');
    text.append(std::to_string(Mix(i * 0x9e3779b97f4a7c15ULL) % bound));
    Check(builder.Append(text));
  }
  return builder.Finish().ValueOrDie();
}

/// `runs`: how many runs of the rows are sorted beforehand; 0 for none.
void Run(benchmark::State& state, const arrow::ArrayVector& arrays, int keys, int64_t runs = 0) {
  arrow::FieldVector fields;
  for (const auto& array : arrays) fields.push_back(arrow::field(std::to_string(fields.size()), array->type()));
  auto table = arrow::Table::Make(arrow::schema(fields), arrays);
  weft::Context context;
  context.threads = static_cast<int>(state.range(0));
  weft::kernels::SortOptions options;
  for (int k = 0; k < keys; ++k) options.keys.push_back({k, true});
  std::vector<std::shared_ptr<arrow::Table>> sorted;
  for (int64_t run = 0; run < runs; ++run) {
    const int64_t begin = kRows * run / runs;
    const auto rows = table->Slice(begin, kRows * (run + 1) / runs - begin);
    sorted.push_back(weft::kernels::Sort(rows, options, context).ValueOrDie());
  }
  if (runs > 0) table = arrow::ConcatenateTables(sorted).ValueOrDie();
  for (auto _ : state) benchmark::DoNotOptimize(weft::kernels::Sort(table, options, context).ValueOrDie());
  state.SetItemsProcessed(state.iterations() * kRows);
}

void SortDenseInt64(benchmark::State& state) { Run(state, {Numbers(kRows, 1), Numbers(0, 2)}, 1); }
void SortFullInt64(benchmark::State& state) { Run(state, {Numbers(0, 1), Numbers(0, 2)}, 1); }
void SortTwoKeys(benchmark::State& state) { Run(state, {Numbers(1000, 1), Numbers(0, 2), Numbers(0, 3)}, 2); }
void SortShortStrings(benchmark::State& state) { Run(state, {Strings(kRows, 4), Numbers(0, 2)}, 1); }
void SortLongStrings(benchmark::State& state) { Run(state, {Strings(kRows, 40), Numbers(0, 2)}, 1); }
void SortRunsOfInt64(benchmark::State& state) { Run(state, {Numbers(0, 1), Numbers(0, 2)}, 1, state.range(1)); }
void SortRunsOfStrings(benchmark::State& state) { Run(state, {Strings(kRows, 40), Numbers(0, 2)}, 1, state.range(1)); }

#define WEFT_THREADS ->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime()
BENCHMARK(SortDenseInt64) WEFT_THREADS;
BENCHMARK(SortFullInt64) WEFT_THREADS;
BENCHMARK(SortTwoKeys) WEFT_THREADS;
BENCHMARK(SortShortStrings) WEFT_THREADS;
BENCHMARK(SortLongStrings) WEFT_THREADS;
#define WEFT_RUNS ->ArgsProduct({{1, 2}, {1, 2, 4, 8, 16, 32}})->Unit(benchmark::kMillisecond)->UseRealTime()
BENCHMARK(SortRunsOfInt64) WEFT_RUNS;
BENCHMARK(SortRunsOfStrings) WEFT_RUNS;

}  // namespace
