// Every operator that has no file of its own here, once, on one table of four million rows: what stands out is looked
// at more closely elsewhere. `benchmark_operators --benchmark_filter=Window` and the like.
#include <arrow/api.h>
#include <arrow/array/concatenate.h>
#include <arrow/compute/api_scalar.h>
#include <arrow/compute/expression.h>
#include <arrow/util/compression.h>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "weft/distributed/key_filter.h"
#include "weft/io/snappy.h"
#include "weft/kernels/asof_join.h"
#include "weft/kernels/comoments.h"
#include "weft/kernels/concat.h"
#include "weft/kernels/ewm.h"
#include "weft/kernels/fill.h"
#include "weft/kernels/filter.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/group_transform.h"
#include "weft/kernels/groupby.h"
#include "weft/kernels/inversions.h"
#include "weft/kernels/join.h"
#include "weft/kernels/key_parts.h"
#include "weft/kernels/membership.h"
#include "weft/kernels/quantile.h"
#include "weft/kernels/rank.h"
#include "weft/kernels/reduce.h"
#include "weft/kernels/row_reduce.h"
#include "weft/kernels/scan.h"
#include "weft/kernels/set_operations.h"
#include "weft/kernels/text_search.h"
#include "weft/kernels/top.h"
#include "weft/kernels/unique.h"
#include "weft/kernels/unique_keys.h"
#include "weft/kernels/window.h"
#include "weft/table/hash.h"
#include "weft/table/partition.h"
#include "weft/table/runs.h"
#include "weft/table/wire.h"

namespace {

using namespace weft::kernels;  // NOLINT(google-build-using-namespace): all of it is asked for
using weft::Context;
using TablePtr = std::shared_ptr<arrow::Table>;

constexpr int64_t kRows = 4'000'000;
constexpr int64_t kGroups = 100'000;

uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

void Check(const arrow::Status& status) {
  if (!status.ok()) status.Abort();
}

template <typename T>
T Check(arrow::Result<T> result) {
  Check(result.status());
  return *std::move(result);
}

/// k: keys; v: int64; w, x: doubles, one in eight of x missing; s: texts of 12 bytes; t: rising numbers.
TablePtr MakeTable(int64_t rows, uint64_t seed) {
  arrow::Int64Builder k, v, t;
  arrow::DoubleBuilder w, x;
  arrow::StringBuilder s;
  for (int64_t i = 0; i < rows; ++i) {
    const uint64_t random = Mix(static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15ULL + seed);
    Check(k.Append(static_cast<int64_t>(random % kGroups)));
    Check(v.Append(static_cast<int64_t>(random >> 44)));
    Check(w.Append(static_cast<double>(random >> 40) * 0.001));
    Check(random % 8 == 0 ? x.AppendNull() : x.Append(static_cast<double>(random >> 36)));
    const std::string digits = std::to_string(random % kGroups);
    Check(s.Append("text" + std::string(8 - digits.size(), '0') + digits));
    Check(t.Append(4 * i + static_cast<int64_t>(random % 4)));
  }
  return arrow::Table::Make(arrow::schema({arrow::field("k", arrow::int64()), arrow::field("v", arrow::int64()),
                                           arrow::field("w", arrow::float64()), arrow::field("x", arrow::float64()),
                                           arrow::field("s", arrow::utf8()), arrow::field("t", arrow::int64())}),
                            {Check(k.Finish()), Check(v.Finish()), Check(w.Finish()), Check(x.Finish()),
                             Check(s.Finish()), Check(t.Finish())});
}

enum Column : int { kK, kV, kW, kX, kS, kT };

const TablePtr& Left() {
  static const TablePtr table = MakeTable(kRows, 1);
  return table;
}
const TablePtr& Right() {
  static const TablePtr table = MakeTable(kRows / 8, 2);
  return table;
}
TablePtr Some(const TablePtr& table, const std::vector<int>& columns) { return Check(table->SelectColumns(columns)); }

/// What is measured; the value that it gives is dropped.
using Operator = std::function<arrow::Status(const Context&)>;

void Add(const std::string& name, const Operator& run) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [run](benchmark::State& state) {
                                 Context context;
                                 context.threads = static_cast<int>(state.range(0));
                                 Left();
                                 Right();
                                 // What it makes once is made.
                                 Check(run(context));
                                 for (auto _ : state) Check(run(context));
                                 state.SetItemsProcessed(state.iterations() * kRows);
                               })
      ->Arg(1)
      ->Arg(2)
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

