#pragma once
// What every adapter needs to take a message whole or not at all. A Transaction lives for one
// decode call: it writes records, stages unknown instruments and counts; finish() either makes all
// of that true or undoes it. Private to the venue layer; one feed thread; allocates only when an
// instrument is new.
#include "venue/json.hpp"
#include "venue/shape.hpp"

#include <perp/core/platform.hpp>
#include <perp/market/continuity.hpp>
#include <perp/venue/adapter.hpp>

#include <algorithm>
#include <cstring>
#include <deque>
#include <span>
#include <string_view>
#include <vector>

namespace perp::venue {

/// A month: no contract is funded more seldom.
constexpr std::int64_t funding_interval_hours_max = 744;

/// What is to be said about an instrument, with the exact factors behind its doubles.
struct InstrumentFacts {
  market::Instrument instrument;
  market::Scale contract_size;  ///< native size units per contract
  bool has_contract_size = false;
  market::Scale multiplier;  ///< coins per named unit
};

/// Says what a native symbol is that no list has defined yet. @returns false when it cannot be an
/// instrument (empty, or too long for its field).
using DescribeInstrument = bool (*)(std::string_view native, InstrumentFacts& facts);

/// An instrument that a message brings: its record is in the sink, the table learns of it in
/// finish().
struct StagedInstrument {
  market::InstrumentEntry entry;
  InstrumentFacts facts;
  std::size_t offset_bytes = 0;  ///< of its record, from the sink's begin
};

/// Base of each adapter's own state.
struct CommonState : json::JsonState {
  std::deque<StagedInstrument> staged;  ///< addresses stay valid while a message is read
  std::size_t staged_hint = 0;
  std::vector<market::Level> bids;  ///< scratch; keep their capacity from message to message
  std::vector<market::Level> asks;
  ShapeMemory shape_memory;
};

/// The newest id of a stream whose ids only grow. verdict() changes nothing, so that a message may
/// still be refused; advance() follows when it was taken. Repeats (overlapping connections) are
/// told from a venue that began to count anew by their number: after market::repeat_limit in a row
/// the lower id is believed.
class IdSequence {
 public:
  enum class Verdict : std::uint8_t { next, gap, repeat };

  /// @param is_contiguous each id is its predecessor's plus one; otherwise they just grow.
  Verdict verdict(std::int64_t id, bool is_contiguous) const {
    if (last_ == market::unknown_id || id == market::unknown_id) return Verdict::next;
    if (id <= last_) return repeats_ + 1 < market::repeat_limit ? Verdict::repeat : Verdict::gap;
    return is_contiguous && id != market::next_id(last_) ? Verdict::gap : Verdict::next;
  }
  void advance(std::int64_t id, Verdict verdict) {
    if (id == market::unknown_id) return;
    repeats_ = verdict == Verdict::repeat ? repeats_ + 1 : 0;
    if (verdict != Verdict::repeat) last_ = id;
  }
  std::int64_t last() const { return last_; }

