#include "sim/faults/fault_book.hpp"

#include <perp/core/crc32c.hpp>
#include <perp/core/time.hpp>

#include <fmt/format.h>

#include <fcntl.h>

#include <iterator>

namespace perp::sim {
namespace {

constexpr std::size_t write_bytes = std::size_t{256} * 1024;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

void append_json_text(std::string_view text, std::string& out) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
}

/// The first `size_bytes` of UTF-8, cut between code points.
std::string_view cut(std::string_view text, std::size_t size_bytes) {
  if (text.size() <= size_bytes) return text;
  while (size_bytes > 0 && (static_cast<unsigned char>(text[size_bytes]) & 0xc0) == 0x80)
    --size_bytes;
  return text.substr(0, size_bytes);
}

}  // namespace

FaultBook::FaultBook(std::vector<std::string> venues, const std::string& file,
                     std::size_t text_bytes_max)
    : venues_(std::move(venues)),
      text_bytes_max_(text_bytes_max),
      counts_(venues_.size() * fault_kind_count) {
  if (!file.empty()) file_ = core::File::open(file, O_WRONLY | O_CREAT | O_TRUNC);
}

FaultCount& FaultBook::count_of(const FaultEpisode& episode) {
  return counts_[episode.venue * fault_kind_count + static_cast<std::size_t>(episode.rule->kind)];
}

void FaultBook::open_line(std::string_view what, const FaultEpisode& episode) {
  lines_ += fmt::format(R"({{"time_ns":{},"what":"{}","venue":")", core::wall_now().ns, what);
  append_json_text(venues_[episode.venue], lines_);
  fmt::format_to(std::back_inserter(lines_), R"(","kind":"{}","line":{},"episode":{})",
                 name_of(episode.rule->kind), episode.rule->line, episode.number);
}

void FaultBook::close_line() {
  lines_ += "}\n";
  if (lines_.size() >= write_bytes) flush();
}

void FaultBook::flush() {
  if (file_.is_open()) {
    file_.pwrite_all(bytes_of(lines_), written_bytes_);
    written_bytes_ += lines_.size();
  }
  lines_.clear();
}

void FaultBook::put_text(std::string_view name, std::string_view text) {
  const std::string_view shown = cut(text, text_bytes_max_);
  fmt::format_to(std::back_inserter(lines_), R"(,"{}":")", name);
  append_json_text(shown, lines_);
  lines_ += '"';
  if (shown.size() < text.size())
    fmt::format_to(std::back_inserter(lines_), R"(,"{}_cut":true)", name);
}

void FaultBook::put_sum(std::string_view payload) {
  fmt::format_to(std::back_inserter(lines_), R"(,"size":{},"crc32c":"{:08x}")", payload.size(),
                 core::crc32c(bytes_of(payload)));
}

void FaultBook::put_place(const FaultPlace& place) {
  if (place.connection != 0)
    fmt::format_to(std::back_inserter(lines_), R"(,"connection":{},"direction":"{}")",
                   place.connection, place.is_to_venue ? "to_venue" : "to_perp");
  if (!place.target.empty()) put_text("target", place.target);
}

void FaultBook::put_message(std::string_view name, Opcode opcode, std::string_view payload) {
  std::string_view type;
  switch (opcode) {
    case Opcode::text: type = "text"; break;
    case Opcode::binary: type = "binary"; break;
    case Opcode::ping: type = "ping"; break;
    case Opcode::pong: type = "pong"; break;
    case Opcode::close: type = "close"; break;
    case Opcode::continuation: type = "raw"; break;
  }
  fmt::format_to(std::back_inserter(lines_), R"(,"type":"{}")", type);
  put_sum(payload);
  if (opcode == Opcode::text) {
    put_text(name, payload);
    return;
  }
  lines_ += R"(,"hex":")";
  for (const char c : payload.substr(0, text_bytes_max_ / 2))
    fmt::format_to(std::back_inserter(lines_), "{:02x}", static_cast<unsigned char>(c));
  lines_ += '"';
}

