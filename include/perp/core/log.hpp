#pragma once
// Structured lines for people and log collectors, on the cold path: time, level, component,
// message, key=value. One line per call in one write, as logfmt text or JSON. What comes from
// outside cannot forge a line: control characters, line separators, bidirectional overrides and
// bytes that are not UTF-8 are escaped. @thread any (a mutex around the write). A line that the
// sink does not take is dropped and counted, never waited for twice. Allocates; the hot path counts
// (counters.hpp) and remembers (error_log.hpp) instead.
#include <perp/core/time.hpp>

#include <atomic>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>

namespace perp::core {

enum class LogLevel : std::uint8_t { debug, info, warn, error, off };
std::string_view name_of(LogLevel level) noexcept;
/// "debug", "info", "warn", "error", "off". @returns false for any other text.
[[nodiscard]] bool parse_log_level(std::string_view text, LogLevel& level) noexcept;

enum class LogFormat : std::uint8_t { text, json };

/// key=value. The key is our own text; the value may be anybody's. Views live as long as the call.
struct LogField {
  enum class Kind : std::uint8_t { text, integer, natural, number, boolean };

  LogField(std::string_view name, std::string_view value)
      : key(name), text(value), kind(Kind::text) {}
  LogField(std::string_view name, const std::string& value)
      : LogField(name, std::string_view(value)) {}
  LogField(std::string_view name, const char* value) : LogField(name, std::string_view(value)) {}
  LogField(std::string_view name, bool value)
      : key(name), integer(value ? 1 : 0), kind(Kind::boolean) {}
  LogField(std::string_view name, double value) : key(name), number(value), kind(Kind::number) {}
  template <std::signed_integral Integer>
  LogField(std::string_view name, Integer value) : key(name), integer(value), kind(Kind::integer) {}
  template <std::unsigned_integral Natural>
  LogField(std::string_view name, Natural value) : key(name), natural(value), kind(Kind::natural) {}

  std::string_view key;
  std::string_view text;
  std::int64_t integer = 0;
  std::uint64_t natural = 0;
  double number = 0;
  Kind kind;
};

/// Takes one line, its newline included. @returns false if it could not (the line is then counted
/// as dropped).
struct LogSink {
  bool (*write)(void* self, std::string_view line) = nullptr;
  void* self = nullptr;
};
/// To stderr by write(2). A full pipe does not block for ever if the descriptor is non-blocking:
/// the line is dropped.
LogSink stderr_sink() noexcept;

struct LogOptions {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
  LogSink sink = stderr_sink();
  WallNs (*now)() noexcept = wall_now;
};

class Logger {
 public:
  /// Each text of a line beyond this is cut and says by how much.
  static constexpr std::size_t text_limit = 4096;

  explicit Logger(const LogOptions& options = {}) : options_(options), level_(options.level) {}
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  void write(LogLevel level, std::string_view component, std::string_view message,
             std::initializer_list<LogField> fields = {});
  void debug(std::string_view component, std::string_view message,
             std::initializer_list<LogField> fields = {}) {
    write(LogLevel::debug, component, message, fields);
  }
  void info(std::string_view component, std::string_view message,
            std::initializer_list<LogField> fields = {}) {
    write(LogLevel::info, component, message, fields);
  }
  void warn(std::string_view component, std::string_view message,
            std::initializer_list<LogField> fields = {}) {
    write(LogLevel::warn, component, message, fields);
  }
  void error(std::string_view component, std::string_view message,
             std::initializer_list<LogField> fields = {}) {
    write(LogLevel::error, component, message, fields);
  }

  bool is_on(LogLevel level) const noexcept {
    return level >= level_.load() && level != LogLevel::off;
  }
  void set_level(LogLevel level) noexcept { level_.store(level); }
  /// Lines that the sink did not take.
  std::uint64_t dropped_count() const noexcept { return dropped_.load(); }

 private:
  const LogOptions options_;
  // Both: written and read by any thread, a number alone; sequentially consistent, off the hot
  // path.
  std::atomic<LogLevel> level_;
  std::atomic<std::uint64_t> dropped_{0};
  std::mutex mutex_;  ///< one line at a time into options_.sink
};

/// A line without its newline, as Logger writes it. For tests and for sinks of another kind.
std::string format_line(LogFormat format, WallNs now, LogLevel level, std::string_view component,
                        std::string_view message, std::initializer_list<LogField> fields);

}  // namespace perp::core
