#include <perp/core/error.hpp>
#include <perp/net/endpoint.hpp>
#include <perp/net/http_head.hpp>
#include <perp/net/proxy.hpp>
#include <perp/net/url.hpp>

#include <fmt/format.h>

#include <cstdlib>

namespace perp::net {
namespace {

int hex_of(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// @returns false for a broken escape
bool unescape(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || hex_of(text[i + 1]) < 0 || hex_of(text[i + 2]) < 0) return false;
    out += static_cast<char>(hex_of(text[i + 1]) * 16 + hex_of(text[i + 2]));
    i += 2;
  }
  return true;
}

bool is_loopback(std::string_view host) noexcept {
  if (host == "localhost" || host.ends_with(".localhost")) return true;
  Endpoint endpoint;
  if (!Endpoint::parse(host, 0, endpoint)) return false;
  return endpoint.family == Endpoint::Family::ipv4
             ? endpoint.address[0] == 127
             : endpoint == Endpoint::loopback(Endpoint::Family::ipv6, 0);
}

}  // namespace

Proxy Proxy::parse(std::string_view text) {
  Proxy proxy;
  std::string_view rest = text;
  if (const std::size_t colon = rest.find("://"); colon != std::string_view::npos) {
    if (!equals_ignoring_case(rest.substr(0, colon), "http"))
      throw core::Error(
          "is no proxy", fmt::format("'{}'", rest.substr(0, colon)),
          "only http:// proxies are spoken to (the tunnel inside is TLS all the same)");
    rest.remove_prefix(colon + 3);
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
    if (!unescape(rest.substr(0, at), proxy.credentials))
      throw core::Error("is no proxy", fmt::format("'…@{}'", rest.substr(at + 1)),
                        "a '%' in its user or password is not followed by two hexadecimal digits");
    rest.remove_prefix(at + 1);
  }
  const Url url = Url::parse(fmt::format("http://{}", rest));
  if (url.target != "/")
    throw core::Error("is no proxy", fmt::format("'{}'", rest), "a path means nothing to a proxy");
  proxy.host = url.host;
  proxy.port = url.port;
  return proxy;
}

bool is_without_proxy(std::string_view host, std::string_view list) noexcept {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    std::string_view name = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (name == "*") return true;
    if (name.starts_with('.')) name.remove_prefix(1);
    if (name.empty()) continue;
    if (equals_ignoring_case(host, name)) return true;
    if (host.size() > name.size() && host[host.size() - name.size() - 1] == '.' &&
        equals_ignoring_case(host.substr(host.size() - name.size()), name))
      return true;
  }
  return false;
}

std::optional<Proxy> proxy_of_environment(std::string_view host) {
  if (is_loopback(host)) return std::nullopt;
  for (const char* const name : {"NO_PROXY", "no_proxy"})
    if (const char* const list = std::getenv(name); list != nullptr && is_without_proxy(host, list))
      return std::nullopt;
  for (const char* const name : {"HTTPS_PROXY", "https_proxy"}) {
    const char* const text = std::getenv(name);
    if (text == nullptr || *text == '\0') continue;
    try {
      return Proxy::parse(text);
    } catch (const core::Error& error) {
      throw core::Error("the proxy cannot be used", name, error.what());
    }
  }
  return std::nullopt;
}

}  // namespace perp::net
