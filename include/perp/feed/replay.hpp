#pragma once
// Recordings as a feed: what was recorded comes out of the ring as if the venues had sent it again.
// One thread owns it, with all its VenueStates; do_work() is called until is_done().
//
// Instrument lists come first. Several recordings are merged by receive time, then by file order; a
// message without a receive time takes part by the exchange time of its records, which is why such
// files are decoded one message ahead. At the end one tick says how far the evidence reaches (2 s
// behind the newest time seen), so that minutes that are whole in the recording are closed.
#include <perp/core/time.hpp>
#include <perp/feed/recording.hpp>
#include <perp/feed/ring_writer.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace perp::feed {

struct ReplayOptions {
  std::vector<std::string> paths;
  RecordingOptions recording;
  double speed =
      0;  ///< 0 = as fast as possible, 1 = as recorded, N = N times as fast (by receive time)
  venue::Lanes lanes = venue::Lanes::both;  ///< who reads WebSocket messages
};

class Replay {
 public:
  /// Finds the files and opens them. Throws core::Error (see find_recordings()).
  Replay(const ReplayOptions& options, RingWriter& writer);
  ~Replay();

  /// Replays a batch of messages. @param now for --speed; any value at maximum speed.
  /// @returns messages done; 0 when it is too early for the next one or nothing is left.
  int do_work(core::MonoNs now);
  bool is_done() const { return is_done_; }

  /// One per venue that the recordings name; index = venue id, null where none.
  const std::array<std::unique_ptr<venue::VenueState>, market::venue_limit>& states() const {
    return states_;
  }
  venue::VenueState& state(market::VenueId id);

  const std::vector<SkippedFile>& skipped() const { return skipped_; }
  std::size_t file_count() const { return sources_.size(); }
  std::uint64_t bad_lines() const;
  std::vector<std::string> bad_line_places() const;
  /// Bytes read so far and in all (compressed files count as they lie on disk), for a progress
  /// line.
  double fraction_done() const;

 private:
  struct Source;
  void load_instrument_lists();
  bool look_ahead(Source& source);
  bool look_ahead_journal(Source& source);
  void deliver(Source& source);
  void finish();
  bool is_due(std::int64_t key_ns, core::MonoNs now);

  ReplayOptions options_;
  RingWriter* writer_;
  std::array<std::unique_ptr<venue::VenueState>, market::venue_limit> states_;
  std::vector<std::unique_ptr<Source>> sources_;
  std::vector<Source*> heap_;
  std::vector<SkippedFile> skipped_;
  std::uint64_t bytes_total_ = 0;
  std::int64_t first_key_ns_ = core::unknown_ns;
  core::MonoNs first_mono_;
  bool has_receive_times_ = false;
  bool is_loaded_ = false;
  bool is_done_ = false;
};

}  // namespace perp::feed
