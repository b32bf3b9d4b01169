#include "weft/kernels/select.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <utility>

#include "weft/kernels/key_encoding.h"

namespace weft::kernels {
namespace {

constexpr int kBucketBits = 11;
constexpr int64_t kBuckets = int64_t{1} << kBucketBits;
/// Values of all ranks that are gathered rather than counted again.
constexpr int64_t kFew = 4096;
constexpr int64_t kTaskRows = 1 << 18;

/// A range of codes that holds wanted places, and this rank's codes in it.
struct Interval {
  size_t column = 0;
  uint64_t least = 0;
  uint64_t greatest = 0;
  /// Values of all ranks below the range, and in it.
  int64_t below = 0;
  int64_t values = 0;
  /// Wanted places, as entries of wanted[column].
  std::vector<size_t> entries;
  PoolArray<uint64_t> codes;

  int shift() const { return std::max(0, static_cast<int>(std::bit_width(greatest - least)) - kBucketBits); }
  size_t bucket(uint64_t code) const { return static_cast<size_t>((code - least) >> shift()); }
};

/// Adds this rank's counts by bucket to `counts`.
arrow::Status CountBuckets(const Interval& interval, std::span<int64_t> counts, const Context& context) {
  const int64_t rows = interval.codes.size();
  const int64_t tasks = (rows + kTaskRows - 1) / kTaskRows;
  std::vector<std::vector<int64_t>> parts(static_cast<size_t>(tasks));
  const int shift = interval.shift();
  ARROW_RETURN_NOT_OK(ParallelFor(context, tasks, [&](int64_t task) {
    auto& part = parts[static_cast<size_t>(task)];
    part.assign(static_cast<size_t>(kBuckets), 0);
    const int64_t end = std::min(rows, (task + 1) * kTaskRows);
    for (int64_t i = task * kTaskRows; i < end; ++i) {
      ++part[static_cast<size_t>((interval.codes[i] - interval.least) >> shift)];
    }
    return arrow::Status::OK();
  }));
  for (const auto& part : parts) {
    for (size_t b = 0; b < part.size(); ++b) counts[b] += part[b];
  }
  return arrow::Status::OK();
}

/// The intervals within one that hold its wanted places, from the counts of all ranks.
std::vector<Interval> SplitInterval(const Interval& whole, std::span<const int64_t> wanted,
                                    std::span<const int64_t> counts) {
  std::vector<Interval> parts;
  int64_t below = whole.below;
  size_t next = 0;
  const int shift = whole.shift();
  for (size_t b = 0; b < counts.size() && next < whole.entries.size(); ++b) {
    const int64_t end = below + counts[b];
    if (wanted[whole.entries[next]] < end) {
      Interval part;
      part.column = whole.column;
      part.least = whole.least + (static_cast<uint64_t>(b) << shift);
      const uint64_t width = (uint64_t{1} << shift) - 1;
      part.greatest = whole.greatest - part.least < width ? whole.greatest : part.least + width;
      part.below = below;
      part.values = counts[b];
      while (next < whole.entries.size() && wanted[whole.entries[next]] < end) {
        part.entries.push_back(whole.entries[next++]);
      }
      parts.push_back(std::move(part));
    }
    below = end;
  }
  return parts;
}

/// Gives each part its codes of `whole`.
arrow::Status KeepCodes(const Interval& whole, std::span<const int64_t> local_counts, std::vector<Interval>* parts,
                        const Context& context) {
  std::vector<int> part_of(local_counts.size(), -1);
  std::vector<int64_t> filled(parts->size(), 0);
  for (size_t p = 0; p < parts->size(); ++p) {
    Interval& part = (*parts)[p];
    const size_t bucket = whole.bucket(part.least);
    if (part.least == part.greatest) continue;
    part_of[bucket] = static_cast<int>(p);
    ARROW_ASSIGN_OR_RAISE(part.codes, PoolArray<uint64_t>::Make(local_counts[bucket], context.pool));
  }
  for (const uint64_t code : whole.codes) {
    const int p = part_of[whole.bucket(code)];
    if (p >= 0) (*parts)[static_cast<size_t>(p)].codes[filled[static_cast<size_t>(p)]++] = code;
  }
  return arrow::Status::OK();
}

/// Counts, exchanges, and narrows all intervals once.
arrow::Result<std::vector<Interval>> Narrow(std::vector<Interval> intervals,
                                            const std::vector<std::vector<int64_t>>& wanted,
                                            const SelectExchange& exchange, const Context& context) {
  std::vector<int64_t> local(intervals.size() * static_cast<size_t>(kBuckets), 0);
  const auto counts_of = [](std::vector<int64_t>& all, size_t i) {
    return std::span(all).subspan(i * static_cast<size_t>(kBuckets), static_cast<size_t>(kBuckets));
  };
  arrow::Status counted;
  for (size_t i = 0; i < intervals.size() && counted.ok(); ++i) {
    counted = CountBuckets(intervals[i], counts_of(local, i), context);
  }
  std::vector<int64_t> global = local;
  ARROW_RETURN_NOT_OK(exchange.sum(counted, global));
  std::vector<Interval> next;
  arrow::Status kept;
  for (size_t i = 0; i < intervals.size(); ++i) {
    auto parts = SplitInterval(intervals[i], wanted[intervals[i].column], counts_of(global, i));
    if (kept.ok()) kept = KeepCodes(intervals[i], counts_of(local, i), &parts, context);
    intervals[i].codes.Free();
    std::move(parts.begin(), parts.end(), std::back_inserter(next));
  }
  // The next exchange, or the last one, tells the others.
  ARROW_RETURN_NOT_OK(exchange.sum(kept, {}));
  return next;
}

/// All ranks' codes of the intervals, each put in order.
arrow::Result<std::vector<std::vector<uint64_t>>> GatherCodes(const std::vector<Interval>& intervals,
                                                              const SelectExchange& exchange) {
  std::string bytes;
  for (const Interval& interval : intervals) {
    const int64_t count = interval.codes.size();
    bytes.append(reinterpret_cast<const char*>(&count), sizeof(count));
    bytes.append(reinterpret_cast<const char*>(interval.codes.data()), static_cast<size_t>(count) * sizeof(uint64_t));
  }
  ARROW_ASSIGN_OR_RAISE(const auto all, exchange.gather(arrow::Status::OK(), bytes));
  std::vector<std::vector<uint64_t>> codes(intervals.size());
  for (const std::string& part : all) {
    std::string_view rest = part;
    for (auto& into : codes) {
      int64_t count = 0;
      if (rest.size() < sizeof(count)) return arrow::Status::Invalid("select: a message ends too early");
      std::memcpy(&count, rest.data(), sizeof(count));
      rest.remove_prefix(sizeof(count));
      if (count < 0 || static_cast<uint64_t>(count) > rest.size() / sizeof(uint64_t)) {
        return arrow::Status::Invalid("select: a message ends too early");
      }
      const size_t old = into.size();
      into.resize(old + static_cast<size_t>(count));
      if (count > 0) std::memcpy(into.data() + old, rest.data(), static_cast<size_t>(count) * sizeof(uint64_t));
      rest.remove_prefix(static_cast<size_t>(count) * sizeof(uint64_t));
    }
  }
  for (auto& one : codes) std::sort(one.begin(), one.end());
  return codes;
}

}  // namespace

arrow::Result<OrderCodes> OrderCodes::Make(const std::shared_ptr<arrow::ChunkedArray>& column, const Context& context) {
  OrderCodes made;
  made.rows = column->length();
  if (column->type()->id() == arrow::Type::NA) return made;
  ARROW_ASSIGN_OR_RAISE(const auto keys, KeyColumn::Make({column}, /*nan_is_null=*/true, context));
  if (keys.is_binary() || keys.pieces() != 1) {
    return arrow::Status::TypeError("select: type ", column->type()->ToString(), " has no order codes of 64 bits");
  }
  ARROW_ASSIGN_OR_RAISE(made.codes, PoolArray<uint64_t>::Make(keys.rows(), context.pool));
  constexpr int64_t kBlock = KeyLayout::kBlock;
  const int64_t tasks = (keys.rows() + kTaskRows - 1) / kTaskRows;
  // Each task writes to the front of its own rows; then they are moved together.
  std::vector<int64_t> kept(static_cast<size_t>(tasks), 0);
  ARROW_RETURN_NOT_OK(ParallelFor(context, tasks, [&](int64_t task) {
    const int64_t end = std::min(keys.rows(), (task + 1) * kTaskRows);
    uint64_t* out = made.codes.data() + task * kTaskRows;
    uint64_t codes[kBlock];
    uint8_t nulls[kBlock] = {};
    for (int64_t begin = task * kTaskRows; begin < end; begin += kBlock) {
      const int64_t length = std::min(kBlock, end - begin);
      keys.Piece(0, begin, length, codes);
      if (keys.may_have_nulls()) keys.Nulls(begin, length, nulls);
      for (int64_t i = 0; i < length; ++i) {
        *out = codes[i];
        out += nulls[i] == 0 ? 1 : 0;
      }
    }
    kept[static_cast<size_t>(task)] = out - (made.codes.data() + task * kTaskRows);
    return arrow::Status::OK();
  }));
  int64_t count = 0;
  for (int64_t task = 0; task < tasks; ++task) {
    const int64_t length = kept[static_cast<size_t>(task)];
    const uint64_t* from = made.codes.data() + task * kTaskRows;
    std::memmove(made.codes.data() + count, from, static_cast<size_t>(length) * sizeof(uint64_t));
    count += length;
  }
  made.codes.Shrink(count);
  for (const uint64_t code : made.codes) {
    made.least = std::min(made.least, code);
    made.greatest = std::max(made.greatest, code);
  }
  return made;
}

SelectExchange SelectAlone() {
  return {[](const arrow::Status& local, std::span<int64_t>) { return local; },
          [](const arrow::Status& local, std::string_view bytes) -> arrow::Result<std::vector<std::string>> {
            ARROW_RETURN_NOT_OK(local);
            return std::vector<std::string>{std::string(bytes)};
          }};
}

arrow::Result<std::vector<OrderRange>> FindRanges(const arrow::Result<std::vector<OrderCodes>>& columns,
                                                  const SelectExchange& exchange) {
  std::vector<OrderRange> ranges;
  if (columns.ok()) {
    for (const OrderCodes& column : *columns) {
      ranges.push_back({column.rows, column.codes.size(), column.least, column.greatest});
    }
  }
  const std::string_view bytes(reinterpret_cast<const char*>(ranges.data()), ranges.size() * sizeof(OrderRange));
  ARROW_ASSIGN_OR_RAISE(const auto all, exchange.gather(columns.status(), bytes));
  std::vector<OrderRange> whole(ranges.size());
  for (const std::string& part : all) {
    if (part.size() != bytes.size()) return arrow::Status::Invalid("select: ranks have different columns");
    std::memcpy(ranges.data(), part.data(), part.size());
    for (size_t c = 0; c < whole.size(); ++c) {
      whole[c].rows += ranges[c].rows;
      whole[c].values += ranges[c].values;
      whole[c].least = std::min(whole[c].least, ranges[c].least);
      whole[c].greatest = std::max(whole[c].greatest, ranges[c].greatest);
    }
  }
  return whole;
}

arrow::Result<std::vector<std::vector<uint64_t>>> SelectCodes(std::vector<OrderCodes> columns,
                                                              const std::vector<OrderRange>& ranges,
                                                              const std::vector<std::vector<int64_t>>& wanted,
                                                              const SelectExchange& exchange, const Context& context) {
  std::vector<std::vector<uint64_t>> found(columns.size());
  std::vector<Interval> open;
  std::vector<Interval> few;
  const auto sort_out = [&](std::vector<Interval> intervals) {
    open.clear();
    for (Interval& interval : intervals) {
      if (interval.least == interval.greatest) {
        for (const size_t entry : interval.entries) found[interval.column][entry] = interval.least;
      } else if (interval.values <= kFew) {
        few.push_back(std::move(interval));
      } else {
        open.push_back(std::move(interval));
      }
    }
  };
  std::vector<Interval> first;
  for (size_t c = 0; c < columns.size(); ++c) {
    found[c].resize(wanted[c].size());
    if (wanted[c].empty()) continue;
    Interval whole;
    whole.column = c;
    whole.least = ranges[c].least;
    whole.greatest = ranges[c].greatest;
    whole.values = ranges[c].values;
    for (size_t entry = 0; entry < wanted[c].size(); ++entry) whole.entries.push_back(entry);
    whole.codes = std::move(columns[c].codes);
    first.push_back(std::move(whole));
  }
  sort_out(std::move(first));
  while (!open.empty()) {
    ARROW_ASSIGN_OR_RAISE(auto next, Narrow(std::move(open), wanted, exchange, context));
    sort_out(std::move(next));
  }
  if (few.empty()) return found;
  ARROW_ASSIGN_OR_RAISE(const auto codes, GatherCodes(few, exchange));
  for (size_t i = 0; i < few.size(); ++i) {
    for (const size_t entry : few[i].entries) {
      const int64_t place = wanted[few[i].column][entry] - few[i].below;
      if (place < 0 || place >= static_cast<int64_t>(codes[i].size())) {
        return arrow::Status::Invalid("select: ranks' counts do not fit their values");
      }
      found[few[i].column][entry] = codes[i][static_cast<size_t>(place)];
    }
  }
  return found;
}

}  // namespace weft::kernels
