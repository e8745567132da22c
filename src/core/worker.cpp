#include <perp/core/cpu.hpp>
#include <perp/core/error.hpp>
#include <perp/core/worker.hpp>

#include <cstdio>

namespace perp::core {

Worker::~Worker() {
  request_stop();
  if (thread_.joinable()) thread_.join();
  if (failure_ == nullptr) return;
  // A destructor cannot throw, and a failure must not vanish.
  try {
    std::rethrow_exception(failure_);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "worker '%s' failed and was not joined: %s\n", options_.name.c_str(),
                 error.what());
  } catch (...) {
    std::fprintf(stderr, "worker '%s' failed and was not joined\n", options_.name.c_str());
  }
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
  if (const std::exception_ptr failure = std::exchange(failure_, nullptr))
    std::rethrow_exception(failure);
}

void Worker::check_not_started() const {
  if (thread_.joinable() || state_.load() != State::idle)
    throw Error("cannot start", "worker '" + options_.name + "'", "it was started before");
}

void Worker::prepare_thread() const {
  set_thread_name(options_.name);
  if (options_.cpu >= 0) pin_thread(options_.cpu);
}

}  // namespace perp::core