void AddRows() {
  using namespace arrow::compute;  // NOLINT(google-build-using-namespace)
  Add("Filter/Half", [](const Context& context) {
    return Filter(Left(), less(field_ref("v"), literal(int64_t{1} << 19)), context).status();
  });
  Add("Filter/Texts", [](const Context& context) {
    return Filter(Left(), equal(field_ref("s"), literal("text00000007")), context).status();
  });
  Add("Filter/Pieces", [](const Context& context) {
    static const auto predicate =
        WithMatchedPieces(call("match_substring_regex", {field_ref("s")}, MatchSubstringOptions("ext.*77")));
    return Filter(Left(), predicate, context).status();
  });
  Add("Project/Sum", [](const Context& context) {
    return Project(Left(), {{"a", call("add", {field_ref("v"), field_ref("k")})}}, context).status();
  });
  Add("Gather/Random", [](const Context& context) -> arrow::Status {
    static const auto rows = [] {
      std::vector<int64_t> made;
      for (int64_t i = 0; i < kRows; ++i) made.push_back(static_cast<int64_t>(Mix(static_cast<uint64_t>(i)) % kRows));
      return made;
    }();
    return GatherRows(Left(), rows, context).status();
  });
  Add("Fill/Forward", [](const Context& context) { return Fill(Left(), {.columns = {kX}}, {}, context).status(); });
  Add("Concat/OtherTypes", [](const Context& context) {
    static const TablePtr other = Check(Left()->RenameColumns({"k", "w", "v", "y", "s", "t"}));
    return Concat({Left(), other}, true, context).status();
  });
  Add("Unique/Numbers", [](const Context& context) { return Unique(Left(), {.columns = {kK}}, context).status(); });
  Add("Unique/Texts", [](const Context& context) { return Unique(Left(), {.columns = {kS}}, context).status(); });
  Add("CutByKey/4Of16", [](const Context& context) {
    return CutByKey(Left(), {.keys = {kK}, .parts = 16}, {0, 5, 10, 15}, context).status();
  });
  Add("CheckUniqueKeys", [](const Context& context) -> arrow::Status {
    return CheckUniqueKeys(*Left(), std::vector<int>{kT}, "the keys", context);
  });
  Add("CountDistinct", [](const Context& context) { return CountDistinct(*Left(), kK, true, context).status(); });
  Add("Top/Hundred", [](const Context& context) -> arrow::Status {
    TopOptions options;
    options.order.keys = {{kW, false}};
    options.rows = 100;
    return Top(Left(), options, context).status();
  });
  Add("Rank/Average", [](const Context& context) { return RankRows(*Left(), {.column = kK}, context).status(); });
}

void AddJoins() {
  for (const auto& [name, type] : std::vector<std::pair<std::string, JoinType>>{
           {"LeftSemi", JoinType::kLeftSemi}, {"LeftAnti", JoinType::kLeftAnti}, {"Outer", JoinType::kOuter}}) {
    Add("Join/" + name, [type = type](const Context& context) -> arrow::Status {
      static const TablePtr left = Some(Left(), {kK, kV});
      static const TablePtr right = Some(Check(Right()->RenameColumns({"k", "b", "c", "d", "e", "f"})), {kK, kV});
      JoinOptions options;
      options.left_keys = options.right_keys = {0};
      options.type = type;
      return Join(left, right, options, context).status();
    });
  }
  Add("Join/Cross", [](const Context& context) -> arrow::Status {
    JoinOptions options;
    options.type = JoinType::kCross;
    return Join(Some(Left(), {kK})->Slice(0, 2000), Check(Some(Right(), {kK})->RenameColumns({"b"}))->Slice(0, 2000),
                options, context)
        .status();
  });
  Add("Join/Asof", [](const Context& context) -> arrow::Status {
    AsofOptions options;
    options.left_on = options.right_on = 1;
    return AsofJoin(Some(Left(), {kV, kT}), Some(Right(), {kV, kT}), options, context).status();
  });
  Add("IsMember", [](const Context& context) { return IsMember(Left(), Right(), {kK}, {kK}, context).status(); });
  Add("Sets/Intersect", [](const Context& context) -> arrow::Status {
    const SetOptions options{.operation = SetOperation::kIntersect};
    return CombineSets(Some(Left(), {kK}), Some(Right(), {kK}), options, context).status();
  });
}