 private:
  std::int64_t last_ = market::unknown_id;
  std::uint32_t repeats_ = 0;
};

/// The adapter's endpoint of this name or alias, nullptr if it has none.
const Endpoint* find_endpoint(std::span<const Endpoint> endpoints, std::string_view name) noexcept;

/// "5m", "1h", "1H", "1d", "1Dutc", "5min", "1w" as ns. @returns false for anything else, also for
/// calendar months.
[[nodiscard]] bool parse_period(std::string_view text, std::int64_t& period_ns) noexcept;

/// Length of a candle whose close is its last millisecond. A close that is not behind the open is
/// out of range.
inline std::int64_t candle_length(std::int64_t open_ns, std::int64_t close_ns, json::Fault& fault,
                                  std::string_view close_field) {
  if (!fault.ok() || open_ns == core::unknown_ns || close_ns == core::unknown_ns)
    return core::unknown_ns;
  if (close_ns <= open_ns) fault.raise(DecodeStatus::out_of_range, close_field);
  return close_ns - open_ns + core::ns_per_ms;
}

/// Flags of a REST reply's records. `is_now`: the endpoint tells the state of now, not events or
/// history.
inline std::uint8_t rest_flags(const RestReply& reply, bool is_now) {
  if (reply.is_backfill) return market::flag_backfill;
  return is_now ? market::flag_snapshot : 0;
}

/// Whether a reply's trade is one that was asked for.
inline bool is_wanted(const RestReply& reply, const market::Trade& trade,
                      std::int64_t exchange_ns) {
  return reply.window == nullptr || reply.window->admits(trade.trade_id, exchange_ns);
}

/// Puts the records behind `from_bytes`, all of one size, into ascending exchange time. Lists that
/// came newest first are turned round; equal times keep the venue's order.
void sort_by_time(RecordSink& sink, std::size_t from_bytes);

class Transaction {
 public:
  Transaction(VenueState& state, CommonState& own, RecordSink& sink, std::int64_t receive_ns,
              DescribeInstrument describe)
      : state_(state),
        own_(own),
        sink_(sink),
        describe_(describe),
        receive_ns_(receive_ns),
        begin_bytes_(sink.bytes().size()),
        begin_records_(sink.record_count()) {
    state_.message_kind = 0;
    state_.fault_field = {};
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  void set_kind(std::uint8_t kind) { state_.message_kind = kind; }

  json::Fault& fault() { return own_.fault; }
  RecordSink& sink() { return sink_; }
  std::int64_t receive_ns() const { return receive_ns_; }
  /// Neither refused nor out of room so far.
  bool ok() const { return own_.fault.ok() && !is_full_; }

  /// A record about `entry`. nullptr when the sink has no room; finish() then says so.
  template <class Payload>
  [[nodiscard, gnu::always_inline]] Payload* emit(market::RecordType type,
                                                  const market::InstrumentEntry& entry,
                                                  std::int64_t exchange_ns, std::uint8_t flags = 0,
                                                  std::size_t tail_bytes = 0) {
    Payload* payload = is_full_
                           ? nullptr
                           : sink_.emplace<Payload>(type, state_.instruments.venue(), entry.id,
                                                    exchange_ns, receive_ns_, flags, tail_bytes);
    is_full_ |= payload == nullptr;
    return payload;
  }

  /// A hole in a stream of ids; counted. @returns false when the sink has no room.
  bool emit_gap(const market::InstrumentEntry& entry, market::RecordType stream,
                std::int64_t exchange_ns, std::int64_t expected_id, std::int64_t got_id,
                market::GapCause cause = market::GapCause::sequence) {
    auto* gap = emit<market::Gap>(market::RecordType::gap, entry, exchange_ns);
    if (gap == nullptr) return false;
    gap->expected_id = expected_id;
    gap->got_id = got_id;
    gap->stream = stream;
    gap->cause = cause;
    gap->to_ns = exchange_ns;
    ++gaps_;
    return true;
  }
  /// A book record, then the verdict of its sequence checker, asked last and only when there is
  /// room for the gap record that it may call for. `levels` are own.bids and own.asks. `ask()`
  /// returns the Continuity.
  template <class Ask>
  market::Book* emit_book(market::RecordType type, const market::InstrumentEntry& entry,
                          std::int64_t exchange_ns, std::uint8_t flags, std::int64_t expected_id,
                          std::int64_t got_id, Ask ask);

  /// The instrument of this native symbol; an unknown one is described, staged as provisional and
  /// its record written. nullptr: refused (fault raised) or no room.
  const market::InstrumentEntry* instrument(std::string_view native) {
    if (own_.staged.empty()) {
      if (const market::InstrumentEntry* entry = state_.instruments.find(native); entry != nullptr)
        return entry;
    }
    return find_or_stage(native);
  }
  /// An instrument as the venue's list gives it. Its record stays in the sink only if it says
  /// something new. nullptr: no room.
  const market::InstrumentEntry* define(const InstrumentFacts& facts);
  /// The same for an event about one instrument, which may correct what this message has staged
  /// already.
  const market::InstrumentEntry* redefine(const InstrumentFacts& facts);
  bool is_staged(std::string_view native) const;

  /// The message was read by a shape, not by simdjson.
  void count_shape() { is_shape_ = true; }
  void count_duplicate() { ++duplicates_; }
  void count_checksum(bool is_match) { ++(is_match ? checksums_verified_ : checksum_mismatches_); }
  /// Counts a message (or a row of a list) that is not about a primary perpetual.
  void count_other_instrument() { ++other_instruments_; }
  void count_other(const market::InstrumentEntry& entry) {
    if (entry.instrument.is_primary == 0) other_instruments_ += is_other(entry) ? 1U : 0U;
  }

  /// Ends the call. On ok: instruments are interned, their records completed, counters advanced;
  /// the adapter then advances its own state. Otherwise the sink is as it was and only the message
  /// counters have moved; after sink_full not even those.
  [[nodiscard]] DecodeStatus finish() {
    if (!ok()) [[unlikely]]
      return refuse();
    ++state_.messages[state_.message_kind];
    state_.by_shape[state_.message_kind] += is_shape_ ? 1U : 0U;
    if ((duplicates_ | gaps_ | other_instruments_ | checksums_verified_ | checksum_mismatches_) !=
        0)
      add_counts();
    if (!own_.staged.empty()) [[unlikely]]
      intern_staged();
    return DecodeStatus::ok;
  }

 private:
  const market::InstrumentEntry* find_or_stage(std::string_view native);
  const market::InstrumentEntry* stage(const InstrumentFacts& facts);
  StagedInstrument* find_staged(std::string_view native) const;
  DecodeStatus refuse();
  void add_counts();
  /// May be the one instrument of its base that reaches the perp tables.
  bool is_candidate(const market::InstrumentEntry& entry) const;
  bool is_other(const market::InstrumentEntry& entry) const;
  void intern_staged();

  VenueState& state_;
  CommonState& own_;
  RecordSink& sink_;
  DescribeInstrument describe_;
  std::int64_t receive_ns_;
  std::size_t begin_bytes_;
  std::size_t begin_records_;
  std::uint32_t new_count_ = 0;  ///< staged instruments that the table does not know
  std::uint32_t duplicates_ = 0;
  std::uint32_t gaps_ = 0;
  std::uint32_t other_instruments_ = 0;
  std::uint32_t checksums_verified_ = 0;
  std::uint32_t checksum_mismatches_ = 0;
  bool is_full_ = false;
  bool is_shape_ = false;
};

template <class Ask>
market::Book* Transaction::emit_book(market::RecordType type, const market::InstrumentEntry& entry,
                                     std::int64_t exchange_ns, std::uint8_t flags,
                                     std::int64_t expected_id, std::int64_t got_id, Ask ask) {
  const std::size_t bid_bytes = own_.bids.size() * sizeof(market::Level);
  const std::size_t ask_bytes = own_.asks.size() * sizeof(market::Level);
  const std::size_t book_offset = sink_.bytes().size() + sizeof(market::RecordHeader);
  if (emit<market::Book>(type, entry, exchange_ns, flags, bid_bytes + ask_bytes) == nullptr)
    return nullptr;
  is_full_ |= !sink_.has_room(sizeof(market::RecordHeader) + sizeof(market::Gap));
  if (!ok()) return nullptr;  // nothing may be asked of a checker on behalf of a refused message
  // The sink may have grown and moved: take the address again.
  auto* book = reinterpret_cast<market::Book*>(sink_.bytes().data() + book_offset);
  book->bid_count = static_cast<std::uint32_t>(own_.bids.size());
  book->ask_count = static_cast<std::uint32_t>(own_.asks.size());
  auto* levels = reinterpret_cast<std::byte*>(book + 1);
  if (bid_bytes != 0) std::memcpy(levels, own_.bids.data(), bid_bytes);
  if (ask_bytes != 0) std::memcpy(levels + bid_bytes, own_.asks.data(), ask_bytes);
  const market::Continuity found = ask();
  book->continuity = static_cast<std::uint8_t>(found);
  if (found == market::Continuity::gap)
    emit_gap(entry, type, exchange_ns, expected_id, got_id);  // has room, so that nothing moves
  return book;
}

}  // namespace perp::venue
