#pragma once
// Recorded exchange sessions, one message after another: what a file holds is found from its name
// and form. Used by the replay (one thread). Reads in large pieces; a message is a view into the
// reader's buffer with at least venue::frame_padding readable bytes behind it, valid until the next
// call of next().
//
//   *.tsv [.gz]     recv_ts_seconds <TAB> json [<TAB> endpoint [symbol=X] [period=5m] [backfill=1]]
//   *.txt [.gz]     recv_ns <SPACE> json
//   *.jsonl [.gz]   json, receive time unknown
//   *.json [.gz]    the whole file is one message
//   a folder with *.pj segments: a journal of perp's own, whose records are replayed as they are
//
// A `rest_...` name says that the bodies are REST replies; endpoint, symbol and period are read
// from the name.
#include <perp/core/time.hpp>
#include <perp/venue/adapter.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace perp::feed {

enum class RecordingForm : std::uint8_t { timed_tab, timed_space, lines, whole, journal };

/// One file of a recording (or a journal's folder) and what its messages are.
struct RecordingFile {
  std::string path;
  market::VenueId venue = market::VenueId::none;
  RecordingForm form = RecordingForm::lines;
  bool is_rest = false;
  bool is_instrument_list = false;
  std::string endpoint;  ///< adapter's name, empty for WebSocket messages
  std::string
      symbol;  ///< as the file name spells it, upper-cased where the venue does; empty if none
  std::string period;
};

/// A file that was found but is not replayed, and why.
struct SkippedFile {
  std::string path;
  std::string why;
};

struct RecordingOptions {
  market::VenueId venue = market::VenueId::none;  ///< overrides the one in the path
  std::string endpoint{};  ///< overrides the one in the file name: the bodies are REST replies
  std::string symbol{};
  std::string period{};
};

/// Files under `paths` (files, or folders read recursively in name order).
/// Throws core::Error when a path does not exist, or no venue can be told from it, or the endpoint
/// is unknown.
std::vector<RecordingFile> find_recordings(const std::vector<std::string>& paths,
                                           const RecordingOptions& options,
                                           std::vector<SkippedFile>& skipped);

struct RecordedMessage {
  std::string_view payload;
  std::int64_t receive_ns = core::unknown_ns;
  bool is_rest = false;
  bool is_backfill = false;
  std::string_view endpoint;
  std::string_view symbol;
  std::string_view period;
  std::uint64_t line = 0;  ///< 1-based
};

class RecordingReader {
 public:
  /// Throws core::Error if the file cannot be opened.
  explicit RecordingReader(const RecordingFile& file);
  ~RecordingReader();
  RecordingReader(RecordingReader&&) noexcept;

  /// The next message, or false at the end. Throws core::Error on a read error (a truncated gzip
  /// file, too). A line without a readable receive time is counted in bad_lines() and skipped with
  /// its place kept.
  bool next(RecordedMessage& message);

  const RecordingFile& file() const { return file_; }
  std::uint64_t bad_lines() const { return bad_lines_; }
  /// "path:line: why" of the first bad line, empty if none.
  const std::string& first_bad_line() const { return first_bad_line_; }
  std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  struct Input;
  bool next_line(std::string_view& line);
  bool fill();
  bool split(std::string_view line, RecordedMessage& message);
  void refuse(const char* why);

  RecordingFile file_;
  std::unique_ptr<Input> input_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool is_at_end_ = false;
  std::uint64_t line_ = 0;
  std::uint64_t bad_lines_ = 0;
  std::uint64_t bytes_read_ = 0;
  std::string first_bad_line_;
};

}  // namespace perp::feed
