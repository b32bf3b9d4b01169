// KeyLayout of key_encoding.h.
#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <utility>

#include "weft/base/cpu_level.h"
#include "weft/kernels/key_encoding.h"

namespace weft::kernels {
namespace {

/// Rows of one parallel task.
constexpr int64_t kTaskRows = 1 << 16;

}  // namespace

/// What the codes of a piece have in common.
struct KeyLayout::Spread {
  uint64_t min = std::numeric_limits<uint64_t>::max();
  uint64_t max = 0;
  /// Bits that are set in some, and in all.
  uint64_t any = 0;
  uint64_t all = ~uint64_t{0};

  void Add(const uint64_t* codes, int64_t length, bool bits) {
    Add(ForCpu([=]() WEFT_FOR_CPU {
      Spread spread;
      if (bits) {
        for (int64_t i = 0; i < length; ++i) {
          spread.any |= codes[i];
          spread.all &= codes[i];
        }
      } else {
        for (int64_t i = 0; i < length; ++i) {
          spread.min = codes[i] < spread.min ? codes[i] : spread.min;
          spread.max = codes[i] > spread.max ? codes[i] : spread.max;
        }
      }
      return spread;
    }));
  }
  void Add(const Spread& other) {
    min = std::min(min, other.min);
    max = std::max(max, other.max);
    any |= other.any;
    all &= other.all;
  }
};

std::vector<KeyLayout::BitRun> KeyLayout::RunsOf(uint64_t bits) {
  std::vector<BitRun> runs;
  int shift = 0;
  for (int at = 0; at < 64 && (bits >> at) != 0;) {
    at += std::countr_zero(bits >> at);
    const int width = std::countr_one(bits >> at);
    runs.push_back({at, width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1, shift});
    shift += width;
    at += width;
  }
  return runs;
}

KeyLayout::Field KeyLayout::FieldOf(const KeyColumn& column, int piece, const Spread& spread,
                                    const KeyDirection& direction) {
  Field field{&column, piece, spread.min, spread.max, 0, direction, false, {}};
  if (column.is_binary() && piece < column.pieces() - 1) {
    const uint64_t bits = (spread.any | spread.all) == spread.any ? spread.any & ~spread.all : 0;
    field.runs = RunsOf(bits);
    field.width = std::popcount(bits);
    field.min = 0;
    field.max = field.width == 64 ? ~uint64_t{0} : (uint64_t{1} << field.width) - 1;
    if (field.runs.empty()) field.runs.push_back({0, 0, 0});
    return field;
  }
  if (field.min > field.max) field.min = field.max = 0;  // no row but null ones
  field.width = static_cast<int>(std::bit_width(field.max - field.min));
  return field;
}

arrow::Result<KeyLayout> KeyLayout::Make(std::span<const KeyColumn> columns, std::span<const KeyDirection> directions,
                                         const Context& context) {
  KeyLayout layout;
  if (columns.empty()) return layout;
  const int64_t rows = columns[0].rows();
  using Spreads = std::array<Spread, KeyColumn::kMaxPieceBytes / 8 + 1>;
  const int64_t tasks = (rows + kTaskRows - 1) / kTaskRows;
  bool open = false;
  for (size_t c = 0; c < columns.size(); ++c) {
    const KeyColumn& column = columns[c];
    const KeyDirection direction = directions[c];
    if (!column.fits_pieces()) {
      layout.levels_.push_back({&column, direction, 0, {}});
      open = false;
      continue;
    }
    std::vector<Spreads> found(static_cast<size_t>(tasks));
    // The last piece of texts of one length is that length.
    const int measured = column.pieces() - (column.fixed_length() >= 0 ? 1 : 0);
    ARROW_RETURN_NOT_OK(ParallelFor(context, tasks, [&](int64_t task) {
      uint64_t codes[kBlock];
      uint8_t nulls[kBlock];
      Spreads& spreads = found[static_cast<size_t>(task)];
      const int64_t end = std::min(rows, (task + 1) * kTaskRows);
      for (int64_t begin = task * kTaskRows; begin < end; begin += kBlock) {
        const int64_t length = std::min(kBlock, end - begin);
        if (column.may_have_nulls()) column.Nulls(begin, length, nulls);
        for (int p = 0; p < measured; ++p) {
          column.Piece(p, begin, length, codes);
          int64_t valid = length;
          if (column.may_have_nulls()) {
            valid = 0;
            for (int64_t i = 0; i < length; ++i) {
              codes[valid] = codes[i];
              valid += nulls[i] == 0 ? 1 : 0;
            }
          }
          const bool bits = column.is_binary() && p < column.pieces() - 1;
          spreads[static_cast<size_t>(p)].Add(codes, valid, bits);
        }
      }
      return arrow::Status::OK();
    }));
    for (int p = 0; p < column.pieces(); ++p) {
      Spread spread;
      for (const Spreads& spreads : found) spread.Add(spreads[static_cast<size_t>(p)]);
      if (p == measured) spread.min = spread.max = static_cast<uint64_t>(column.fixed_length());
      Field field = FieldOf(column, p, spread, direction);
      if (p == 0 && column.may_have_nulls()) {
        const uint64_t range = field.max - field.min;
        if (range < std::numeric_limits<uint64_t>::max()) {
          field.null_code = true;
          field.width = static_cast<int>(std::bit_width(range + 1));
        } else {
          layout.AddField({&column, -1, 0, 1, 1, direction, true, {}}, &open);
        }
      }
      layout.AddField(field, &open);
    }
  }
  return layout;
}

bool KeyLayout::has_binary() const {
  return std::any_of(levels_.begin(), levels_.end(), [](const Level& level) { return level.binary != nullptr; });
}

void KeyLayout::AddField(const Field& field, bool* open) {
  if (field.width == 0) return;
  fields_.push_back(field);
  const int index = static_cast<int>(fields_.size()) - 1;
  int left = field.width;
  while (left > 0) {
    if (!*open || levels_.back().bits == 64) {
      levels_.emplace_back();
      *open = true;
    }
    Level& level = levels_.back();
    const int width = std::min(left, 64 - level.bits);
    for (Slot& slot : level.slots) slot.shift += width;
    level.slots.push_back({index, left - width, 0, width});
    level.bits += width;
    left -= width;
  }
}

void KeyLayout::PushTogether(const std::vector<BitRun>& runs, int64_t length, uint64_t* words) {
  const BitRun* const run = runs.data();
  const size_t count = runs.size();
  ForCpu([=]() WEFT_FOR_CPU {
    // As many rows as a few registers hold, so that they are read and written once, however many runs there are.
    constexpr int64_t kStrip = 16;
    int64_t at = 0;
    for (; at + kStrip <= length; at += kStrip) {
      uint64_t pushed[kStrip] = {};
      for (size_t r = 0; r < count; ++r) {
        for (int64_t i = 0; i < kStrip; ++i)
          pushed[i] |= ((words[at + i] >> run[r].drop) & run[r].mask) << run[r].shift;
      }
      for (int64_t i = 0; i < kStrip; ++i) words[at + i] = pushed[i];
    }
    for (; at < length; ++at) {
      uint64_t pushed = 0;
      for (size_t r = 0; r < count; ++r) pushed |= ((words[at] >> run[r].drop) & run[r].mask) << run[r].shift;
      words[at] = pushed;
    }
  });
}

void KeyLayout::FieldCodes(const Field& field, int64_t begin, int64_t length, uint64_t* out) const {
  uint8_t nulls[kBlock];
  const bool with_nulls = field.column->may_have_nulls();
  if (with_nulls) field.column->Nulls(begin, length, nulls);
  if (field.piece < 0) {
    const uint64_t of_null = field.direction.nulls_first ? 0 : 1;
    for (int64_t i = 0; i < length; ++i) out[i] = nulls[i] != 0 ? of_null : 1 - of_null;
    return;
  }
  field.column->Piece(field.piece, begin, length, out);
  if (!field.runs.empty()) PushTogether(field.runs, length, out);
  const uint64_t first = field.null_code && field.direction.nulls_first ? 1 : 0;
  if (field.direction.ascending) {
    const uint64_t base = field.min - first;
    if (base != 0) {
      ForCpu([=]() WEFT_FOR_CPU {
        for (int64_t i = 0; i < length; ++i) out[i] -= base;
      });
    }
  } else {
    const uint64_t base = field.max + first;
    ForCpu([=]() WEFT_FOR_CPU {
      for (int64_t i = 0; i < length; ++i) out[i] = base - out[i];
    });
  }
  if (!with_nulls) return;
  const uint64_t of_null = field.null_code && !field.direction.nulls_first ? field.max - field.min + 1 : 0;
  for (int64_t i = 0; i < length; ++i) {
    if (nulls[i] != 0) out[i] = of_null;
  }
}

void KeyLayout::Words(int level, int64_t begin, int64_t length, uint64_t* out) const {
  const std::vector<Slot>& slots = levels_[static_cast<size_t>(level)].slots;
  if (slots.size() == 1 && slots[0].drop == 0 && slots[0].width == fields_[static_cast<size_t>(slots[0].field)].width) {
    return FieldCodes(fields_[static_cast<size_t>(slots[0].field)], begin, length, out);
  }
  uint64_t codes[kBlock];
  for (size_t s = 0; s < slots.size(); ++s) {
    const Slot slot = slots[s];
    FieldCodes(fields_[static_cast<size_t>(slot.field)], begin, length, codes);
    const uint64_t mask = slot.width == 64 ? ~uint64_t{0} : (uint64_t{1} << slot.width) - 1;
    const uint64_t* const from = codes;
    ForCpu([=]() WEFT_FOR_CPU {
      if (s == 0) {
        for (int64_t i = 0; i < length; ++i) out[i] = ((from[i] >> slot.drop) & mask) << slot.shift;
      } else {
        for (int64_t i = 0; i < length; ++i) out[i] |= ((from[i] >> slot.drop) & mask) << slot.shift;
      }
    });
  }
}

}  // namespace weft::kernels
