#include <perp/net/websocket_extension.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace perp::net {
namespace {

constexpr std::string_view field_name = "Sec-WebSocket-Extensions";
constexpr std::string_view deflate_name = "permessage-deflate";

struct Parameter {
  std::string_view name;
  std::string_view value;
  bool has_value = false;
};
struct Extension {
  std::string_view name;
  std::vector<Parameter> parameters;
};

std::string_view trim(std::string_view text) noexcept {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// RFC 6455 section 9.1: a parameter's value is a token, or a token in quotes. So ',' and ';' never
// stand inside one.
bool read_parameter(std::string_view text, Parameter& parameter) {
  const std::size_t equals = std::min(text.find('='), text.size());
  parameter.name = trim(text.substr(0, equals));
  parameter.has_value = equals < text.size();
  if (!is_http_token(parameter.name)) return false;
  if (!parameter.has_value) return true;
  std::string_view value = trim(text.substr(equals + 1));
  if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"'))
    value = value.substr(1, value.size() - 2);
  parameter.value = value;
  return is_http_token(value);
}

bool read_extension(std::string_view text, Extension& extension) {
  std::size_t end = std::min(text.find(';'), text.size());
  extension.name = trim(text.substr(0, end));
  if (!is_http_token(extension.name)) return false;
  while (end < text.size()) {
    text.remove_prefix(end + 1);
    end = std::min(text.find(';'), text.size());
    if (!read_parameter(text.substr(0, end), extension.parameters.emplace_back())) return false;
  }
  return true;
}

// All that stand in the head's fields, in their order. @return false if any is malformed
bool read_extensions(const HttpHead& head, std::vector<Extension>& extensions) {
  for (std::size_t i = 0; i < head.size(); ++i) {
    if (!equals_ignoring_case(head.field(i).name, field_name)) continue;
    std::string_view rest = head.field(i).value;
    while (true) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      if (!read_extension(rest.substr(0, comma), extensions.emplace_back())) return false;
      if (comma == rest.size()) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return true;
}

// 8..15 without leading zeros, else 0.
std::uint8_t window_bits(std::string_view text) noexcept {
  if (text == "8" || text == "9") return static_cast<std::uint8_t>(text[0] - '0');
  if (text.size() == 2 && text[0] == '1' && text[1] >= '0' && text[1] <= '5')
    return static_cast<std::uint8_t>(10 + text[1] - '0');
  return 0;
}

// Each parameter at most once, each with what belongs to it.
struct DeflateParameters {
  bool client_no_context_takeover = false;
  bool server_no_context_takeover = false;
  bool has_client_bits = false;
  std::uint8_t client_bits = 0;  // 0 with has_client_bits: without a value
  std::uint8_t server_bits = 0;

  bool read(const Extension& extension, bool is_offer) noexcept {
    for (const Parameter& parameter : extension.parameters) {
      bool is_new = false;
      if (parameter.name == "client_no_context_takeover" && !parameter.has_value) {
        is_new = !std::exchange(client_no_context_takeover, true);
      } else if (parameter.name == "server_no_context_takeover" && !parameter.has_value) {
        is_new = !std::exchange(server_no_context_takeover, true);
      } else if (parameter.name == "client_max_window_bits") {
        client_bits = window_bits(parameter.value);
        if (client_bits == 0 && !(is_offer && !parameter.has_value)) return false;
        is_new = !std::exchange(has_client_bits, true);
      } else if (parameter.name == "server_max_window_bits") {
        is_new = server_bits == 0;
        server_bits = window_bits(parameter.value);
        if (server_bits == 0) return false;
      }
      if (!is_new) return false;  // unknown, or twice
    }
    return true;
  }
};

}  // namespace

std::string write_deflate_offer(const WebSocketDeflateOffer& offer) {
  std::string text(deflate_name);
  if (offer.client_no_context_takeover) text += "; client_no_context_takeover";
  if (offer.server_no_context_takeover) text += "; server_no_context_takeover";
  if (offer.server_max_window_bits < 15)
    text += fmt::format("; server_max_window_bits={}", offer.server_max_window_bits);
  if (offer.client_max_window_bits < 15) {
    text += fmt::format("; client_max_window_bits={}", offer.client_max_window_bits);
  } else if (offer.lets_server_limit_window) {
    text += "; client_max_window_bits";
  }
  return text;
}

bool read_deflate_response(const HttpHead& response, const WebSocketDeflateOffer* offer,
                           std::optional<WebSocketDeflate>& agreed) {
  agreed.reset();
  std::vector<Extension> extensions;
  if (!read_extensions(response, extensions)) return false;
  if (extensions.empty()) return true;
  DeflateParameters got;
  if (offer == nullptr || extensions.size() != 1 || extensions[0].name != deflate_name ||
      !got.read(extensions[0], false))
    return false;
  // RFC 7692 section 7.1: the server must not use more than it was offered, nor limit a client that
  // did not say that it can be limited.
  if (offer->server_no_context_takeover && !got.server_no_context_takeover) return false;
  if (offer->server_max_window_bits < 15 &&
      (got.server_bits == 0 || got.server_bits > offer->server_max_window_bits))
    return false;
  const bool may_limit = offer->lets_server_limit_window || offer->client_max_window_bits < 15;
  if (got.has_client_bits && !may_limit) return false;
  agreed.emplace();
  agreed->client_no_context_takeover =
      got.client_no_context_takeover || offer->client_no_context_takeover;
  agreed->server_no_context_takeover = got.server_no_context_takeover;
  agreed->client_max_window_bits = std::min(
      offer->client_max_window_bits, got.has_client_bits ? got.client_bits : std::uint8_t{15});
  agreed->server_max_window_bits = got.server_bits == 0 ? std::uint8_t{15} : got.server_bits;
  return true;
}

std::optional<WebSocketDeflate> choose_deflate(const HttpHead& request,
                                               const WebSocketDeflateOffer& wanted) {
  std::vector<Extension> extensions;
  if (!read_extensions(request, extensions)) return std::nullopt;
  for (const Extension& extension : extensions) {
    DeflateParameters offer;
    if (extension.name != deflate_name || !offer.read(extension, true)) continue;
    // A limit on the client needs its word that it can keep one.
    if (wanted.client_max_window_bits < 15 && !offer.has_client_bits) continue;
    WebSocketDeflate agreed;
    agreed.client_no_context_takeover =
        offer.client_no_context_takeover || wanted.client_no_context_takeover;
    agreed.server_no_context_takeover =
        offer.server_no_context_takeover || wanted.server_no_context_takeover;
    agreed.server_max_window_bits =
        std::min(wanted.server_max_window_bits,
                 offer.server_bits == 0 ? std::uint8_t{15} : offer.server_bits);
    agreed.client_max_window_bits =
        std::min(wanted.client_max_window_bits,
                 offer.client_bits == 0 ? std::uint8_t{15} : offer.client_bits);
    return agreed;
  }
  return std::nullopt;
}

std::string write_deflate_response(const WebSocketDeflate& agreed) {
  std::string text(deflate_name);
  if (agreed.client_no_context_takeover) text += "; client_no_context_takeover";
  if (agreed.server_no_context_takeover) text += "; server_no_context_takeover";
  if (agreed.server_max_window_bits < 15)
    text += fmt::format("; server_max_window_bits={}", agreed.server_max_window_bits);
  if (agreed.client_max_window_bits < 15)
    text += fmt::format("; client_max_window_bits={}", agreed.client_max_window_bits);
  return text;
}

}  // namespace perp::net
