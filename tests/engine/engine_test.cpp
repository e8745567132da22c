// The engine over a real journal: order of what is written, restarts, checkpoints, replay checks.
#include "state/random_tape.hpp"
#include "support/malloc_counter.hpp"

#include <perp/core/error.hpp>
#include <perp/engine/engine.hpp>
#include <perp/engine/replay_check.hpp>
#include <perp/journal/reader.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <tuple>

namespace perp::test {
namespace {

class EngineTest : public testing::Test {
 protected:
  EngineTest() {
    std::string name = (std::filesystem::temp_directory_path() / "perp-engine-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = name;
  }
  ~EngineTest() override { std::filesystem::remove_all(folder_); }

  engine::EngineOptions options(std::int64_t checkpoint_every_ns = 5 * min) const {
    engine::EngineOptions made;
    made.journal.folder = folder_;
    made.journal.segment_bytes = 1u << 20;
    made.journal.block_bytes = 1u << 16;
    made.checkpoint_every_ns = checkpoint_every_ns;
    return made;
  }
  static std::vector<std::byte> image_of(const state::MarketState& state) {
    std::vector<std::byte> image;
    state.save(image);
    return image;
  }
  /// The state of a replay of the whole journal from its first byte.
  std::vector<std::byte> image_from_the_start() const {
    state::MarketState state{state::StateOptions{}};
    state::DerivedSink sink;
    journal::Reader reader(folder_);
    while (const market::RecordHeader* record = reader.next()) {
      if (reader.is_repeat() || (record->flags & market::flag_derived) != 0) continue;
      state.apply(*record, sink);
      sink.reset();
    }
    return image_of(state);
  }
  std::vector<std::string> checkpoints() const {
    std::vector<std::string> files;
    if (std::filesystem::exists(folder_ + "/checkpoints"))
      for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/checkpoints"))
        files.push_back(entry.path().string());
    std::sort(files.begin(), files.end());
    return files;
  }

  std::string folder_;
};

TEST_F(EngineTest, WritesConclusionsBehindTheInputThatCausedThem) {
  const RandomTape random(1, 3);
  {
    engine::Engine engine(options());
    for (std::size_t i = 0; i < random.tape.size(); ++i) engine.process(random.tape[i]);
    engine.finish();
    EXPECT_EQ(engine.counts().records, random.tape.size());
    EXPECT_EQ(engine.journalled(RecordType::trade), engine.state().totals().records[2]);
  }
  // Expected: each input, then what a state of its own concludes from it.
  state::MarketState state{state::StateOptions{}};
  state::DerivedSink sink;
  journal::Reader reader(folder_);
  std::uint64_t minutes = 0;
  for (std::size_t i = 0; i < random.tape.size(); ++i) {
    const market::RecordHeader* record = reader.next();
    while (record != nullptr && reader.is_repeat()) record = reader.next();
    ASSERT_NE(record, nullptr) << i;
    ASSERT_EQ(std::memcmp(record, &random.tape[i], record->size), 0) << i;
    state.apply(random.tape[i], sink);
    sink.for_each([&](const market::RecordHeader& expected) {
      const market::RecordHeader* stored = reader.next();
      while (stored != nullptr && reader.is_repeat()) stored = reader.next();
      ASSERT_NE(stored, nullptr);
      ASSERT_EQ(std::memcmp(stored, &expected, expected.size), 0);
      ++minutes;
    });
    sink.reset();
  }
  EXPECT_EQ(reader.next(), nullptr);
  EXPECT_GT(minutes, 1000u);
}

TEST_F(EngineTest, DrainsRingsInTurnAndSkipsPadding) {
  const RandomTape random(2, 3);
  core::RecordRing first(1u << 14);
  core::RecordRing second(1u << 14);
  engine::Engine engine(options());
  engine.add_ring(first);
  engine.add_ring(second);
  std::size_t at = 0;
  std::uint64_t taken = 0;
  while (at < random.tape.size()) {
    // Fill until one is full: the rings wrap many times, with padding.
    for (core::RecordRing* ring = &first; at < random.tape.size();
         ring = ring == &first ? &second : &first) {
      const market::RecordHeader& record = random.tape[at];
      const std::span<std::byte> space = ring->try_claim(record.size);
      if (space.empty()) break;
      std::memcpy(space.data(), &record, record.size);
      ring->commit(record.size);
      ++at;
    }
    taken += static_cast<std::uint64_t>(engine.do_work());
  }
  engine.finish();
  EXPECT_EQ(engine.counts().records, random.tape.size());
  EXPECT_EQ(first.size_guess() + second.size_guess(), 0u);
  EXPECT_GT(engine.ring_ns().count(), 0u);
  const engine::ReplayCheck check = engine::check_replay(folder_, {});
  EXPECT_TRUE(check.is_equal()) << check.first_fault;
  EXPECT_EQ(check.inputs, random.tape.size());
  EXPECT_LE(taken, random.tape.size());
}

// Stops at many places, each time with or without a checkpoint at hand: the state is that of a
// replay from the first byte, and the journal's conclusions are those of such a replay.
TEST_F(EngineTest, GoesOnAfterARestartAsAReplayWould) {
  const RandomTape random(3, 4);
  const std::size_t step = random.tape.size() / 9 + 1;
  std::string used;
  for (std::size_t from = 0; from < random.tape.size(); from += step) {
    engine::Engine engine(options(4 * min));
    if (from > 0) {
      EXPECT_EQ(engine.start().differing, 0u);
      EXPECT_EQ(engine.start().completed, 0u);
      EXPECT_GT(engine.state().totals().records[static_cast<std::size_t>(RecordType::feed_status)],
                0u);
      used = engine.start().checkpoint;
    }
    for (std::size_t i = from; i < std::min(from + step, random.tape.size()); ++i) {
      engine.process(random.tape[i]);
      if (i % 64 == 0) engine.do_work();
    }
    if (from / step % 2 == 0) engine.finish();
    engine.writer().sync();
    ASSERT_EQ(image_of(engine.state()), image_from_the_start()) << from;
  }
  EXPECT_FALSE(used.empty());
  const engine::ReplayCheck check = engine::check_replay(folder_, {});
  EXPECT_TRUE(check.is_equal()) << check.first_fault;
  EXPECT_EQ(check.at_end, 0u);
  EXPECT_GT(check.equal, 1000u);
  EXPECT_LE(checkpoints().size(), 2u);
}

TEST_F(EngineTest, StartsFromTheNewestCheckpointThatIsWhole) {
  const RandomTape random(4, 4);
  {
    engine::Engine engine(options(4 * min));
    for (std::size_t i = 0; i < random.tape.size(); ++i) {
      engine.process(random.tape[i]);
      if (i % 50 != 0) continue;
      engine.writer().sync();
      engine.do_work();
    }
    engine.finish();
    EXPECT_GT(engine.counts().checkpoints, 5u);
  }
  std::vector<std::string> files = checkpoints();
  ASSERT_EQ(files.size(), 2u);
  const std::vector<std::byte> expected = image_from_the_start();
  const auto damage = [](const std::string& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(path) / 2));
    file.put('\x5a');
    file.put('\xa5');
    file.put('\x77');
  };
  // What a restart adds to the state: the note that nobody watched. Left out of the comparison by
  // replaying it too.
  for (std::size_t damaged = 0; damaged <= 2; ++damaged) {
    if (damaged == 1) damage(files[1]);
    if (damaged == 2) damage(files[0]);
    engine::EngineOptions quiet = options(0);
    engine::Engine engine(quiet);
    EXPECT_EQ(engine.start().refused.size(), damaged);
    EXPECT_EQ(engine.start().checkpoint, damaged == 0 ? files[1] : damaged == 1 ? files[0] : "");
    EXPECT_EQ(engine.start().position == 0, damaged == 2);
    EXPECT_EQ(engine.start().differing, 0u);
    engine.writer().sync();
    EXPECT_EQ(image_of(engine.state()), image_from_the_start()) << damaged;
    for (const std::string& why : engine.start().refused)
      EXPECT_NE(why.find("checksum"), std::string::npos) << why;
  }
  EXPECT_NE(expected, image_from_the_start());  // the notes are there
}

TEST_F(EngineTest, RefusesACheckpointOfAnotherJournalOrOfTheFuture) {
  {
    engine::Engine engine(options());
    Tape tape;
    tape.tick(noon);
    engine.process(tape[0]);
    engine.finish();
  }
  ASSERT_EQ(checkpoints().size(), 1u);
  const std::string other = folder_ + "/other";
  engine::EngineOptions elsewhere = options();
  elsewhere.journal.folder = other;
  elsewhere.checkpoint_folder = folder_ + "/checkpoints";
  engine::Engine engine(elsewhere);
  ASSERT_EQ(engine.start().refused.size(), 1u);
  EXPECT_NE(engine.start().refused[0].find("another journal"), std::string::npos);
  EXPECT_EQ(engine.state().engine_time_ns(), core::unknown_ns);
}

// A restart between any two records adds no sample, and loses none but those of a moment that comes
// before the book's next record: nobody knows what happened to it meanwhile.
TEST_F(EngineTest, SamplesAreThereOnceOverARestart) {
  Tape tape;
  tape.instrument(byb_btc, "BTC");
  tape.tick(noon);
  tape.book(byb_btc, noon + s, {{99, 1}}, {{101, 1}});
  for (std::int64_t ns = noon + 2 * s; ns < noon + 3 * min; ns += 7 * s) {
    tape.delta(byb_btc, ns, {{99, static_cast<double>(ns / s % 50)}});
    tape.bbo(byb_btc, ns, 99, 101);
    tape.tick(ns + s);
  }
  using Key = std::tuple<RecordType, std::uint32_t, std::int64_t>;
  const auto samples = [&] {
    std::map<Key, std::vector<std::byte>> found;
    journal::Reader reader(folder_);
    while (const market::RecordHeader* record = reader.next()) {
      if (record->type != RecordType::liquidity && record->type != RecordType::ticker_sample)
        continue;
      const auto* bytes = reinterpret_cast<const std::byte*>(record);
      EXPECT_TRUE(found
                      .emplace(Key{record->type, record->instrument, record->exchange_ns},
                               std::vector(bytes, bytes + record->size))
                      .second);
    }
    return found;
  };
  std::map<Key, std::vector<std::byte>> expected;
  std::size_t lost = 0;
  for (std::size_t cut = 0; cut < tape.size(); ++cut) {
    {
      engine::Engine engine(options(10 * s));
      for (std::size_t i = 0; i < cut; ++i) engine.process(tape[i]);
      if (cut % 2 == 0) engine.finish();  // else the newest checkpoint is older
    }
    {
      engine::Engine engine(options(10 * s));
      EXPECT_EQ(engine.start().differing, 0U) << cut;
      for (std::size_t i = cut; i < tape.size(); ++i) engine.process(tape[i]);
      engine.finish();
    }
    const auto found = samples();
    if (cut == 0) expected = found;
    for (const auto& [key, bytes] : found) EXPECT_EQ(expected[key], bytes) << cut;
    lost += expected.size() - found.size();
    EXPECT_LE(expected.size() - found.size(), 1U) << cut;
    const engine::ReplayCheck check = engine::check_replay(folder_, {});
    EXPECT_TRUE(check.is_equal()) << cut << " " << check.first_fault;
    std::filesystem::remove_all(folder_);
  }
  ASSERT_EQ(expected.size(), 5U + 2U);
  EXPECT_GT(lost, 0U);
  EXPECT_LE(lost, 3U * expected.size()) << "of " << tape.size() << " restarts";
}

// A crash may cut the tail between an input and its conclusions: the start writes them again.
TEST_F(EngineTest, CompletesConclusionsThatWereLostWithTheTail) {
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon);
  tape.candle(bin_btc, noon, {1, 2, 1, 2, 10, 5}, noon + 61 * s);
  tape.tick(noon + min + 2 * s);  // closes the minute: ohlcv and tv
  for (const std::size_t kept : {std::size_t{0}, std::size_t{1}}) {
    folder_ += "x";
    {
      journal::Writer writer(options().journal);
      state::MarketState state{state::StateOptions{}};
      state::DerivedSink sink;
      for (std::size_t i = 0; i < tape.size(); ++i) {
        writer.append(tape[i]);
        state.apply(tape[i], sink);
      }
      ASSERT_EQ(sink.record_count(), 2u);
      std::size_t written = 0;
      sink.for_each([&](const market::RecordHeader& header) {
        if (written++ < kept) writer.append(header);
      });
      writer.close();
    }
    {
      engine::Engine engine(options());
      EXPECT_EQ(engine.start().completed, 2 - kept);
      EXPECT_EQ(engine.start().differing, 0u);
      engine.finish();
    }
    const engine::ReplayCheck check = engine::check_replay(folder_, {});
    EXPECT_TRUE(check.is_equal()) << check.first_fault;
    EXPECT_EQ(check.equal, 2u);
    std::filesystem::remove_all(folder_);
  }
}

