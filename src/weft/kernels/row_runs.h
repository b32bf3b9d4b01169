// Ascending runs that rows have already, and merging them: what is sorted is not sorted again.
#pragma once

#include <arrow/result.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/key_encoding.h"

namespace weft::kernels {

/// Where the ascending runs of the rows 0 ... rows - 1 begin: 0, and each row that comes before the one above it.
/// Empty where there are more than `most`, which is seen as soon as the rows looked at so far have as many; or no rows.
arrow::Result<std::vector<int64_t>> FindRuns(const KeyLayout& layout, int64_t rows, int64_t most,
                                             const Context& context);

/// Entries a task merges.
constexpr int64_t kMergeRows = 1 << 16;

/// How many of `left` are among the first `place` entries of the merge of both, where equal ones come from `left`
/// first. Source: Odeh, Green, Mwassi, Shmueli, Birk, "Merge path: parallel merging made simple", IPDPSW 2012.
template <typename Entry, typename Before>
int64_t MergePlace(std::span<const Entry> left, std::span<const Entry> right, int64_t place, const Before& before) {
  int64_t low = std::max<int64_t>(0, place - static_cast<int64_t>(right.size()));
  int64_t high = std::min<int64_t>(place, static_cast<int64_t>(left.size()));
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (before(right[static_cast<size_t>(place - middle - 1)], left[static_cast<size_t>(middle)])) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

template <typename Entry, typename Before>
void MergeTwo(std::span<const Entry> left, std::span<const Entry> right, Entry* out, const Before& before) {
  const Entry* a = left.data();
  const Entry* b = right.data();
  const Entry* const a_end = a + left.size();
  const Entry* const b_end = b + right.size();
  while (a < a_end && b < b_end) {
    // Which side comes next is as good as random: chosen without a branch.
    const bool from_right = before(*b, *a);
    *out++ = from_right ? *b : *a;
    a += from_right ? 0 : 1;
    b += from_right ? 1 : 0;
  }
  out = std::copy(a, a_end, out);
  std::copy(b, b_end, out);
}

/// Merges adjacent runs, two by two, until one is left: `begins` as FindRuns has them, for `rows` entries. Stable.
/// Uses both arrays; returns the one that has the result. `before(x, y)`: x comes before y, which stood above it.
template <typename Entry, typename Before>
arrow::Result<Entry*> MergeAdjacentRuns(Entry* entries, Entry* scratch, int64_t rows, std::vector<int64_t> begins,
                                        const Before& before, const Context& context) {
  struct Piece {
    std::span<const Entry> left;
    std::span<const Entry> right;
    Entry* out;
    int64_t begin;
    int64_t end;
  };
  while (begins.size() > 1) {
    std::vector<Piece> pieces;
    std::vector<int64_t> longer;
    for (size_t r = 0; r < begins.size(); r += 2) {
      const int64_t begin = begins[r];
      const int64_t middle = r + 1 < begins.size() ? begins[r + 1] : rows;
      const int64_t end = r + 2 < begins.size() ? begins[r + 2] : rows;
      longer.push_back(begin);
      for (int64_t at = 0; at < end - begin; at += kMergeRows) {
        pieces.push_back({{entries + begin, static_cast<size_t>(middle - begin)},
                          {entries + middle, static_cast<size_t>(end - middle)},
                          scratch + begin,
                          at,
                          std::min(end - begin, at + kMergeRows)});
      }
    }
    ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(pieces.size()), [&](int64_t p) {
      const Piece& piece = pieces[static_cast<size_t>(p)];
      const int64_t left_begin = MergePlace(piece.left, piece.right, piece.begin, before);
      const int64_t left_end = MergePlace(piece.left, piece.right, piece.end, before);
      const auto cut = [](std::span<const Entry> run, int64_t begin, int64_t end) {
        return run.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
      };
      MergeTwo(cut(piece.left, left_begin, left_end), cut(piece.right, piece.begin - left_begin, piece.end - left_end),
               piece.out + piece.begin, before);
      return arrow::Status::OK();
    }));
    std::swap(entries, scratch);
    begins = std::move(longer);
  }
  return entries;
}

}  // namespace weft::kernels
