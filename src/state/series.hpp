#pragma once
// What the fold keeps for one primary instrument. Everything here is plain data without padding,
// written to a checkpoint as it lies; the fold's thread owns it.
//
// Minutes are numbered since the epoch. The ring of `slot_count` minutes ends at `head`, the newest
// minute opened:
//
//   head-31 .......... head-22 | head-21 ........................ closed | closed+1 .. head
//   only to look back at       | may be revised (16 closed minutes)      | open
//
// so that every minute that may be revised still has the row of ten minutes before it.
#include "state/quotes.hpp"
#include "state/rsi_history.hpp"
#include "state/sample.hpp"

#include <perp/core/time.hpp>
#include <perp/market/perpspec.hpp>
#include <perp/market/record.hpp>

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <type_traits>
#include <vector>

namespace perp::state {

inline constexpr std::int64_t slot_count = 32;
inline constexpr std::int64_t history_minutes = 16;  ///< closed minutes that late data may revise
inline constexpr std::int64_t ahead_minutes =
    4;  ///< an exchange's clock may be this far ahead of ours
inline constexpr std::int64_t open_count = 8;  ///< at least closed+1 .. head, a power of two
inline constexpr std::int64_t lane_count = 16;
inline constexpr std::int64_t no_minute = std::numeric_limits<std::int64_t>::min();
inline constexpr std::int64_t window_longest = market::change_windows_minutes.back();
/// Minutes at or below head - revisable_reach are not revised.
inline constexpr std::int64_t revisable_reach = slot_count - window_longest;
// With a grace of up to a minute two ended minutes can be open, then the current one and those
// ahead.
static_assert(2 + 1 + ahead_minutes <= open_count);
static_assert(revisable_reach >= history_minutes + 2 + ahead_minutes);

using market::SpecKind;
inline constexpr std::size_t kind_count = market::spec_kinds.size();

/// A stored minute of one perpspec: values in the order of the spec's fields, then extras.
struct Row {
  std::array<double, 5> values{market::missing, market::missing, market::missing, market::missing,
                               market::missing};
  std::uint8_t is_present = 0;
  std::uint8_t origin = 0;      ///< market::MinuteOrigin
  std::uint8_t is_written = 0;  ///< a record of it went out, even if the row has vanished since
  std::uint8_t reserved[5] = {};
};
using Rows = std::array<std::array<Row, slot_count>, kind_count>;

/// When a stream was live: since `since_ns` until now, and before that once from
/// `previous_since_ns` on.
struct Stream {
  std::int64_t since_ns = core::unknown_ns;
  std::int64_t previous_since_ns = core::unknown_ns;
  std::int64_t previous_until_ns = core::unknown_ns;
  std::int64_t broken_ns =
      core::unknown_ns;  ///< last interruption: a message from before it proves nothing
  /// What happened and was received up to then is in the journal: the venue's feed ended there.
  std::int64_t told_until_ns = core::unknown_ns;

  void go_live(std::int64_t ns) {
    if (since_ns == core::unknown_ns && ns >= broken_ns) since_ns = ns;
  }
  /// @returns whether it was live.
  bool interrupt(std::int64_t ns) {
    if (ns > broken_ns) broken_ns = ns;
    if (previous_until_ns != core::unknown_ns && ns < previous_until_ns) previous_until_ns = ns;
    if (since_ns == core::unknown_ns) return false;
    if (ns > since_ns) {
      previous_since_ns = since_ns;
      previous_until_ns = ns;
    }
    since_ns = core::unknown_ns;
    return true;
  }
  /// Nothing more comes. A stream that nobody watched was told nothing of.
  void end(std::int64_t ns) {
    if (was_ever_live() && ns > told_until_ns) told_until_ns = ns;
  }
  /// A recording played again behind itself gives what the journal has: it counts once.
  bool is_told(std::int64_t ns, std::int64_t heard_ns) const {
    return ns <= told_until_ns && heard_ns <= told_until_ns;
  }
  bool was_ever_live() const {
    return since_ns != core::unknown_ns || previous_since_ns != core::unknown_ns;
  }
  bool is_whole(std::int64_t from_ns, std::int64_t to_ns) const {
    return (since_ns != core::unknown_ns && since_ns <= from_ns) ||
           (previous_since_ns != core::unknown_ns && previous_since_ns <= from_ns &&
            to_ns <= previous_until_ns);
  }
};

/// The trades of a minute. Times decide which is first and last, arrival among equals.
struct TradeSum {
  double open = market::missing;
  double high = market::missing;
  double low = market::missing;
  double close = market::missing;
  double volume_quote = 0;
  double buy_quote = 0;
  double sell_quote = 0;
  std::int64_t first_ns = 0;
  std::int64_t last_ns = 0;
  std::uint32_t count = 0;
  std::uint32_t priced_count =
      0;  ///< without block trades, which are made away from the market's price
  std::uint32_t unsided_count = 0;   ///< the venue did not say who was the taker
  std::uint32_t unusable_count = 0;  ///< without price or quantity
};

enum class CandleState : std::uint8_t { none = 0, open = 1, unsaid = 2, closed = 3 };

struct Candle {
  double open = market::missing;
  double high = market::missing;
  double low = market::missing;
  double close = market::missing;
  double volume_quote = market::missing;
  double taker_buy_quote = market::missing;
};

struct LiquidationSum {
  double long_usd = 0;
  double short_usd = 0;
  double price_quantity = 0;
  double quantity = 0;
  std::uint32_t long_count = 0;
  std::uint32_t short_count = 0;
  std::uint32_t unsided_count = 0;
  std::uint32_t unpriced_count = 0;
  std::uint32_t unusable_count = 0;  ///< without a quantity
  std::uint32_t reserved = 0;
};

/// A minute's inputs that later data may still change.
struct Slot {
  std::int64_t minute = no_minute;
  TradeSum trades;
  Candle candle;
  LiquidationSum liquidations;
  CandleState candle_state = CandleState::none;
  std::uint8_t is_trade_whole = 0;        ///< decided when the minute closes
  std::uint8_t is_liquidation_whole = 0;  ///< likewise
  /// Likewise: the contract was traded by its list, and a price of it was told since the open.
  std::uint8_t is_quoted = 0;
  std::uint8_t reserved[4] = {};
};

/// The newest samples of one minute, or of all closed ones.
struct Samples {
  OpenInterestSample open_interest_now;     ///< a sample of the moment
  OpenInterestSample open_interest_period;  ///< of a five-minute history
  Sample mark_price;
  Sample predicted_funding;
  Sample long_short_ratio;
};

struct SeriesData {
  std::int64_t head = no_minute;
  std::int64_t newest_candle = no_minute;  ///< of which a row of ohlcv was written
  std::int64_t last_trade_ns = core::unknown_ns;
  Stream trade_stream;
  Stream liquidation_stream;
  Samples carried;  ///< newest of the closed minutes
  std::array<std::int64_t, open_count> open_minutes;
  std::array<Samples, open_count> open_samples;
  std::array<Slot, slot_count> slots;
  Rows rows;

