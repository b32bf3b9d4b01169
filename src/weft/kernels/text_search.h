// Texts that contain some pieces, one after the other: what many regular expressions and SQL's LIKE come to.
#pragma once

#include <arrow/compute/expression.h>
#include <arrow/compute/function_options.h>
#include <arrow/compute/registry.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::kernels {

/// The pieces that a text must contain in this order, with no line break between them, to match a regular expression
/// (RE2's syntax) of plain characters and ".*" alone; nothing for other expressions. None of them is empty.
std::optional<std::vector<std::string>> LiteralPieces(std::string_view pattern);

/// Of weft_match_pieces.
class PiecesOptions : public arrow::compute::FunctionOptions {
 public:
  explicit PiecesOptions(std::vector<std::string> pieces);

  std::vector<std::string> pieces;
};

/// Adds weft_match_pieces(x), of a text or binary: whether it contains all pieces.
arrow::Status AddMatchPieces(arrow::compute::FunctionRegistry* registry);

/// Adds weft_find(x) and weft_rfind(x), of a text, with arrow::compute::MatchSubstringOptions: how many characters lie
/// before the first or last place of the pattern, -1 where it is not found. Case counts.
arrow::Status AddFinds(arrow::compute::FunctionRegistry* registry);

/// The expression with Arrow's match_substring and match_substring_regex replaced by weft_match_pieces where the
/// pattern allows it.
arrow::compute::Expression WithMatchedPieces(const arrow::compute::Expression& expression);

}  // namespace weft::kernels
