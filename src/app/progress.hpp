#pragma once
// One line on stderr that is rewritten in place on a terminal, and printed now and then where
// stderr is a file.
#include <cstdint>
#include <string>

namespace perp::app {

class ProgressLine {
 public:
  explicit ProgressLine(std::string what);
  /// @param fraction 0..1 of the work; @param detail shown behind it.
  void show(double fraction, const std::string& detail);
  /// Ends the line.
  void done();

 private:
  std::string what_;
  bool is_terminal_;
  bool is_shown_ = false;
  std::int64_t shown_mono_ns_ = 0;
};

}  // namespace perp::app
