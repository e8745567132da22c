#pragma once
// The worker that owns all state: drains the feeds' rings, appends each record to the journal,
// folds it into the market state and appends what the fold concluded right behind it. One thread,
// the engine's; construction and finish() belong to it as well. Start = the newest valid checkpoint
// and a replay of the journal's tail, which ends in the state of the process that stopped, to the
// byte. No allocation and no system call per record but the journal's. What happens depends on the
// records alone: a clock is read only to pace the journal's syncs and to measure. It never applies
// a record that the journal did not take.
#include <perp/core/histogram.hpp>
#include <perp/core/record_ring.hpp>
#include <perp/core/time.hpp>
#include <perp/journal/writer.hpp>
#include <perp/market/record.hpp>
#include <perp/market/record_kind.hpp>
#include <perp/state/market_state.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace perp::engine {

struct EngineOptions {
  journal::WriterOptions journal;
  std::int64_t checkpoint_every_ns =
      300 * core::ns_per_second;  ///< of engine time; 0: none are written
  std::string checkpoint_folder;  ///< empty: "checkpoints" inside the journal's folder
  state::StateOptions state;
  core::MonoNs (*mono_clock)() noexcept = core::mono_now;
};

/// What the start found.
struct Start {
  std::string checkpoint;          ///< its file, empty if none served
  journal::Position position = 0;  ///< where the replay began
  std::uint64_t replayed = 0;      ///< inputs read from the tail
  std::uint64_t completed = 0;  ///< conclusions that were lost with the tail and are written again
  std::uint64_t differing =
      0;  ///< stored conclusions that came out otherwise: the program has changed since
  std::uint64_t damages = 0;         ///< places of the tail that could not be read
  std::vector<std::string> refused;  ///< checkpoints that did not serve, "path: why"
};

struct EngineCounts {
  std::uint64_t records = 0;   ///< inputs journalled and folded
  std::uint64_t left_out = 0;  ///< inputs of kinds that the journal leaves out: not folded either
  std::uint64_t foreign_derived =
      0;  ///< derived records met in a ring: only the engine concludes, so refused
  std::uint64_t checkpoints = 0;  ///< written
};

class Engine {
 public:
  /// Opens or creates the journal, loads, replays. Throws core::Error as journal::Writer and Reader
  /// do, or for an option out of range.
  explicit Engine(const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // @thread owner, all of them.

  /// A feed's ring; it must outlive the engine's last do_work().
  void add_ring(core::RecordRing& ring);
  /// One round: up to `batch_bytes` of each ring, then the journal's duty. @returns records taken.
  /// Throws core::Error as journal::Writer::append() does; the record concerned then stays in its
  /// ring, nothing is lost, and a later call goes on.
  int do_work();
  /// Takes one record as if a ring had brought it.
  void process(const market::RecordHeader& record);
  /// Drains the rings, makes everything durable, writes a checkpoint.
  void finish();

  const state::MarketState& state() const { return state_; }
  journal::Writer& writer() { return *writer_; }
  const journal::Writer& writer() const { return *writer_; }
  const Start& start() const { return start_; }
  const EngineCounts& counts() const { return counts_; }
  /// Records of that kind appended to the journal, conclusions included.
  std::uint64_t journalled(market::RecordType type) const {
    return journalled_[static_cast<std::size_t>(type)];
  }
  /// A batch of a ring, from being found there to being journalled and folded. One value per batch.
  const core::Histogram& ring_ns() const { return ring_ns_; }

  static constexpr std::size_t batch_bytes = std::size_t{1} << 18;

 private:
  std::size_t drain(core::RecordRing& ring);
  void flush_derived();
  void append(const market::RecordHeader& record);
  void recover();
  void note_restart();
  void take_checkpoint();
  void write_checkpoint();

  EngineOptions options_;
  std::unique_ptr<journal::Writer> writer_;
  state::MarketState state_;
  state::DerivedSink derived_;
  std::size_t derived_written_ = 0;  // bytes of derived_ already in the journal
  std::vector<core::RecordRing*> rings_;
  std::int64_t checkpoint_ns_ = core::unknown_ns;  // engine time of the last one taken
  journal::Position checkpoint_position_ = 0;
  std::vector<std::byte>
      image_;  // taken, not yet written: waits until the journal is durable up to its position
  bool has_image_ = false;
  Start start_;
  EngineCounts counts_;
  std::array<std::uint64_t, market::record_type_limit> journalled_{};
  core::Histogram ring_ns_;
};

}  // namespace perp::engine
