#include <perp/core/platform.hpp>
#include <perp/feed/ring_writer.hpp>
#include <perp/market/record_kind.hpp>
#include <perp/venue/connect.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace perp::feed {
namespace {

/// Space claimed at once. Several messages share a claim, so that the ring is told once for all of
/// them.
constexpr std::size_t usual_claim_bytes = std::size_t{128} << 10;

constexpr std::size_t index_of(std::uint32_t instrument) { return instrument & 0x00ff'ffff; }

/// No message's records are larger than this: the densest text is a [price,size] level of 10 bytes
/// for a 16-byte Level, and a short list row of 16 bytes for a record of 100.
constexpr std::size_t bound_of(std::size_t payload_bytes) { return payload_bytes * 8 + 4096; }

/// Records that tell when something happened at the venue.
constexpr auto timed_types = std::to_array<market::RecordType>(
    {market::RecordType::trade, market::RecordType::bbo, market::RecordType::book_snapshot,
     market::RecordType::book_delta, market::RecordType::ticker, market::RecordType::mark_price,
     market::RecordType::funding, market::RecordType::open_interest, market::RecordType::kline,
     market::RecordType::liquidation});

}  // namespace

std::string_view name_of(LatencySpan span) noexcept {
  switch (span) {
    case LatencySpan::match_to_receive: return "match_to_receive";
    case LatencySpan::send_to_receive: return "send_to_receive";
    case LatencySpan::receive_to_decoded: return "receive_to_decoded";
    case LatencySpan::receive_to_published: return "receive_to_published";
  }
  return "unknown";
}

RingWriter::RingWriter(core::RecordRing& ring, std::function<void()> idle,
                       const std::atomic<bool>& stop)
    : ring_(&ring), idle_(std::move(idle)), stop_(&stop) {}

bool RingWriter::ensure(std::size_t bytes) {
  if (bytes > ring_->max_claim()) return false;
  for (bool is_first = true; !try_ensure(bytes); is_first = false) {
    if (is_first) ++stats_.full_waits;
    if (stop_->load(std::memory_order_relaxed))
      return false;  // a flag alone: nothing is read behind it
    idle_();
  }
  return true;
}

/// Room now, behind what waits for it.
bool RingWriter::try_ensure(std::size_t bytes) {
  if (!conflation_.empty() && !flush_conflated()) return false;
  return claim(bytes);
}

bool RingWriter::claim(std::size_t bytes) {
  if (claim_.has_value() && claim_bytes_ - claim_->bytes().size() >= bytes) return true;
  commit();
  const std::size_t want = std::min(std::max(bytes, usual_claim_bytes), ring_->max_claim());
  if (want < bytes) return false;
  std::span<std::byte> space = ring_->try_claim(want);
  if (space.empty() && bytes < want) space = ring_->try_claim(bytes);
  if (space.empty()) return false;
  claim_.emplace(space);
  claim_bytes_ = space.size();
  return true;
}

bool RingWriter::flush_conflated() {
  while (const market::RecordHeader* const oldest = conflation_.front()) {
    if (!claim(oldest->size)) return false;
    write(*oldest);
    conflation_.pop_front();
  }
  return true;
}

void RingWriter::publish() {
  if (!conflation_.empty()) flush_conflated();
  commit();
}

void RingWriter::commit() {
  if (!claim_.has_value()) return;
  ring_->commit(claim_->bytes().size());
  claim_.reset();
  claim_bytes_ = 0;
  if (unpublished_count_ == 0) return;
  const std::int64_t now_ns = core::wall_now().ns;
  for (; unpublished_count_ > 0; --unpublished_count_) {
    const Unpublished& message = unpublished_[unpublished_count_ - 1];
    histogram(message.type, LatencySpan::receive_to_published)->record(now_ns - message.receive_ns);
  }
}

/// The spans that a record does not keep, of one message in eight of each kind.
void RingWriter::measure(const venue::VenueState& state, const venue::Frame& frame,
                         const market::RecordHeader& first) {
  core::Histogram* const decoded = histogram(first.type, LatencySpan::receive_to_decoded);
  if (decoded == nullptr || frame.receive_ns == core::unknown_ns) return;
  if (measured_[static_cast<std::size_t>(first.type)]++ % 8 != 0) return;
  decoded->record(core::wall_now().ns - frame.receive_ns);
  if (unpublished_count_ < unpublished_.size())
    unpublished_[unpublished_count_++] = {first.type, frame.receive_ns};
  const venue::Connect* const connect = state.adapter.connect;
  if (connect == nullptr || connect->read_sent == nullptr) return;
  if (const std::int64_t sent_ns = connect->read_sent(frame.payload); sent_ns != core::unknown_ns)
    histogram(first.type, LatencySpan::send_to_receive)->record(frame.receive_ns - sent_ns);
}

void RingWriter::stamp(std::size_t from) {
  const std::span<std::byte> bytes = claim_->bytes();
  for (std::size_t at = from; at < bytes.size();) {
    auto& header = *reinterpret_cast<market::RecordHeader*>(bytes.data() + at);
    header.seq = seq_++;
    ++stats_.records;
    if (header.type == market::RecordType::trade || header.type == market::RecordType::bbo ||
        header.type == market::RecordType::book_delta ||
        header.type == market::RecordType::book_snapshot)
      newest_exchange_ns_ = std::max(newest_exchange_ns_, header.exchange_ns);
    newest_receive_ns_ = std::max(newest_receive_ns_, header.receive_ns);
    if (on_gap_ != nullptr) notice(header);
    at += header.size;
  }
  stats_.record_bytes += bytes.size() - from;
}

void RingWriter::listen(std::function<void(const market::RecordHeader&)> on_gap,
                        std::function<void(const market::RecordHeader&)> on_awaited_trade) {
  on_gap_ = std::move(on_gap);
  on_awaited_trade_ = std::move(on_awaited_trade);
  latencies_.resize(market::record_type_limit * latency_span_count);
  for (const market::RecordType type : timed_types)
    for (std::size_t span = 0; span < latency_span_count; ++span)
      latencies_[static_cast<std::size_t>(type) * latency_span_count + span] =
          std::make_unique<core::Histogram>();
}

RingWriter::LastTrade RingWriter::last_trade(std::uint32_t instrument) const {
  const std::size_t index = index_of(instrument);
  return index < last_trades_.size() ? last_trades_[index] : LastTrade{};
}

RingWriter::LastTrade& RingWriter::last_trade_of(std::uint32_t instrument) {
  const std::size_t index = index_of(instrument);
  if (index >= last_trades_.size()) [[unlikely]]
    last_trades_.resize(index + 1);
  return last_trades_[index];
}

void RingWriter::await_trade(std::uint32_t instrument) {
  last_trade_of(instrument).is_awaited = true;
}

void RingWriter::follow_book(std::uint32_t instrument, bool is_followed) {
  bool& was_followed = last_trade_of(instrument).is_book_followed;
  if (was_followed != is_followed) books_followed_ += is_followed ? 1U : ~0U;
  was_followed = is_followed;
}

void RingWriter::notice(const market::RecordHeader& header) {
  if (header.type == market::RecordType::gap) {
    on_gap_(header);
    return;
  }
  if ((header.flags & (market::flag_backfill | market::flag_snapshot)) != 0) {
    if (header.type == market::RecordType::book_snapshot && on_book_ != nullptr) on_book_(header);
    return;
  }
  if (core::Histogram* const latency = histogram(header.type, LatencySpan::match_to_receive);
      latency != nullptr && header.exchange_ns != core::unknown_ns)
    latency->record(header.receive_ns - header.exchange_ns);
  if (header.exchange_ns != core::unknown_ns &&
      (header.type == market::RecordType::trade || header.type == market::RecordType::bbo ||
       header.type == market::RecordType::book_delta ||
       header.type == market::RecordType::book_snapshot))
    last_event_ns_ = header.exchange_ns;
  if (header.type == market::RecordType::book_delta && books_followed_ != 0) [[unlikely]]
    if (last_trade_of(header.instrument).is_book_followed) on_book_(header);
  if (header.type != market::RecordType::trade) return;
  LastTrade& last = last_trade_of(header.instrument);
  if (last.is_awaited) [[unlikely]] {
    last.is_awaited = false;
    on_awaited_trade_(header);
  }
  last.id = market::payload<market::Trade>(header).trade_id;
  last.price = market::payload<market::Trade>(header).price;
  // One that lies ahead would keep holes by time from being filled until then.
  last.exchange_ns = std::max(last.exchange_ns, std::min(header.exchange_ns, header.receive_ns));
}

venue::DecodeStatus RingWriter::frame(venue::VenueState& state, const venue::Frame& frame) {
  ++stats_.messages;
  stats_.bytes += frame.payload.size();
  last_event_ns_ = core::unknown_ns;
  const std::size_t bound = std::min(bound_of(frame.payload.size()), usual_claim_bytes);
  // Without room it is decoded beside the ring: which of its records wait is theirs to say.
  if (is_conflating_ ? try_ensure(bound) : ensure(bound)) {
    const std::size_t before = claim_->bytes().size();
    const std::size_t records = claim_->record_count();
    const bool is_sampled = stats_.messages % 8 == 0;
    const core::MonoNs begun = is_sampled ? clock_.mono_now() : core::MonoNs{};
    const venue::DecodeStatus status = state.adapter.decode(state, frame, *claim_);
    if (is_sampled) decode_ns_.record(clock_.mono_now() - begun);
    if (status == venue::DecodeStatus::ok) {
      const std::span<const std::byte> bytes = std::as_const(*claim_).bytes();
      if (on_gap_ != nullptr && bytes.size() > before)
        measure(state, frame,
                *reinterpret_cast<const market::RecordHeader*>(bytes.data() + before));
      stamp(before);
      return status;
    }
    claim_->rollback(before, records);
    if (status != venue::DecodeStatus::sink_full) {
      refuse(state, status, frame.payload, {}, frame.receive_ns);
      return status;
    }
  }
  scratch_.reset();
  const venue::DecodeStatus status = state.adapter.decode(state, frame, scratch_);
  if (status == venue::DecodeStatus::ok) {
    const std::span<const std::byte> bytes = std::as_const(scratch_).bytes();
    if (on_gap_ != nullptr && !bytes.empty())
      measure(state, frame, *reinterpret_cast<const market::RecordHeader*>(bytes.data()));
    flush_scratch();
  } else {
    refuse(state, status, frame.payload, {}, frame.receive_ns);
  }
  return status;
}

venue::DecodeStatus RingWriter::rest(venue::VenueState& state, const venue::RestReply& reply,
                                     const std::function<bool(const market::RecordHeader&)>& keep) {
  ++stats_.messages;
  stats_.bytes += reply.body.size();
  scratch_.reset();
  const venue::DecodeStatus status = state.adapter.decode_rest(state, reply, scratch_);
  if (status == venue::DecodeStatus::ok) {
    flush_scratch(keep);
  } else {
    refuse(state, status, reply.body, reply.endpoint, reply.receive_ns);
  }
  return status;
}

void RingWriter::flush_scratch(const std::function<bool(const market::RecordHeader&)>& keep) {
  venue::for_each_record(std::as_const(scratch_).bytes(), [&](const market::RecordHeader& header) {
    if (keep == nullptr || keep(header)) record(header);
  });
  scratch_.reset();
}

void RingWriter::record(const market::RecordHeader& header) {
  if (is_conflating_ && Conflation::takes(header) && !try_ensure(header.size)) {
    conflation_.put(header);
    stats_.conflated = conflation_.replaced();
    return;
  }
  if (!ensure(header.size)) {
    ++lost_at_stop_;
    return;
  }
  write(header);
}

void RingWriter::write(const market::RecordHeader& header) {
  const std::size_t before = claim_->bytes().size();
  std::byte* copy = claim_->append(header.size);
  PERP_ASSERT(copy != nullptr);
  std::memcpy(copy, &header, header.size);
  stamp(before);
}

void RingWriter::refuse(venue::VenueState& state, venue::DecodeStatus status,
                        std::string_view payload, std::string_view endpoint,
                        std::int64_t receive_ns) {
  if (status == venue::DecodeStatus::venue_error)
    ++state.venue_errors;  // the adapter counts its own refusals
  ++stats_.errors;
  struct {
    market::RecordHeader header;
    market::DecodeFailure failure;
  } record_bytes;
  record_bytes.header.size = sizeof record_bytes;
  record_bytes.header.type = market::RecordType::error;
  record_bytes.header.venue = state.adapter.spec.venue;
  record_bytes.header.receive_ns = receive_ns;
  market::DecodeFailure& failure = record_bytes.failure;
  failure.status = static_cast<std::uint16_t>(status);
  failure.message_size = static_cast<std::uint32_t>(payload.size());
  failure.stream.assign_cut(endpoint.empty() &&
                                    state.message_kind < state.adapter.message_kinds.size()
                                ? state.adapter.message_kinds[state.message_kind]
                                : endpoint);
  failure.field.assign_cut(state.fault_field);
  failure.excerpt.assign_cut(payload);
  count_refusal({.venue = state.adapter.spec.venue,
                 .status = status,
                 .stream = std::string(failure.stream.view()),
                 .field = std::string(failure.field.view()),
                 .excerpt = std::string(payload.substr(0, 80)),
                 .count = 1});
  failure.excerpt_size =
      static_cast<std::uint16_t>(std::min(payload.size(), sizeof failure.excerpt.data));
  record(record_bytes.header);
}

void RingWriter::count_refusal(const Refusal& refusal) {
  for (Refusal& known : refusals_)
    if (known.venue == refusal.venue && known.status == refusal.status &&
        known.stream == refusal.stream && known.field == refusal.field) {
      ++known.count;
      return;
    }
  if (refusals_.size() < refusal_limit) {
    refusals_.push_back(refusal);
  } else {
    ++refusals_.back().count;
  }
}

}  // namespace perp::feed
