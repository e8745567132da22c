#pragma once
// How far a reader may look, kept up to date: the writer's published position, or, where that page
// is absent or from before a reboot, the end that recovery would find.
#include "journal/durable_file.hpp"

#include <string>

namespace perp::journal {

class DurableLimit {
 public:
  explicit DurableLimit(std::string folder);
  [[nodiscard]] Position value() const { return value_; }
  /// Looks again. Costs two loads while a page is mapped, else an attempt to open it.
  void refresh();

 private:
  std::string folder_;
  DurableFile file_;
  Position value_ = 0;
};

}  // namespace perp::journal
