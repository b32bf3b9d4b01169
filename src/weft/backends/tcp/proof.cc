#include "weft/backends/tcp/proof.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <memory>

#include "weft/base/byte_codec.h"

namespace weft::tcp {
namespace {

struct FreeKdf {
  void operator()(EVP_KDF* kdf) const { EVP_KDF_free(kdf); }
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};

OSSL_PARAM Octets(const char* name, std::string& value) {
  return OSSL_PARAM_construct_octet_string(name, value.data(), value.size());
}

}  // namespace

arrow::Result<Hash> DeriveLinkKey(std::string_view secret, std::string_view job, int64_t epoch) {
  if (secret.size() != 32) {
    return arrow::Status::Invalid("tcp needs the job's secret: 32 bytes, got ", secret.size(),
                                  "; set WEFT_SECRET to 64 hexadecimal digits, the same on every rank");
  }
  const std::unique_ptr<EVP_KDF, FreeKdf> kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  const std::unique_ptr<EVP_KDF_CTX, FreeKdf> context(kdf == nullptr ? nullptr : EVP_KDF_CTX_new(kdf.get()));
  if (context == nullptr) return arrow::Status::IOError("OpenSSL has no HKDF");
  std::string digest = "SHA256";
  std::string key(secret);
  std::string salt = "weft tcp v1";
  std::string info = ByteWriter().PutString("link").PutString(job).Put(epoch).Take();
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
      Octets(OSSL_KDF_PARAM_KEY, key),
      Octets(OSSL_KDF_PARAM_SALT, salt),
      Octets(OSSL_KDF_PARAM_INFO, info),
      OSSL_PARAM_construct_end(),
  };
  Hash out;
  const int good = EVP_KDF_derive(context.get(), out.data(), out.size(), parameters);
  OPENSSL_cleanse(key.data(), key.size());
  if (good != 1) return arrow::Status::IOError("OpenSSL's HKDF failed");
  return out;
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
