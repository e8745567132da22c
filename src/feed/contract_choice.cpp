#include "feed/contract_choice.hpp"

#include <algorithm>

namespace perp::feed {

ContractChoice::Change ContractChoice::look(const std::deque<market::InstrumentEntry>& listed,
                                            const std::vector<std::string>& names,
                                            bool gives_back) {
  Change change;
  std::vector<bool> is_found(names.size());
  for (const market::InstrumentEntry& entry : listed) {
    const market::Instrument& instrument = entry.instrument;
    const std::string native(instrument.native.view());
    const bool is_tradable =
        instrument.status == market::InstrumentStatus::live && instrument.is_provisional == 0;
    bool is_wanted = names.empty() && instrument.is_primary != 0;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const bool is_it =
          names[i] == native || (instrument.is_primary != 0 && names[i] == instrument.base.view());
      if (!is_it) continue;
      is_found[i] = true;
      is_wanted = true;
    }
    const auto known = std::find(names_.begin(), names_.end(), native);
    if (known == names_.end()) {
      if (!is_wanted || !is_tradable) continue;
      names_.push_back(native);
      interests_.push_back(Interest::wanted);
      change.is_due = true;
      continue;
    }
    const auto index = static_cast<std::size_t>(known - names_.begin());
    Interest& interest = interests_[index];
    if (instrument.status == market::InstrumentStatus::delisted && interest != Interest::ended) {
      interest = Interest::ended;
      change.ended.push_back(static_cast<std::uint32_t>(index));
    } else if (is_wanted && is_tradable && interest == Interest::dropped) {
      interest = Interest::wanted;
      change.is_due = true;
    } else if (!is_wanted && gives_back && interest == Interest::wanted) {
      interest = Interest::dropped;
      change.dropped.push_back(entry.id);
      change.is_due = true;
    }
  }
  for (std::size_t i = 0; i < is_found.size(); ++i)
    if (!is_found[i]) change.unknown.push_back(names[i]);
  return change;
}

bool ContractChoice::is_wanted(const std::string& native) const {
  const auto found = std::find(names_.begin(), names_.end(), native);
  return found != names_.end() &&
         interests_[static_cast<std::size_t>(found - names_.begin())] == Interest::wanted;
}

std::vector<std::uint32_t> ContractChoice::wanted() const {
  std::vector<std::uint32_t> indices;
  for (std::uint32_t i = 0; i < names_.size(); ++i)
    if (interests_[i] == Interest::wanted) indices.push_back(i);
  return indices;
}

}  // namespace perp::feed
