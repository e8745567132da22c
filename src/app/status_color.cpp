#include "app/status_color.hpp"

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

namespace perp::app {
namespace {

/// Log lines of the status component, and only they, have this word in their head.
constexpr std::string_view status_mark = " component=status ";

bool write_colored(void*, std::string_view line) {
  const core::LogSink plain = core::stderr_sink();
  const std::size_t mark = line.find(status_mark);
  if (mark == std::string_view::npos || mark > 80) return plain.write(plain.self, line);
  std::string colored = status_color;
  colored.append(line.substr(0, line.size() - 1)).append(plain_color).append("\n");
  return plain.write(plain.self, colored);
}

}  // namespace

core::LogSink log_sink(const Config& config) {
  const std::string& wish = config.text("logging.color");
  const char* no_color = std::getenv("NO_COLOR");
  const bool is_refused = no_color != nullptr && *no_color != '\0';
  const bool is_wanted =
      config.text("logging.format") == "text" &&
      (wish == "always" || (wish == "auto" && !is_refused && isatty(STDERR_FILENO) == 1));
  return is_wanted ? core::LogSink{.write = write_colored} : core::stderr_sink();
}

}  // namespace perp::app
