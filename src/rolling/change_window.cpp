#include <perp/core/error.hpp>
#include <perp/rolling/change.hpp>
#include <perp/rolling/change_window.hpp>
#include <perp/rolling/sums.hpp>

namespace perp::rolling {
namespace {

const ChangeSpan& checked(const ChangeSpan& rule) {
  const auto refuse = [](const char* why) { throw core::Error("change window", "", why); };
  if (rule.span < 1) refuse("its span is below 1");
  if (rule.tolerance < 0) refuse("its tolerance is negative");
  if (rule.capacity < 2) refuse("it has no room for two samples");
  return rule;
}

}  // namespace

ChangeWindow::ChangeWindow(const ChangeSpan& rule)
    : rule_(checked(rule)), samples_(std::make_unique<Sample[]>(rule.capacity)) {}

void ChangeWindow::advance(std::int64_t time) noexcept {
  if (time < now_) return;
  now_ = time;
  // Of the samples that are old enough the last is kept.
  while (size_ > 1 && at(1).time <= time - rule_.span) drop_oldest();
}

bool ChangeWindow::push_at(std::int64_t time, double value) noexcept {
  if (time < now_) return false;
  advance(time);
  if (!is_present(value)) return true;
  if (size_ == rule_.capacity) drop_oldest();
  std::size_t slot = oldest_ + size_;
  if (slot >= rule_.capacity) slot -= rule_.capacity;
  samples_[slot] = {time, value};
  ++size_;
  return true;
}

double ChangeWindow::before() const noexcept {
  if (size_ == 0) return missing;
  const Sample& oldest = at(0);
  const bool is_there =
      oldest.time <= now_ - rule_.span && oldest.time >= now_ - rule_.span - rule_.tolerance;
  return is_there ? oldest.value : missing;
}

double ChangeWindow::percent() const noexcept { return change_percent(now(), before()); }

}  // namespace perp::rolling
