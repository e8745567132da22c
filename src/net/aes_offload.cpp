#include "net/aes_offload.hpp"

#include "net/wolfssl.hpp"

#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/cryptocb.h>

namespace perp::net {
namespace {

thread_local AesOffload* current = nullptr;

std::span<const std::byte> bytes(const void* at, std::size_t size) noexcept {
  return {static_cast<const std::byte*>(at), size};
}

/// The context for one operation, keyed; null if there is none.
AesGcm* keyed(Aes* aes, AesGcm::Direction direction) noexcept {
  auto* slot = static_cast<AesOffload::Slot*>(aes->devCtx);
  if (slot == nullptr) {
    if (current == nullptr) return nullptr;
    slot = &current->slot_of(aes);
    aes->devCtx = slot;
  }
  // Compared at each use, so that no change of key, owner or direction can be missed.
  const auto key = bytes(aes->devKey, static_cast<std::size_t>(aes->keylen));
  if (slot->owner != aes || !slot->gcm.is_keyed(key, direction)) {
    slot->owner = aes;
    if (!slot->gcm.set_key(key, direction)) return nullptr;
  }
  return &slot->gcm;
}

int to_wolfssl(AesGcm::Result result) noexcept {
  switch (result) {
    case AesGcm::Result::ok: return 0;
    case AesGcm::Result::wrong_tag: return AES_GCM_AUTH_E;
    case AesGcm::Result::failed: break;
  }
  return WC_HW_E;
}

using Iv = std::span<const std::byte, AesGcm::iv_bytes>;

int encrypt(const decltype(wc_CryptoInfo::cipher.aesgcm_enc)& call) noexcept {
  if (call.ivSz != AesGcm::iv_bytes || call.authTagSz != AesGcm::tag_bytes)
    return CRYPTOCB_UNAVAILABLE;
  AesGcm* const gcm = keyed(call.aes, AesGcm::Direction::seal);
  if (gcm == nullptr) return CRYPTOCB_UNAVAILABLE;
  return to_wolfssl(gcm->seal(reinterpret_cast<const std::byte*>(call.in),
                              reinterpret_cast<std::byte*>(call.out), call.sz,
                              Iv(bytes(call.iv, call.ivSz)), bytes(call.authIn, call.authInSz),
                              std::span<std::byte, AesGcm::tag_bytes>(
                                  reinterpret_cast<std::byte*>(call.authTag), AesGcm::tag_bytes)));
}

int decrypt(const decltype(wc_CryptoInfo::cipher.aesgcm_dec)& call) noexcept {
  if (call.ivSz != AesGcm::iv_bytes || call.authTagSz != AesGcm::tag_bytes)
    return CRYPTOCB_UNAVAILABLE;
  AesGcm* const gcm = keyed(call.aes, AesGcm::Direction::open);
  if (gcm == nullptr) return CRYPTOCB_UNAVAILABLE;
  return to_wolfssl(
      gcm->open(reinterpret_cast<const std::byte*>(call.in), reinterpret_cast<std::byte*>(call.out),
                call.sz, Iv(bytes(call.iv, call.ivSz)), bytes(call.authIn, call.authInSz),
                std::span<const std::byte, AesGcm::tag_bytes>(
                    reinterpret_cast<const std::byte*>(call.authTag), AesGcm::tag_bytes)));
}

/// wolfSSL asks for every algorithm; all but AES-GCM it then computes itself.
int on_call(int /*device*/, wc_CryptoInfo* info, void* /*context*/) {
  if (info->algo_type != WC_ALGO_TYPE_CIPHER || info->cipher.type != WC_CIPHER_AES_GCM)
    return CRYPTOCB_UNAVAILABLE;
  return info->cipher.enc != 0 ? encrypt(info->cipher.aesgcm_enc)
                               : decrypt(info->cipher.aesgcm_dec);
}

}  // namespace

bool AesOffload::register_device() noexcept {
  return wc_CryptoCb_RegisterDevice(device_id, on_call, nullptr) == 0;
}

bool AesOffload::is_fast() noexcept {
#if defined(__x86_64__)
  return __builtin_cpu_supports("aes") != 0 && __builtin_cpu_supports("pclmul") != 0;
#else
  return true;
#endif
}

AesOffload::Slot& AesOffload::slot_of(const void* owner) noexcept {
  for (Slot& slot : slots_)
    if (slot.owner == owner) return slot;
  for (Slot& slot : slots_)
    if (slot.owner == nullptr) return slot;
  return slots_[next_++ % slots_.size()];
}

AesOffload::Scope::Scope(AesOffload& offload) noexcept : outer_(current) { current = &offload; }
AesOffload::Scope::~Scope() { current = outer_; }

}  // namespace perp::net
