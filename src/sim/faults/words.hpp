#pragma once
// Words of a fault script: durations, whole numbers, and the known word that somebody may have
// meant. Cold path; any thread.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace perp::sim {

/// "250ms", "1.5s", "10m", "0s"; units ns, us, ms, s, m, h, d. Exact, at most 3,650 days.
std::optional<std::int64_t> parse_duration(std::string_view text);
/// "24h", "+24h", "-24h".
std::optional<std::int64_t> parse_signed_duration(std::string_view text);
/// Digits alone, at most 10^15.
std::optional<std::uint64_t> parse_whole(std::string_view text);
/// "16MiB", "64KiB", "100": at most 64 MiB.
std::optional<std::uint64_t> parse_bytes(std::string_view text);
/// The known word that is nearest by edits, or empty where none is near.
std::string_view nearest_word(std::string_view word, std::span<const std::string_view> known);
/// "a, b, c".
std::string listed(std::span<const std::string_view> words);

}  // namespace perp::sim
