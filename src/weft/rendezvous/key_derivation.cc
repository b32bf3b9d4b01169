#include "weft/rendezvous/key_derivation.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <memory>
#include <string>

namespace weft {
namespace {

struct FreeKdf {
  void operator()(EVP_KDF* kdf) const { EVP_KDF_free(kdf); }
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};

OSSL_PARAM Octets(const char* name, std::string& value) {
  return OSSL_PARAM_construct_octet_string(name, value.data(), value.size());
}

}  // namespace

arrow::Result<DerivedKey> DeriveKey(std::string_view secret, std::string_view salt, std::string_view info) {
  const std::unique_ptr<EVP_KDF, FreeKdf> kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  const std::unique_ptr<EVP_KDF_CTX, FreeKdf> context(kdf == nullptr ? nullptr : EVP_KDF_CTX_new(kdf.get()));
  if (context == nullptr) return arrow::Status::IOError("OpenSSL has no HKDF");
  std::string digest = "SHA256";
  std::string key(secret);
  std::string salt_copy(salt);
  std::string info_copy(info);
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
      Octets(OSSL_KDF_PARAM_KEY, key),
      Octets(OSSL_KDF_PARAM_SALT, salt_copy),
      Octets(OSSL_KDF_PARAM_INFO, info_copy),
      OSSL_PARAM_construct_end(),
  };
  DerivedKey out;
  const int good = EVP_KDF_derive(context.get(), out.data(), out.size(), parameters);
  OPENSSL_cleanse(key.data(), key.size());
  if (good != 1) return arrow::Status::IOError("OpenSSL's HKDF failed");
  return out;
}

}  // namespace weft