TEST_F(EngineTest, MarksTheTimeItWasAwayAsUnwatched) {
  Tape before;
  before.instrument(byb_btc, "BTC");
  before.live(VenueId::bybit, RecordType::trade, noon);
  before.ticks(noon, noon + 2 * min + 30 * s);
  Tape after;
  after.ticks(noon + 3 * min, noon + 5 * min);  // away for half a minute only
  {
    engine::Engine engine(options());
    for (std::size_t i = 0; i < before.size(); ++i) engine.process(before[i]);
    engine.finish();
    EXPECT_EQ(engine.state().totals().minutes_closed[static_cast<std::size_t>(SpecKind::tv)], 2u);
  }
  engine::Engine engine(options());
  for (std::size_t i = 0; i < after.size(); ++i) engine.process(after[i]);
  EXPECT_EQ(engine.state().totals().minutes_closed[static_cast<std::size_t>(SpecKind::tv)], 2u);
}

TEST_F(EngineTest, LeavesOutWhatTheJournalLeavesOut) {
  engine::EngineOptions made = options();
  made.journal.keep_book_deltas = false;
  engine::Engine engine(made);
  Tape tape;
  tape.tick(noon);
  tape.add<market::Book>(RecordType::book_delta, byb_btc, noon + s, noon + 5 * min);
  tape.add<market::Minute>(RecordType::minute, byb_btc, noon + s, noon + 9 * min,
                           market::flag_derived);
  for (std::size_t i = 0; i < tape.size(); ++i) engine.process(tape[i]);
  EXPECT_EQ(engine.counts().left_out, 1u);
  EXPECT_EQ(engine.counts().foreign_derived, 1u);
  EXPECT_EQ(engine.state().engine_time_ns(), noon);  // a replay will see no more than this
  EXPECT_EQ(engine.journalled(RecordType::book_delta), 0u);
  EXPECT_EQ(engine.journalled(RecordType::tick), 1u);
}

