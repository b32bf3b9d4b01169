// Keys for one purpose from a secret that serves several.
#pragma once

#include <arrow/result.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace weft {

using DerivedKey = std::array<uint8_t, 32>;

/// HKDF-SHA256 (RFC 5869). `salt` names the purpose, `info` what the key is for within it; neither is secret.
arrow::Result<DerivedKey> DeriveKey(std::string_view secret, std::string_view salt, std::string_view info);

}  // namespace weft
