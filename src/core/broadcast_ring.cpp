#include <perp/core/broadcast_ring.hpp>
#include <perp/core/error.hpp>

namespace perp::core::detail {

void throw_no_gate(const char* why) { throw Error("gating reader refused", "BroadcastRing", why); }

}  // namespace perp::core::detail
