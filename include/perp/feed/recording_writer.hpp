#pragma once
// Writes messages as RecordingReader reads them back: "recv_ns json" lines (*.txt, *.txt.gz). One
// thread; buffered; what flush() has returned from survives the process.
#include <perp/core/time.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace perp::feed {

class RecordingWriter {
 public:
  /// @param path *.txt or *.txt.gz, or "-" for standard output as text. An existing file is never
  /// overwritten. @throws core::Error naming the path.
  explicit RecordingWriter(const std::string& path);
  /// Closes; an error then is lost, so close() first.
  ~RecordingWriter();
  RecordingWriter(const RecordingWriter&) = delete;
  RecordingWriter& operator=(const RecordingWriter&) = delete;

  /// A line break inside a message, which JSON has between values only, becomes a space: a line is
  /// a message. @throws core::Error when the disk refuses
  void write(std::string_view payload, core::WallNs receive_ns);
  /// @throws core::Error when the disk refuses
  void flush();
  /// The same, and no more. @throws core::Error when the disk refuses
  void close();

  std::uint64_t messages() const noexcept { return messages_; }
  std::uint64_t payload_bytes() const noexcept { return payload_bytes_; }
  std::uint64_t line_breaks_replaced() const noexcept { return line_breaks_replaced_; }

 private:
  struct Output;
  void put(std::string_view text);

  std::string path_;
  std::unique_ptr<Output> output_;
  std::string line_;
  std::uint64_t messages_ = 0;
  std::uint64_t payload_bytes_ = 0;
  std::uint64_t line_breaks_replaced_ = 0;
};

}  // namespace perp::feed
