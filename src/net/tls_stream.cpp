#include "net/aes_offload.hpp"
#include "net/tls_error.hpp"
#include "net/tls_safety.hpp"
#include "net/tls_shared.hpp"

#include <perp/core/error.hpp>
#include <perp/net/tls_stream.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <utility>

namespace perp::net {
namespace {

constexpr std::size_t header_bytes = 5;
constexpr std::size_t tag_bytes = 16;  // of every suite that is offered
// RFC 8446 5.2 and RFC 5246 6.2.3; a handshake may still turn out to be either.
constexpr std::size_t largest_fragment_13 = 16384 + 256;
constexpr std::size_t largest_fragment_12 = 16384 + 2048;
// As OpenSSL: so many records in a row may bring no content (empty ones, key updates, tickets).
constexpr std::uint32_t idle_records_max = 32;
// The longest chains of certificates are a tenth of it.
constexpr std::size_t handshake_bytes_max = std::size_t{128} * 1024;
// A record's header, nonce and tag, and what wolfSSL adds to a write of up to 16 KiB.
constexpr std::size_t record_overhead = 64;
// Answers to the peer (alerts, key updates) may go past the limit of what we write by this much.
constexpr std::size_t answers_max = std::size_t{16} * 1024;

struct FreeSession {
  void operator()(WOLFSSL* session) const noexcept { wolfSSL_free(session); }
};

/// The registered name of each suite that is offered (tls_safety.cpp); wolfSSL has names of its
/// own. https://www.iana.org/assignments/tls-parameters
std::string_view suite_name(int number) noexcept {
  switch (number) {
    case 0x1301: return "TLS_AES_128_GCM_SHA256";
    case 0x1302: return "TLS_AES_256_GCM_SHA384";
    case 0x1303: return "TLS_CHACHA20_POLY1305_SHA256";
    case 0xC02B: return "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    case 0xC02C: return "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";
    case 0xC02F: return "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    case 0xC030: return "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";
    case 0xCCA8: return "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256";
    case 0xCCA9: return "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";
    default: return {};
  }
}

}  // namespace

struct TlsStream::Impl {
  Impl(const TlsContext& of, std::size_t output_limit_bytes)
      : context(of.shared_),
        limit(output_limit_bytes),
        output(output_limit_bytes + answers_max, 1024),
        partial(std::make_unique<std::byte[]>(header_bytes + largest_fragment_12)),
        session(wolfSSL_new(context->context.get())) {
    if (session == nullptr) throw core::Error("cannot make a TLS stream", "wolfSSL", "no memory");
    wolfSSL_SSLSetIORecv(session.get(), on_receive);
    wolfSSL_SSLSetIOSend(session.get(), on_send);
    wolfSSL_SetIOReadCtx(session.get(), this);
    wolfSSL_SetIOWriteCtx(session.get(), this);
    if (context->alpn.empty()) return;
    // A client's mismatch must be an error; a server refuses what it does not speak.
    std::string list = context->alpn;
    if (wolfSSL_UseALPN(session.get(), list.data(), static_cast<unsigned>(list.size()),
                        WOLFSSL_ALPN_FAILED_ON_MISMATCH) != WOLFSSL_SUCCESS)
      throw core::Error("cannot make a TLS stream", context->alpn, "not a protocol name for ALPN");
  }

  // wolfSSL's I/O: from one record in memory, to memory.
  static int on_receive(WOLFSSL* /*session*/, char* target, int size, void* self) {
    auto& input = static_cast<Impl*>(self)->input;
    if (input.empty()) return WOLFSSL_CBIO_ERR_WANT_READ;
    const std::size_t taken = std::min(input.size(), static_cast<std::size_t>(size));
    std::memcpy(target, input.data(), taken);
    input = input.subspan(taken);
    return static_cast<int>(taken);
  }
  // Never asks to be called again: wolfSSL 5.5.4 may forget what it then still holds.
  static int on_send(WOLFSSL* /*session*/, char* source, int size, void* self) {
    auto* const stream = static_cast<Impl*>(self);
    try {
      const auto size_bytes = static_cast<std::size_t>(size);
      const std::span<std::byte> room = stream->output.writable(size_bytes);
      if (room.size() < size_bytes) {
        stream->is_output_full = true;
        return WOLFSSL_CBIO_ERR_GENERAL;
      }
      std::memcpy(room.data(), source, size_bytes);
      stream->output.commit(size_bytes);
      return size;
    } catch (const std::bad_alloc&) {
      return WOLFSSL_CBIO_ERR_GENERAL;
    }
  }

