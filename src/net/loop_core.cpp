#include "net/loop_core.hpp"

#include <perp/core/error.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sys/eventfd.h>
#include <utility>

namespace perp::net::detail {

LoopCore::LoopCore(const LoopOptions& given)
    : options(given), io(choose_io_engine(given.engine)), now(core::mono_now()) {
  if (options.receive_buffer_bytes == 0 || options.sockets_max == 0)
    throw core::Error("receive_buffer_bytes and sockets_max must be at least 1", "loop", "is 0");
  wake_event = core::File(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "wake event");
  if (!wake_event.is_open()) core::throw_system_error("cannot make an eventfd", "loop", errno);
  engine = io.engine == IoEngine::uring ? make_uring_engine(*this) : make_epoll_engine(*this);
}

LoopCore::~LoopCore() {
  engine.reset();
  for (const auto& socket : sockets_) {
    PERP_ASSERT(socket->phase == SocketState::Phase::unused ||
                socket->phase == SocketState::Phase::closing);
    if (socket->descriptor >= 0) ::close(socket->descriptor);
  }
}

int LoopCore::run_once(std::int64_t max_wait_ns) {
  ++stats.rounds;
  clock.recalibrate_if_due();
  now = clock.mono_now();
  int done = 0;
  // A wake ends the round that is about to begin: the waker's work may be nothing of the loop's.
  const bool is_woken = wakes_.load() != wakes_seen_;
  if (is_woken) done += run_posted();
  if (!touched_.empty()) begin_round();
  done += poll(is_woken || done > 0 ? 0 : wait_of(max_wait_ns));
  if (!timers.is_empty() && timers.first_deadline() <= now) {
    const int fired = timers.fire_due(now);
    stats.timers_fired += static_cast<std::uint64_t>(fired);
    done += fired;
  }
  if (!retired_.empty()) reuse_retired();
  return done;
}

int LoopCore::run_once() {
  const core::IdleOptions& idle = options.idle;
  const bool sleeps = idle.kind == core::IdleKind::block ||
                      (idle.kind == core::IdleKind::park && fruitless_rounds_ >= idle.spin_rounds);
  const int done = run_once(sleeps ? idle.park_ns : 0);
  if (done > 0) {
    fruitless_rounds_ = 0;
  } else if (!sleeps) {
    ++fruitless_rounds_;
    core::relax_cpu();
  }
  return done;
}

std::int64_t LoopCore::wait_of(std::int64_t max_wait_ns) const noexcept {
  if (max_wait_ns == 0 || !touched_.empty()) return 0;
  if (timers.is_empty()) return max_wait_ns;
  const std::int64_t rest = std::max<std::int64_t>(0, timers.first_deadline() - now);
  return max_wait_ns < 0 ? rest : std::min(max_wait_ns, rest);
}

int LoopCore::poll(std::int64_t wait_ns) {
  if (wait_ns == 0) return engine->poll(0);
  is_asleep_.store(true);
  struct Awake {
    std::atomic<bool>& is_asleep;
    ~Awake() { is_asleep.store(false); }
  } const awake{is_asleep_};
  return engine->poll(wakes_.load() == wakes_seen_ ? wait_ns : 0);
}

int LoopCore::run_posted() {
  // Before looking: what is posted from here on counts as a wake that was not seen.
  wakes_seen_ = wakes_.load();
  std::size_t waiting;
  {
    const std::lock_guard lock(post_mutex_);
    waiting = posted_.size();
  }
  // One at a time: what they post is the next round's, and where one throws the others are, too.
  for (std::size_t i = 0; i < waiting; ++i) {
    std::function<void()> call;
    {
      const std::lock_guard lock(post_mutex_);
      call = std::move(posted_.front());
      posted_.pop_front();
    }
    try {
      call();
    } catch (...) {
      --wakes_seen_;
      throw;
    }
  }
  return static_cast<int>(waiting);
}

bool LoopCore::post(std::function<void()> call) {
  {
    const std::lock_guard lock(post_mutex_);
    if (posted_.size() >= options.posts_max) return false;
    posted_.push_back(std::move(call));
  }
  wake();
  return true;
}

void LoopCore::wake() noexcept {
  wakes_.fetch_add(1);
  // EAGAIN alone is possible, and means that the event is readable already.
  if (is_asleep_.load() && is_asleep_.exchange(false)) ::eventfd_write(wake_event.descriptor(), 1);
}

void LoopCore::drain_wake_event() noexcept {
  eventfd_t count = 0;
  ::eventfd_read(wake_event.descriptor(), &count);
  ++stats.system_calls;
  ++stats.wakes;
}

SocketState& LoopCore::take() {
  if (unused_.empty()) {
    auto made = std::make_unique<SocketState>();
    made->core = this;
    made->deadline.reset(new Timer(*this, [this, socket = made.get()] {
      if (socket->phase == SocketState::Phase::connecting)
        end(*socket, CloseReason::Kind::connect_timeout, 0);
      else
        engine->watch_accept(*socket);
    }));
    // Room for all of them wherever they may be listed, so that the rounds need not allocate.
    const std::size_t count = sockets_.size() + 1;
    for (auto* list : {&unused_, &retired_, &touched_, &beginning_})
      if (list->capacity() < count) list->reserve(2 * count);
    sockets_.push_back(std::move(made));
    unused_.push_back(sockets_.back().get());
  }
  SocketState& socket = *unused_.back();
  unused_.pop_back();
  ++used;
  return socket;
}

void LoopCore::reuse_retired() {
  for (SocketState* socket : retired_) {
    socket->phase = SocketState::Phase::unused;
    unused_.push_back(socket);
    --used;
  }
  retired_.clear();
}

void LoopCore::touch(SocketState& socket) {
  if (std::exchange(socket.is_touched, true)) return;
  touched_.push_back(&socket);
}

void LoopCore::begin_round() {
  std::swap(touched_, beginning_);
  const bool is_alone = beginning_.size() == 1;
  // Taken from the back: should a handler throw, the others are still listed.
  while (!beginning_.empty()) {
    SocketState& socket = *beginning_.back();
    beginning_.pop_back();
    socket.is_touched = false;
    if (socket.phase == SocketState::Phase::connecting && socket.error != 0)
      end(socket, CloseReason::Kind::failed, socket.error);
    else if (socket.is_connected())
      hand_over(socket, is_alone);
  }
}

}  // namespace perp::net::detail
