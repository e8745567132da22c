#include "net/loop_core.hpp"

#include <perp/net/loop.hpp>

namespace perp::net {

Loop::Loop(const LoopOptions& options) : core_(std::make_unique<detail::LoopCore>(options)) {}
Loop::~Loop() = default;

int Loop::run_once(std::int64_t max_wait_ns) { return core_->run_once(max_wait_ns); }
int Loop::run_once() { return core_->run_once(); }
void Loop::wake() noexcept { core_->wake(); }
bool Loop::post(std::function<void()> call) { return core_->post(std::move(call)); }

core::MonoNs Loop::now() const noexcept { return core_->now; }
const IoChoice& Loop::io() const noexcept { return core_->io; }
const LoopStats& Loop::stats() const noexcept { return core_->stats; }
std::size_t Loop::socket_count() const noexcept { return core_->used; }

}  // namespace perp::net
