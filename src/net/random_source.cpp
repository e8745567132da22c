#include <perp/net/random_source.hpp>

#include <cerrno>
#include <cstdlib>
#include <sys/random.h>

namespace perp::net {

RandomSource system_random() noexcept {
  return {[](void*, std::span<std::byte> out) noexcept {
            while (!out.empty()) {
              const ssize_t count = getrandom(out.data(), out.size(), 0);
              if (count > 0) {
                out = out.subspan(static_cast<std::size_t>(count));
              } else if (errno != EINTR) {
                // No kernel that perp runs on fails here. A guessable key would be worse.
                std::abort();
              }
            }
          },
          nullptr};
}

}  // namespace perp::net
