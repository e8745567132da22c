#include "app/progress.hpp"

#include <perp/core/time.hpp>

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace perp::app {

ProgressLine::ProgressLine(std::string what)
    : what_(std::move(what)), is_terminal_(isatty(STDERR_FILENO) == 1) {}

void ProgressLine::show(double fraction, const std::string& detail) {
  const std::int64_t now = core::mono_now().ns;
  const std::int64_t interval = is_terminal_ ? 100 * core::ns_per_ms : 5 * core::ns_per_second;
  if (is_shown_ && now - shown_mono_ns_ < interval) return;
  shown_mono_ns_ = now;
  is_shown_ = true;
  const std::string line =
      fmt::format("{} {:3.0f} %  {}", what_, std::clamp(fraction, 0.0, 1.0) * 100, detail);
  if (is_terminal_)
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
  else
    std::fprintf(stderr, "%s\n", line.c_str());
  std::fflush(stderr);
}

void ProgressLine::done() {
  if (is_terminal_ && is_shown_) std::fputs("\r\033[K", stderr);
  is_shown_ = false;
}

}  // namespace perp::app
