#pragma once
// What is missing and can be asked for: trades and candles of a time without a connection, what a
// decoder found between two ids, a book whose continuity broke. It asks once for each hole; the
// records of holes are written elsewhere, and one that cannot be filled stays told. The feed's
// thread.
#include "feed/contract_choice.hpp"

#include <perp/feed/ring_writer.hpp>
#include <perp/feed/venue_rest.hpp>
#include <perp/venue/adapter.hpp>
#include <perp/venue/connect.hpp>
#include <perp/venue/subscription_plan.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace perp::feed {

class HoleFiller {
 public:
  struct Setting {
    const std::string& venue_key;
    const venue::Connect& connect;
    const venue::VenueState& state;
    const ContractChoice& contracts;
    RingWriter& writer;
    VenueRest& rest;
    /// Whether a connection asks for the instrument's book anew.
    std::function<bool(std::uint32_t instrument)> resubscribe_book;
    std::function<void(const std::string&)> warn;
  };
  explicit HoleFiller(Setting setting) : setting_(std::move(setting)) {}

  /// A record of a hole is in the ring. Only those that a decoder found are dealt with here, at the
  /// next take().
  void note(const market::RecordHeader& gap);
  /// Asks for what was noted, once its batch is written.
  void take();
  bool has_noted() const noexcept { return !noted_.empty(); }

  /// A topic is live again, both ends in wall time.
  void on_hole(const venue::Topic& topic, const std::string& symbol, std::uint32_t instrument,
               core::WallNs from, core::WallNs to);
  /// The first trade behind a hole, which says where it ends.
  void on_first_trade(const market::RecordHeader& trade);
  /// The instrument is not followed any more.
  void forget(std::uint32_t instrument);
  void fetch_book(const std::string& symbol);
  /// Native name of what is followed; empty: it is not.
  std::string symbol_of(std::uint32_t instrument) const;
  /// A venue that loses much does not drown what else is to be told: each few seconds a few lines,
  /// then how many more.
  void begin_telling();

  std::uint64_t books_resynced() const noexcept { return books_resynced_; }

 private:
  struct Noted {
    std::uint32_t instrument;
    market::Gap gap;
  };
  void resync_book(std::uint32_t instrument, const std::string& symbol);
  void fill_trades(TradeHole hole);
  void tell(const std::string& symbol, const market::Gap& gap);
  void tell_left(const char* what, const std::string& symbol, const std::string& why);
  const market::InstrumentEntry* entry_of(std::uint32_t instrument) const;

  Setting setting_;
  std::map<std::uint32_t, TradeHole> open_{};            ///< by instrument, waiting for their end
  std::map<std::uint32_t, std::int64_t> asked_up_to_{};  ///< the last one's first trade behind it
  std::vector<Noted> noted_{};
  std::uint64_t told_ = 0;  ///< since begin_telling(), those that were not told among them
  std::uint64_t books_resynced_ = 0;
};

}  // namespace perp::feed
