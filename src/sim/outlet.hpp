#pragma once
// Where a wire model's messages go: into a recorded file (Lane) or to who subscribed to them (a
// simulated venue's server). A message is composed in place and committed with its stream, its
// market and the time it leaves; the facts that it tells are noted before it is committed, so that
// a server can account for each. One owner thread.
#include "sim/text.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace perp::sim {

/// One thing that a message tells and that a reader has to keep. In the contract's native units.
struct Fact {
  enum class Kind : std::uint8_t { trade = 1, kline = 2, liquidation = 3, book = 4 };
  static constexpr std::int64_t no_id = std::numeric_limits<std::int64_t>::min();

  Kind kind = Kind::trade;
  bool is_buy = false;      ///< the taker bought; a liquidation: the position was short
  bool is_retail = false;   ///< a trade with a price improvement order
  std::uint16_t buyer = 0;  ///< Hyperliquid: the parties' numbers
  std::uint16_t seller = 0;
  /// Of a trade the venue's id, of a book event its last update, of a candle its open in ms.
  std::int64_t id = no_id;
  std::int64_t id_high = no_id;  ///< upper half of a UUID
  std::int64_t time_ms = 0;      ///< of matching
  std::int64_t price = 0;        ///< of a candle its close
  std::int64_t quantity = 0;
  std::int64_t plain_quantity = 0;  ///< without price improvement orders
  std::int64_t first_id = 0;        ///< fills of an aggregate
  std::int64_t last_id = 0;
  std::int64_t sequence = 0;
  std::array<std::uint8_t, 32> hash{};
};

/// Of a message that is about no market, or about all of them.
inline constexpr std::uint32_t no_market = ~std::uint32_t{0};

class Outlet {
 public:
  /// Registers a kind of message. @returns its number for commit().
  virtual std::size_t add_stream(std::string name) = 0;
  /// Where the next message's payload goes. Ends with commit().
  virtual Text& compose() = 0;
  /// Something that the message being composed tells.
  virtual void note(const Fact&) {}
  /// The composed payload leaves the venue at `sent_ms`, which may lie ahead. @param connection of
  /// a recording @param market index into the venue's markets @param tail of a recording: its third
  /// column
  virtual void commit(std::size_t stream, std::size_t connection, std::size_t market,
                      std::int64_t sent_ms, std::string_view tail = {}) = 0;

 protected:
  ~Outlet() = default;
};

}  // namespace perp::sim
