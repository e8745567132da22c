// Random hours against the oracle; replays and checkpoints against the straight run, byte for byte.
#include "state/oracle.hpp"
#include "state/random_tape.hpp"
#include "support/random_records.hpp"

#include <gtest/gtest.h>

namespace perp::test {
namespace {

std::string name_of(const Oracle::Key& key) {
  const auto [id, kind, open] = key;
  return std::to_string(id >> 24) + ":" + std::to_string(id & 0xffffff) + " " +
         std::string(market::spec_row(kind).suffix) + " minute " +
         std::to_string((open - noon) / min);
}

// The last record of every key is what the specification says of the whole tape, whatever came
// late; each record of a key differs from the one before it, and only the first is no revision.
TEST(RandomHours, EndAsTheOracleSays) {
  const std::uint64_t seed = seed_for_test();
  std::size_t tradeless = 0;
  std::size_t tradeless_revised = 0;
  for (std::uint64_t round = 0; round < 30; ++round) {
    SCOPED_TRACE("PERP_SEED=" + std::to_string(seed) + " round " + std::to_string(round));
    const RandomTape random(seed + round, round % 3 == 0 ? 1 : 8);
    const Played run(random.tape);
    const Oracle oracle(random.tape);

    std::map<Oracle::Key, std::map<int, double>> table;
    for (const MinuteRow& row : run.all.minutes) {
      const Oracle::Key key{row.instrument, row.kind, row.open_ns};
      const auto before = table.find(key);
      ASSERT_EQ(row.is_revision(), before != table.end()) << name_of(key);
      if (before != table.end()) {
        ASSERT_NE(before->second, row.values) << name_of(key);
        tradeless_revised += oracle.tradeless.count(key);
      }
      table[key] = row.values;
    }
    std::erase_if(
        table, [](const auto& entry) { return entry.second.empty(); });  // written again as nothing

    for (const auto& [key, values] : oracle.table) {
      std::map<int, double> expected;
      for (const auto& [name, value] : values) expected[id_of_column(name)] = value;
      ASSERT_EQ(table.count(key), 1u) << name_of(key);
      ASSERT_EQ(table[key], expected) << name_of(key);
    }
    ASSERT_EQ(table.size(), oracle.table.size());
    tradeless += oracle.tradeless.size();

    std::set<std::pair<std::uint32_t, std::int64_t>> gaps;
    for (std::size_t i = 0; i < run.all.gaps.size(); ++i)
      ASSERT_TRUE(gaps.emplace(run.all.gap_instruments[i], run.all.gaps[i].from_ns).second);
  }
  EXPECT_GT(tradeless, 300u) << "minutes in which nothing was traded";
  EXPECT_GT(tradeless_revised, 30u) << "of which late data moved the close before, or a change";
}

TEST(RandomHours, ReplayTwiceToTheSameBytes) {
  const std::uint64_t seed = seed_for_test();
  SCOPED_TRACE("PERP_SEED=" + std::to_string(seed));
  const RandomTape random(seed);
  const Played first(random.tape);
  const Played second(random.tape);
  ASSERT_FALSE(first.all.bytes.empty());
  EXPECT_EQ(first.all.bytes, second.all.bytes);
  std::vector<std::byte> image;
  std::vector<std::byte> again;
  first.state.save(image);
  second.state.save(again);
  EXPECT_EQ(image, again);
}

// A journal holds the fold's own conclusions between the inputs: they change nothing.
TEST(RandomHours, ReplayWithTheirOwnConclusionsAmongTheInputs) {
  const RandomTape random(11);
  state::MarketState state{state::StateOptions{}};
  state::MarketState fed{state::StateOptions{}};
  state::DerivedSink sink;
  state::DerivedSink fed_sink;
  state::DerivedSink nothing;
  for (std::size_t i = 0; i < random.tape.size(); ++i) {
    state.apply(random.tape[i], sink);
    fed.apply(random.tape[i], fed_sink);
    ASSERT_TRUE(std::equal(sink.bytes().begin(), sink.bytes().end(), fed_sink.bytes().begin(),
                           fed_sink.bytes().end()));
    fed_sink.for_each([&](const market::RecordHeader& header) { fed.apply(header, nothing); });
    ASSERT_TRUE(nothing.empty());
    sink.reset();
    fed_sink.reset();
  }
}

// A checkpoint at every k-th record: image, fresh state, rest of the tape. Same conclusions and
// same last image.
TEST(RandomHours, GoOnFromAnyCheckpointAsIfNothingHadHappened) {
  const RandomTape random(5, 3);
  Played straight(random.tape);
  std::vector<std::byte> last;
  straight.state.save(last);
  std::vector<std::size_t> derived_until;  // bytes concluded before record i
  {
    Played steps;
    for (std::size_t i = 0; i < random.tape.size(); ++i) {
      derived_until.push_back(steps.all.bytes.size());
      steps.play(random.tape, i, i + 1);
    }
  }
  Played walker;
  for (std::size_t at = 0; at < random.tape.size(); at += 97) {
    walker.play(random.tape, at == 0 ? 0 : at - 97, at);
    std::vector<std::byte> image;
    walker.state.save(image);
    Played resumed;
    resumed.state.load(image);
    std::vector<std::byte> same;
    resumed.state.save(same);
    ASSERT_EQ(image, same) << at;
    resumed.play(random.tape, at);
    const std::vector<std::byte> expected(
        straight.all.bytes.begin() + static_cast<std::ptrdiff_t>(derived_until[at]),
        straight.all.bytes.end());
    ASSERT_EQ(resumed.all.bytes, expected) << at;
    std::vector<std::byte> end;
    resumed.state.save(end);
    ASSERT_EQ(end, last) << at;
  }
}

}  // namespace
}  // namespace perp::test
