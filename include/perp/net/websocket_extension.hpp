#pragma once
// permessage-deflate in Sec-WebSocket-Extensions (RFC 7692 section 7.1): what a client offers, what
// a server makes of it, what the client then accepts. Strict: a parameter that is unknown, stands
// twice or has a wrong value makes an offer unusable and a response an error. Cold path.
#include <perp/net/http_head.hpp>
#include <perp/net/websocket_deflate.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace perp::net {

/// What an end wants; both ends have one.
struct WebSocketDeflateOffer {
  bool client_no_context_takeover = false;
  bool server_no_context_takeover = false;
  std::uint8_t client_max_window_bits = 15;  ///< 8..15, the most the client is to use
  std::uint8_t server_max_window_bits = 15;  ///< 8..15, the most the server is to use
  /// Of a client's offer: the server may limit the client's window below that.
  bool lets_server_limit_window = true;
};

/// The value of the field that offers.
std::string write_deflate_offer(const WebSocketDeflateOffer& offer);

/// What the client takes the server's response for. Nothing in it: no compression.
/// @return false if the response is none to this offer; null: nothing was offered
[[nodiscard]] bool read_deflate_response(const HttpHead& response,
                                         const WebSocketDeflateOffer* offer,
                                         std::optional<WebSocketDeflate>& agreed);

/// The first of the client's offers that the server can keep, with what the server wants itself.
std::optional<WebSocketDeflate> choose_deflate(const HttpHead& request,
                                               const WebSocketDeflateOffer& wanted);
/// The value of the field that answers the offer that was chosen.
std::string write_deflate_response(const WebSocketDeflate& agreed);

}  // namespace perp::net
