#pragma once
// Which of a venue's contracts are followed. One that ever was keeps its index, so that topics may
// name it; a delisted one is not followed again. The feed's thread; O(contracts listed x names).
#include <perp/market/instrument_table.hpp>

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace perp::feed {

class ContractChoice {
 public:
  /// What a look at the list has changed.
  struct Change {
    bool is_due = false;                   ///< contracts came or went: connections are to follow
    std::vector<std::uint32_t> ended{};    ///< indices of those that the venue has delisted
    std::vector<std::uint32_t> dropped{};  ///< instruments that are not wanted any more
    std::vector<std::string> unknown{};    ///< wanted names that no contract has
  };

  /// Goes through the list for what is wanted. @param names native symbols or bases; none: every
  /// primary contract. @param gives_back whether what is not among them is dropped; a list that
  /// came anew only adds.
  Change look(const std::deque<market::InstrumentEntry>& listed,
              const std::vector<std::string>& names, bool gives_back);

  bool is_wanted(const std::string& native) const;
  /// Indices of those that are wanted, ascending.
  std::vector<std::uint32_t> wanted() const;
  /// Native, of any index that ever was.
  const std::string& name(std::uint32_t index) const { return names_[index]; }

 private:
  enum class Interest : std::uint8_t { wanted, dropped, ended };

  std::vector<std::string> names_{};
  std::vector<Interest> interests_{};  ///< in each of them
};

}  // namespace perp::feed
