#pragma once
// A server that a client must connect to or refuse, and what came of it. The tables of them are
// certificate_cases.hpp and protocol_cases.hpp, run by the tests of the client and, with a safety
// step left out, by the mutation test.
#include "net/tls_pair.hpp"

#include <functional>
#include <string>
#include <vector>

namespace perp::test {

struct TlsCase {
  std::string name;
  PeerOptions server{};
  bool is_good = false;
  std::vector<net::TlsErrorKind> kinds{};  ///< of the refusal: any of these
  std::string text{};                      ///< part of the refusal's sentence
  std::string dialled = host;              ///< by the client
};

struct Outcome {
  bool is_open = false;
  bool got_data = false;  ///< any application byte from the server
  net::TlsErrorKind kind = net::TlsErrorKind::none;
  std::string text;
  std::string server_saw;  ///< application bytes
  std::string server_name;
  std::string suite;
};

/// Connects, says "ping" and hears "pong".
inline Outcome outcome_of(const TlsCase& test, const net::TlsContext& context) {
  TlsPair pair(test.server, context, test.dialled);
  pair.run();
  if (pair.server.is_open()) pair.server.write("pong");
  static_cast<void>(pair.client.write(bytes_of("ping")));  // refused unless the client is open
  pair.run();
  return {pair.client.state() == net::TlsState::open,
          !pair.plain.data().empty(),
          pair.client.error().kind,
          pair.client.error().text,
          pair.server.received(),
          pair.server.server_name(),
          std::string(pair.client.suite())};
}

/// Empty if the outcome is what the case wants.
inline std::string complaint(const TlsCase& test, const Outcome& outcome) {
  if (test.is_good) {
    if (!outcome.is_open) return "refused: " + outcome.text;
    if (outcome.server_saw != "ping" || !outcome.got_data) return "no data went through";
    const std::string name = test.dialled == host ? host : "";  // an address is no server name
    if (outcome.server_name != name) return "asked for '" + outcome.server_name + "'";
    return {};
  }
  if (outcome.is_open) return "accepted";
  if (outcome.got_data || !outcome.server_saw.empty()) return "data went through";
  if (outcome.text.find(test.dialled) == std::string::npos) return "names no host: " + outcome.text;
  if (std::find(test.kinds.begin(), test.kinds.end(), outcome.kind) == test.kinds.end())
    return "another kind, " + std::string(to_text(outcome.kind)) + ": " + outcome.text;
  if (outcome.text.find(test.text) == std::string::npos) return "another reason: " + outcome.text;
  return {};
}

}  // namespace perp::test
