#pragma once
// Messages that both connections of a planned roll-over bring are taken once: whichever side is
// first. Exact as a multiset: a text that one side sends twice is taken twice, and two of the other
// side's are dropped. Texts are held as 64-bit hashes for the seconds that both sides exist: two
// different texts among 10^5 meet by a chance of 3 in 10^10.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>

namespace perp::feed {

class Overlap {
 public:
  enum class Side : std::uint8_t { old_line, new_line };

  /// @returns whether the message is to be dropped: the other side brought it.
  bool is_repeat(Side side, std::string_view text) {
    const std::int32_t mine = side == Side::old_line ? 1 : -1;
    const auto [entry, is_new] = balance_.try_emplace(std::hash<std::string_view>{}(text), 0);
    const bool repeats = entry->second * mine < 0;
    entry->second += mine;
    if (entry->second == 0) balance_.erase(entry);
    if (repeats) ++repeats_;
    return repeats;
  }
  std::uint64_t repeats() const noexcept { return repeats_; }
  std::size_t size() const noexcept { return balance_.size(); }
  void clear() noexcept { balance_.clear(); }

 private:
  std::unordered_map<std::uint64_t, std::int32_t>
      balance_;  ///< text -> old side's minus new side's
  std::uint64_t repeats_ = 0;
};

}  // namespace perp::feed
