#pragma once
// Where a decoder writes records: contiguous space that the caller claimed in a ring, or a buffer
// that grows. One message's records are taken together (commit) or not at all (rollback). One
// thread.
#include <perp/market/record.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <vector>

namespace perp::venue {

class RecordSink {
 public:
  /// Writes into `space` (8-byte aligned) only; claims beyond it fail.
  explicit RecordSink(std::span<std::byte> space)
      : begin_(space.data()), cursor_(space.data()), end_(space.data() + space.size()) {}
  /// Grows as needed: cold paths and tests.
  RecordSink() { grow(std::size_t{1} << 16); }
  RecordSink(const RecordSink&) = delete;
  RecordSink& operator=(const RecordSink&) = delete;

  /// A record with `tail_bytes` (a multiple of 8) behind its payload, default-initialised. nullptr:
  /// no room (return DecodeStatus::sink_full). The pointer is valid until the next emplace on a
  /// growing sink.
  template <class Payload>
  [[nodiscard, gnu::always_inline]] Payload* emplace(market::RecordType type, market::VenueId venue,
                                                     std::uint32_t instrument,
                                                     std::int64_t exchange_ns,
                                                     std::int64_t receive_ns,
                                                     std::uint8_t flags = 0,
                                                     std::size_t tail_bytes = 0) {
    static_assert(market::is_payload<Payload>);
    const std::size_t size = sizeof(market::RecordHeader) + sizeof(Payload) + tail_bytes;
    std::byte* const at = append(size);
    if (at == nullptr) return nullptr;
    auto* header = new (at) market::RecordHeader;
    header->size = static_cast<std::uint32_t>(size);
    header->type = type;
    header->venue = venue;
    header->flags = flags;
    header->instrument = instrument;
    header->exchange_ns = exchange_ns;
    header->receive_ns = receive_ns;
    return new (at + sizeof(market::RecordHeader)) Payload;
  }

  /// Raw space for one whole record of `size` bytes that the caller copies in; nullptr: no room.
  [[nodiscard]] std::byte* append(std::size_t size) {
    if (!has_room(size)) return nullptr;
    std::byte* const at = cursor_;
    cursor_ += size;
    ++record_count_;
    return at;
  }

  /// Whether `size` bytes can be appended; makes room for them if it may grow.
  [[nodiscard]] bool has_room(std::size_t size) {
    return static_cast<std::size_t>(end_ - cursor_) >= size || grow(size);
  }

  /// What was written since construction or the last reset.
  std::span<const std::byte> bytes() const {
    return {begin_, static_cast<std::size_t>(cursor_ - begin_)};
  }
  std::span<std::byte> bytes() { return {begin_, static_cast<std::size_t>(cursor_ - begin_)}; }
  std::size_t record_count() const { return record_count_; }
  /// Forgets what was written: a refused message, or a buffer that was drained.
  void reset() {
    cursor_ = begin_;
    record_count_ = 0;
  }
  /// Cuts back to an earlier bytes().size() and record_count().
  void rollback(std::size_t size_bytes, std::size_t records) {
    cursor_ = begin_ + size_bytes;
    record_count_ = records;
  }

 private:
  [[gnu::noinline]] bool grow(std::size_t need) {
    if (begin_ != nullptr && own_.empty()) return false;  // a fixed space
    const std::size_t used = static_cast<std::size_t>(cursor_ - begin_);
    own_.resize((used + need) / 8 * 2 + 1024);
    begin_ = reinterpret_cast<std::byte*>(own_.data());
    cursor_ = begin_ + used;
    end_ = begin_ + own_.size() * 8;
    return true;
  }

  std::byte* begin_ = nullptr;
  std::byte* cursor_ = nullptr;
  std::byte* end_ = nullptr;
  std::size_t record_count_ = 0;
  std::vector<std::uint64_t> own_;
};

/// Calls `visit(const market::RecordHeader&)` for each record of a span of whole records.
template <class Visit>
void for_each_record(std::span<const std::byte> bytes, Visit visit) {
  for (std::size_t at = 0; at < bytes.size();) {
    const auto& header = *reinterpret_cast<const market::RecordHeader*>(bytes.data() + at);
    visit(header);
    at += header.size;
  }
}

}  // namespace perp::venue
