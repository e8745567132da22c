#include "net/aes_gcm.hpp"

#include <climits>
#include <cstring>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

namespace perp::net {
namespace {

EVP_CIPHER_CTX* evp(void* context) noexcept { return static_cast<EVP_CIPHER_CTX*>(context); }

const unsigned char* bytes(const std::byte* at) noexcept {
  return reinterpret_cast<const unsigned char*>(at);
}
unsigned char* bytes(std::byte* at) noexcept { return reinterpret_cast<unsigned char*>(at); }

const EVP_CIPHER* cipher_of(std::size_t key_size) noexcept {
  switch (key_size) {
    case 16: return EVP_aes_128_gcm();
    case 24: return EVP_aes_192_gcm();
    case 32: return EVP_aes_256_gcm();
    default: return nullptr;
  }
}

}  // namespace

AesGcm::~AesGcm() {
  EVP_CIPHER_CTX_free(evp(context_));  // wipes libcrypto's copy of the key
  OPENSSL_cleanse(key_.data(), key_.size());
}

bool AesGcm::is_keyed(std::span<const std::byte> key, Direction direction) const noexcept {
  return key.size() == key_size_ && direction == direction_ &&
         std::memcmp(key.data(), key_.data(), key_size_) == 0;
}

bool AesGcm::set_key(std::span<const std::byte> key, Direction direction) noexcept {
  key_size_ = 0;
  const EVP_CIPHER* const cipher = cipher_of(key.size());
  if (cipher == nullptr) return false;
  if (context_ == nullptr) context_ = EVP_CIPHER_CTX_new();
  if (context_ == nullptr) return false;
  if (EVP_CipherInit_ex(evp(context_), cipher, nullptr, bytes(key.data()), nullptr,
                        direction == Direction::seal ? 1 : 0) != 1)
    return false;
  // The nonces of open() then come with the tag (see there); -1: all of this one is replaced.
  unsigned char any_iv[iv_bytes] = {};
  if (EVP_CIPHER_CTX_ctrl(evp(context_), EVP_CTRL_GCM_SET_IV_FIXED, -1, any_iv) != 1) return false;
  std::memcpy(key_.data(), key.data(), key.size());
  direction_ = direction;
  key_size_ = key.size();
  return true;
}

AesGcm::Result AesGcm::seal(const std::byte* in, std::byte* out, std::size_t size,
                            std::span<const std::byte, iv_bytes> iv, std::span<const std::byte> aad,
                            std::span<std::byte, tag_bytes> tag) noexcept {
  EVP_CIPHER_CTX* const context = evp(context_);
  unsigned char none[16];
  int written = 0;
  if (key_size_ == 0 || size > INT_MAX || aad.size() > INT_MAX) return Result::failed;
  if (EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, bytes(iv.data())) != 1)
    return Result::failed;
  if (!aad.empty() && EVP_EncryptUpdate(context, nullptr, &written, bytes(aad.data()),
                                        static_cast<int>(aad.size())) != 1)
    return Result::failed;
  if (size > 0 &&
      EVP_EncryptUpdate(context, bytes(out), &written, bytes(in), static_cast<int>(size)) != 1)
    return Result::failed;
  if (EVP_EncryptFinal_ex(context, none, &written) != 1) return Result::failed;
  if (EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, tag_bytes, tag.data()) != 1)
    return Result::failed;
  return Result::ok;
}

AesGcm::Result AesGcm::open(const std::byte* in, std::byte* out, std::size_t size,
                            std::span<const std::byte, iv_bytes> iv, std::span<const std::byte> aad,
                            std::span<const std::byte, tag_bytes> tag) noexcept {
  EVP_CIPHER_CTX* const context = evp(context_);
  unsigned char none[16];
  int written = 0;
  if (key_size_ == 0 || size > INT_MAX || aad.size() > INT_MAX) return Result::failed;
  // Nonce and tag in one call. EVP_DecryptInit_ex would ask the provider, by names of parameters,
  // how long its nonces are: a fifth of the time of a short record. The casts: it only reads them.
  const OSSL_PARAM iv_and_tag[] = {
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, const_cast<std::byte*>(tag.data()),
                              tag_bytes),
      OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV,
                              const_cast<std::byte*>(iv.data()), iv_bytes),
      OSSL_PARAM_END};
  if (EVP_CIPHER_CTX_set_params(context, iv_and_tag) != 1) return Result::failed;
  if (!aad.empty() && EVP_DecryptUpdate(context, nullptr, &written, bytes(aad.data()),
                                        static_cast<int>(aad.size())) != 1)
    return Result::failed;
  if (size > 0 &&
      EVP_DecryptUpdate(context, bytes(out), &written, bytes(in), static_cast<int>(size)) != 1)
    return Result::failed;
  if (EVP_DecryptFinal_ex(context, none, &written) == 1) return Result::ok;
  if (size > 0) OPENSSL_cleanse(out, size);
  return Result::wrong_tag;
}

}  // namespace perp::net
