#include "journal/durable_limit.hpp"

#include "journal/recovery.hpp"

#include <algorithm>
#include <utility>

namespace perp::journal {

DurableLimit::DurableLimit(std::string folder)
    : folder_(std::move(folder)), file_(DurableFile::open(folder_)) {
  if (!file_.is_open() || !file_.is_of_this_boot()) {
    // No writer has run since this machine started, so every byte here has come from the disk.
    const Position end = survey(folder_, nullptr).end;
    // Unless one began meanwhile: then blocks seen by the survey need not be durable, and the page
    // tells.
    if (!file_.is_open()) file_ = DurableFile::open(folder_);
    if (!file_.is_open() || !file_.is_of_this_boot()) value_ = end;
  }
  refresh();
}

void DurableLimit::refresh() {
  if (!file_.is_open()) file_ = DurableFile::open(folder_);
  if (!file_.is_open()) return;
  // A page from before a reboot is older than the truth but never beyond it.
  if (const auto published = file_.observe(); published.has_value())
    value_ = std::max(value_, *published);
}

Position durable_position(const std::string& folder) { return DurableLimit(folder).value(); }

}  // namespace perp::journal