void FaultBook::begin(const FaultEpisode& episode) {
  ++count_of(episode).episodes;
  if (!file_.is_open()) return;
  open_line("begin", episode);
  if (episode.end_ns == FaultRule::never_ns)
    lines_ += R"(,"for_ns":null)";
  else
    fmt::format_to(std::back_inserter(lines_), R"(,"for_ns":{})",
                   episode.end_ns - episode.begin_ns);
  close_line();
}

void FaultBook::end(const FaultEpisode& episode, std::uint64_t hits) {
  count_of(episode).hits += hits;
  if (!file_.is_open()) return;
  open_line("end", episode);
  fmt::format_to(std::back_inserter(lines_), R"(,"hits":{})", hits);
  close_line();
}

void FaultBook::removed(const FaultEpisode& episode, const FaultPlace& place, Opcode opcode,
                        std::string_view payload) {
  ++count_of(episode).removed;
  if (!file_.is_open()) return;
  open_line("removed", episode);
  put_place(place);
  put_message("text", opcode, payload);
  close_line();
}

void FaultBook::added(const FaultEpisode& episode, const FaultPlace& place, Opcode opcode,
                      std::string_view payload) {
  ++count_of(episode).added;
  if (!file_.is_open()) return;
  open_line("added", episode);
  put_place(place);
  put_message("text", opcode, payload);
  close_line();
}

void FaultBook::doubled(const FaultEpisode& episode, const FaultPlace& place, Opcode opcode,
                        std::string_view payload, std::uint64_t copies) {
  ++count_of(episode).doubled;
  if (!file_.is_open()) return;
  open_line("doubled", episode);
  put_place(place);
  fmt::format_to(std::back_inserter(lines_), R"(,"copies":{})", copies);
  put_message("text", opcode, payload);
  close_line();
}

void FaultBook::changed(const FaultEpisode& episode, const FaultPlace& place, std::string_view was,
                        std::string_view payload) {
  ++count_of(episode).changed;
  if (!file_.is_open()) return;
  open_line("changed", episode);
  put_place(place);
  put_text("was", was);
  put_message("text", Opcode::text, payload);
  close_line();
}

void FaultBook::changed_answer(const FaultEpisode& episode, const FaultPlace& place,
                               std::string_view was, std::string_view body) {
  ++count_of(episode).changed;
  if (!file_.is_open()) return;
  open_line("changed", episode);
  put_place(place);
  lines_ += R"(,"type":"answer")";
  put_sum(body);
  put_text("was", was);
  put_text("text", body);
  close_line();
}

void FaultBook::moved(const FaultEpisode& episode, const FaultPlace& place, Opcode opcode,
                      std::string_view payload, std::uint64_t behind) {
  ++count_of(episode).moved;
  if (!file_.is_open()) return;
  open_line("moved", episode);
  put_place(place);
  fmt::format_to(std::back_inserter(lines_), R"(,"behind":{})", behind);
  put_message("text", opcode, payload);
  close_line();
}

void FaultBook::released(const FaultEpisode& episode, const FaultPlace& place,
                         std::uint64_t messages, std::uint64_t bytes) {
  count_of(episode).delayed += messages;
  if (!file_.is_open()) return;
  open_line("released", episode);
  put_place(place);
  fmt::format_to(std::back_inserter(lines_), R"(,"messages":{},"bytes":{})", messages, bytes);
  close_line();
}

void FaultBook::connection(const FaultEpisode& episode, const FaultPlace& place,
                           std::string_view how, std::size_t unsent_bytes) {
  ++count_of(episode).connections;
  if (!file_.is_open()) return;
  open_line("connection", episode);
  put_place(place);
  fmt::format_to(std::back_inserter(lines_), R"(,"how":"{}","unsent_bytes":{})", how, unsent_bytes);
  close_line();
}

void FaultBook::answered(const FaultEpisode& episode, const FaultPlace& place, int status,
                         std::string_view retry_after) {
  ++count_of(episode).answers;
  if (!file_.is_open()) return;
  open_line("answered", episode);
  put_place(place);
  fmt::format_to(std::back_inserter(lines_), R"(,"status":{})", status);
  if (!retry_after.empty()) put_text("retry_after", retry_after);
  close_line();
}

}  // namespace perp::sim
