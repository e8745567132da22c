#include "net/base64.hpp"

#include <perp/core/error.hpp>
#include <perp/net/websocket_handshake.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <openssl/evp.h>

namespace perp::net {
namespace {

constexpr std::size_t key_size = 16;

bool asks_for(const HttpHead& head) noexcept { return head.has_element("Upgrade", "websocket"); }

// Exactly one field, and its value.
bool is_sole(const HttpHead& head, std::string_view name, std::string_view& value) noexcept {
  value = head.value(name);
  return head.count(name) == 1;
}

WebSocketHandshakeError check_request(const HttpRequestParser& request) {
  using Error = WebSocketHandshakeError;
  const HttpHead& head = request.head();
  if (request.method() != "GET") return Error::bad_method;
  if (!request.is_http_11()) return Error::old_http;
  if (!request.body().empty()) return Error::body_in_request;
  if (!asks_for(head)) return Error::bad_upgrade;
  if (!head.has_element("Connection", "Upgrade")) return Error::bad_connection;
  std::string_view value;
  if (!is_sole(head, "Sec-WebSocket-Version", value) || value != "13") return Error::bad_version;
  if (!is_sole(head, "Sec-WebSocket-Key", value) || base64_size(value) != key_size)
    return Error::bad_key;
  return Error::none;
}

// The first subprotocol of the client's that the server speaks.
std::string_view choose_protocol(const HttpHead& head,
                                 std::span<const std::string_view> spoken) noexcept {
  for (std::size_t i = 0; i < head.size(); ++i) {
    if (!equals_ignoring_case(head.field(i).name, "Sec-WebSocket-Protocol")) continue;
    std::string_view rest = head.field(i).value;
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      std::string_view name = rest.substr(0, comma);
      while (name.starts_with(' ')) name.remove_prefix(1);
      while (name.ends_with(' ')) name.remove_suffix(1);
      const auto found = std::find(spoken.begin(), spoken.end(), name);
      if (found != spoken.end()) return *found;
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return {};
}

HttpError write_refusal(WebSocketHandshakeError error, StreamBuffer& out) {
  const bool is_version = error == WebSocketHandshakeError::bad_version;
  const std::array<HttpField, 1> version{{{"Sec-WebSocket-Version", "13"}}};
  HttpResponse refusal{.status = is_version ? 426 : 400, .body = to_string(error), .closes = true};
  if (is_version) refusal.fields = version;
  return write_response(refusal, out);
}

}  // namespace

std::string_view to_string(WebSocketHandshakeError error) noexcept {
  switch (error) {
    case WebSocketHandshakeError::none: return "no error";
    case WebSocketHandshakeError::bad_http: return "not a strict HTTP message";
    case WebSocketHandshakeError::refused: return "the server refused the upgrade";
    case WebSocketHandshakeError::redirected: return "the server redirects, which is not followed";
    case WebSocketHandshakeError::bad_method: return "the method is not GET";
    case WebSocketHandshakeError::old_http: return "the version is not HTTP/1.1";
    case WebSocketHandshakeError::bad_upgrade: return "Upgrade is not 'websocket' alone";
    case WebSocketHandshakeError::bad_connection: return "Connection does not say 'Upgrade'";
    case WebSocketHandshakeError::bad_key:
      return "there is not one Sec-WebSocket-Key of 16 bytes in base64";
    case WebSocketHandshakeError::bad_version: return "Sec-WebSocket-Version is not 13";
    case WebSocketHandshakeError::bad_accept: return "Sec-WebSocket-Accept does not answer the key";
    case WebSocketHandshakeError::bad_extension:
      return "an extension that was not offered, or not in this form";
    case WebSocketHandshakeError::bad_protocol: return "a subprotocol that was not asked for";
    case WebSocketHandshakeError::body_in_request: return "a request to upgrade has a body";
    case WebSocketHandshakeError::no_room: return "no room to write the response";
  }
  return "unknown error";
}

std::string websocket_accept(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1)
    throw core::Error("cannot hash", "Sec-WebSocket-Key", "libcrypto gives no SHA-1");
  return to_base64(std::as_bytes(std::span(digest).first(size)));
}

WebSocketClientHandshake::WebSocketClientHandshake(WebSocketClientOptions options,
                                                   RandomSource random)
    : options_(std::move(options)),
      random_(random),
      response_(HttpLimits{.body_bytes = refusal_bytes_max}) {}

HttpError WebSocketClientHandshake::write_request(StreamBuffer& out) {
  std::array<std::byte, key_size> nonce;
  random_(nonce);
  const std::string key = to_base64(nonce);
  accept_ = websocket_accept(key);
  std::string protocols;
  for (const std::string& protocol : options_.protocols) {
    if (!is_http_token(protocol)) return HttpError::bad_field_value;
    protocols += (protocols.empty() ? "" : ", ") + protocol;
  }
  const std::string extensions =
      options_.deflate ? write_deflate_offer(*options_.deflate) : std::string();

  std::vector<HttpField> fields{{"Upgrade", "websocket"},
                                {"Connection", "Upgrade"},
                                {"Sec-WebSocket-Key", key},
                                {"Sec-WebSocket-Version", "13"}};
  if (!protocols.empty()) fields.push_back({"Sec-WebSocket-Protocol", protocols});
  if (!extensions.empty()) fields.push_back({"Sec-WebSocket-Extensions", extensions});
  for (const auto& [name, value] : options_.fields) fields.push_back({name, value});
  const HttpError refused = net::write_request(
      {.method = "GET", .target = options_.target, .host = options_.host, .fields = fields}, out);
  if (refused != HttpError::none) return refused;
  response_.begin(HttpExchange::upgrade);
  deflate_.reset();
  protocol_.clear();
  error_ = WebSocketHandshakeError::none;
  return HttpError::none;
}

HttpProgress WebSocketClientHandshake::parse(StreamBuffer& received) {
  return error_ == WebSocketHandshakeError::none ? conclude(response_.parse(received))
                                                 : HttpProgress::failed;
}

HttpProgress WebSocketClientHandshake::finish() {
  return error_ == WebSocketHandshakeError::none ? conclude(response_.finish())
                                                 : HttpProgress::failed;
}

HttpProgress WebSocketClientHandshake::conclude(HttpProgress progress) {
  if (progress == HttpProgress::need_more) return progress;
  const int status = response_.status();
  if (progress == HttpProgress::complete && status == 101) {
    error_ = check_response();
  } else if (status >= 200) {
    // The status says what is wrong, even if the body that should explain it is broken.
    error_ = status >= 300 && status < 400 ? WebSocketHandshakeError::redirected
                                           : WebSocketHandshakeError::refused;
  } else {
    error_ = WebSocketHandshakeError::bad_http;
  }
  return error_ == WebSocketHandshakeError::none ? HttpProgress::complete : HttpProgress::failed;
}

WebSocketHandshakeError WebSocketClientHandshake::check_response() {
  using Error = WebSocketHandshakeError;
  const HttpHead& head = response_.head();
  if (!head.start_line().starts_with("HTTP/1.1")) return Error::old_http;
  std::string_view value;
  if (!is_sole(head, "Upgrade", value) || !equals_ignoring_case(value, "websocket"))
    return Error::bad_upgrade;
  if (!head.has_element("Connection", "Upgrade")) return Error::bad_connection;
  if (!is_sole(head, "Sec-WebSocket-Accept", value) || value != accept_) return Error::bad_accept;
  const WebSocketDeflateOffer* const offer = options_.deflate ? &*options_.deflate : nullptr;
  if (!read_deflate_response(head, offer, deflate_)) return Error::bad_extension;
  if (head.count("Sec-WebSocket-Protocol") != 0) {
    const auto& asked = options_.protocols;
    if (!is_sole(head, "Sec-WebSocket-Protocol", value) ||
        std::find(asked.begin(), asked.end(), value) == asked.end())
      return Error::bad_protocol;
    protocol_ = value;
  }
  return Error::none;
}

std::string WebSocketClientHandshake::sentence() const {
  switch (error_) {
    case WebSocketHandshakeError::none: return {};
    case WebSocketHandshakeError::bad_http: return response_.sentence();
    case WebSocketHandshakeError::refused:
    case WebSocketHandshakeError::redirected:
      return fmt::format("{}: {} {}", to_string(error_), response_.status(), response_.reason());
    default: return std::string(to_string(error_));
  }
}

bool asks_for_websocket(const HttpRequestParser& request) noexcept {
  return asks_for(request.head());
}

WebSocketAcceptance accept_websocket(const HttpRequestParser& request,
                                     const WebSocketServerOptions& options, StreamBuffer& out) {
  WebSocketAcceptance acceptance;
  acceptance.error = check_request(request);
  if (acceptance.error != WebSocketHandshakeError::none) {
    if (write_refusal(acceptance.error, out) == HttpError::no_room)
      acceptance.error = WebSocketHandshakeError::no_room;
    return acceptance;
  }
  const HttpHead& head = request.head();
  const std::string accept = websocket_accept(head.value("Sec-WebSocket-Key"));
  acceptance.protocol = choose_protocol(head, options.protocols);
  if (options.deflate) acceptance.deflate = choose_deflate(head, *options.deflate);
  const std::string extension =
      acceptance.deflate ? write_deflate_response(*acceptance.deflate) : std::string();
  std::vector<HttpField> fields{
      {"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", accept}};
  if (!acceptance.protocol.empty())
    fields.push_back({"Sec-WebSocket-Protocol", acceptance.protocol});
  if (!extension.empty()) fields.push_back({"Sec-WebSocket-Extensions", extension});
  fields.insert(fields.end(), options.fields.begin(), options.fields.end());
  const HttpError refused = write_response({.status = 101, .fields = fields}, out);
  if (refused == HttpError::no_room) acceptance.error = WebSocketHandshakeError::no_room;
  if (refused != HttpError::none && refused != HttpError::no_room)
    throw core::Error("cannot accept", "WebSocketServerOptions::fields",
                      std::string(to_string(refused)));
  return acceptance;
}

}  // namespace perp::net
