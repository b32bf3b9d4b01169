#include "weft/kernels/text_search.h"

#include <arrow/array/data.h>
#include <arrow/compute/api_scalar.h>
#include <arrow/compute/function.h>
#include <arrow/compute/kernel.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>
#include <utility>

#include "weft/base/cpu_level.h"

namespace weft::kernels {
namespace {

namespace cp = arrow::compute;

/// Bytes looked at in one go; a power of two.
constexpr int64_t kStrip = 2048;
constexpr int64_t kWord = 64;

class PiecesOptionsType : public cp::FunctionOptionsType {
 public:
  const char* type_name() const override { return "weft::PiecesOptions"; }
  std::string Stringify(const cp::FunctionOptions& options) const override {
    std::string text = "PiecesOptions(";
    for (const std::string& piece : static_cast<const PiecesOptions&>(options).pieces) text += "'" + piece + "' ";
    return text + ")";
  }
  bool Compare(const cp::FunctionOptions& left, const cp::FunctionOptions& right) const override {
    return static_cast<const PiecesOptions&>(left).pieces == static_cast<const PiecesOptions&>(right).pieces;
  }
  std::unique_ptr<cp::FunctionOptions> Copy(const cp::FunctionOptions& options) const override {
    return std::make_unique<PiecesOptions>(static_cast<const PiecesOptions&>(options));
  }
};

const cp::FunctionOptionsType* PiecesType() {
  static const PiecesOptionsType type;
  return &type;
}

struct PiecesState : cp::KernelState {
  explicit PiecesState(std::vector<std::string> given) : pieces(std::move(given)) {}
  std::vector<std::string> pieces;
};

/// Whether `text` has the pieces from the first on, without a line break from the end of one to the begin of the next.
bool HasPieces(std::string_view text, const std::vector<std::string>& pieces) {
  size_t from = 0;
  for (;;) {
    size_t at = text.find(pieces[0], from);
    if (at == std::string_view::npos) return false;
    bool broken = false;
    for (size_t p = 1; p < pieces.size() && !broken; ++p) {
      const size_t end = at + pieces[p - 1].size();
      at = text.find(pieces[p], end);
      if (at == std::string_view::npos) return false;
      const size_t line_break = text.substr(end, at - end).find('\n');
      if (line_break == std::string_view::npos) continue;
      // All begins again behind it: what was found before it leads nowhere.
      broken = true;
      from = end + line_break + 1;
    }
    if (!broken) return true;
  }
}

/// Sets marks[w] to the bits of those of 64 bytes from begin + 64 w on that are `first` and have `last` `apart` bytes
/// behind them.
void MarkPairs(const uint8_t* begin, int64_t words, uint8_t first, uint8_t last, int64_t apart, uint64_t* marks) {
  ForCpu([=]() WEFT_FOR_CPU {
    for (int64_t w = 0; w < words; ++w) {
      const uint8_t* const a = begin + w * kWord;
      const uint8_t* const b = a + apart;
      uint8_t same[kWord];
      uint8_t any = 0;
      for (int64_t i = 0; i < kWord; ++i) {
        same[i] = static_cast<uint8_t>((a[i] == first) & (b[i] == last));
        any = static_cast<uint8_t>(any | same[i]);
      }
      uint64_t mark = 0;
      if (any != 0) {
        for (int64_t i = 0; i < kWord; i += 8) {
          uint64_t eight;
          std::memcpy(&eight, same + i, sizeof(eight));
          if constexpr (std::endian::native == std::endian::big) eight = __builtin_bswap64(eight);
          // The lowest bits of eight bytes side by side.
          mark |= ((eight * 0x0102040810204080ULL) >> 56) << i;
        }
      }
      marks[w] = mark;
    }
  });
}

/// Calls visit(place) for the places of `piece` in [begin, end), in their order; it returns where to go on.
template <typename Visit>
void VisitPlaces(const uint8_t* begin, const uint8_t* end, std::string_view piece, Visit&& visit) {
  const auto length = static_cast<int64_t>(piece.size());
  const auto first = static_cast<uint8_t>(piece.front());
  const auto last = static_cast<uint8_t>(piece.back());
  std::array<uint64_t, kStrip / kWord> marks;
  const uint8_t* next = begin;
  const auto at = [&](const uint8_t* place) {
    if (place >= next && std::memcmp(place, piece.data(), piece.size()) == 0) next = visit(place);
  };
  const uint8_t* strip = begin;
  while (end - strip >= length - 1 + kWord) {
    const int64_t words = std::min(kStrip, end - strip - (length - 1)) / kWord;
    MarkPairs(strip, words, first, last, length - 1, marks.data());
    for (int64_t w = 0; w < words; ++w) {
      for (uint64_t mark = marks[static_cast<size_t>(w)]; mark != 0; mark &= mark - 1) {
        at(strip + w * kWord + std::countr_zero(mark));
      }
    }
    strip += words * kWord;
  }
  for (; end - strip >= length; ++strip) at(strip);
}

template <typename Offset>
arrow::Status MatchPieces(cp::KernelContext* context, const cp::ExecSpan& batch, cp::ExecResult* out) {
  const auto& pieces = static_cast<PiecesState*>(context->state())->pieces;
  const arrow::ArraySpan& texts = batch[0].array;
  arrow::ArraySpan* made = out->array_span_mutable();
  uint8_t* bits = made->buffers[1].data;
  arrow::bit_util::SetBitsTo(bits, made->offset, texts.length, pieces.empty());
  if (pieces.empty() || texts.length == 0) return arrow::Status::OK();
  const auto* offsets = texts.GetValues<Offset>(1);
  const uint8_t* bytes = texts.buffers[2].data;
  if (offsets[0] == offsets[texts.length]) return arrow::Status::OK();
  // All texts are searched as one, since places are few; what reaches beyond a text's end is none.
  const auto length = static_cast<int64_t>(pieces[0].size());
  int64_t row = 0;
  VisitPlaces(bytes + offsets[0], bytes + offsets[texts.length], pieces[0], [&](const uint8_t* place) {
    while (bytes + offsets[row + 1] <= place) ++row;
    const uint8_t* const end = bytes + offsets[row + 1];
    if (end - place < length) return place + 1;
    if (pieces.size() == 1 ||
        HasPieces({reinterpret_cast<const char*>(place), static_cast<size_t>(end - place)}, pieces)) {
      arrow::bit_util::SetBit(bits, made->offset + row);
    }
    return end;
  });
  return arrow::Status::OK();
}

arrow::Result<std::unique_ptr<cp::KernelState>> InitPieces(cp::KernelContext* /*context*/,
                                                           const cp::KernelInitArgs& arguments) {
  if (arguments.options == nullptr) return arrow::Status::Invalid("weft_match_pieces needs PiecesOptions");
  return std::make_unique<PiecesState>(static_cast<const PiecesOptions&>(*arguments.options).pieces);
}

struct PieceState : cp::KernelState {
  explicit PieceState(std::string given) : piece(std::move(given)) {}
  std::string piece;
};

arrow::Result<std::unique_ptr<cp::KernelState>> InitPiece(cp::KernelContext* /*context*/,
                                                          const cp::KernelInitArgs& arguments) {
  if (arguments.options == nullptr) return arrow::Status::Invalid("weft_find needs MatchSubstringOptions");
  return std::make_unique<PieceState>(static_cast<const cp::MatchSubstringOptions&>(*arguments.options).pattern);
}

/// Characters of UTF-8: bytes that go on with none.
int64_t CountCharacters(std::string_view text) {
  int64_t count = 0;
  for (const char c : text) count += (static_cast<uint8_t>(c) & 0xc0) != 0x80 ? 1 : 0;
  return count;
}

template <typename Offset, bool kLast>
arrow::Status Find(cp::KernelContext* context, const cp::ExecSpan& batch, cp::ExecResult* out) {
  const std::string& piece = static_cast<PieceState*>(context->state())->piece;
  const arrow::ArraySpan& texts = batch[0].array;
  const auto* offsets = texts.GetValues<Offset>(1);
  const auto* bytes = reinterpret_cast<const char*>(texts.buffers[2].data);
  auto* made = out->array_span_mutable()->GetValues<int64_t>(1);
  for (int64_t row = 0; row < texts.length; ++row) {
    const std::string_view text(bytes + offsets[row], static_cast<size_t>(offsets[row + 1] - offsets[row]));
    const size_t at = kLast ? text.rfind(piece) : text.find(piece);
    made[row] = at == std::string_view::npos ? -1 : CountCharacters(text.substr(0, at));
  }
  return arrow::Status::OK();
}

template <bool kLast>
arrow::Status AddFind(cp::FunctionRegistry* registry, const std::string& name) {
  static const cp::FunctionDoc doc{"Where texts have a piece", "", {"x"}, "MatchSubstringOptions", true};
  auto function = std::make_shared<cp::ScalarFunction>(name, cp::Arity::Unary(), doc);
  ARROW_RETURN_NOT_OK(function->AddKernel({arrow::utf8()}, arrow::int64(), Find<int32_t, kLast>, InitPiece));
  ARROW_RETURN_NOT_OK(function->AddKernel({arrow::large_utf8()}, arrow::int64(), Find<int64_t, kLast>, InitPiece));
  return registry->AddFunction(std::move(function), /*allow_overwrite=*/true);
}

}  // namespace

arrow::Status AddFinds(cp::FunctionRegistry* registry) {
  ARROW_RETURN_NOT_OK(AddFind<false>(registry, "weft_find"));
  return AddFind<true>(registry, "weft_rfind");
}

PiecesOptions::PiecesOptions(std::vector<std::string> pieces_in)
    : FunctionOptions(PiecesType()), pieces(std::move(pieces_in)) {}

std::optional<std::vector<std::string>> LiteralPieces(std::string_view pattern) {
  std::vector<std::string> pieces(1);
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '.' && i + 1 < pattern.size() && pattern[i + 1] == '*') {
      ++i;
      // ".*?" finds the same, but may be something else behind a piece, as "+" and "{2}" may.
      if (i + 1 < pattern.size() && std::string_view("?+*{").find(pattern[i + 1]) != std::string_view::npos) return {};
      if (!pieces.back().empty()) pieces.emplace_back();
    } else if (std::string_view("\\^$.|?*+()[]{}").find(pattern[i]) != std::string_view::npos) {
      return {};
    } else {
      pieces.back() += pattern[i];
    }
  }
  if (pieces.back().empty()) pieces.pop_back();
  if (pieces.size() > 1 && pattern.find('\n') != std::string_view::npos) return {};
  return pieces;
}

