#pragma once
// AES-GCM of wolfSSL sessions, computed by libcrypto through wolfSSL's crypto callback. Debian's
// wolfSSL has no AES instructions: a record of 16 KiB takes it 80 us, libcrypto 4.
//
// wolfSSL tells the callback of no session's end and re-initialises its cipher state at each change
// of keys. So the contexts belong to an AesOffload, which lives as long as the session does, and
// the callback finds it through the thread's Scope when it meets a state that has no context yet.
#include "net/aes_gcm.hpp"

#include <array>

namespace perp::net {

/// The contexts of one session. Must outlive it. One thread at a time.
class AesOffload {
 public:
  /// The device to set on a wolfSSL context (wolfSSL_CTX_SetDevId) or cipher (wc_AesInit).
  static constexpr int device_id = 0x70657270;

  /// Makes the device known to wolfSSL; after wolfSSL_Init. False if wolfSSL has no room for it.
  [[nodiscard]] static bool register_device() noexcept;
  /// True if libcrypto's AES is worth it: the processor has AES and carry-less multiplication.
  static bool is_fast() noexcept;

  AesOffload() noexcept = default;
  AesOffload(const AesOffload&) = delete;
  AesOffload& operator=(const AesOffload&) = delete;

  /// While it lives, what wolfSSL encrypts and decrypts on this thread belongs to `offload`.
  class Scope {
   public:
    explicit Scope(AesOffload& offload) noexcept;
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    AesOffload* outer_;
  };

  struct Slot {
    const void* owner = nullptr;  // wolfSSL's Aes that used it last
    AesGcm gcm;
  };
  /// The slot of wolfSSL's cipher state `owner`: its own, a free one, or that of the oldest.
  Slot& slot_of(const void* owner) noexcept;

 private:
  // A session has one state per direction; two more are for what a handshake may need besides.
  std::array<Slot, 4> slots_;
  std::size_t next_ = 0;
};

}  // namespace perp::net
