#pragma once
// Status lines in the sky blue of the system before (#87CEEB), on terminals.
#include "app/config/config.hpp"

#include <perp/core/log.hpp>

namespace perp::app {

inline constexpr const char* status_color = "\x1b[38;2;135;206;235m";
inline constexpr const char* plain_color = "\x1b[0m";

/// stderr, with status lines coloured if logging.color says so: auto where stderr is a terminal and
/// NO_COLOR is not set, and only for people's lines.
core::LogSink log_sink(const Config& config);

}  // namespace perp::app
