#pragma once
// Where a venue is: its own hosts, its testnet's, those that a person gave, and what its replies
// name. Pure; cold.
#include <perp/core/error.hpp>
#include <perp/net/url.hpp>

#include <string>
#include <string_view>

namespace perp::feed {

/// @throws core::Error naming the option `what`
inline std::string origin_of(const std::string& wanted, std::string_view own,
                             std::string_view testnet, bool is_testnet, const char* what) {
  if (!wanted.empty()) return wanted;
  if (!is_testnet) return std::string(own);
  if (testnet.empty())
    throw core::Error("the venue has no testnet", what, "give its address, or leave testnet out");
  return std::string(testnet);
}

/// An address that a reply names is not taken on trust. @param is_secure the reply came by TLS
/// @returns what is wrong with it, or nothing
inline std::string read_address(const std::string& text, bool is_secure, net::Url& url) {
  try {
    url = net::Url::parse(text);
  } catch (const core::Error&) {  // a reply is no reason to end a feed
    return "the reply names no address";
  }
  if (!url.is_websocket()) return "the reply names no WebSocket";
  if (is_secure && !url.is_secure()) return "the reply names an address without TLS";
  return {};
}

}  // namespace perp::feed
