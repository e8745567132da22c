#pragma once
// A value and when it was told.
#include <perp/core/time.hpp>
#include <perp/market/record.hpp>

#include <cstdint>

namespace perp::state {

struct Sample {
  std::int64_t ns = core::unknown_ns;
  double value = market::missing;
};
struct OpenInterestSample {
  std::int64_t ns = core::unknown_ns;
  double quantity = market::missing;
  double notional = market::missing;
  double contracts = market::missing;
};

}  // namespace perp::state
