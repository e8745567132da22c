#include "app/commands.hpp"

#include <perp/core/uring.hpp>
#include <perp/rolling/simd_target.hpp>

#include <cstdio>
#include <string>

namespace perp::app {

void add_version(CLI::App& app, Context&) {
  auto* command = app.add_subcommand(
      "version", "Print the version, how it was built and what it found on this machine.");
  command->callback([] {
    std::printf("perp %s\n", PERP_VERSION);
    std::printf("compiler   %s\n", __VERSION__);
    std::printf("build      %s\n", PERP_BUILD_TYPE);
#if defined(__x86_64__)
    __builtin_cpu_init();
    std::printf("cpu        sse4.2 pclmul%s%s\n", __builtin_cpu_supports("avx2") ? " avx2" : "",
                __builtin_cpu_supports("avx512f") ? " avx512f" : "");
#endif
    std::printf("rolling    %s, %zu doubles at a time\n",
                std::string(rolling::simd_target()).c_str(), rolling::simd_lane_count());
    const core::Uring::Probe uring = core::Uring::probe();
    std::printf("io_uring   %s\n", uring.is_available ? "yes" : ("no: " + uring.reason).c_str());
  });
}

}  // namespace perp::app
