#include <perp/core/spelling.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace perp::core {
namespace {

/// Edits (insert, remove, replace, swap of neighbours) between two texts.
std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::string nearest(std::string_view text, std::span<const std::string> known) {
  std::size_t least = std::numeric_limits<std::size_t>::max();
  const std::string* found = nullptr;
  for (const std::string& candidate : known) {
    const std::size_t count = edits(text, candidate);
    if (count >= least) continue;
    least = count;
    found = &candidate;
  }
  const bool is_alike = found != nullptr &&
                        least <= std::max<std::size_t>(2, std::max(text.size(), found->size()) / 3);
  return is_alike ? *found : std::string();
}

std::string suggestion(std::string_view text, std::span<const std::string> known) {
  const std::string found = nearest(text, known);
  return found.empty() ? std::string() : fmt::format("; did you mean '{}'?", found);
}

}  // namespace perp::core
