#include "weft/rendezvous/room.h"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "weft/base/byte_codec.h"

namespace weft::rendezvous {
namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeKey>;

template <size_t kBytes>
std::string_view View(const std::array<char, kBytes>& bytes) {
  return {bytes.data(), bytes.size()};
}

const unsigned char* Bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string SignedText(const RoomClaim& claim, RoomUse use, const Nonce& client, const Nonce& server) {
  ByteWriter text;
  text.PutString("weft rendezvous room").Put(kVersion).Put(use).PutRaw(View(client)).PutRaw(View(server));
  text.PutRaw(View(claim.room)).Put(claim.rank).Put(claim.number);
  return text.Take();
}

Key PrivateKey(const DerivedKey& seed) {
  return Key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
}

}  // namespace

arrow::Result<RoomKey> RoomKey::Derive(std::string_view secret, std::string_view job, int64_t epoch) {
  RoomKey key;
  const std::string info = ByteWriter().PutString("room").PutString(job).Put(epoch).Take();
  ARROW_ASSIGN_OR_RAISE(key.seed_, DeriveKey(secret, "weft rendezvous v2", info));
  const Key pair = PrivateKey(key.seed_);
  size_t size = key.name_.size();
  if (pair == nullptr ||
      EVP_PKEY_get_raw_public_key(pair.get(), reinterpret_cast<unsigned char*>(key.name_.data()), &size) != 1) {
    return arrow::Status::IOError("OpenSSL could not make an Ed25519 key");
  }
  return key;
}

arrow::Result<RoomClaim> RoomKey::Claim(RoomUse use, uint32_t rank, uint32_t number, const Nonce& client,
                                        const Nonce& server) const {
  RoomClaim claim{name_, rank, number, {}};
  const std::string text = SignedText(claim, use, client, server);
  const Key pair = PrivateKey(seed_);
  const DigestContext context(EVP_MD_CTX_new());
  size_t size = claim.signature.size();
  if (pair == nullptr || context == nullptr ||
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, pair.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(claim.signature.data()), &size, Bytes(text),
                     text.size()) != 1) {
    return arrow::Status::IOError("OpenSSL could not make an Ed25519 signature");
  }
  return claim;
}

bool IsGood(const RoomClaim& claim, RoomUse use, const Nonce& client, const Nonce& server) {
  const std::string text = SignedText(claim, use, client, server);
  const Key key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Bytes(View(claim.room)), View(claim.room).size()));
  const DigestContext context(EVP_MD_CTX_new());
  return key != nullptr && context != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), Bytes(View(claim.signature)), claim.signature.size(), Bytes(text),
                          text.size()) == 1;
}

std::string ShortName(const RoomName& room) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < 4; ++i) {
    const auto byte = static_cast<unsigned char>(room[i]);
    text += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return text;
}

std::string Encode(const RoomClaim& claim) {
  ByteWriter fields;
  fields.PutRaw(View(claim.room)).Put(claim.rank).Put(claim.number).PutRaw(View(claim.signature));
  return fields.Take();
}

arrow::Result<RoomClaim> DecodeRoomClaim(std::string_view fields) {
  ByteReader reader(fields);
  RoomClaim claim;
  ARROW_ASSIGN_OR_RAISE(const auto room, reader.GetRaw(claim.room.size()));
  ARROW_ASSIGN_OR_RAISE(claim.rank, reader.Get<uint32_t>());
  ARROW_ASSIGN_OR_RAISE(claim.number, reader.Get<uint32_t>());
  ARROW_ASSIGN_OR_RAISE(const auto signature, reader.GetRaw(claim.signature.size()));
  ARROW_RETURN_NOT_OK(reader.Finish());
  std::copy(room.begin(), room.end(), claim.room.begin());
  std::copy(signature.begin(), signature.end(), claim.signature.begin());
  return claim;
}

}  // namespace weft::rendezvous