// A stored conclusion that was changed, one that was taken away, one that was added: each is found
// and placed.
TEST_F(EngineTest, ReplayCheckFindsEachKindOfFault) {
  Tape tape;
  tape.instrument(bin_btc, "BTC");
  tape.tick(noon);
  tape.candle(bin_btc, noon, {1, 2, 1, 2, 10, 5}, noon + 61 * s);
  tape.tick(noon + min + 2 * s);
  tape.tick(noon + min + 3 * s);
  struct Case {
    const char* what;
    int kind;
  };
  for (const Case& fault :
       {Case{"differs", 0}, Case{"is missing", 1}, Case{"was not concluded", 2}}) {
    folder_ += "x";
    {
      journal::Writer writer(options().journal);
      state::MarketState state{state::StateOptions{}};
      state::DerivedSink sink;
      for (std::size_t i = 0; i < tape.size(); ++i) {
        writer.append(tape[i]);
        state.apply(tape[i], sink);
        std::size_t written = 0;
        sink.for_each([&](const market::RecordHeader& header) {
          ++written;
          if (fault.kind == 1 && written == 2) return;
          auto& minute = market::payload<market::Minute>(const_cast<market::RecordHeader&>(header));
          if (fault.kind == 0 && written == 1) minute.origin = 3;
          writer.append(header);
          if (fault.kind == 2 && written == 2) writer.append(header);
        });
        sink.reset();
      }
      writer.close();
    }
    const engine::ReplayCheck check = engine::check_replay(folder_, {});
    EXPECT_FALSE(check.is_equal());
    EXPECT_EQ(check.differing, fault.kind == 0 ? 1u : 0u);
    EXPECT_EQ(check.missing, fault.kind == 1 ? 1u : 0u);
    EXPECT_EQ(check.surplus, fault.kind == 2 ? 1u : 0u);
    EXPECT_NE(check.first_fault.find(fault.what), std::string::npos) << check.first_fault;
    std::filesystem::remove_all(folder_);
  }
}

