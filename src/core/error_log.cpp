#include <perp/core/error_log.hpp>

#include <algorithm>
#include <bit>
#include <cstring>

namespace perp::core {
namespace {

// FNV-1a over both texts with their border, so that ("a", "bc") and ("ab", "c") differ.
std::uint64_t hash_of(std::string_view kind, std::string_view where) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  const auto mix = [&hash](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3U; };
  for (const char c : kind) mix(static_cast<unsigned char>(c));
  mix(0xff);
  for (const char c : where) mix(static_cast<unsigned char>(c));
  return hash ^ (hash >> 32);
}

template <std::size_t Size>
std::uint8_t copy_cut(std::array<char, Size>& target, std::string_view text) {
  static_assert(Size < 256);
  const std::size_t size = std::min(text.size(), Size);
  if (size != 0) std::memcpy(target.data(), text.data(), size);
  return static_cast<std::uint8_t>(size);
}

// Unknown times take no part.
std::int64_t earlier(std::int64_t a, std::int64_t b) {
  return a == unknown_ns ? b : b == unknown_ns ? a : std::min(a, b);
}
std::int64_t later(std::int64_t a, std::int64_t b) { return std::max(a, b); }

}  // namespace

ErrorLog::ErrorLog(std::size_t capacity)
    : rows_(std::max<std::size_t>(capacity, 1)), index_(std::bit_ceil(2 * rows_.size() + 1)) {
  others_.kind_size = copy_cut(others_.kind_data, "others");
}

ErrorLog::Row* ErrorLog::find(std::uint64_t hash, std::string_view kind,
                              std::string_view where) noexcept {
  const std::size_t mask = index_.size() - 1;
  for (std::size_t at = static_cast<std::size_t>(hash) & mask;; at = (at + 1) & mask) {
    if (index_[at] == 0) {  // at most half of the index is ever taken: a free place is found
      if (count_ == rows_.size()) return nullptr;
      Row& row = rows_[count_];
      index_[at] = static_cast<std::uint32_t>(++count_);
      row = Row{};
      row.hash = hash;
      row.kind_size = copy_cut(row.kind_data, kind);
      row.where_size = copy_cut(row.where_data, where);
      return &row;
    }
    Row& row = rows_[index_[at] - 1];
    if (row.hash == hash && row.kind() == kind.substr(0, Row::text_limit) &&
        row.where() == where.substr(0, Row::text_limit))
      return &row;
  }
}

void ErrorLog::add(std::uint64_t hash, std::string_view kind, std::string_view where,
                   std::int64_t first_ns, std::int64_t last_ns, std::uint64_t count,
                   std::string_view sample, bool& is_new) noexcept {
  total_ += count;
  Row* row = find(hash, kind, where);
  if (row == nullptr) row = &others_;
  is_new = row != &others_ && row->count == 0;
  if (row->count == 0) row->sample_size = copy_cut(row->sample_data, sample);
  row->first_ns = earlier(row->first_ns, first_ns);
  row->last_ns = later(row->last_ns, last_ns);
  row->count += count;
}

bool ErrorLog::record(std::string_view kind, std::string_view where, std::int64_t now_ns,
                      std::string_view sample) noexcept {
  bool is_new = false;
  add(hash_of(kind, where), kind, where, now_ns, now_ns, 1, sample, is_new);
  return is_new;
}

void ErrorLog::merge(const ErrorLog& other) noexcept {
  bool is_new = false;
  // The hash is the whole key's, also where the texts were cut.
  for (const Row& row : other.rows())
    add(row.hash, row.kind(), row.where(), row.first_ns, row.last_ns, row.count, row.sample(),
        is_new);
  const Row& rest = other.others_;
  if (rest.count == 0) return;
  total_ += rest.count;
  if (others_.count == 0) others_.sample_size = copy_cut(others_.sample_data, rest.sample());
  others_.first_ns = earlier(others_.first_ns, rest.first_ns);
  others_.last_ns = later(others_.last_ns, rest.last_ns);
  others_.count += rest.count;
}

void ErrorLog::clear() noexcept {
  std::fill(index_.begin(), index_.end(), 0);
  count_ = 0;
  total_ = 0;
  others_ = Row{};
  others_.kind_size = copy_cut(others_.kind_data, "others");
}

}  // namespace perp::core
