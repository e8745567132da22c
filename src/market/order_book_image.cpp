// An order book as bytes and back, for checkpoints.
#include <perp/market/order_book.hpp>

#include <cstring>
#include <type_traits>

namespace perp::market {
namespace {

template <class Value>
void put(std::vector<std::byte>& image, const Value& value) {
  static_assert(std::is_trivially_copyable_v<Value>);
  const auto* bytes = reinterpret_cast<const std::byte*>(&value);
  image.insert(image.end(), bytes, bytes + sizeof value);
}

template <class Value>
bool get(std::span<const std::byte>& image, Value& value) {
  static_assert(std::is_trivially_copyable_v<Value>);
  if (image.size() < sizeof value) return false;
  std::memcpy(&value, image.data(), sizeof value);
  image = image.subspan(sizeof value);
  return true;
}

void put_levels(std::vector<std::byte>& image, std::span<const Level> levels) {
  put(image, std::uint64_t{levels.size()});
  const std::span<const std::byte> bytes = std::as_bytes(levels);
  image.insert(image.end(), bytes.begin(), bytes.end());
}

bool get_levels(std::span<const std::byte>& image, std::vector<Level>& levels) {
  std::uint64_t count = 0;
  if (!get(image, count) || count > image.size() / sizeof(Level)) return false;
  levels.resize(count);
  if (count != 0) std::memcpy(levels.data(), image.data(), count * sizeof(Level));
  image = image.subspan(count * sizeof(Level));
  return true;
}

void put_side(std::vector<std::byte>& image, const BookSide& side) {
  put_levels(image, side.levels());
  put(image, side.horizon());
  put(image, side.levels_dropped());
}

bool get_side(std::span<const std::byte>& image, std::vector<Level>& levels, BookSide& side) {
  double horizon = 0;
  std::uint64_t dropped = 0;
  if (!get_levels(image, levels) || !get(image, horizon) || !get(image, dropped)) return false;
  side.restore(levels, horizon, dropped);
  return side.levels().size() == levels.size();
}

}  // namespace

void BookSide::restore(std::span<const Level> levels, double horizon,
                       std::uint64_t levels_dropped) noexcept {
  clear();
  for (const Level& level : levels) set(level.price, level.quantity);
  horizon_ = horizon;
  levels_dropped_ = levels_dropped;
}

void OrderBook::save(std::vector<std::byte>& image) const {
  put_side(image, bids_);
  put_side(image, asks_);
  put(image, state_);
  put(image, reason_);
  put(image, is_join_due_);
  put(image, is_ranged_);
  put(image, last_id_);
  put(image, exchange_ns_);
  put(image, receive_ns_);
  put(image, counts_);
  put(image, std::uint64_t{pending_count_});
  for (std::size_t i = 0; i < pending_count_; ++i) {
    const PendingDelta& delta = pending(i);
    put(image, delta.first_id);
    put(image, delta.last_id);
    put(image, delta.previous_id);
    put(image, std::uint64_t{delta.bid_count});
    put_levels(image, delta.levels);
  }
}

bool OrderBook::load(std::span<const std::byte>& image) {
  std::vector<Level> levels;
  std::uint64_t pending_count = 0;
  if (!get_side(image, levels, bids_) || !get_side(image, levels, asks_) || !get(image, state_) ||
      !get(image, reason_) || !get(image, is_join_due_) || !get(image, is_ranged_) ||
      !get(image, last_id_) || !get(image, exchange_ns_) || !get(image, receive_ns_) ||
      !get(image, counts_) || !get(image, pending_count) || pending_count > pending_delta_limit)
    return false;
  forget_pending();
  if (pending_count == 0) return true;
  pending_.resize(pending_delta_limit);
  for (; pending_count_ < pending_count; ++pending_count_) {
    PendingDelta& delta = pending_[pending_count_];
    std::uint64_t bid_count = 0;
    if (!get(image, delta.first_id) || !get(image, delta.last_id) ||
        !get(image, delta.previous_id) || !get(image, bid_count) ||
        !get_levels(image, delta.levels) || bid_count > delta.levels.size())
      return false;
    delta.bid_count = bid_count;
  }
  return true;
}

}  // namespace perp::market
