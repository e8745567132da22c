// Every interleaving of a broadcast ring's producer with readers of both kinds, alone and together,
// each memory order weakened in turn.
#include "support/interleaving_check.hpp"

#include <perp/core/broadcast_ring.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace perp::core {
namespace {

using test::model::Atomic;
using test::model::check_interleavings;
using test::model::Checker;
using test::model::weak_load;
using test::model::weak_store;

// Locations of a broadcast ring: 0 published, 1 intent, 2 landmark, then cursor and open of each
// gate, then words.
constexpr std::size_t first_gate = 3;
constexpr std::size_t first_word = first_gate + 2 * BroadcastRing::gating_max;
constexpr std::size_t last_word = first_word + 128 / 8 - 1;
using SmallBroadcast = BasicBroadcastRing<std::uint16_t, Atomic>;
static_assert(last_word < test::model::location_max);

std::array<std::byte, 16> numbered(std::uint64_t number) {
  std::array<std::byte, 16> record;
  const RecordPrefix prefix{16, static_cast<std::uint16_t>(number + 1), 0};
  std::memcpy(record.data(), &prefix, sizeof prefix);
  std::memcpy(record.data() + 8, &number, sizeof number);
  return record;
}

// What `reader` is told by one read agrees with what is published, record by record.
void read_once(Checker& checker, SmallBroadcast::Reader& reader, std::size_t buffer_bytes) {
  std::array<std::byte, 128> buffer;
  const std::uint64_t before = reader.next_record();
  const BroadcastRead result = reader.read(std::span(buffer).first(buffer_bytes));
  if (result.status == BroadcastStatus::lost) {
    checker.check(result.lost_count > 0 && result.lost_count < 100, "an impossible loss");
    return;
  }
  for (std::size_t i = 0; i < result.record_count; ++i) {
    const auto expected = numbered(before + i);
    checker.check(std::equal(expected.begin(), expected.end(),
                             buffer.begin() + static_cast<std::ptrdiff_t>(16 * i)),
                  "a torn or wrong record");
  }
}

TEST(Interleaving, BroadcastRingNeedsEachOrderOfALossyReader) {
  check_interleavings(
      2,
      [](Checker& checker) {
        SmallBroadcast ring(128);
        SmallBroadcast::Reader reader = ring.add_reader();
        std::uint64_t number = 0;
        const auto publish = [&] {
          checker.check(ring.try_publish(numbered(number)) == 16, "nobody is in the way");
          ++number;
        };
        for (int i = 0; i < 4; ++i) publish();
        checker.run({[&] {
                       for (int i = 0; i < 3; ++i) publish();
                     },
                     [&] {
                       for (const std::size_t buffer_bytes : {32U, 128U})
                         read_once(checker, reader, buffer_bytes);
                     }});
        if (!checker.has_failed())
          checker.check(reader.next_record() <= number, "ahead of the producer");
      },
      {weak_store("publish of published", 0, 0), weak_load("observe of published", 0, 0),
       weak_store("publish of landmark", 2, 2), weak_load("observe of landmark", 2, 2),
       weak_store("publish of words", first_word, last_word),
       weak_load("observe of words", first_word, last_word)});
}

TEST(Interleaving, BroadcastRingNeedsEachOrderOfAGatingReader) {
  check_interleavings(
      3,
      [](Checker& checker) {
        SmallBroadcast ring(128);
        std::optional<SmallBroadcast::Reader> reader(ring.add_gating_reader());
        checker.guard_loads(first_word, 2);
        std::uint64_t number = 0;
        const auto publish = [&] { number += ring.try_publish(numbered(number)) / 16; };
        for (int i = 0; i < 4; ++i) publish();
        checker.run({[&] {
                       for (int i = 0; i < 3; ++i) publish();
                     },
                     [&] {
                       for (int i = 0; i < 2; ++i) read_once(checker, *reader, 48);
                       checker.check(reader->lost_count() == 0, "a gating reader lost something");
                       reader.reset();
                     }});
      },
      {weak_store("publish of a gate's cursor", first_gate, first_gate),
       weak_load("observe of a gate's cursor", first_gate, first_gate),
       weak_store("publish of a gate's end", first_gate + 1, first_gate + 1),
       weak_load("observe of a gate's end", first_gate + 1, first_gate + 1)});
}

TEST(Interleaving, BroadcastRingServesAGatingAndALossyReaderTogether) {
  check_interleavings(
      2,
      [](Checker& checker) {
        SmallBroadcast ring(128);
        std::optional<SmallBroadcast::Reader> gating(ring.add_gating_reader());
        SmallBroadcast::Reader lossy = ring.add_reader();
        checker.guard_loads(first_word, 2);
        std::uint64_t number = 0;
        const auto publish = [&] { number += ring.try_publish(numbered(number)) / 16; };
        for (int i = 0; i < 4; ++i) publish();
        checker.run({[&] {
                       for (int i = 0; i < 3; ++i) publish();
                     },
                     [&] {
                       read_once(checker, *gating, 48);
                       checker.check(gating->lost_count() == 0, "a gating reader lost something");
                       gating.reset();
                     },
                     [&] {
                       for (const std::size_t buffer_bytes : {32U, 128U})
                         read_once(checker, lossy, buffer_bytes);
                     }});
        if (!checker.has_failed())
          checker.check(lossy.next_record() <= number, "ahead of the producer");
      },
      {weak_store("publish of published", 0, 0), weak_load("observe of published", 0, 0),
       weak_store("publish of words", first_word, last_word),
       weak_load("observe of words", first_word, last_word),
       weak_store("publish of a gate's cursor", first_gate, first_gate),
       weak_load("observe of a gate's cursor", first_gate, first_gate),
       weak_store("publish of a gate's end", first_gate + 1, first_gate + 1),
       weak_load("observe of a gate's end", first_gate + 1, first_gate + 1)});
}

TEST(Interleaving, BroadcastRingLetsReadersJoinWhileItsProducerRuns) {
  check_interleavings(
      2,
      [](Checker& checker) {
        SmallBroadcast ring(128);
        std::uint64_t number = 0;
        const auto publish = [&] { number += ring.try_publish(numbered(number)) / 16; };
        for (int i = 0; i < 4; ++i) publish();
        checker.run({[&] {
                       for (int i = 0; i < 5; ++i) publish();
                     },
                     [&] {
                       SmallBroadcast::Reader reader = ring.add_reader();
                       checker.check(reader.next_record() >= 4 && reader.next_record() <= 9,
                                     "a wrong beginning");
                       read_once(checker, reader, 128);
                       checker.check(reader.next_record() <= 9, "ahead of the producer");
                     }});
      },
      {weak_store("publish of published", 0, 0), weak_load("observe of published", 0, 0)});
}

}  // namespace
}  // namespace perp::core
