#pragma once
// The steps of tls_safety.cpp by name, for the test that leaves each out in turn
// (tests/net/mutation).
#include <array>
#include <cstdint>
#include <string_view>

namespace perp::net {

enum class SafetyStep : std::uint8_t {
  verify_peer,           ///< the chain is verified, and a peer without one is refused
  second_verifier,       ///< by libcrypto as well
  check_name,            ///< both compare the name that was dialled
  minimum_version,       ///< TLS 1.2
  suites,                ///< authenticated encryption with forward secrecy, nothing else
  signature_algorithms,  ///< no SHA-1
  groups,                ///< X25519, P-256 and P-384
  server_name,           ///< the server is told the name, so that it shows the right certificate
};

inline constexpr std::array all_safety_steps{
    SafetyStep::verify_peer,     SafetyStep::second_verifier, SafetyStep::check_name,
    SafetyStep::minimum_version, SafetyStep::suites,          SafetyStep::signature_algorithms,
    SafetyStep::groups,          SafetyStep::server_name};

/// The enumerator's name.
constexpr std::string_view to_text(SafetyStep step) noexcept {
  switch (step) {
    case SafetyStep::verify_peer: return "verify_peer";
    case SafetyStep::second_verifier: return "second_verifier";
    case SafetyStep::check_name: return "check_name";
    case SafetyStep::minimum_version: return "minimum_version";
    case SafetyStep::suites: return "suites";
    case SafetyStep::signature_algorithms: return "signature_algorithms";
    case SafetyStep::groups: return "groups";
    case SafetyStep::server_name: return "server_name";
  }
  return "unknown";
}

}  // namespace perp::net
