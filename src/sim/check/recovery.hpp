#pragma once
// How soon one venue's subscriptions brought data again after a fault was lifted. Cold; one owner
// thread.
//
// A heal is a fault's end, or the end of the ban that the venue's answers pronounced until then.
// Counted is each subscription that the fault hit: from which it took messages away, or of which
// the feed said between its begin and a second after its end that it was not live, or had said so
// before and not taken back. The time is that from the heal to the receipt of the first record
// behind it that a stream brought, the subscription being live. Left out is
//  - what the venue has too little to say of: fewer than 10 events in the 5 s behind the heal, by
//  the
//    truth;
//  - a heal at which another fault that silences acts, or one that such a fault, or a ban, follows
//    before the subscription is back: that one's heal counts.
#include "sim/check/fault_log.hpp"

#include <perp/market/record.hpp>
#include <perp/sim/truth_log.hpp>

#include <array>
#include <cstdint>
#include <vector>

namespace perp::sim {

class Recovery {
 public:
  static constexpr std::int64_t traffic_ns = 5 * core::ns_per_second;
  static constexpr std::uint32_t traffic_events = 10;

  /// @param faults outlives it
  Recovery(market::VenueId venue, std::size_t markets, const FaultLog& faults);

  /// A record of a market, in journal order.
  void take(const market::RecordHeader& record, std::uint32_t market);
  /// @param last_ns of the venue's records: what is not back by then took so long
  void conclude(const TruthFile& truth, std::int64_t last_ns);
  /// From heal to data, ns, by FaultKind.
  const std::vector<std::int64_t>& times(FaultKind kind) const {
    return times_[static_cast<std::size_t>(kind)];
  }

 private:
  struct State {
    std::int64_t at_ns = 0;
    bool is_live = false;
  };
  /// Trades, or the book, of one market.
  struct Stream {
    std::vector<std::int64_t> data_ns{};  ///< receipts
    std::vector<State> states{};
    std::vector<std::int64_t> sent_ns{};  ///< by the truth
  };
  static constexpr std::size_t stream_kinds = 2;

  std::int64_t heal_of(const LoggedFault& fault) const;
  bool is_disturbed(const LoggedFault& fault, std::int64_t heal_ns, std::int64_t until_ns) const;
  void measure(const LoggedFault& fault, std::int64_t heal_ns, const Stream& stream,
               bool lost_messages, std::int64_t last_ns);

  market::VenueId venue_;
  const FaultLog& faults_;
  std::vector<Stream> streams_;  ///< by market, kind
  std::array<std::vector<std::int64_t>, fault_kind_count> times_;
};

}  // namespace perp::sim
