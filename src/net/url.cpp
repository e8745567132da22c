#include <perp/core/error.hpp>
#include <perp/net/endpoint.hpp>
#include <perp/net/url.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace perp::net {
namespace {

constexpr std::array schemes{Url::Scheme::http, Url::Scheme::https, Url::Scheme::ws,
                             Url::Scheme::wss};

constexpr std::uint16_t default_port(Url::Scheme scheme) noexcept {
  return scheme == Url::Scheme::https || scheme == Url::Scheme::wss ? 443 : 80;
}

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool is_name(std::string_view host) noexcept {
  return !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

}  // namespace

std::string_view name_of(Url::Scheme scheme) noexcept {
  switch (scheme) {
    case Url::Scheme::http: return "http";
    case Url::Scheme::https: return "https";
    case Url::Scheme::ws: return "ws";
    case Url::Scheme::wss: return "wss";
  }
  return "unknown";
}

Url Url::parse(std::string_view text) {
  const auto refuse = [&](const std::string& why) {
    throw core::Error("is no address of a server", fmt::format("'{}'", text), why);
  };
  if (const auto odd =
          std::find_if(text.begin(), text.end(), [](char c) { return c <= ' ' || c == 0x7f; });
      odd != text.end())
    refuse(fmt::format("a space or a control byte at {}", odd - text.begin() + 1));
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos)
    refuse("it has to begin with a scheme, as in wss://host:port or https://host");
  std::string scheme_text(text.substr(0, colon));
  std::transform(scheme_text.begin(), scheme_text.end(), scheme_text.begin(), lower);
  Url url;
  const auto* const scheme = std::find_if(schemes.begin(), schemes.end(),
                                          [&](Scheme one) { return name_of(one) == scheme_text; });
  if (scheme == schemes.end())
    refuse(fmt::format("'{}' is none of the schemes http, https, ws and wss", scheme_text));
  url.scheme = *scheme;
  std::string_view rest = text.substr(colon + 3);
  if (rest.find('#') != std::string_view::npos)
    refuse("a fragment ('#') means nothing to a server");
  const std::size_t end = std::min(rest.find('/'), rest.find('?'));
  std::string_view authority = rest.substr(0, end);
  if (end != std::string_view::npos) {
    url.target = rest.substr(end);
    if (url.target.front() == '?') url.target.insert(0, 1, '/');
  }
  if (authority.find('@') != std::string_view::npos) refuse("it must not hold a user or password");

  std::string_view port;
  bool has_port = false;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) refuse("'[' without ']'");
    url.host = authority.substr(1, close - 1);
    const std::string_view behind = authority.substr(close + 1);
    has_port = behind.starts_with(':');
    if (!behind.empty() && !has_port) refuse("something other than ':port' behind ']'");
    if (has_port) port = behind.substr(1);
    Endpoint endpoint;
    if (!Endpoint::parse(url.host, 0, endpoint) || endpoint.family != Endpoint::Family::ipv6)
      refuse(fmt::format("'{}' is no IPv6 address", url.host));
  } else {
    const std::size_t at = authority.find(':');
    has_port = at != std::string_view::npos;
    if (has_port) port = authority.substr(at + 1);
    url.host = authority.substr(0, at);
    std::transform(url.host.begin(), url.host.end(), url.host.begin(), lower);
    if (url.host.empty()) refuse("the host is missing");
    if (!is_name(url.host)) refuse(fmt::format("'{}' is no host name", url.host));
  }
  url.port = default_port(url.scheme);
  if (has_port) {
    const auto [stop, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (error != std::errc{} || stop != port.data() + port.size() || url.port == 0)
      refuse(fmt::format("'{}' is no port (1 to 65535)", port));
  }
  return url;
}

std::string Url::authority() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  const std::string bare = is_ipv6 ? fmt::format("[{}]", host) : host;
  return port == default_port(scheme) ? bare : fmt::format("{}:{}", bare, port);
}

std::string Url::text() const {
  return fmt::format("{}://{}{}", name_of(scheme), authority(), target);
}

}  // namespace perp::net
