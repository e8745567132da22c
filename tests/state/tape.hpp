#pragma once
// Test support: a tape of records written by hand, a run of it through a MarketState, and what it
// concluded, taken apart into plain maps.
#include <perp/market/perpspec.hpp>
#include <perp/market/record.hpp>
#include <perp/state/market_state.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace perp::test {

using market::RecordType;
using market::SpecKind;
using market::VenueId;

inline constexpr std::int64_t ms = core::ns_per_ms;
inline constexpr std::int64_t s = core::ns_per_second;
inline constexpr std::int64_t min = core::ns_per_minute;
/// 2024-06-11 12:00:00 UTC, a full hour.
inline constexpr std::int64_t noon = std::int64_t{1'718'107'200} * s;

inline constexpr std::uint32_t id_of(VenueId venue, std::uint32_t index) {
  return static_cast<std::uint32_t>(venue) << 24 | index;
}
inline constexpr std::uint32_t bin_btc = id_of(VenueId::binance, 1);
inline constexpr std::uint32_t byb_btc = id_of(VenueId::bybit, 1);
inline constexpr std::uint32_t okx_btc = id_of(VenueId::okx, 1);
inline constexpr std::uint32_t hyp_btc = id_of(VenueId::hyperliquid, 1);

struct CandleText {
  double o, h, l, c;
  double v = market::missing;
  double taker_buy = market::missing;
};

class Tape {
 public:
  template <class Payload>
  Payload& add(RecordType type, std::uint32_t instrument, std::int64_t exchange_ns,
               std::int64_t receive_ns, std::uint8_t flags = 0) {
    constexpr std::size_t size = sizeof(market::RecordHeader) + sizeof(Payload);
    records_.emplace_back(size / 8);
    auto* header = new (records_.back().data()) market::RecordHeader;
    header->size = size;
    header->type = type;
    header->venue = static_cast<VenueId>(instrument >> 24);
    header->flags = flags;
    header->instrument = instrument & 0xffffff ? instrument : 0;
    header->exchange_ns = exchange_ns;
    header->receive_ns = receive_ns;
    return *new (header + 1) Payload;
  }

  void instrument(std::uint32_t id, std::string_view base, bool is_primary = true,
                  market::InstrumentStatus status = market::InstrumentStatus::live) {
    auto& made =
        add<market::Instrument>(RecordType::instrument, id, core::unknown_ns, core::unknown_ns);
    made.base.assign(base);
    made.is_primary = is_primary ? 1 : 0;
    made.status = status;
  }
  void tick(std::int64_t ns) { add<market::Tick>(RecordType::tick, 0, core::unknown_ns, ns); }
  /// Ticks ten seconds apart, as a feed that is watching gives them.
  void ticks(std::int64_t from_ns, std::int64_t to_ns) {
    for (std::int64_t ns = from_ns; ns < to_ns; ns += 10 * s) tick(ns);
    tick(to_ns);
  }
  void status(VenueId venue, market::FeedState state, RecordType stream, std::int64_t ns,
              std::uint32_t connection = 0, std::uint32_t index = 0) {
    auto& made = add<market::FeedStatus>(RecordType::feed_status, id_of(venue, index), ns, ns);
    made.state = state;
    made.stream = stream;
    made.connection = connection;
  }
  void live(VenueId venue, RecordType stream, std::int64_t ns) {
    status(venue, market::FeedState::live, stream, ns);
  }
  market::Trade& trade(std::uint32_t id, std::int64_t ns, double price, double quantity,
                       market::Side side = market::Side::buy, std::int64_t delay_ns = 50 * ms,
                       std::uint8_t flags = 0) {
    auto& made = add<market::Trade>(RecordType::trade, id, ns, ns + delay_ns, flags);
    made.price = price;
    made.quantity = quantity;
    made.taker_side = side;
    return made;
  }
  market::Kline& candle(std::uint32_t id, std::int64_t open_ns, const CandleText& text,
                        std::int64_t receive_ns, market::Tristate closed = market::Tristate::yes,
                        std::uint8_t flags = 0, std::int64_t interval_ns = min) {
    auto& made = add<market::Kline>(RecordType::kline, id, receive_ns, receive_ns, flags);
    made.open_ns = open_ns;
    made.interval_ns = interval_ns;
    made.open = text.o;
    made.high = text.h;
    made.low = text.l;
    made.close = text.c;
    made.volume_quote = text.v;
    made.taker_buy_quote = text.taker_buy;
    made.is_closed = closed;
    return made;
  }
  market::Liquidation& liquidation(std::uint32_t id, std::int64_t ns, market::PositionSide side,
                                   double price, double quantity, bool is_venue_wide = false,
                                   std::int64_t delay_ns = 50 * ms) {
    auto& made = add<market::Liquidation>(RecordType::liquidation, id, ns, ns + delay_ns);
    made.position_side = side;
    made.price = price;
    made.quantity = quantity;
    made.is_venue_wide = is_venue_wide ? 1 : 0;
    return made;
  }

  /// A book record of a stream of that depth, by default a snapshot.
  market::Book& book(std::uint32_t id, std::int64_t ns, const std::vector<market::Level>& bids,
                     const std::vector<market::Level>& asks,
                     RecordType type = RecordType::book_snapshot, std::uint16_t depth = 50,
                     market::Continuity continuity = market::Continuity::continuous,
                     std::int64_t delay_ns = 0) {
    auto& made = add<market::Book>(type, id, ns, ns + delay_ns);
    made.bid_count = static_cast<std::uint32_t>(bids.size());
    made.ask_count = static_cast<std::uint32_t>(asks.size());
    made.depth = depth;
    made.continuity = static_cast<std::uint8_t>(continuity);
    std::vector<std::uint64_t>& words = records_.back();
    const std::size_t fixed = words.size();
    words.resize(fixed + 2 * (bids.size() + asks.size()));
    auto* level = reinterpret_cast<market::Level*>(words.data() + fixed);
    for (const auto* side : {&bids, &asks})
      for (const market::Level& one : *side) *level++ = one;
    auto& header = (*this)[records_.size() - 1];
    header.size = static_cast<std::uint32_t>(words.size() * 8);
    return market::payload<market::Book>(header);
  }
  market::Book& delta(std::uint32_t id, std::int64_t ns, const std::vector<market::Level>& bids,
                      const std::vector<market::Level>& asks = {}, std::uint16_t depth = 50,
                      market::Continuity continuity = market::Continuity::continuous) {
    return book(id, ns, bids, asks, RecordType::book_delta, depth, continuity);
  }
  void bbo(std::uint32_t id, std::int64_t ns, double bid, double ask) {
    auto& made = add<market::Bbo>(RecordType::bbo, id, ns, ns);
    made.bid_price = bid;
    made.bid_quantity = 1.5;
    made.ask_price = ask;
    made.ask_quantity = 2.5;
  }

  std::size_t size() const { return records_.size(); }
  const market::RecordHeader& operator[](std::size_t i) const {
    return *reinterpret_cast<const market::RecordHeader*>(records_[i].data());
  }
  market::RecordHeader& operator[](std::size_t i) {
    return *reinterpret_cast<market::RecordHeader*>(records_[i].data());
  }
  /// Record i becomes what record order[i] was.
  void reorder(const std::vector<std::size_t>& order) {
    std::vector<std::vector<std::uint64_t>> ordered;
    for (const std::size_t from : order) ordered.push_back(std::move(records_[from]));
    records_ = std::move(ordered);
  }

 private:
  std::vector<std::vector<std::uint64_t>> records_;
};

/// A minute record taken apart.
struct MinuteRow {
  std::uint32_t instrument = 0;
  SpecKind kind = SpecKind::ohlcv;
  std::int64_t open_ns = 0;
  std::uint8_t flags = 0;
  market::MinuteOrigin origin = market::MinuteOrigin::unknown;
  std::int64_t exchange_ns = 0;
  std::int64_t receive_ns = 0;
  std::map<int, double> values;  ///< by column id

  bool is_revision() const { return (flags & market::flag_revision) != 0; }
  bool is_backfill() const { return (flags & market::flag_backfill) != 0; }
};

inline int raw_id(std::string_view name) {
  for (std::size_t i = 0; i < market::column_count; ++i)
    if (market::columns[i].name == name) return static_cast<int>(i);
  return -1;
}
/// By column name ("c") or change name ("c_chg_5m").
inline int id_of_column(std::string_view name) {
  const std::size_t at = name.find("_chg_");
  if (at == std::string_view::npos) return raw_id(name);
  const std::string_view window = name.substr(at + 5);
  const int index = window == "1m" ? 0 : window == "5m" ? 1 : 2;
  return 256 * (1 + index) + raw_id(name.substr(0, at));
}

/// A sample and the moment it is of.
template <class Payload>
struct Sampled {
  std::uint32_t instrument = 0;
  std::int64_t ns = 0;
  Payload payload;
};
struct SampledLevels {
  std::uint32_t instrument = 0;
  std::int64_t ns = 0;
  market::Book book;
  std::vector<market::Level> bids;
  std::vector<market::Level> asks;
};

struct Concluded {
  std::vector<std::byte> bytes;
  std::vector<Sampled<market::Liquidity>> books;
  std::vector<Sampled<market::TickerSample>> tickers;
  std::vector<SampledLevels> levels;
  std::vector<MinuteRow> minutes;
  std::vector<market::Gap> gaps;
  std::vector<std::uint32_t> gap_instruments;
  std::vector<std::uint32_t> instruments;  ///< that the fold itself defined

  void take(const state::DerivedSink& sink) {
    bytes.insert(bytes.end(), sink.bytes().begin(), sink.bytes().end());
    sink.for_each([this](const market::RecordHeader& header) {
      if (header.type == RecordType::gap) {
        gaps.push_back(market::payload<market::Gap>(header));
        gap_instruments.push_back(header.instrument);
        return;
      }
      if (header.type == RecordType::instrument) {
        instruments.push_back(header.instrument);
        return;
      }
      if (header.type == RecordType::liquidity) {
        books.push_back(
            {header.instrument, header.exchange_ns, market::payload<market::Liquidity>(header)});
        return;
      }
      if (header.type == RecordType::ticker_sample) {
        tickers.push_back(
            {header.instrument, header.exchange_ns, market::payload<market::TickerSample>(header)});
        return;
      }
      if (header.type == RecordType::book_snapshot) {
        const auto& book = market::payload<market::Book>(header);
        const auto bids = market::bids(book);
        const auto asks = market::asks(book);
        levels.push_back({header.instrument,
                          header.exchange_ns,
                          book,
                          {bids.begin(), bids.end()},
                          {asks.begin(), asks.end()}});
        return;
      }
      const auto& minute = market::payload<market::Minute>(header);
      MinuteRow row{.instrument = header.instrument,
                    .kind = market::kind_of(static_cast<market::PerpspecId>(minute.perpspec)),
                    .open_ns = minute.open_ns,
                    .flags = header.flags,
                    .origin = static_cast<market::MinuteOrigin>(minute.origin),
                    .exchange_ns = header.exchange_ns,
                    .receive_ns = header.receive_ns,
                    .values = {}};
      for (const market::MinuteValue& value : market::values(minute))
        row.values[value.column] = value.value;
      minutes.push_back(row);
    });
  }

  /// The last record of that key, as a table that is overwritten would hold it.
  const MinuteRow* find(std::uint32_t instrument, SpecKind kind, std::int64_t open_ns) const {
    const MinuteRow* found = nullptr;
    for (const MinuteRow& row : minutes)
      if (row.instrument == instrument && row.kind == kind && row.open_ns == open_ns) found = &row;
    return found;
  }
  /// NaN where there is no row or no value.
  double value(std::uint32_t instrument, SpecKind kind, std::int64_t open_ns,
               std::string_view column) const {
    const MinuteRow* row = find(instrument, kind, open_ns);
    if (row == nullptr) return market::missing;
    const auto found = row->values.find(id_of_column(column));
    return found == row->values.end() ? market::missing : found->second;
  }
  std::size_t count(std::uint32_t instrument, SpecKind kind) const {
    std::size_t found = 0;
    for (const MinuteRow& row : minutes)
      found += row.instrument == instrument && row.kind == kind ? 1 : 0;
    return found;
  }
};

struct Played {
  state::MarketState state{state::StateOptions{}};
  state::DerivedSink sink;
  Concluded all;

  Played() = default;
  explicit Played(const state::StateOptions& options) : state(options) {}
  explicit Played(const Tape& tape) { play(tape); }

  void play(const Tape& tape, std::size_t from = 0, std::size_t to = ~std::size_t{0}) {
    for (std::size_t i = from; i < tape.size() && i < to; ++i) {
      state.apply(tape[i], sink);
      all.take(sink);
      sink.reset();
    }
  }
};

}  // namespace perp::test
