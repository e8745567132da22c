#pragma once
// What a run of benchmarks says: tables for a person, and one JSON file that several programs fill.
#include "harness/contest.hpp"

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace perp::bench {

/// "core", "venue", ...: an area is a layer of benchmark names.
void print_machine(const std::string& area);
/// One table per contest of the group: each contestant's median, ours as a multiple of it, and how
/// the goals stand.
void print_group(const GroupResult& result, const std::vector<Verdict>& verdicts);

/// Writes `results` into `path`, leaving what other programs wrote there: `machine`, `goals` (an
/// array of {name, ratio, goal, ok, peer, area}), and `contests` with the raw figures of each
/// round. @throws std::runtime_error naming the path.
void write_json(const std::string& path, const std::string& area,
                const std::vector<GroupResult>& results, const std::vector<Verdict>& verdicts);

}  // namespace perp::bench
