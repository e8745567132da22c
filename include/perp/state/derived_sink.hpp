#pragma once
// Where the fold writes the records that it concludes (minutes, gaps). The engine appends them to
// the journal after the input that caused them, then resets the sink. One thread, the engine's.
// Grows when it must and keeps what it has: once a minute's close has fitted, writing allocates
// nothing.
#include <perp/market/record.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <vector>

namespace perp::state {

class DerivedSink {
 public:
  DerivedSink() : words_(initial_words) {}
  DerivedSink(const DerivedSink&) = delete;
  DerivedSink& operator=(const DerivedSink&) = delete;

  /// A derived record with `tail_bytes` (a multiple of 8) behind its payload, default-initialised;
  /// the payload is valid until the next emplace.
  template <class Payload>
  Payload& emplace(market::RecordType type, market::VenueId venue, std::uint32_t instrument,
                   std::int64_t exchange_ns, std::int64_t receive_ns, std::uint8_t flags,
                   std::size_t tail_bytes = 0) {
    static_assert(market::is_payload<Payload>);
    const std::size_t size = sizeof(market::RecordHeader) + sizeof(Payload) + tail_bytes;
    if (used_ + size > words_.size() * 8) words_.resize((used_ + size) / 8 * 2);
    std::byte* at = reinterpret_cast<std::byte*>(words_.data()) + used_;
    auto* header = new (at) market::RecordHeader;
    header->size = static_cast<std::uint32_t>(size);
    header->type = type;
    header->venue = venue;
    header->flags = static_cast<std::uint8_t>(flags | market::flag_derived);
    header->instrument = instrument;
    header->exchange_ns = exchange_ns;
    header->receive_ns = receive_ns;
    used_ += size;
    ++record_count_;
    return *new (at + sizeof(market::RecordHeader)) Payload;
  }

  /// What was written since construction or the last reset.
  std::span<const std::byte> bytes() const {
    return {reinterpret_cast<const std::byte*>(words_.data()), used_};
  }
  std::size_t record_count() const { return record_count_; }
  bool empty() const { return used_ == 0; }
  void reset() {
    used_ = 0;
    record_count_ = 0;
  }

  /// Calls `visit(const market::RecordHeader&)` for each record, oldest first.
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::size_t at = 0; at < used_;) {
      const auto& header = *reinterpret_cast<const market::RecordHeader*>(bytes().data() + at);
      visit(header);
      at += header.size;
    }
  }

 private:
  static constexpr std::size_t initial_words = std::size_t{1} << 17;

  std::vector<std::uint64_t> words_;
  std::size_t used_ = 0;
  std::size_t record_count_ = 0;
};

}  // namespace perp::state
