#include "feed/listing_watch.hpp"

#include <algorithm>

namespace perp::feed {
namespace {

constexpr std::size_t name_bytes_max = sizeof(market::Instrument{}.native.data);

bool bit(const std::vector<bool>& bits, std::size_t at) { return at < bits.size() && bits[at]; }

}  // namespace

void ListingWatch::read(const market::InstrumentTable& table, std::string_view body) {
  named_.resize(std::max(named_.size(), table.size()));
  for (std::size_t open = body.find('"'); open != std::string_view::npos;
       open = body.find('"', open)) {
    const std::size_t close = body.find('"', ++open);
    if (close == std::string_view::npos) return;
    const std::string_view text = body.substr(open, close - open);
    open = close + 1;
    if (text.empty() || text.size() > name_bytes_max) continue;
    if (const market::InstrumentEntry* entry = table.find(text); entry != nullptr)
      named_[entry->id & 0x00ff'ffff] = true;
  }
}

std::vector<std::string_view> ListingWatch::gone(const market::InstrumentTable& table,
                                                 std::size_t& disbelieved) {
  std::vector<std::string_view> names;
  std::size_t before = 0;
  for (const market::InstrumentEntry& entry : table.entries()) {
    const std::size_t index = entry.id & 0x00ff'ffff;
    if (!bit(was_named_, index) || entry.instrument.status != market::InstrumentStatus::live)
      continue;
    ++before;
    if (!bit(named_, index)) names.push_back(entry.instrument.native.view());
  }
  // A venue that withdraws more than a few at once has sent half a list.
  disbelieved = names.size() > std::max<std::size_t>(3, before / 20) ? names.size() : 0;
  if (disbelieved > 0) names.clear();
  was_named_.resize(std::max(was_named_.size(), named_.size()));
  for (std::size_t i = 0; i < named_.size(); ++i) was_named_[i] = was_named_[i] || named_[i];
  return names;
}

}  // namespace perp::feed
