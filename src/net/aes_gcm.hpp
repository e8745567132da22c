#pragma once
// AES-GCM by libcrypto, one key and direction at a time. The seam between wolfSSL and OpenSSL,
// whose headers cannot meet in one source: this header shows neither.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace perp::net {

class AesGcm {
 public:
  static constexpr std::size_t iv_bytes = 12;
  static constexpr std::size_t tag_bytes = 16;

  enum class Direction : std::uint8_t { seal, open };
  enum class Result : std::uint8_t { ok, wrong_tag, failed };

  AesGcm() noexcept = default;
  AesGcm(const AesGcm&) = delete;
  AesGcm& operator=(const AesGcm&) = delete;
  ~AesGcm();

  /// True if `key` and `direction` are what was set last.
  bool is_keyed(std::span<const std::byte> key, Direction direction) const noexcept;
  /// @param key 16, 24 or 32 bytes. False, and not keyed, if libcrypto cannot. Allocates.
  [[nodiscard]] bool set_key(std::span<const std::byte> key, Direction direction) noexcept;

  /// Encrypts `size` bytes; `out` may be `in`. @pre keyed for `seal`
  Result seal(const std::byte* in, std::byte* out, std::size_t size,
              std::span<const std::byte, iv_bytes> iv, std::span<const std::byte> aad,
              std::span<std::byte, tag_bytes> tag) noexcept;
  /// Decrypts; with a wrong tag `out` is wiped. @pre keyed for `open`
  Result open(const std::byte* in, std::byte* out, std::size_t size,
              std::span<const std::byte, iv_bytes> iv, std::span<const std::byte> aad,
              std::span<const std::byte, tag_bytes> tag) noexcept;

 private:
  void* context_ = nullptr;  // EVP_CIPHER_CTX
  std::size_t key_size_ = 0;
  Direction direction_ = Direction::seal;
  std::array<std::byte, 32> key_{};
};

}  // namespace perp::net
