#pragma once
// Google Benchmark's console output with, at the end, how ours stands to each peer measured in the
// same run. Names are <layer>/<unit>/<who>/<parameter>...; runs that differ in <who> alone are
// compared with who = perp. Compared by items_per_second where the benchmark sets it, else by time;
// by the median where there are repetitions.
#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <vector>

namespace perp::bench {

class RatioReporter : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override;
  void Finalize() override;

 private:
  struct Figure {
    double speed = 0;  ///< items per second, or benchmarked operations per second
    bool is_median = false;
  };
  // unit with its parameter -> who -> figure
  std::map<std::string, std::map<std::string, Figure>> figures_;
};

}  // namespace perp::bench
