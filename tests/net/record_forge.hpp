#pragma once
// TLS 1.3 records that no honest library sends, sealed with a session's own keys (which its peer
// logs): any content, any type, any padding. For TLS_AES_128_GCM_SHA256.
#include "net/openssl_peer.hpp"

#include <array>
#include <cstdint>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string>
#include <string_view>
#include <vector>

namespace perp::test {

class RecordForge {
 public:
  static constexpr unsigned alert = 21;
  static constexpr unsigned handshake = 22;
  static constexpr unsigned application_data = 23;

  /// What the server seals from now on, if it has sent no record since the handshake (tickets: 0).
  explicit RecordForge(const OpenSslPeer& server) {
    const std::string label = "SERVER_TRAFFIC_SECRET_0 ";
    std::string secret;
    for (const std::string& line : server.key_log())
      if (line.starts_with(label)) secret = of_hex(line.substr(line.rfind(' ') + 1));
    require(secret.size() == 32, "no secret of a SHA-256 suite in the key log");
    key_ = expand(secret, "key", 16);
    iv_ = expand(secret, "iv", 12);
  }

  /// @param type 0: none, a record of padding alone
  std::vector<std::byte> seal(std::string_view content, unsigned type = application_data,
                              std::size_t padding = 0) {
    std::string inner(content);
    if (type != 0) inner += static_cast<char>(type);
    inner.append(padding, '\0');
    const std::size_t fragment = inner.size() + 16;
    std::vector<std::byte> record(5 + fragment);
    record[0] = std::byte{application_data};
    record[1] = record[2] = std::byte{3};
    record[3] = static_cast<std::byte>(fragment >> 8);
    record[4] = static_cast<std::byte>(fragment & 255);
    std::string nonce = iv_;
    for (std::size_t i = 0; i < 8; ++i)
      nonce[11 - i] = static_cast<char>(nonce[11 - i] ^ static_cast<char>(sequence_ >> (8 * i)));
    ++sequence_;
    const std::unique_ptr<EVP_CIPHER_CTX, Free> context(EVP_CIPHER_CTX_new());
    auto* const out = reinterpret_cast<unsigned char*>(record.data());
    int size = 0;
    require(EVP_EncryptInit_ex(context.get(), EVP_aes_128_gcm(), nullptr, bytes(key_),
                               bytes(nonce)) == 1 &&
                EVP_EncryptUpdate(context.get(), nullptr, &size, out, 5) == 1 &&
                EVP_EncryptUpdate(context.get(), out + 5, &size, bytes(inner),
                                  static_cast<int>(inner.size())) == 1 &&
                EVP_EncryptFinal_ex(context.get(), out + 5 + size, &size) == 1 &&
                EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, 16,
                                    out + 5 + inner.size()) == 1,
            "cannot seal");
    return record;
  }

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* p) const noexcept { EVP_CIPHER_CTX_free(p); }
  };
  static const unsigned char* bytes(const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  }
  static std::string of_hex(const std::string& hex) {
    std::string made;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
      made += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    return made;
  }
  /// HKDF-Expand-Label of RFC 8446, section 7.1, for at most one block and no context.
  static std::string expand(const std::string& secret, const std::string& label, std::size_t size) {
    const std::string full = "tls13 " + label;
    std::string info{'\0', static_cast<char>(size), static_cast<char>(full.size())};
    info += full;
    info += '\0';
    info += '\1';
    std::array<unsigned char, 32> block{};
    unsigned made = 0;
    require(HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), bytes(info),
                 info.size(), block.data(), &made) != nullptr,
            "no HMAC");
    return {reinterpret_cast<const char*>(block.data()), size};
  }

  std::string key_;
  std::string iv_;
  std::uint64_t sequence_ = 0;
};

}  // namespace perp::test