void AddReductions() {
  for (const auto& [name, function] : std::vector<std::pair<std::string, ReduceFunction>>{
           {"Sum", ReduceFunction::kSum}, {"Max", ReduceFunction::kMax}, {"Kurtosis", ReduceFunction::kKurtosis}}) {
    Add("Reduce/" + name, [function = function](const Context& context) {
      return Reduce(Left(), {.reductions = {{function, kV}, {function, kX}}}, context).status();
    });
  }
  Add("Quantile/Median",
      [](const Context& context) { return Quantile(Left(), {.columns = {kX}}, SelectAlone(), context).status(); });
  Add("Quantile/Digest", [](const Context& context) {
    return Quantile(Left(), {.columns = {kX}, .approximate = true}, SelectAlone(), context).status();
  });
  Add("PairMoments",
      [](const Context& context) { return PairMoments(*Left(), std::vector<int>{kV, kW, kX}, context).status(); });
  Add("Inversions", [](const Context& context) { return CountInversions(Left()->column(kW), context).status(); });
  Add("RowReduce/Mean", [](const Context& context) {
    return ReduceRows(*Some(Left(), {kW, kX}), {.function = RowFunction::kMean}, context).status();
  });
  Add("Scan/Sum",
      [](const Context& context) { return Scan(Left(), nullptr, {.columns = {kV, kX}}, context).status(); });
}

void AddGroups() {
  for (const auto& [name, function] :
       std::vector<std::pair<std::string, AggregateFunction>>{{"Size", AggregateFunction::kSize},
                                                              {"Min", AggregateFunction::kMin},
                                                              {"Var", AggregateFunction::kVar},
                                                              {"First", AggregateFunction::kFirst},
                                                              {"IdxMax", AggregateFunction::kIdxMax},
                                                              {"Median", AggregateFunction::kMedian},
                                                              {"Nunique", AggregateFunction::kNunique}}) {
    Add("GroupBy/" + name, [function = function](const Context& context) -> arrow::Status {
      GroupByOptions options;
      options.keys = {kK};
      options.sort = false;
      options.aggregations.resize(1);
      options.aggregations[0].function = function;
      options.aggregations[0].column = function == AggregateFunction::kSize ? -1 : static_cast<int>(kV);
      options.aggregations[0].name = "a";
      return GroupBy(Left(), options, context).status();
    });
  }
  for (const auto& name : {"cumsum", "shift", "rank", "ffill"}) {
    Add(std::string("GroupTransform/") + name, [name = std::string(name)](const Context& context) -> arrow::Status {
      GroupTransformOptions options;
      options.keys = {kK};
      options.transforms.resize(1);
      ARROW_ASSIGN_OR_RAISE(options.transforms[0].function, ParseTransformFunction(name));
      options.transforms[0].column = kX;
      options.transforms[0].name = "a";
      return GroupTransform(Left(), options, context).status();
    });
  }
}

void AddWindows() {
  const auto window = [](WindowKind kind, WindowFunction function) {
    WindowOptions options;
    options.frame.kind = kind;
    options.frame.size = kind == WindowKind::kRows ? 50 : 0;
    options.aggregates.resize(1);
    options.aggregates[0].function = function;
    options.aggregates[0].column = kX;
    options.aggregates[0].name = "a";
    return options;
  };
  for (const auto& [name, function] : std::vector<std::pair<std::string, WindowFunction>>{
           {"Mean", WindowFunction::kMean}, {"Max", WindowFunction::kMax}, {"Median", WindowFunction::kQuantile}}) {
    Add("Window/Rows50" + name, [options = window(WindowKind::kRows, function)](const Context& context) {
      return Window(Left(), options, 0, kRows, {}, context).status();
    });
  }
  Add("Window/ExpandingMean",
      [options = window(WindowKind::kExpanding, WindowFunction::kMean)](const Context& context) {
        return Window(Left(), options, 0, kRows, {}, context).status();
      });
  Add("Window/GroupedMean", [options = window(WindowKind::kRows, WindowFunction::kMean)](const Context& context) {
    return GroupWindow(Left(), {kK}, true, options, context).status();
  });
  Add("Ewm", [](const Context& context) { return Ewm(*Left(), {.columns = {kX}}, {}, context).status(); });
}

