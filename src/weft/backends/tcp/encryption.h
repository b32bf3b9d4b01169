// When a link is encrypted.
#pragma once

#include <arrow/result.h>
#include <sys/socket.h>

#include <cstdint>
#include <string_view>

namespace weft::tcp {

/// The way that a connection was made. Who was called does not know; the path of a link is what either end knows.
enum class LinkPath : uint8_t { kUnknown = 0, kHost = 1, kPunched = 2, kRelay = 3 };

/// "host", "punched", "relay", or "unknown".
const char* PathName(LinkPath path);

/// What the user has chosen; all ranks of a job choose the same.
enum class Encryption : uint8_t {
  kAuto = 1,            // all links that leave private networks
  kOn = 2,              // all links
  kOff = 3,             // relayed links alone
  kOffEvenRelayed = 4,  // none: who carries a relayed link may read it
};

/// "auto", "on", "off" or "off-even-relayed"; Status::Invalid for anything else.
arrow::Result<Encryption> ParseEncryption(std::string_view text);

/// The name that ParseEncryption takes; "unknown" for a number that is none of them.
const char* EncryptionName(Encryption encryption);

/// Whether a link by this path must be TLS. `exposed`: either end sees the other at an address that is not private.
bool NeedsTls(Encryption encryption, LinkPath path, bool exposed);

/// Loopback, link-local, RFC 1918, RFC 4193: networks whose operator is the user's own. Not RFC 6598 (carriers' NATs).
bool IsPrivate(const sockaddr* address);

}  // namespace weft::tcp
