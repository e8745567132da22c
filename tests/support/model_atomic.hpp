#pragma once
// What stands in for std::atomic and for plain data under the model checker of interleaving.hpp.
#include "support/interleaving.hpp"

#include <atomic>
#include <cstdint>

namespace perp::test::model {

/// In the place of std::atomic, for unsigned integers.
template <class T>
class Atomic {
 public:
  Atomic(T value) noexcept
      : location_(Checker::current().add_location(value)) {
  }  // NOLINT(google-explicit-constructor): as std::atomic
  T load(std::memory_order order) const noexcept {
    return static_cast<T>(Checker::current().load(location_, order));
  }
  void store(T value, std::memory_order order) noexcept {
    Checker::current().store(location_, value, order);
  }
  T fetch_add(T by, std::memory_order order) noexcept {
    return static_cast<T>(Checker::current().update(
        location_, [by](std::uint64_t value) { return T(value + by); }, order));
  }
  T fetch_sub(T by, std::memory_order order) noexcept {
    return static_cast<T>(Checker::current().update(
        location_, [by](std::uint64_t value) { return T(value - by); }, order));
  }

  // In the place of the system calls.
  friend void futex_wait(Atomic& word, T expected, std::int64_t /*timeout_ns*/) noexcept {
    Checker::current().futex_wait(word.location_, expected);
  }
  friend void futex_wake(Atomic& word) noexcept { Checker::current().futex_wake(word.location_); }

 private:
  std::uint32_t location_;
};

/// An item whose copies are checked for races.
class PlainItem {
 public:
  PlainItem() noexcept = default;
  explicit PlainItem(std::uint64_t value) noexcept : value_(value) {}
  PlainItem(const PlainItem& other) noexcept : value_(other.value()) {}
  PlainItem& operator=(const PlainItem& other) noexcept {
    const std::uint64_t value = other.value();
    Checker::current().write_plain(this);
    value_ = value;
    return *this;
  }
  std::uint64_t value() const noexcept {
    Checker::current().read_plain(this);
    return value_;
  }

 private:
  std::uint64_t value_ = 0;
};

}  // namespace perp::test::model
