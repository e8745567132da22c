#include <perp/core/error.hpp>
#include <perp/rolling/window.hpp>

namespace perp::rolling {
namespace {

const WindowRule& checked(const WindowRule& rule) {
  const auto refuse = [](const char* why) { throw core::Error("rolling window", "", why); };
  if (rule.capacity == 0) refuse("it has no room for a sample");
  if (rule.span < 0) refuse("its span is negative");
  if (rule.min_count == 0) refuse("min_count is 0: an answer needs a sample");
  if (rule.min_count > rule.capacity) refuse("min_count is above what it can hold");
  return rule;
}

}  // namespace

Window::Window(const WindowRule& rule, std::size_t row_doubles)
    : rule_(checked(rule)),
      row_doubles_(row_doubles),
      rows_(rule.capacity * row_doubles, missing),
      times_(rule.span != 0 ? std::make_unique<std::int64_t[]>(rule.capacity) : nullptr) {}

}  // namespace perp::rolling
