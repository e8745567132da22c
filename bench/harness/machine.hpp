#pragma once
// The machine under a benchmark: what it is, which processors are used, and how far apart those are
// at this moment.
#include <string>
#include <utility>
#include <vector>

namespace perp::bench {

/// Facts for the head of a report, in order: processor, governor, compiler, flags, ...
std::vector<std::pair<std::string, std::string>> machine_facts();

/// The processors that benchmarks may use, in the order in which pin() takes them.
const std::vector<int>& processors();
/// "0,1": at least one. To be called before the first pin(). @throws std::runtime_error
void use_processors(const std::string& list);
/// Binds the calling thread to the `index`-th of processors() (modulo their number). Where that is
/// forbidden figures are noisier and still comparable.
void pin(std::size_t index);
/// Lets the calling thread, and what it starts, run on all of processors().
void unpin();

/// What the machine gives at a moment. On a shared host both move, with no steal time told.
struct Given {
  /// Median of the time that one cache line takes from the first processor to the second and back,
  /// raw: two atomics and nothing else. It moves when the host puts the processors elsewhere. 0
  /// where there is only one processor.
  double ping_pong_ns = 0;
  /// A load, an addition and a store of one word, again and again, on the slowest of processors().
  /// It moves, up to threefold, when another machine takes a part of the core; a chain of
  /// calculations in registers hardly does.
  double spin_ns = 0;
};
Given what_is_given();

}  // namespace perp::bench
