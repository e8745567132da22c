#pragma once
// The members of BasicBroadcastRing; included by core/broadcast_ring.hpp, which has the contract
// and the drawing.
#include <perp/core/broadcast_ring.hpp>

namespace perp::core {

namespace detail {
[[noreturn]] void throw_no_gate(const char* why);
}  // namespace detail

template <class Counter, template <class> class Atomic>
BasicBroadcastRing<Counter, Atomic>::BasicBroadcastRing(std::size_t capacity_bytes)
    : memory_(checked_words(capacity_bytes) * sizeof(Word), "BroadcastRing"),
      words_(reinterpret_cast<Word*>(memory_.data())),
      mask_(capacity_bytes - 1) {
  using Self = BasicBroadcastRing;
  static_assert(offsetof(Self, published_) - offsetof(Self, memory_) >= cache_line_pair);
  static_assert(offsetof(Self, next_record_) - offsetof(Self, published_) >= cache_line_pair);
  static_assert(offsetof(Self, gates_) - offsetof(Self, next_record_) >= cache_line_pair);
  static_assert(alignof(Gate) >= cache_line_pair);  // and so its size
  std::uninitialized_default_construct_n(words_, capacity_bytes / sizeof(std::uint64_t));
  intent_.announce(sizeof(std::uint64_t));  // the number of the first record, 0, is in its place
}

template <class Counter, template <class> class Atomic>
std::size_t BasicBroadcastRing<Counter, Atomic>::checked_words(std::size_t capacity_bytes) {
  check_capacity("BroadcastRing", capacity_bytes, capacity_min, capacity_limit<Counter>);
  return capacity_bytes / sizeof(std::uint64_t);
}

template <class Counter, template <class> class Atomic>
auto BasicBroadcastRing<Counter, Atomic>::measure(std::span<const std::byte> records) const noexcept
    -> Chunk {
  // A quarter of the ring at a time: an overtaken reader's new place must stay ahead of the next
  // chunk.
  const std::size_t frame_limit = capacity() / 4 - sizeof(std::uint64_t);
  Chunk chunk;
  while (chunk.source_bytes < records.size()) {
    const std::size_t rest = records.size() - chunk.source_bytes;
    const RecordPrefix prefix = rest < sizeof(RecordPrefix)
                                    ? RecordPrefix{}
                                    : prefix_of(records.data() + chunk.source_bytes);
    const bool is_record = prefix.size != 0 && prefix.size % 8 == 0 && prefix.size <= rest;
    PERP_ASSERT(is_record);
    if (!is_record)
      break;  // our own mistake; without assertions the caller sees that it was not taken
    const std::size_t frame = prefix.type == 0 ? 0 : sizeof(std::uint64_t) + prefix.size;
    if (chunk.frame_bytes + frame > frame_limit) break;
    chunk.frame_bytes += frame;
    chunk.source_bytes += prefix.size;
  }
  return chunk;
}

template <class Counter, template <class> class Atomic>
bool BasicBroadcastRing<Counter, Atomic>::has_room(Counter intent) noexcept {
  if (!is_gated_ || distance(intent, cached_gate_) <= capacity()) return true;
  is_gated_ = false;
  for (std::size_t i = 0; i < gate_count_; ++i) {
    if (gates_[i].open.observe() == 0) continue;
    const Counter cursor = gates_[i].cursor.observe();
    if (!is_gated_ || distance(intent, cursor) > distance(intent, cached_gate_))
      cached_gate_ = cursor;
    is_gated_ = true;
  }
  return !is_gated_ || distance(intent, cached_gate_) <= capacity();
}

// Both in one or two straight runs: what is behind the end of the memory is at its start.
template <class Counter, template <class> class Atomic>
void BasicBroadcastRing<Counter, Atomic>::copy_in(Counter at, const std::byte* source,
                                                  std::size_t size_bytes) noexcept {
  while (size_bytes != 0) {
    const std::size_t run = std::min(size_bytes, capacity() - (at & mask_));
    Word* const target = &word(at);
    for (std::size_t i = 0; i < run / sizeof(std::uint64_t); ++i) {
      std::uint64_t value;
      std::memcpy(&value, source + i * sizeof value, sizeof value);
      target[i].publish(value);
    }
    source += run;
    size_bytes -= run;
    at = advance(at, run);
  }
}

template <class Counter, template <class> class Atomic>
void BasicBroadcastRing<Counter, Atomic>::copy_out(Counter at, std::byte* target,
                                                   std::size_t size_bytes) const noexcept {
  while (size_bytes != 0) {
    const std::size_t run = std::min(size_bytes, capacity() - (at & mask_));
    const Word* const source = &word(at);
    for (std::size_t i = 0; i < run / sizeof(std::uint64_t); ++i) {
      const std::uint64_t value = source[i].observe();
      std::memcpy(target + i * sizeof value, &value, sizeof value);
    }
    target += run;
    size_bytes -= run;
    at = advance(at, run);
  }
}

template <class Counter, template <class> class Atomic>
void BasicBroadcastRing<Counter, Atomic>::write_chunk(std::span<const std::byte> records,
                                                      Counter end) noexcept {
  Counter at = head_;
  if (distance(at, last_landmark_) >= capacity() / 2) landmark_.publish(last_landmark_ = at);
  intent_.announce(advance(end, sizeof(std::uint64_t)));
  while (!records.empty()) {
    const RecordPrefix prefix = prefix_of(records.data());
    if (prefix.type != 0) {
      at = advance(at, sizeof(std::uint64_t));  // its number was written with the record before it
      copy_in(at, records.data(), prefix.size);
      at = advance(at, prefix.size);
      word(at).publish(++next_record_);
    }
    records = records.subspan(prefix.size);
  }
  head_ = at;
  published_.publish(at);
}

template <class Counter, template <class> class Atomic>
std::size_t BasicBroadcastRing<Counter, Atomic>::try_publish(
    std::span<const std::byte> records) noexcept {
  std::size_t taken = 0;
  while (taken < records.size()) {
    const Chunk chunk = measure(records.subspan(taken));
    if (chunk.source_bytes == 0) break;
    const Counter end = advance(head_, chunk.frame_bytes);
    if (chunk.frame_bytes != 0) {
      if (!has_room(advance(end, sizeof(std::uint64_t)))) break;
      write_chunk(records.subspan(taken, chunk.source_bytes), end);
    }
    taken += chunk.source_bytes;
  }
  return taken;
}

template <class Counter, template <class> class Atomic>
auto BasicBroadcastRing<Counter, Atomic>::add_gating_reader() -> Reader {
  if (next_record_ != 0) detail::throw_no_gate("records were published already");
  if (gate_count_ == gating_max) detail::throw_no_gate("there is no place for another");
  Gate& gate = gates_[gate_count_++];
  gate.open.publish(1);
  is_gated_ = true;
  return Reader(this, &gate);
}

template <class Counter, template <class> class Atomic>
auto BasicBroadcastRing<Counter, Atomic>::add_reader() noexcept -> Reader {
  Reader reader(this, nullptr);
  do {
    reader.cursor_ = reader.end_ = published_.observe();
    reader.next_record_ = word(reader.cursor_).observe();
  } while (!is_intact(reader.cursor_));
  return reader;
}

template <class Counter, template <class> class Atomic>
BroadcastRead BasicBroadcastRing<Counter, Atomic>::Reader::read(
    std::span<std::byte> buffer) noexcept {
  constexpr std::size_t number_bytes = sizeof(std::uint64_t);
  if (cursor_ == end_) {
    pursuit_.before_look();
    end_ = ring_->published_.observe();
    pursuit_.after_look(distance(end_, cursor_));
    if (cursor_ == end_) return {};
  }

  Counter at = cursor_;
  std::uint64_t number = next_record_;
  std::size_t filled = 0;
  std::size_t needed = 0;
  bool is_sound = true;  // numbers and sizes are those of whole records; if not, we were overtaken
  while (at != end_) {
    const Counter body = advance(at, number_bytes);
    const std::uint64_t head = ring_->word(body).observe();
    const std::size_t size = std::bit_cast<RecordPrefix>(head).size;
    is_sound = ring_->word(at).observe() == number && size != 0 && size % 8 == 0 &&
               size <= distance(end_, body);
    if (!is_sound) break;
    if (size > buffer.size() - filled) {
      needed = size;
      break;
    }
    // The size was checked in the word `head`: another look at that word might give another size.
    std::memcpy(buffer.data() + filled, &head, sizeof head);
    ring_->copy_out(advance(body, sizeof head), buffer.data() + filled + sizeof head,
                    size - sizeof head);
    filled += size;
    ++number;
    at = advance(body, size);
  }

  // The number is compared too: a counter of 8 or 16 bits may have gone round while this reader
  // slept.
  if (!ring_->is_intact(cursor_) || !is_sound) return go_on_after_loss();
  if (filled == 0) {
    return {BroadcastStatus::small_buffer, {}, 0, 0, needed};
  }
  const std::uint64_t record_count = number - next_record_;
  cursor_ = at;
  next_record_ = number;
  if (cursor_ == end_) pursuit_.caught_up();
  if (gate_ != nullptr) gate_->cursor.publish(at);
  return {BroadcastStatus::records, buffer.first(filled), record_count, 0, 0};
}

template <class Counter, template <class> class Atomic>
BroadcastRead BasicBroadcastRing<Counter, Atomic>::Reader::go_on_after_loss() noexcept {
  PERP_ASSERT(gate_ == nullptr);
  Counter at;
  std::uint64_t number;
  do {
    at = ring_->landmark_.observe();
    number = ring_->word(at).observe();
    // A landmark older than the intent that gave us away is refused here too, so that `at` is ahead
    // of the cursor.
  } while (!ring_->is_intact(at));
  cursor_ = at;
  end_ = ring_->published_.observe();
  const std::uint64_t lost = number - next_record_;
  next_record_ = number;
  lost_count_ += lost;
  return {BroadcastStatus::lost, {}, 0, lost, 0};
}

}  // namespace perp::core
