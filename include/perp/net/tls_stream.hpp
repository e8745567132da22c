#pragma once
// One TLS connection without a socket: ciphertext in by feed(), plain text out into a StreamBuffer,
// ciphertext to be sent in output(). Owned by one connection, used by its loop's thread only. After
// the handshake a record costs its decryption and one copy; nothing is allocated. It asks no clock
// (the verifiers of the handshake do, for the dates of certificates) and keeps no session for
// later.
//
//   TlsStream tls(context, "fstream.binance.com");   // output() holds the ClientHello
//   on bytes received:  tls.feed(bytes, plain);       // then read `plain`, and send output()
//   on end of stream:   tls.end_of_input();           // without close_notify it was cut: an error
#include <perp/net/stream_buffer.hpp>
#include <perp/net/tls_context.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace perp::net {

enum class TlsState : std::uint8_t {
  handshake,  ///< no application byte has been sent or accepted
  open,
  closed,  ///< by close_notify: the peer's, behind all that it sent, or our own
  failed,  ///< see error(); output() may hold an alert that is still to be sent
};

enum class TlsErrorKind : std::uint8_t {
  none,
  self_signed,       ///< the peer's certificate vouches for itself
  unknown_issuer,    ///< no path to a trusted authority, or a certificate of the path is missing
  expired,           ///< or our clock is wrong
  not_yet_valid,     ///< or our clock is wrong
  name_mismatch,     ///< the certificate is for other names; only its alternative names count
  weak_certificate,  ///< a key or a signature below 112 bits of security, such as RSA 1024 or SHA-1
  bad_certificate,   ///< anything else: not an authority, wrong purpose, path length, name
                     ///< constraint
  protocol_version,  ///< the peer speaks nothing from TLS 1.2 on
  no_common_suite,   ///< or no group or signature algorithm in common
  alpn_mismatch,     ///< the peer does not speak the protocol that was offered
  bad_record,        ///< forged, damaged or not TLS
  record_too_large,  ///< above 16 KiB of content
  idle_records,      ///< too many records in a row without content, or a handshake without end
  truncated,         ///< the stream ended without close_notify
  peer_alert,        ///< the peer refused or gave up, with the alert in the text
  plain_full,        ///< the StreamBuffer's limit is reached
  output_full,       ///< the peer makes us answer and does not take the answers
  out_of_memory,
  internal,  ///< wolfSSL failed in another way, told in the text
};

/// The enumerator's name.
std::string_view to_text(TlsErrorKind kind) noexcept;

struct TlsError {
  TlsErrorKind kind = TlsErrorKind::none;
  /// One sentence: the host, what is wrong, what to do about it if that is known.
  std::string text{};
};

class TlsStream {
 public:
  static constexpr std::size_t default_output_limit = std::size_t{1} << 20;

  /// A client that begins the handshake with `host`, whose name the peer's certificate must carry.
  /// @param host a DNS name or an address, without port or brackets. @throws core::Error otherwise.
  TlsStream(const TlsContext& client, std::string_view host,
            std::size_t output_limit_bytes = default_output_limit);
  /// A server that waits for a ClientHello.
  explicit TlsStream(const TlsContext& server,
                     std::size_t output_limit_bytes = default_output_limit);
  TlsStream(TlsStream&&) noexcept;
  TlsStream& operator=(TlsStream&&) noexcept;
  ~TlsStream();

  /// Takes all of `ciphertext`, in pieces of any size; what it decrypts to is appended to `plain`,
  /// whose limit must leave room for it. Records after a failure or a close_notify are ignored.
  TlsState feed(std::span<const std::byte> ciphertext, StreamBuffer& plain) noexcept;
  /// The transport has ended: an error unless the state is closed.
  TlsState end_of_input() noexcept;

  /// Encrypts all of `plain` into output(), or takes nothing and says false: not open, or output()
  /// would exceed its limit.
  [[nodiscard]] bool write(std::span<const std::byte> plain) noexcept;
  /// Says close_notify. Nothing is read or written after it.
  void close() noexcept;

  /// What is to be sent. Valid until the next call that is not a query.
  std::span<const std::byte> output() const noexcept;
  /// The first `size_bytes` of output() have been handed on.
  void consume_output(std::size_t size_bytes) noexcept;

  TlsState state() const noexcept;
  const TlsError& error() const noexcept;
  /// The name that was dialled; empty for a server.
  const std::string& host() const noexcept;
  /// A server: the name that the client asked for, empty if it did not say. A client: host().
  std::string_view server_name() const noexcept;
  /// What both agreed on, such as "TLSv1.3", "TLS_AES_128_GCM_SHA256", "http/1.1"; empty before
  /// open.
  std::string_view version() const noexcept;
  std::string_view suite() const noexcept;
  std::string_view alpn() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace perp::net
