#pragma once
// What the contests of queues share: the items and the contestants, each with its own fastest
// correct calls under one set of names.
//
// A contestant is a template <class T, std::size_t capacity> with `name`, push(item), pop(item)
// and, for batches, produce(n, fill): at most n items, made by fill(span of T, number of the
// first), in place or in a buffer of its own, and consume(visit): a run of what is there. It is
// used by one producer and one consumer.
#include "core/two_sides.hpp"

#include <perp/core/platform.hpp>
#include <perp/core/spsc_queue.hpp>

#include <boost/lockfree/spsc_queue.hpp>
#include <concurrentqueue/concurrentqueue.h>
#include <readerwriterqueue/readerwriterqueue.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#ifdef PERP_BENCH_QUEUE
#include PERP_BENCH_QUEUE
#endif

namespace perp::bench {

inline constexpr std::size_t batch = 64;

template <std::size_t size>
struct Item {
  std::array<std::uint64_t, size / 8> words{};
};

/// Makes items [first, first + items.size()): cheap, so that the queue is what is measured.
template <class T>
void fill(std::span<T> items, std::uint64_t first) {
  for (T& item : items) {
    for (std::size_t i = 0; i < item.words.size(); ++i) item.words[i] = first + i;
    ++first;
  }
}

/// Reads every word: an item that is looked at in part only is transferred in part only.
template <class T>
std::uint64_t sum_of(std::span<const T> items) {
  std::uint64_t sum = 0;
  for (const T& item : items) {
    for (const std::uint64_t word : item.words) sum += word;
  }
  return sum;
}

/// Are these the items from `first` on?
template <class T>
bool are_items(std::span<const T> items, std::uint64_t first) {
  for (const T& item : items) {
    for (std::size_t i = 0; i < item.words.size(); ++i) {
      if (item.words[i] != first + i) return false;
    }
    ++first;
  }
  return true;
}

template <class T, std::size_t capacity>
struct Perp {
  static constexpr const char* name = "perp";
  core::SpscQueue<T> queue{capacity};
  bool push(const T& item) { return queue.try_push(item); }
  bool pop(T& item) { return queue.try_pop(item); }
  template <class Fill>
  std::size_t produce(std::size_t n, std::uint64_t first, Fill make) {
    const std::span<T> claim = queue.try_claim(n);
    if (claim.empty()) return 0;
    make(claim, first);
    queue.commit(claim.size());
    return claim.size();
  }
  template <class Visit>
  std::size_t consume(Visit visit) {
    const std::span<const T> run = queue.peek();
    if (run.empty()) return 0;
    visit(run);
    queue.release(run.size());
    return run.size();
  }
};

/// For queues that copy: items are made in a buffer, once, however often they have to be offered.
template <class T>
struct Copying {
  std::array<T, batch> made;
  std::array<T, batch> taken;
  std::span<const T> left;
  template <class Fill, class Push>
  std::size_t produce_by(std::size_t n, std::uint64_t first, Fill make, Push push) {
    if (left.empty()) {
      const std::span<T> items = std::span(made).first(std::min(n, batch));
      make(items, first);
      left = items;
    }
    const std::size_t done = push(left);
    left = left.subspan(done);
    return done;
  }
  template <class Visit, class Pop>
  std::size_t consume_by(Visit visit, Pop pop) {
    const std::size_t done = pop(taken.data(), batch);
    if (done != 0) visit(std::span<const T>(taken.data(), done));
    return done;
  }
};

template <class T, std::size_t capacity>
struct BoostPop : Copying<T> {
  static constexpr const char* name = "boost_pop";
  boost::lockfree::spsc_queue<T, boost::lockfree::capacity<capacity>> queue;
  bool push(const T& item) { return queue.push(item); }
  bool pop(T& item) { return queue.pop(item); }
  template <class Fill>
  std::size_t produce(std::size_t n, std::uint64_t first, Fill make) {
    return this->produce_by(n, first, make, [this](std::span<const T> items) {
      return queue.push(items.data(), items.size());
    });
  }
  template <class Visit>
  std::size_t consume(Visit visit) {
    return this->consume_by(visit, [this](T* items, std::size_t n) { return queue.pop(items, n); });
  }
};
template <class T, std::size_t capacity>
struct Boost : BoostPop<T, capacity> {  // in place
  static constexpr const char* name = "boost";
  template <class Visit>
  std::size_t consume(Visit visit) {
    return this->queue.consume_all([&](const T& item) { visit(std::span<const T>(&item, 1)); });
  }
};

template <class T, std::size_t capacity>
struct ReaderWriter {  // has no bulk calls
  static constexpr const char* name = "moodycamel_rwq";
  moodycamel::ReaderWriterQueue<T> queue{capacity};
  bool push(const T& item) { return queue.try_enqueue(item); }
  bool pop(T& item) { return queue.try_dequeue(item); }
};

/// Preallocated, with tokens; `direct`: the consumer asks the one producer that there is.
template <class T, std::size_t capacity, bool direct>
struct Concurrent : Copying<T> {
  moodycamel::ConcurrentQueue<T> queue{capacity, 1, 0};
  moodycamel::ProducerToken producer{queue};
  moodycamel::ConsumerToken consumer{queue};
  bool push(const T& item) { return queue.try_enqueue(producer, item); }
  bool pop(T& item) {
    if constexpr (direct) return queue.try_dequeue_from_producer(producer, item);
    return queue.try_dequeue(consumer, item);
  }
  template <class Fill>
  std::size_t produce(std::size_t n, std::uint64_t first, Fill make) {
    return this->produce_by(n, first, make, [this](std::span<const T> items) {
      return queue.try_enqueue_bulk(producer, items.data(), items.size()) ? items.size() : 0;
    });
  }
  template <class Visit>
  std::size_t consume(Visit visit) {
    return this->consume_by(visit, [this](T* items, std::size_t n) {
      if constexpr (direct) return queue.try_dequeue_bulk_from_producer(producer, items, n);
      return queue.try_dequeue_bulk(consumer, items, n);
    });
  }
};
template <class T, std::size_t capacity>
struct Moodycamel : Concurrent<T, capacity, false> {
  static constexpr const char* name = "moodycamel";
};
template <class T, std::size_t capacity>
struct MoodycamelDirect : Concurrent<T, capacity, true> {
  static constexpr const char* name = "moodycamel_direct";
};

#ifdef PERP_BENCH_QUEUE
/// The queue of -DPERP_BENCH_QUEUE=/path/to/header.hpp; see examples/bench_queue.
template <class T, std::size_t capacity>
struct User : Copying<T> {
  static constexpr const char* name = "user";
  UserQueue<T> queue{capacity};
  bool push(const T& item) { return queue.push(item); }
  bool pop(T& item) { return queue.pop(item); }
  template <class Fill>
  std::size_t produce(std::size_t n, std::uint64_t first, Fill make) requires
      requires(const T* items) {
    queue.push_n(items, n);
  }
  {
    return this->produce_by(n, first, make, [this](std::span<const T> items) {
      return queue.push_n(items.data(), items.size());
    });
  }
  template <class Visit>
  std::size_t consume(Visit visit) requires requires(T* items) {
    queue.pop_n(items, batch);
  }
  {
    return this->consume_by(visit,
                            [this](T* items, std::size_t n) { return queue.pop_n(items, n); });
  }
};
#endif

}  // namespace perp::bench
