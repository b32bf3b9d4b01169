#include "weft/backends/tcp/encryption.h"

#include <netinet/in.h>

#include <array>
#include <utility>

namespace weft::tcp {
namespace {

constexpr std::array<std::pair<Encryption, const char*>, 4> kNames = {{
    {Encryption::kAuto, "auto"},
    {Encryption::kOn, "on"},
    {Encryption::kOff, "off"},
    {Encryption::kOffEvenRelayed, "off-even-relayed"},
}};

bool IsPrivateV4(uint32_t address) {
  const auto begins = [address](uint32_t prefix, int bits) { return address >> (32 - bits) == prefix >> (32 - bits); };
  return begins(0x7F000000, 8) || begins(0x0A000000, 8) || begins(0xAC100000, 12) || begins(0xC0A80000, 16) ||
         begins(0xA9FE0000, 16);
}

}  // namespace

const char* PathName(LinkPath path) {
  constexpr const char* kPaths[] = {"unknown", "host", "punched", "relay"};
  return kPaths[static_cast<size_t>(path)];
}

arrow::Result<Encryption> ParseEncryption(std::string_view text) {
  for (const auto& [encryption, name] : kNames) {
    if (text == name) return encryption;
  }
  return arrow::Status::Invalid("encryption=\"", text, "\" is not one of auto, on, off, off-even-relayed");
}

const char* EncryptionName(Encryption encryption) {
  for (const auto& [known, name] : kNames) {
    if (encryption == known) return name;
  }
  return "unknown";
}

bool NeedsTls(Encryption encryption, LinkPath path, bool exposed) {
  switch (encryption) {
    case Encryption::kAuto:
      return path != LinkPath::kHost || exposed;
    case Encryption::kOn:
      return true;
    case Encryption::kOff:
      return path == LinkPath::kRelay;
    case Encryption::kOffEvenRelayed:
      return false;
  }
  return true;
}

bool IsPrivate(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    return IsPrivateV4(ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr));
  }
  if (address->sa_family != AF_INET6) return false;
  const auto& v6 = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    return IsPrivateV4(uint32_t{v6.s6_addr[12]} << 24 | uint32_t{v6.s6_addr[13]} << 16 | uint32_t{v6.s6_addr[14]} << 8 |
                       uint32_t{v6.s6_addr[15]});
  }
  return IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_LINKLOCAL(&v6) || (v6.s6_addr[0] & 0xFE) == 0xFC;
}

}  // namespace weft::tcp
