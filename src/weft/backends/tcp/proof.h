// The cryptography of the handshake: a key for one (job, epoch), proofs, nonces.
#pragma once

#include <arrow/result.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace weft::tcp {

using Hash = std::array<uint8_t, 32>;

/// Which side of the handshake a proof speaks for; no proof of one is good for another.
enum class ProofRole : uint8_t { kAcceptor = 1, kDialer = 2, kNominate = 3 };

/// HKDF-SHA256 (RFC 5869) of the job's secret, salt "weft tcp v1", for the job and the epoch. The secret has 32 bytes.
arrow::Result<Hash> DeriveLinkKey(std::string_view secret, std::string_view job, int64_t epoch);

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
