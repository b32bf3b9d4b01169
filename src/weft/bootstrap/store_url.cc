#include "weft/bootstrap/store_url.h"

#include <arrow/status.h>

namespace weft {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

arrow::Result<std::string> PercentDecode(std::string_view text, std::string_view what) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = text.size() - i > 2 ? HexDigit(text[i + 1]) : -1;
    const int low = text.size() - i > 2 ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0 || high + low == 0) {
      return arrow::Status::Invalid(what,
                                    " of the store's URL has a % that begins no byte such as %2F: write %25 for %");
    }
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

std::string WithoutPassword(std::string_view url) {
  const size_t colon = url.find("://");
  // The last @: a password that was not percent-encoded may hold others.
  const size_t at = url.rfind('@');
  if (colon == std::string_view::npos || at == std::string_view::npos || at < colon) return std::string(url);
  return std::string(url.substr(0, colon + 3)) + "..." + std::string(url.substr(at));
}

}  // namespace weft
