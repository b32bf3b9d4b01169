// Ed25519 costs more than all else that the server does with an input, and OpenSSL's is not what is fuzzed: what signs
// and verifies rooms' claims (rendezvous/room.cc, by EVP_DigestSign and EVP_DigestVerify, which are linked to these)
// takes a checksum for it. Keys are made once each. A claim that is not signed right is refused as ever.
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace {

constexpr size_t kSignatureBytes = 64;

std::array<unsigned char, kSignatureBytes> Checksum(EVP_MD_CTX* context, const unsigned char* text, size_t size) {
  std::array<unsigned char, 32> key{};
  size_t key_size = key.size();
  (void)EVP_PKEY_get_raw_public_key(EVP_PKEY_CTX_get0_pkey(EVP_MD_CTX_pkey_ctx(context)), key.data(), &key_size);
  uint64_t sum = 14695981039346656037ull;
  const auto add = [&](unsigned char byte) { sum = (sum ^ byte) * 1099511628211ull; };
  std::for_each(key.begin(), key.end(), add);
  std::for_each(text, text + size, add);
  std::array<unsigned char, kSignatureBytes> signature{};
  for (size_t i = 0; i < signature.size(); ++i) signature[i] = static_cast<unsigned char>(sum >> (8 * (i % 8)));
  return signature;
}

}  // namespace

extern "C" {

EVP_PKEY* __real_EVP_PKEY_new_raw_private_key(int type, ENGINE* engine, const unsigned char* bytes, size_t size);

EVP_PKEY* __wrap_EVP_PKEY_new_raw_private_key(int type, ENGINE* engine, const unsigned char* bytes, size_t size) {
  static auto* const made = new std::map<std::string, EVP_PKEY*>;
  EVP_PKEY*& key = (*made)[std::string(reinterpret_cast<const char*>(bytes), size)];
  if (key == nullptr) key = __real_EVP_PKEY_new_raw_private_key(type, engine, bytes, size);
  if (key != nullptr) EVP_PKEY_up_ref(key);
  return key;
}

int __wrap_EVP_DigestSign(EVP_MD_CTX* context, unsigned char* signature, size_t* size, const unsigned char* text,
                          size_t text_size) {
  if (*size < kSignatureBytes) return 0;
  const auto sum = Checksum(context, text, text_size);
  std::copy(sum.begin(), sum.end(), signature);
  *size = sum.size();
  return 1;
}

int __wrap_EVP_DigestVerify(EVP_MD_CTX* context, const unsigned char* signature, size_t size, const unsigned char* text,
                            size_t text_size) {
  const auto sum = Checksum(context, text, text_size);
  return size == sum.size() && std::equal(sum.begin(), sum.end(), signature) ? 1 : 0;
}

}  // extern "C"
