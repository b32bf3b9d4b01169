#include "weft/backends/tcp/proof.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <string>

#include "weft/base/byte_codec.h"
#include "weft/rendezvous/key_derivation.h"

namespace weft::tcp {

namespace {

constexpr std::string_view kSalt = "weft tcp v1";

arrow::Result<Hash> DeriveFor(std::string_view use, std::string_view secret, std::string_view job, int64_t epoch) {
  if (secret.size() != 32) {
    return arrow::Status::Invalid("tcp needs the job's secret: 32 bytes, got ", secret.size(),
                                  "; set WEFT_SECRET to 64 hexadecimal digits, the same on every rank");
  }
  return DeriveKey(secret, kSalt, ByteWriter().PutString(use).PutString(job).Put(epoch).Take());
}

}  // namespace

arrow::Result<Hash> DeriveLinkKey(std::string_view secret, std::string_view job, int64_t epoch) {
  return DeriveFor("link", secret, job, epoch);
}

arrow::Result<Hash> DeriveTlsKey(std::string_view secret, std::string_view job, int64_t epoch) {
  return DeriveFor("tls", secret, job, epoch);
}

arrow::Result<Hash> DeriveConnectionKey(const Hash& tls_key, uint8_t version, Rank lower, Rank higher,
                                        std::string_view transcript) {
  const std::string info =
      ByteWriter().PutString("connection").Put(version).Put(lower).Put(higher).PutRaw(transcript).Take();
  return DeriveKey(AsView(tls_key), kSalt, info);
}

Hash JobDigest(std::string_view job) {
  const std::string text = "weft job " + std::string(job);
  Hash out;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data());
  return out;
}

Hash MakeProof(const Hash& key, ProofRole role, std::string_view transcript) {
  const std::string text = ByteWriter().PutString("weft link proof").Put(role).PutRaw(transcript).Take();
  Hash out;
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), out.data(), &size);
  return out;
}

bool SameProof(const Hash& a, std::string_view b) {
  return b.size() == a.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

arrow::Result<Hash> MakeNonce() {
  Hash nonce;
  if (RAND_bytes(nonce.data(), static_cast<int>(nonce.size())) != 1) {
    return arrow::Status::IOError("no randomness from the system");
  }
  return nonce;
}

}  // namespace weft::tcp
