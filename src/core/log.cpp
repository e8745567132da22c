#include <perp/core/log.hpp>
#include <perp/core/printable.hpp>

#include <fmt/format.h>

#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <iterator>

namespace perp::core {
namespace {

bool needs_quotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 0x7f || c == '"' ||
        c == '=' || c == '\\')
      return true;
  return false;
}

void append_escaped(std::string& line, std::string_view text, LogFormat format) {
  const std::size_t whole = text.size();
  std::size_t taken = 0;
  while (taken < whole && taken < Logger::text_limit) {
    const Character character = first_character(text.substr(taken));
    if (character.size ==
        0) {  // JSON has no escape for a byte: the replacement character stands for it
      if (format == LogFormat::json) {
        line += "\\ufffd";
      } else {
        fmt::format_to(std::back_inserter(line), "\\x{:02x}",
                       static_cast<unsigned char>(text[taken]));
      }
      ++taken;
      continue;
    }
    if (character.code == '"' || character.code == '\\') {
      line += '\\';
      line += static_cast<char>(character.code);
    } else if (character.code == '\n') {
      line += "\\n";
    } else if (character.code == '\r') {
      line += "\\r";
    } else if (character.code == '\t') {
      line += "\\t";
    } else if (is_unsafe(character.code)) {  // all of them lie in the basic plane
      fmt::format_to(std::back_inserter(line), "\\u{:04x}", static_cast<unsigned>(character.code));
    } else {
      line += text.substr(taken, character.size);
    }
    taken += character.size;
  }
  if (taken < whole) fmt::format_to(std::back_inserter(line), "...(+{} bytes)", whole - taken);
}

void append_text(std::string& line, std::string_view text, LogFormat format) {
  const bool is_quoted = format == LogFormat::json || needs_quotes(text);
  if (is_quoted) line += '"';
  append_escaped(line, text, format);
  if (is_quoted) line += '"';
}

// Keys are ours, but a field name taken from a message must not break the line either.
void append_key(std::string& line, std::string_view key, LogFormat format) {
  if (format == LogFormat::json) {
    line += ",\"";
    append_escaped(line, key, format);
    line += "\":";
    return;
  }
  line += ' ';
  if (key.empty()) line += '_';
  for (const char c : key)
    line += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '.' || c == '-'
                ? c
                : '_';
  line += '=';
}

void append_value(std::string& line, const LogField& field, LogFormat format) {
  const auto out = std::back_inserter(line);
  switch (field.kind) {
    case LogField::Kind::text: append_text(line, field.text, format); return;
    case LogField::Kind::integer: fmt::format_to(out, "{}", field.integer); return;
    case LogField::Kind::natural: fmt::format_to(out, "{}", field.natural); return;
    case LogField::Kind::boolean: line += field.integer != 0 ? "true" : "false"; return;
    case LogField::Kind::number:
      if (format == LogFormat::json && !std::isfinite(field.number)) {
        line += "null";  // JSON has no NaN: missing
      } else {
        fmt::format_to(out, "{}", field.number);
      }
      return;
  }
}

// RFC 3339 in UTC with microseconds. Civil date from days: H. Hinnant, "chrono-compatible low-level
// date algorithms".
void append_time(std::string& line, WallNs now) {
  if (now.ns == unknown_ns) {
    line += "unknown";
    return;
  }
  const std::int64_t day_ns = floor_to(now.ns, ns_per_day);
  const std::int64_t in_day = now.ns - day_ns;
  const std::int64_t shifted = day_ns / ns_per_day + 719'468;  // days since 0000-03-01
  const std::int64_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
  const std::int64_t day_of_era = shifted - era * 146'097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t march_month = (5 * day_of_year + 2) / 153;
  const std::int64_t day = day_of_year - (153 * march_month + 2) / 5 + 1;
  const std::int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
  const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  fmt::format_to(std::back_inserter(line), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", year,
                 month, day, in_day / ns_per_hour, in_day / ns_per_minute % 60,
                 in_day / ns_per_second % 60, in_day / ns_per_us % 1'000'000);
}

bool write_to_stderr(void* /*self*/, std::string_view line) {
  while (!line.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    line.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

std::string_view name_of(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warn: return "warn";
    case LogLevel::error: return "error";
    case LogLevel::off: return "off";
  }
  return "unknown";
}

bool parse_log_level(std::string_view text, LogLevel& level) noexcept {
  for (const LogLevel candidate :
       {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error, LogLevel::off}) {
    if (text != name_of(candidate)) continue;
    level = candidate;
    return true;
  }
  return false;
}

LogSink stderr_sink() noexcept { return {write_to_stderr, nullptr}; }

std::string format_line(LogFormat format, WallNs now, LogLevel level, std::string_view component,
                        std::string_view message, std::initializer_list<LogField> fields) {
  std::string line;
  line.reserve(256);
  if (format == LogFormat::json) {
    line += "{\"time\":\"";
    append_time(line, now);
    line += '"';
  } else {
    line += "time=";
    append_time(line, now);
  }
  append_key(line, "level", format);
  append_text(line, name_of(level), format);
  append_key(line, "component", format);
  append_text(line, component, format);
  append_key(line, "message", format);
  append_text(line, message, format);
  for (const LogField& field : fields) {
    append_key(line, field.key, format);
    append_value(line, field, format);
  }
  if (format == LogFormat::json) line += '}';
  return line;
}

void Logger::write(LogLevel level, std::string_view component, std::string_view message,
                   std::initializer_list<LogField> fields) {
  if (!is_on(level)) return;
  std::string line =
      format_line(options_.format, options_.now(), level, component, message, fields);
  line += '\n';
  const std::lock_guard lock(mutex_);
  if (options_.sink.write == nullptr || !options_.sink.write(options_.sink.self, line))
    dropped_.fetch_add(1);
}

}  // namespace perp::core