arrow::Status AddMatchPieces(cp::FunctionRegistry* registry) {
  static const cp::FunctionDoc doc{"Whether texts contain pieces in their order", "", {"x"}, "PiecesOptions", true};
  auto function = std::make_shared<cp::ScalarFunction>("weft_match_pieces", cp::Arity::Unary(), doc);
  for (const auto& type : {arrow::utf8(), arrow::binary()}) {
    ARROW_RETURN_NOT_OK(function->AddKernel({type}, arrow::boolean(), MatchPieces<int32_t>, InitPieces));
  }
  for (const auto& type : {arrow::large_utf8(), arrow::large_binary()}) {
    ARROW_RETURN_NOT_OK(function->AddKernel({type}, arrow::boolean(), MatchPieces<int64_t>, InitPieces));
  }
  return registry->AddFunction(std::move(function), /*allow_overwrite=*/true);
}

cp::Expression WithMatchedPieces(const cp::Expression& expression) {
  const cp::Expression::Call* call = expression.call();
  if (call == nullptr) return expression;
  std::vector<cp::Expression> arguments;
  bool changed = false;
  for (const cp::Expression& argument : call->arguments) {
    arguments.push_back(WithMatchedPieces(argument));
    changed = changed || !cp::Expression::Identical(arguments.back(), argument);
  }
  const bool regex = call->function_name == "match_substring_regex";
  if (call->options != nullptr && (regex || call->function_name == "match_substring")) {
    const auto& options = static_cast<const cp::MatchSubstringOptions&>(*call->options);
    std::optional<std::vector<std::string>> pieces;
    if (regex) {
      pieces = LiteralPieces(options.pattern);
    } else if (!options.pattern.empty()) {
      pieces.emplace(1, options.pattern);
    }
    if (pieces && !options.ignore_case) {
      return cp::call("weft_match_pieces", std::move(arguments), std::make_shared<PiecesOptions>(*pieces));
    }
  }
  return changed ? cp::call(call->function_name, std::move(arguments), call->options) : expression;
}

}  // namespace weft::kernels
