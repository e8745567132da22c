#include "state/series.hpp"

#include <algorithm>

namespace perp::state {

void Series::open_up_to(const rolling::RsiRule& rule, std::int64_t minute) {
  if (data.head != no_minute && minute <= data.head) return;
  const bool is_new = data.head == no_minute;
  const std::int64_t first = is_new ? minute - slot_count + 1 : data.head + 1;
  if (rsi != nullptr && !is_new) {
    const std::int64_t leaving_end = std::min(minute - slot_count, data.head);
    for (std::int64_t leaving = first - slot_count; leaving <= leaving_end; ++leaving) {
      const Row& old = row(SpecKind::ohlcv, leaving);
      if (old.is_present != 0) rsi->push_minute(rule, leaving, old.values[3]);
    }
  }
  for (std::int64_t opened = std::max(first, minute - slot_count + 1); opened <= minute; ++opened) {
    slot(opened) = {};
    slot(opened).minute = opened;
    for (std::size_t kind = 0; kind < kind_count; ++kind)
      row(static_cast<SpecKind>(kind), opened) = {};
  }
  data.head = minute;
}

KeptBook& Series::book_of(std::uint16_t depth) {
  for (KeptBook& kept : books)
    if (kept.depth == depth) return kept;
  if (books.size() < KeptBook::books_max) {
    books.reserve(KeptBook::books_max);
    return books.emplace_back(depth);
  }
  const auto oldest =
      std::min_element(books.begin(), books.end(), [](const KeptBook& a, const KeptBook& b) {
        return a.told_ns < b.told_ns;  // unknown is the least of all
      });
  *oldest = KeptBook(depth);
  return *oldest;
}

const KeptBook* Series::find_book(std::int64_t ns) const {
  const KeptBook* found = nullptr;
  for (const KeptBook& kept : books)
    if (kept.is_usable(ns) && (found == nullptr || kept.reach() > found->reach())) found = &kept;
  return found;
}

Samples& Series::open_at(std::int64_t minute) {
  const auto index = static_cast<std::size_t>(minute & (open_count - 1));
  if (data.open_minutes[index] != minute) {
    data.open_minutes[index] = minute;
    data.open_samples[index] = {};
  }
  return data.open_samples[index];
}

const Row* Series::find_row(const Rows& rows, SpecKind kind, std::int64_t minute) const {
  const auto k = static_cast<std::size_t>(kind);
  if (is_in_window(minute)) {
    const Row& found = rows[k][static_cast<std::size_t>(minute & (slot_count - 1))];
    if (found.is_present != 0) return &found;
  }
  if (lanes == nullptr) return nullptr;
  const Lanes::Entry& entry =
      lanes->entries[k][static_cast<std::size_t>(minute & (lane_count - 1))];
  return entry.minute == minute && entry.row.is_present != 0 ? &entry.row : nullptr;
}

double Series::close_of(std::int64_t minute) const {
  const Row* found = find_row(data.rows, SpecKind::ohlcv, minute);
  return found != nullptr ? found->values[3] : market::missing;
}

}  // namespace perp::state
