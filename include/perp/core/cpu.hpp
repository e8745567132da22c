#pragma once
// The machine's processors as this process may use them, and where a thread runs. Cold path:
// start-up and reports. Everything is asked anew at each call: affinity and online processors
// change under a running program.
#include <string>
#include <vector>

namespace perp::core {

struct Cpu {
  int id = -1;
  int core = -1;  ///< number of its core within the package; equal: hyper-threads. -1: the kernel
                  ///< does not say
  int package = -1;
  int node = -1;            ///< NUMA
  bool is_allowed = false;  ///< in this process' affinity mask
};

/// Processors that the calling thread may run on, at least 1.
int cpu_count();
/// Every online processor, ascending by id. Unknown facts are -1.
std::vector<Cpu> cpu_topology();
/// Binds the calling thread. @throws Error that lists the allowed processors.
void pin_thread(int cpu);
/// The processor the calling thread runs on now; -1 if the kernel does not say.
int current_cpu() noexcept;

/// Name of the calling thread as tools show it: the kernel keeps 15 bytes, the rest is cut.
void set_thread_name(const std::string& name) noexcept;
std::string thread_name();

/// "0-3,8" -> {0,1,2,3,8}, as the kernel writes lists. @throws Error naming `where` and the
/// offending text.
std::vector<int> parse_cpu_list(const std::string& text, const std::string& where);

}  // namespace perp::core
