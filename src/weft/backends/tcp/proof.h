// The cryptography of the handshake: a key for one (job, epoch), proofs, nonces.
#pragma once

#include <arrow/result.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "weft/base/types.h"

namespace weft::tcp {

using Hash = std::array<uint8_t, 32>;

/// Which side of the handshake a proof speaks for; no proof of one is good for another.
enum class ProofRole : uint8_t { kAcceptor = 1, kDialer = 2, kNominate = 3 };

/// HKDF-SHA256 (RFC 5869) of the job's secret, salt "weft tcp v1", for the job and the epoch. The secret has 32 bytes.
arrow::Result<Hash> DeriveLinkKey(std::string_view secret, std::string_view job, int64_t epoch);

/// The same for TLS: the key that the keys of connections are derived from.
arrow::Result<Hash> DeriveTlsKey(std::string_view secret, std::string_view job, int64_t epoch);

/// HKDF-SHA256 of that key for one connection: version of the protocol, ranks, and all that both ends have said in the
/// clear, nonces included.
arrow::Result<Hash> DeriveConnectionKey(const Hash& tls_key, uint8_t version, Rank lower, Rank higher,
                                        std::string_view transcript);

/// SHA-256 of the job's name: tells jobs apart, and is no secret.
Hash JobDigest(std::string_view job);

/// HMAC-SHA256 over the role and the transcript.
Hash MakeProof(const Hash& key, ProofRole role, std::string_view transcript);

/// Compares in constant time.
bool SameProof(const Hash& a, std::string_view b);

/// 32 bytes of the system's randomness.
arrow::Result<Hash> MakeNonce();

inline std::string_view AsView(const Hash& hash) { return {reinterpret_cast<const char*>(hash.data()), hash.size()}; }

}  // namespace weft::tcp