  SeriesData() { open_minutes.fill(no_minute); }
};
static_assert(std::is_trivially_copyable_v<SeriesData>);
static_assert(sizeof(Row) == 48 && sizeof(TradeSum) == 88 && sizeof(Candle) == 48 &&
              sizeof(LiquidationSum) == 56);
static_assert(sizeof(Slot) == 8 + 88 + 48 + 56 + 8 && sizeof(Samples) == 2 * 32 + 3 * 16 &&
              sizeof(Stream) == 40);
static_assert(sizeof(SeriesData) ==
              8 * 3 + 2 * 40 + 112 + open_count * (8 + 112) + slot_count * (208 + kind_count * 48));

/// Rows of backfilled minutes older than the ring: enough to give an ascending backfill its
/// changes.
struct Lanes {
  struct Entry {
    std::int64_t minute = no_minute;
    Row row;
  };
  std::array<std::array<Entry, lane_count>, kind_count> entries;
};
static_assert(std::is_trivially_copyable_v<Lanes> && window_longest < lane_count);

struct Series {
  std::uint32_t instrument = 0;
  market::VenueId venue = market::VenueId::none;
  bool is_active = false;   ///< primary and not delisted: only such a one gets rows
  bool is_trading = false;  ///< by the venue's list, neither suspended nor still to come
  Quotes quotes;
  std::vector<KeptBook> books;  ///< made by the first record of each depth
  SeriesData data;
  std::unique_ptr<Lanes> lanes;     ///< made by the first backfill record
  std::unique_ptr<RsiHistory> rsi;  ///< where the venue has that perpspec

  Slot& slot(std::int64_t minute) {
    return data.slots[static_cast<std::size_t>(minute & (slot_count - 1))];
  }
  Row& row(SpecKind kind, std::int64_t minute) {
    return data
        .rows[static_cast<std::size_t>(kind)][static_cast<std::size_t>(minute & (slot_count - 1))];
  }
  bool is_in_window(std::int64_t minute) const {
    return data.head != no_minute && minute <= data.head && minute > data.head - slot_count;
  }
  bool is_revisable(std::int64_t minute) const { return minute > data.head - revisable_reach; }

  /// The book of streams of that depth.
  KeptBook& book_of(std::uint16_t depth);
  /// The deepest that stands for the market at `ns`, nullptr if none does.
  const KeptBook* find_book(std::int64_t ns) const;
  /// The stream broke: until the next record nothing is known of the market.
  void doubt_books() {
    for (KeptBook& kept : books) kept.told_ns = core::unknown_ns;
  }

  /// Opens minutes up to `minute`; what falls out of the window moves into the RSI's state.
  void open_up_to(const rolling::RsiRule& rule, std::int64_t minute);
  /// The samples of an open minute.
  Samples& open_at(std::int64_t minute);
  /// The row of that minute in `rows` (ours, or an older copy of them) or in the lanes; nullptr if
  /// there is none.
  const Row* find_row(const Rows& rows, SpecKind kind, std::int64_t minute) const;
  /// The close of that minute's row, missing if there is none.
  double close_of(std::int64_t minute) const;
};

}  // namespace perp::state
