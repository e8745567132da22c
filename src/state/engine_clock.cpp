#include "state/engine_clock.hpp"

#include <cstring>

namespace perp::state {

void EngineClock::hold(const market::RecordHeader& record, std::int64_t ns) {
  held_ns_ = ns;
  held_size_ = record.size <= held_bytes_max ? record.size : 0;
  held_.fill(std::byte{0});
  std::memcpy(held_.data(), &record, held_size_);
}

const market::RecordHeader* EngineClock::held() const {
  return held_size_ == 0 ? nullptr : reinterpret_cast<const market::RecordHeader*>(held_.data());
}

}  // namespace perp::state