  void feed(std::span<const std::byte> bytes, StreamBuffer& plain);
  void take_record(std::span<const std::byte> record, StreamBuffer& plain);
  void shake_hands();
  void read(std::size_t size_bytes, StreamBuffer& plain);
  bool accepts_header(std::span<const std::byte, header_bytes> header, std::size_t& size_bytes);

  /// Says close_notify, or answers the peer's.
  void say_close() noexcept {
    state = TlsState::closed;
    // Tells whether the peer has said it as well, which is of no use once nothing is read.
    static_cast<void>(wolfSSL_shutdown(session.get()));
  }
  void fail(TlsErrorKind kind, const std::string& reason) noexcept;
  void fail_by_wolfssl(int error) noexcept;
  bool is_live() const noexcept { return state == TlsState::handshake || state == TlsState::open; }

  // Kept alive by every stream: wolfSSL's context and the trusted authorities.
  std::shared_ptr<const TlsContext::Shared> context;
  TlsState state = TlsState::handshake;
  bool is_output_full = false;
  std::uint32_t idle_records = 0;
  std::size_t handshake_bytes = 0;
  std::size_t largest_fragment = largest_fragment_12;
  std::size_t limit;
  std::span<const std::byte> input;  // the rest of the record that wolfSSL is reading
  StreamBuffer output;
  std::unique_ptr<std::byte[]> partial;  // the beginning of a record
  std::size_t partial_bytes = 0;
  TlsError error;
  PeerCheck check;
  std::string alpn;
  AesOffload offload;  // outlives the session, whose ciphers point into it
  std::unique_ptr<WOLFSSL, FreeSession> session;
};

void TlsStream::Impl::fail(TlsErrorKind kind, const std::string& reason) noexcept {
  if (!is_live()) return;
  state = TlsState::failed;
  input = {};
  error.kind = kind;
  try {
    const std::string who = context->is_server ? "TLS client" : check.name.text;
    error.text = who + ": " + reason;
  } catch (const std::bad_alloc&) {
    error.text.clear();  // the kind says it
  }
}

void TlsStream::Impl::fail_by_wolfssl(int code) noexcept try {
  // A verifier's verdict says more than wolfSSL's number for it.
  if (check.verdict.kind != TlsErrorKind::none)
    return fail(check.verdict.kind, check.verdict.reason);
  if (is_output_full)
    return fail(TlsErrorKind::output_full,
                "it makes us answer and does not take the answers: output is full");
  WOLFSSL_ALERT_HISTORY alerts{};
  const bool has_alert = wolfSSL_get_alert_history(session.get(), &alerts) == WOLFSSL_SUCCESS &&
                         alerts.last_rx.level == alert_fatal;
  const TlsErrorKind kind = kind_of_wolfssl_error(code);
  if (has_alert && kind == TlsErrorKind::peer_alert) {
    const int alert = alerts.last_rx.code;
    return fail(kind_of_alert(alert), "it refuses the connection with TLS alert " +
                                          std::to_string(alert) + " " +
                                          std::string(alert_name(alert)));
  }
  const char* const text = wolfSSL_ERR_reason_error_string(static_cast<unsigned long>(code));
  const std::string during =
      state == TlsState::handshake ? "the TLS handshake failed: " : "TLS failed: ";
  const std::string detail = std::string(text != nullptr && *text != '\0' ? text : "no reason") +
                             " (wolfSSL " + std::to_string(code) + ")";
  switch (kind) {
    case TlsErrorKind::bad_record:
      return fail(kind, during + "a record was forged or damaged on its way: " + detail);
    case TlsErrorKind::protocol_version:
      return fail(kind, during + "it offers neither TLS 1.3 nor TLS 1.2: " + detail);
    case TlsErrorKind::no_common_suite:
      return fail(kind, during + "it offers no suite that is safe: " + detail);
    case TlsErrorKind::alpn_mismatch:
      return fail(kind, during + "it does not speak '" + context->alpn + "': " + detail);
    default: return fail(kind, during + detail);
  }
} catch (const std::bad_alloc&) {
  fail(TlsErrorKind::out_of_memory, {});
}

/// Whether a record may begin like this, and how long it is in all.
bool TlsStream::Impl::accepts_header(std::span<const std::byte, header_bytes> header,
                                     std::size_t& size_bytes) {
  const std::size_t fragment =
      std::to_integer<std::size_t>(header[3]) << 8 | std::to_integer<std::size_t>(header[4]);
  const auto type = std::to_integer<unsigned>(header[0]);
  // change_cipher_spec 20, alert 21, handshake 22, application_data 23; every version says 3.
  if (type < 20 || type > 23 || std::to_integer<unsigned>(header[1]) != 3) {
    fail(TlsErrorKind::bad_record, "it does not speak TLS: a record begins with byte " +
                                       std::to_string(type) + "; is the port right?");
    return false;
  }
  if (fragment > largest_fragment) {
    fail(TlsErrorKind::record_too_large,
         "it sent a record of " + std::to_string(fragment) + " bytes, above TLS's limit");
    return false;
  }
  size_bytes = header_bytes + fragment;
  return true;
}

void TlsStream::Impl::feed(std::span<const std::byte> bytes, StreamBuffer& plain) {
  using Header = std::span<const std::byte, header_bytes>;
  while (!bytes.empty() && is_live()) {
    std::size_t size_bytes = 0;
    if (partial_bytes == 0 && bytes.size() >= header_bytes) {
      if (!accepts_header(Header(bytes.first<header_bytes>()), size_bytes)) return;
      if (bytes.size() >= size_bytes) {  // a whole record, read where it is
        take_record(bytes.first(size_bytes), plain);
        bytes = bytes.subspan(size_bytes);
        continue;
      }
    }
    // A part of a record: kept until the rest is there, so that wolfSSL only ever sees whole ones.
    if (partial_bytes >= header_bytes &&
        !accepts_header(Header(partial.get(), header_bytes), size_bytes))
      return;
    const std::size_t wanted = size_bytes == 0 ? header_bytes : size_bytes;
    const std::size_t taken = std::min(bytes.size(), wanted - partial_bytes);
    std::memcpy(partial.get() + partial_bytes, bytes.data(), taken);
    partial_bytes += taken;
    bytes = bytes.subspan(taken);
    if (partial_bytes == size_bytes) {
      partial_bytes = 0;
      take_record({partial.get(), size_bytes}, plain);
    } else if (partial_bytes == header_bytes) {
      // Refuses a bad header before its body is there; an empty record is complete by now.
      if (!accepts_header(Header(partial.get(), header_bytes), size_bytes)) return;
      if (size_bytes != header_bytes) continue;
      partial_bytes = 0;
      take_record({partial.get(), size_bytes}, plain);
    }
  }
}

void TlsStream::Impl::take_record(std::span<const std::byte> record, StreamBuffer& plain) {
  // A tag alone has no content type, which TLS 1.3 requires; wolfSSL 5.5.4 looks for it before the
  // buffer's beginning. In TLS 1.2 it is an empty record; change_cipher_spec is never sealed.
  if (record.size() == header_bytes + tag_bytes && record[0] != std::byte{20} &&
      wolfSSL_version(session.get()) == TLS1_3_VERSION) [[unlikely]]
    return fail(TlsErrorKind::bad_record, "it sent a TLS record without a content type");
  input = record;
  if (state == TlsState::open) [[likely]]
    return read(record.size(), plain);
  handshake_bytes += record.size();
  if (handshake_bytes > handshake_bytes_max)
    return fail(TlsErrorKind::idle_records, "its TLS handshake has no end");
  shake_hands();
  // What the last record of the handshake holds besides.
  if (state == TlsState::open && !input.empty()) read(input.size(), plain);
}

void TlsStream::Impl::shake_hands() {
  free_wolfssl_tables_with_thread();
  const int result =
      context->is_server ? wolfSSL_accept(session.get()) : wolfSSL_connect(session.get());
  if (result != WOLFSSL_SUCCESS) {
    const int code = wolfSSL_get_error(session.get(), result);
    if (code != WOLFSSL_ERROR_WANT_READ) fail_by_wolfssl(code);
    return;
  }
  if (wolfSSL_version(session.get()) == TLS1_3_VERSION) largest_fragment = largest_fragment_13;
  char* name = nullptr;
  word16 size = 0;
  if (!context->alpn.empty() &&
      wolfSSL_ALPN_GetProtocol(session.get(), &name, &size) == WOLFSSL_SUCCESS)
    alpn.assign(name, size);
  state = TlsState::open;
}

/// @param size_bytes of the record: what it decrypts to is shorter.
void TlsStream::Impl::read(std::size_t size_bytes, StreamBuffer& plain) {
  const std::span<std::byte> room = plain.writable(size_bytes);
  if (room.empty()) [[unlikely]]
    return fail(TlsErrorKind::plain_full, "the buffer of received plain text is full at " +
                                              std::to_string(plain.limit()) + " bytes");
  const int size = static_cast<int>(std::min(room.size(), std::size_t{1} << 20));
  const int result = wolfSSL_read(session.get(), room.data(), size);
  if (result > 0) [[likely]] {
    plain.commit(static_cast<std::size_t>(result));
    idle_records = 0;
    return;
  }
  switch (const int code = wolfSSL_get_error(session.get(), result); code) {
    case WOLFSSL_ERROR_WANT_READ:
      if (++idle_records > idle_records_max)
        fail(TlsErrorKind::idle_records, "it sent " + std::to_string(idle_records) +
                                             " TLS records in a row without any content");
      return;
    case WOLFSSL_ERROR_ZERO_RETURN: say_close(); return;
    default: fail_by_wolfssl(code);
  }
}

TlsStream::TlsStream(const TlsContext& client, std::string_view host,
                     std::size_t output_limit_bytes)
    : impl_(std::make_unique<Impl>(client, output_limit_bytes)) {
  if (client.is_server())
    throw core::Error("cannot make a TLS client", std::string(host), "the context is a server's");
  impl_->check.name = PeerName::parse(host);
  impl_->check.trust = impl_->context->trust.get();
  secure_client_session(impl_->session.get(), impl_->check);
  // wolfSSL would guess P-256: slower, and each server's key of the moment may take a megabyte of
  // its tables (wolfssl.hpp). A server without X25519 asks for another one.
  if (wolfSSL_UseKeyShare(impl_->session.get(), WOLFSSL_ECC_X25519) != WOLFSSL_SUCCESS)
    throw core::Error("cannot make a TLS client", std::string(host), "no key for X25519");
  const AesOffload::Scope scope(impl_->offload);
  impl_->shake_hands();
}

TlsStream::TlsStream(const TlsContext& server, std::size_t output_limit_bytes)
    : impl_(std::make_unique<Impl>(server, output_limit_bytes)) {
  if (!server.is_server())
    throw core::Error("cannot make a TLS server", "TlsStream", "the context is a client's");
}

TlsStream::TlsStream(TlsStream&&) noexcept = default;
TlsStream& TlsStream::operator=(TlsStream&&) noexcept = default;
TlsStream::~TlsStream() = default;

TlsState TlsStream::feed(std::span<const std::byte> ciphertext, StreamBuffer& plain) noexcept {
  const AesOffload::Scope scope(impl_->offload);
  try {
    impl_->feed(ciphertext, plain);
  } catch (const std::bad_alloc&) {
    impl_->fail(TlsErrorKind::out_of_memory, "out of memory");
  }
  return impl_->state;
}

TlsState TlsStream::end_of_input() noexcept {
  if (impl_->state == TlsState::handshake)
    impl_->fail(TlsErrorKind::truncated, "it closed the connection during the TLS handshake");
  else if (impl_->state == TlsState::open)
    impl_->fail(
        TlsErrorKind::truncated,
        "it closed the connection without TLS's close_notify: what it sent last may be cut");
  return impl_->state;
}

bool TlsStream::write(std::span<const std::byte> plain) noexcept {
  Impl& impl = *impl_;
  if (impl.state != TlsState::open) return false;
  if (plain.empty()) return true;
  const std::size_t records = plain.size() / 16384 + 1;
  const std::size_t pending = impl.output.data().size();
  if (plain.size() > impl.limit || pending + plain.size() + records * record_overhead > impl.limit)
    return false;
  const AesOffload::Scope scope(impl.offload);
  const int size = static_cast<int>(plain.size());
  const int written = wolfSSL_write(impl.session.get(), plain.data(), size);
  if (written == size) return true;
  impl.fail_by_wolfssl(wolfSSL_get_error(impl.session.get(), written));
  return false;
}

void TlsStream::close() noexcept {
  if (impl_->state != TlsState::open) return;
  const AesOffload::Scope scope(impl_->offload);
  impl_->say_close();
}

std::span<const std::byte> TlsStream::output() const noexcept {
  return std::as_const(impl_->output).data();
}
void TlsStream::consume_output(std::size_t size_bytes) noexcept {
  impl_->output.consume(size_bytes);
}

TlsState TlsStream::state() const noexcept { return impl_->state; }
const TlsError& TlsStream::error() const noexcept { return impl_->error; }
const std::string& TlsStream::host() const noexcept { return impl_->check.name.text; }

std::string_view TlsStream::server_name() const noexcept {
  if (!impl_->context->is_server) return impl_->check.name.text;
  void* name = nullptr;
  const word16 size = wolfSSL_SNI_GetRequest(impl_->session.get(), WOLFSSL_SNI_HOST_NAME, &name);
  return size == 0 || name == nullptr ? std::string_view()
                                      : std::string_view(static_cast<const char*>(name), size);
}

std::string_view TlsStream::version() const noexcept {
  if (impl_->state == TlsState::handshake) return {};
  return wolfSSL_get_version(impl_->session.get());
}
std::string_view TlsStream::suite() const noexcept {
  if (impl_->state == TlsState::handshake) return {};
  return suite_name(wolfSSL_get_current_cipher_suite(impl_->session.get()));
}
std::string_view TlsStream::alpn() const noexcept { return impl_->alpn; }

}  // namespace perp::net
