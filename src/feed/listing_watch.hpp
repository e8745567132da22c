#pragma once
// Which contracts a venue's lists have stopped to name: some venues list what is traded and nothing
// else, so that a delisting is an absence. Judged are only contracts that a list named before.
// Pure; the feed's thread, cold.
#include <perp/market/instrument_table.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace perp::feed {

class ListingWatch {
 public:
  /// A round of lists begins.
  void begin() { named_.clear(); }
  /// One body of the round: whatever it quotes may be a name.
  void read(const market::InstrumentTable& table, std::string_view body);
  /// The round's lists are in. @returns native names of live contracts that none of them named. A
  /// round that loses many at once is not believed: @param disbelieved how many, else 0
  std::vector<std::string_view> gone(const market::InstrumentTable& table,
                                     std::size_t& disbelieved);

 private:
  std::vector<bool> named_;      ///< in this round, by the instrument's index
  std::vector<bool> was_named_;  ///< in a round before
};

}  // namespace perp::feed
