#pragma once
// Distinct errors: what kind, where, first and last time, how often, and one sample. Bounded: when
// all rows are taken a further kind is counted in the row "others", so that counts always add up.
// For the hot path of one worker
// (@thread owner), which hands out copies: record() allocates nothing, throws nothing, and costs
// one hash of the key and usually one comparison.
#include <perp/core/time.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace perp::core {

class ErrorLog {
 public:
  struct Row {
    static constexpr std::size_t text_limit = 64;
    static constexpr std::size_t sample_limit = 160;
    std::uint64_t count = 0;
    std::int64_t first_ns = unknown_ns;
    std::int64_t last_ns = unknown_ns;
    /// The key. Shown up to 64 bytes; longer keys are told apart by all of their bytes.
    std::string_view kind() const { return {kind_data.data(), kind_size}; }
    std::string_view where() const { return {where_data.data(), where_size}; }
    /// Of the first such error, up to 160 bytes, as it came: escape before showing.
    std::string_view sample() const { return {sample_data.data(), sample_size}; }

    std::uint64_t hash = 0;
    std::uint8_t kind_size = 0;
    std::uint8_t where_size = 0;
    std::uint8_t sample_size = 0;
    std::array<char, text_limit> kind_data{};
    std::array<char, text_limit> where_data{};
    std::array<char, sample_limit> sample_data{};
  };

  /// @param capacity distinct errors kept, at least 1; allocated here.
  explicit ErrorLog(std::size_t capacity = 64);

  /// @param kind what went wrong ("missing_field") @param where the stream or file @param now_ns of
  /// the event.
  /// @returns true if this (kind, where) is new, for callers that log a first occurrence.
  bool record(std::string_view kind, std::string_view where, std::int64_t now_ns,
              std::string_view sample) noexcept;
  /// Adds another's rows: first and last widened, counts added. The earlier sample stays.
  void merge(const ErrorLog& other) noexcept;
  void clear() noexcept;

  /// In order of first occurrence, without others().
  std::span<const Row> rows() const noexcept { return {rows_.data(), count_}; }
  /// What found no row; count 0 while all fit.
  const Row& others() const noexcept { return others_; }
  /// All errors ever recorded.
  std::uint64_t total() const noexcept { return total_; }

 private:
  Row* find(std::uint64_t hash, std::string_view kind, std::string_view where) noexcept;
  void add(std::uint64_t hash, std::string_view kind, std::string_view where, std::int64_t first_ns,
           std::int64_t last_ns, std::uint64_t count, std::string_view sample,
           bool& is_new) noexcept;

  std::vector<Row> rows_;             ///< sized once
  std::vector<std::uint32_t> index_;  ///< open addressing by hash: row + 1, 0 = free
  std::size_t count_ = 0;
  std::uint64_t total_ = 0;
  Row others_;
};

}  // namespace perp::core
