#include <perp/core/counters.hpp>

#include <algorithm>

namespace perp::core {
namespace {

consteval bool are_rows_complete() {
  for (std::size_t i = 0; i < counter_table.size(); ++i) {
    const CounterRow& row = counter_table[i];
    if (row.name.empty() || row.unit.empty() || row.help.empty() || row.help.back() != '.')
      return false;
    for (const char c : row.name)
      if (!((c >= 'a' && c <= 'z') || c == '_')) return false;
    for (std::size_t j = 0; j < i; ++j)
      if (counter_table[j].name == row.name) return false;
  }
  return true;
}
static_assert(are_rows_complete(),
              "names are unique snake_case, each row has a unit and a sentence");

}  // namespace

CounterBlock& CounterRegistry::add_block(Labels labels) {
  std::sort(labels.begin(), labels.end());
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_.emplace_back();
  entry.labels = std::move(labels);
  return entry.block;
}

std::vector<CounterSample> CounterRegistry::snapshot() const {
  const std::lock_guard lock(mutex_);
  std::vector<const Labels*> distinct;
  for (const Entry& entry : entries_) {
    const auto is_same = [&entry](const Labels* labels) { return *labels == entry.labels; };
    if (std::none_of(distinct.begin(), distinct.end(), is_same)) distinct.push_back(&entry.labels);
  }
  std::vector<CounterSample> samples;
  samples.reserve(counter_table.size() * distinct.size());
  for (std::size_t row = 0; row < counter_table.size(); ++row) {
    for (const Labels* labels : distinct) {
      CounterSample& sample = samples.emplace_back();
      sample.name = counter_table[row].name;
      sample.labels = *labels;
      for (const Entry& entry : entries_)
        if (entry.labels == *labels) sample.value += entry.block.read(static_cast<CounterId>(row));
    }
  }
  return samples;
}

std::uint64_t CounterRegistry::total(CounterId id) const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const Entry& entry : entries_) sum += entry.block.read(id);
  return sum;
}

}  // namespace perp::core