TEST_F(EngineTest, ReplayedConclusionsAreThoseOfTheRun) {
  const RandomTape random(6, 2);
  {
    engine::Engine engine(options());
    for (std::size_t i = 0; i < random.tape.size(); ++i) engine.process(random.tape[i]);
    engine.finish();
  }
  EXPECT_EQ(engine::replay_conclusions(folder_, {}), Played(random.tape).all.bytes);
}

TEST_F(EngineTest, AllocatesNothingPerRecord) {
  if (!malloc_is_counted()) GTEST_SKIP() << "a sanitizer has its own malloc";
  const RandomTape random(7);
  engine::EngineOptions made = options(0);
  made.journal.segment_bytes = 64u << 20;
  engine::Engine engine(made);
  const std::size_t half = random.tape.size() / 2;
  for (std::size_t i = 0; i < half; ++i) engine.process(random.tape[i]);
  engine.do_work();
  const std::uint64_t before = malloc_count();
  for (std::size_t i = half; i < random.tape.size(); ++i) engine.process(random.tape[i]);
  engine.do_work();
  EXPECT_EQ(malloc_count(), before);
}

TEST_F(EngineTest, RefusesANegativeCheckpointInterval) {
  EXPECT_THROW(engine::Engine{options(-1)}, core::Error);
}

}  // namespace
}  // namespace perp::test
