#pragma once
// Keeps books deep that stand on a snapshot by HTTP. Such a book is known as far as the snapshot
// was cut, and steps tell nothing of levels that nobody touches: once the market has moved towards
// that end, little of the side is known though the market is deep. This says whose snapshot is to
// be asked for again, and makes of the one that comes a record that fits the running stream. The
// book that is there stands until then: no hole is told. The feed's thread.
//
// What comes is usually older than what the stream has brought meanwhile, and a book that is ahead
// of a snapshot passes it over. So the steps are kept from the asking on and applied on top, and
// what is written is a snapshot as of the newest step.
#include <perp/core/time.hpp>
#include <perp/market/order_book.hpp>
#include <perp/market/record.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace perp::feed {

class BookRefresh {
 public:
  /// Of what a side reached when its snapshot came; with less of it a new one is worth its weight.
  static constexpr double reach_kept = 0.5;
  static constexpr std::int64_t each_ns = 5 * core::ns_per_minute;  ///< of one contract, at least
  static constexpr std::int64_t all_ns = 6 * core::ns_per_second;   ///< between any two
  static constexpr std::size_t under_way_max = 4;  ///< each keeps up to 128 steps, 300 KB

  /// @param haste divides the waits
  explicit BookRefresh(double haste) : haste_(haste) {}

  /// A snapshot by HTTP, or a step of a contract that is asked for. @param now when it came
  void note(const market::RecordHeader& book, core::MonoNs now);
  /// The contract of which least is left, if one has less than reach_kept of what it had on a side
  /// and the waits are over; not one that is asked for already, none while under_way_max are.
  /// @param price_of NaN: unknown
  std::optional<std::uint32_t> choose(core::MonoNs now,
                                      const std::function<double(std::uint32_t)>& price_of) const;
  /// Its snapshot is asked for: its steps are to be noted from now on.
  void begin(std::uint32_t instrument, core::MonoNs now);
  /// Takes the snapshot. @returns a record in its place, as of the newest step, valid until the
  /// next call; nullptr: the snapshot is to be written as it is
  const market::RecordHeader* join(const market::RecordHeader& snapshot);
  /// It came, or will not come.
  void end(std::uint32_t instrument) { asked_.erase(instrument); }
  void forget(std::uint32_t instrument);

 private:
  struct Reach {
    double bid_end = 0;  ///< the worst prices of the snapshot
    double ask_end = 0;
    double bid_bps = 0;  ///< how far that was from mid when it came
    double ask_bps = 0;
    core::MonoNs at{};  ///< of the snapshot, or of being asked for
  };
  std::int64_t hastened(std::int64_t ns) const noexcept {
    return static_cast<std::int64_t>(static_cast<double>(ns) / haste_);
  }
  static double left_of(const Reach& reach, double price);

  double haste_;
  std::map<std::uint32_t, Reach> reaches_{};
  std::map<std::uint32_t, std::unique_ptr<market::OrderBook>> asked_{};
  core::MonoNs asked_at_{};  ///< the last one
  bool has_asked_ = false;
  std::vector<std::uint64_t> made_{};  ///< join()'s record
};

}  // namespace perp::feed
