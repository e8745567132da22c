#pragma once
// Where unpredictable bytes come from: masking keys and handshake keys must not be guessable
// (RFC 6455 section 5.3). Passed in, so that tests and simulations give their own.
#include <cstddef>
#include <span>

namespace perp::net {

struct RandomSource {
  void (*fill)(void* context, std::span<std::byte> out) noexcept = nullptr;
  void* context = nullptr;

  void operator()(std::span<std::byte> out) const noexcept { fill(context, out); }
};

/// The kernel's generator: one system call per fill(). Any thread.
RandomSource system_random() noexcept;

}  // namespace perp::net
