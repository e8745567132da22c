#pragma once
// A TLS peer that is not ours: OpenSSL's libssl over memory, server or client. It is lax where told
// to be, so that it can be what a good client must refuse.
#include "net/certificates.hpp"

#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <span>
#include <string>
#include <vector>

namespace perp::test {

struct PeerOptions {
  Certificate certificate{};         ///< a server's; none: anonymous
  std::vector<Certificate> chain{};  ///< what it sends along
  int min_version = TLS1_2_VERSION;
  int max_version = TLS1_3_VERSION;
  std::string ciphers{};  ///< of TLS 1.2 and before
  std::string suites{};   ///< of TLS 1.3
  std::string groups{};
  std::string signatures{};    ///< algorithms that it signs with
  std::string alpn{};          ///< the one it speaks, refusing all else; empty: no ALPN
  std::string trusted_file{};  ///< a client's authorities; empty: verifies nothing
  int tickets = 2;             ///< that a TLS 1.3 server sends
  bool knows_name = true;      ///< false: a server that refuses the name it is asked for
};

class OpenSslPeer {
 public:
  enum class Role { server, client };

  explicit OpenSslPeer(const PeerOptions& options, Role role = Role::server,
                       const std::string& host = {})
      : options_(options) {
    context_.reset(SSL_CTX_new(role == Role::server ? TLS_server_method() : TLS_client_method()));
    SSL_CTX* const context = context_.get();
    require(context != nullptr, "no context");
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, options.min_version);
    SSL_CTX_set_max_proto_version(context, options.max_version);
    if (!options.ciphers.empty())
      require(SSL_CTX_set_cipher_list(context, (options.ciphers + ":@SECLEVEL=0").c_str()) == 1,
              "no ciphers " + options.ciphers);
    if (!options.suites.empty())
      require(SSL_CTX_set_ciphersuites(context, options.suites.c_str()) == 1,
              "no suites " + options.suites);
    if (!options.groups.empty())
      require(SSL_CTX_set1_groups_list(context, options.groups.c_str()) == 1, "no groups");
    if (!options.signatures.empty())
      require(SSL_CTX_set1_sigalgs_list(context, options.signatures.c_str()) == 1, "signatures");
    if (options.certificate.get() != nullptr) {
      require(SSL_CTX_use_certificate(context, options.certificate.get()) == 1, "certificate");
      require(SSL_CTX_use_PrivateKey(context, options.certificate.key()) == 1, "key");
    }
    for (const Certificate& link : options.chain)
      require(SSL_CTX_add1_chain_cert(context, link.get()) == 1, "chain");
    // Only what it is told to send: OpenSSL would complete the chain.
    SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_num_tickets(context, static_cast<std::size_t>(options.tickets));
    SSL_CTX_set_keylog_callback(context, on_key);
    if (!options.alpn.empty()) SSL_CTX_set_alpn_select_cb(context, on_alpn, &options_);
    SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
    ssl_.reset(SSL_new(context));
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_.get(), in_, out_);
    SSL_set_app_data(ssl_.get(), this);
    if (role == Role::server) {
      SSL_set_accept_state(ssl_.get());
    } else {
      if (!options.trusted_file.empty()) {
        require(SSL_CTX_load_verify_file(context, options.trusted_file.c_str()) == 1, "trust");
        SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, nullptr);
      }
      if (!host.empty()) {
        SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
        SSL_set1_host(ssl_.get(), host.c_str());
      }
      SSL_set_connect_state(ssl_.get());
    }
  }
  OpenSslPeer(const OpenSslPeer&) = delete;
  OpenSslPeer& operator=(const OpenSslPeer&) = delete;

  /// Ciphertext from the other side.
  void feed(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    require(BIO_write(in_, bytes.data(), static_cast<int>(bytes.size())) ==
                static_cast<int>(bytes.size()),
            "memory");
  }
  /// Goes on with the handshake and reads what there is.
  void advance() {
    if (!SSL_is_init_finished(ssl_.get())) {
      SSL_do_handshake(ssl_.get());
      note_error();
      if (!SSL_is_init_finished(ssl_.get())) return;
    }
    for (;;) {
      char piece[4096];
      const int got = SSL_read(ssl_.get(), piece, sizeof piece);
      if (got <= 0) break;
      received_.append(piece, static_cast<std::size_t>(got));
    }
    note_error();
  }
  /// Ciphertext for the other side; takes it.
  std::vector<std::byte> take_output() {
    std::vector<std::byte> bytes(BIO_ctrl_pending(out_));
    if (!bytes.empty()) BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }
  bool write(std::string_view text) {
    return SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) ==
           static_cast<int>(text.size());
  }
  /// One record per piece.
  std::vector<std::byte> sealed(std::string_view text) {
    require(write(text), "cannot write");
    return take_output();
  }
  void close() { SSL_shutdown(ssl_.get()); }
  /// Says KeyUpdate, and asks for the other side's.
  void update_keys() {
    require(SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED) == 1, "no key update");
    SSL_do_handshake(ssl_.get());
  }
  bool has_heard_close() const {
    return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }

  SSL* ssl() const noexcept { return ssl_.get(); }
  bool is_open() const { return SSL_is_init_finished(ssl_.get()) == 1; }
  const std::string& received() const noexcept { return received_; }
  const std::string& error() const noexcept { return error_; }
  /// The name that the client asked for.
  const std::string& server_name() const noexcept { return server_name_; }
  /// The lines of its key log (NSS format).
  const std::vector<std::string>& key_log() const noexcept { return keys_; }

 private:
  struct Free {
    void operator()(SSL_CTX* p) const noexcept { SSL_CTX_free(p); }
    void operator()(SSL* p) const noexcept { SSL_free(p); }
  };

  static OpenSslPeer* self(const SSL* ssl) {
    return static_cast<OpenSslPeer*>(SSL_get_app_data(ssl));
  }
  static void on_key(const SSL* ssl, const char* line) {
    if (OpenSslPeer* const peer = self(ssl)) peer->keys_.emplace_back(line);
  }
  static int on_server_name(SSL* ssl, int* alert, void*) {
    const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    OpenSslPeer* const peer = self(ssl);
    if (peer == nullptr) return SSL_TLSEXT_ERR_OK;
    if (name != nullptr) peer->server_name_ = name;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return peer->options_.knows_name ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  static int on_alpn(SSL*, const unsigned char** out, unsigned char* out_size,
                     const unsigned char* in, unsigned in_size, void* argument) {
    const std::string& speaks = static_cast<PeerOptions*>(argument)->alpn;
    for (unsigned at = 0; at < in_size; at += 1U + in[at]) {
      if (speaks != std::string(reinterpret_cast<const char*>(in) + at + 1, in[at])) continue;
      *out = in + at + 1;
      *out_size = in[at];
      return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  void note_error() {
    if (const unsigned long code = ERR_peek_last_error(); code != 0)
      error_ = ERR_reason_error_string(code) != nullptr ? ERR_reason_error_string(code) : "?";
    ERR_clear_error();
  }

  PeerOptions options_;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
  BIO* in_ = nullptr;   // the session's
  BIO* out_ = nullptr;  // the session's
  std::string received_;
  std::string error_;
  std::string server_name_;
  std::vector<std::string> keys_;
};

}  // namespace perp::test