/// What a shuffle does with rows before they travel and when they came.
void AddTravel() {
  static const auto hashes = [](const Context& context) -> arrow::Result<std::vector<uint64_t>> {
    std::vector<uint64_t> made(static_cast<size_t>(kRows));
    ARROW_RETURN_NOT_OK(weft::table::HashRows(*Left(), std::vector<int>{kK}, {}, context, made.data()));
    return made;
  };
  Add("Hash/Numbers", [](const Context& context) { return hashes(context).status(); });
  Add("Hash/Texts", [](const Context& context) -> arrow::Status {
    std::vector<uint64_t> made(static_cast<size_t>(kRows));
    return weft::table::HashRows(*Left(), std::vector<int>{kS}, {}, context, made.data());
  });
  Add("KeyFilter/Ask", [](const Context& context) -> arrow::Status {
    namespace filter = weft::distributed::key_filter;
    ARROW_ASSIGN_OR_RAISE(const auto all, hashes(context));
    std::vector<uint64_t> words(static_cast<size_t>(filter::Words(kRows)));
    for (size_t i = 0; i < all.size(); i += 4) filter::Add(words, all[i]);
    int64_t passing = 0;
    for (const uint64_t hash : all) passing += filter::MayHave(words, hash) ? 1 : 0;
    benchmark::DoNotOptimize(passing);
    return arrow::Status::OK();
  });
  static const auto targets = [] {
    static const std::vector<uint32_t> made = [] {
      std::vector<uint32_t> found;
      for (const uint64_t hash : Check(hashes(Context()))) found.push_back(weft::table::RankOfHash(hash, 8));
      return found;
    }();
    return std::span(made);
  };
  Add("Partition/8", [](const Context& context) -> arrow::Status {
    static const auto batch = Check(Left()->CombineChunksToBatch());
    return weft::table::PartitionBatch(*batch, targets(), 8, context).status();
  });
  // One column of int64, in runs of 100 and plain.
  static const auto runs = [] {
    arrow::Int32Builder ends;
    arrow::Int64Builder values;
    for (int64_t end = 100; end <= kRows; end += 100) {
      Check(ends.Append(static_cast<int32_t>(end)));
      Check(values.Append(end));
    }
    const auto column = Check(arrow::RunEndEncodedArray::Make(kRows, Check(ends.Finish()), Check(values.Finish())));
    return arrow::RecordBatch::Make(arrow::schema({arrow::field("r", column->type())}), kRows, {column});
  };
  Add("Partition/8OfRuns", [](const Context& context) -> arrow::Status {
    static const auto batch = runs();
    return weft::table::PartitionBatch(*batch, targets(), 8, context).status();
  });
  Add("Partition/8OfInt64", [](const Context& context) -> arrow::Status {
    static const auto batch = Check(weft::table::WithoutRuns(runs(), arrow::default_memory_pool()));
    return weft::table::PartitionBatch(*batch, targets(), 8, context).status();
  });
  Add("WithoutRuns", [](const Context& context) -> arrow::Status {
    static const auto batch = runs();
    return weft::table::WithoutRuns(batch, context.pool).status();
  });
  Add("Wire/Write", [](const Context& context) -> arrow::Status {
    static const auto batch = Check(Left()->CombineChunksToBatch());
    ARROW_ASSIGN_OR_RAISE(const auto writer, weft::table::WireWriter::Make(batch->schema(), context));
    return writer->Write(batch).status();
  });
  Add("Wire/Read", [](const Context& context) -> arrow::Status {
    static const auto block = [] {
      const auto batch = Check(Left()->CombineChunksToBatch());
      const auto writer = Check(weft::table::WireWriter::Make(batch->schema(), Context()));
      return Check(writer->Write(batch));
    }();
    static const auto body = [] {
      auto made = Check(arrow::AllocateBuffer(block.body_bytes));
      uint8_t* to = made->mutable_data();
      for (const auto& piece : block.body)
        to = std::copy_n(reinterpret_cast<const uint8_t*>(piece.data()), piece.size(), to);
      return std::shared_ptr<arrow::Buffer>(std::move(made));
    }();
    ARROW_ASSIGN_OR_RAISE(const auto reader, weft::table::WireReader::Make(0, INT64_MAX, context));
    ARROW_RETURN_NOT_OK(reader->ReadHeader(block.header).status());
    return reader->Read({body}).status();
  });
  Add("Snappy", [](const Context&) -> arrow::Status {
    using weft::io::kSnappySlack;
    static const int64_t size = kRows * static_cast<int64_t>(sizeof(int64_t));
    static const std::vector<uint8_t> in = [] {
      const auto codec = Check(arrow::util::Codec::Create(arrow::Compression::SNAPPY));
      const auto values = Check(arrow::Concatenate(Left()->column(kV)->chunks()));
      const uint8_t* from = values->data()->buffers[1]->data();
      std::vector<uint8_t> made(static_cast<size_t>(codec->MaxCompressedLen(size, from)) + kSnappySlack);
      made.resize(
          static_cast<size_t>(Check(codec->Compress(size, from, codec->MaxCompressedLen(size, from), made.data()))) +
          kSnappySlack);
      return made;
    }();
    static std::vector<uint8_t> out(static_cast<size_t>(size + kSnappySlack));
    const bool good = weft::io::UncompressSnappy({in.data(), in.size() - kSnappySlack}, out.data(), size);
    return good ? arrow::Status::OK() : arrow::Status::Invalid("what was compressed is not what came out");
  });
}

}  // namespace

int main(int argc, char** argv) {
  AddRows();
  AddJoins();
  AddReductions();
  AddGroups();
  AddWindows();
  AddTravel();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
