#include <perp/core/cpu.hpp>
#include <perp/core/error.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>

namespace perp::core {
namespace {

namespace fs = std::filesystem;

constexpr int cpu_limit = 8192;  // the kernel's own NR_CPUS limit on x86-64

// An affinity mask of any size: cpu_set_t ends at 1024 processors.
class CpuMask {
 public:
  CpuMask() : set_(CPU_ALLOC(cpu_limit)) {
    if (set_ == nullptr) throw std::bad_alloc();
    CPU_ZERO_S(size_bytes(), set_);
  }
  ~CpuMask() { CPU_FREE(set_); }
  CpuMask(const CpuMask&) = delete;
  CpuMask& operator=(const CpuMask&) = delete;
  static std::size_t size_bytes() { return CPU_ALLOC_SIZE(cpu_limit); }
  cpu_set_t* get() { return set_; }
  bool has(int cpu) const {
    return CPU_ISSET_S(static_cast<std::size_t>(cpu), size_bytes(), set_) != 0;
  }
  void add(int cpu) { CPU_SET_S(static_cast<std::size_t>(cpu), size_bytes(), set_); }

 private:
  cpu_set_t* set_;
};

std::vector<int> allowed_cpus() {
  CpuMask mask;
  if (sched_getaffinity(0, CpuMask::size_bytes(), mask.get()) != 0)
    throw_system_error("cannot read the processor affinity", "sched_getaffinity", errno);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < cpu_limit; ++cpu)
    if (mask.has(cpu)) cpus.push_back(cpu);
  return cpus;
}

// First line of a file of the kernel, empty if it has none of that name (containers hide some).
std::string read_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

int read_number(const fs::path& path) {
  const std::string line = read_line(path);
  int value = -1;
  std::from_chars(line.data(), line.data() + line.size(), value);
  return value;
}

int read_node(const fs::path& cpu_folder) {
  std::error_code error;  // a missing folder is "unknown", not a failure
  for (const fs::directory_entry& entry : fs::directory_iterator(cpu_folder, error)) {
    const std::string name = entry.path().filename().string();
    int node = -1;
    if (name.starts_with("node") &&
        std::from_chars(name.data() + 4, name.data() + name.size(), node).ec == std::errc())
      return node;
  }
  return -1;
}

}  // namespace

std::vector<int> parse_cpu_list(const std::string& text, const std::string& where) {
  std::vector<int> cpus;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto refuse = [&] {
    throw Error("bad processor list '" + text + "'", where,
                "expected numbers and ranges such as 0-3,8");
  };
  while (at != end) {
    int first = 0;
    auto parsed = std::from_chars(at, end, first);
    if (parsed.ec != std::errc() || first < 0 || first >= cpu_limit) refuse();
    int last = first;
    if (parsed.ptr != end && *parsed.ptr == '-') {
      parsed = std::from_chars(parsed.ptr + 1, end, last);
      if (parsed.ec != std::errc() || last < first || last >= cpu_limit) refuse();
    }
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
    at = parsed.ptr;
    if (at == end) break;
    if (*at != ',' || ++at == end) refuse();
  }
  return cpus;
}

int cpu_count() { return std::max(1, static_cast<int>(allowed_cpus().size())); }

std::vector<Cpu> cpu_topology() {
  const fs::path root = "/sys/devices/system/cpu";
  const std::vector<int> allowed = allowed_cpus();
  const std::string online = read_line(root / "online");
  std::vector<Cpu> cpus;
  for (const int id :
       online.empty() ? allowed : parse_cpu_list(online, (root / "online").string())) {
    const fs::path folder = root / ("cpu" + std::to_string(id));
    Cpu& cpu = cpus.emplace_back();
    cpu.id = id;
    cpu.core = read_number(folder / "topology/core_id");
    cpu.package = read_number(folder / "topology/physical_package_id");
    cpu.node = read_node(folder);
    cpu.is_allowed = std::binary_search(allowed.begin(), allowed.end(), id);
  }
  return cpus;
}

void pin_thread(int cpu) {
  const std::vector<int> allowed = allowed_cpus();
  const std::string where = fmt::format("thread '{}'", thread_name());
  if (cpu < 0 || cpu >= cpu_limit)
    throw Error(fmt::format("cannot pin to processor {}", cpu), where,
                fmt::format("allowed are {}", fmt::join(allowed, ",")));
  CpuMask mask;
  mask.add(cpu);
  if (sched_setaffinity(0, CpuMask::size_bytes(), mask.get()) != 0) {
    const int code = errno;
    throw_system_error(
        fmt::format("cannot pin to processor {} (allowed are {})", cpu, fmt::join(allowed, ",")),
        where, code);
  }
}

int current_cpu() noexcept { return sched_getcpu(); }

void set_thread_name(const std::string& name) noexcept {
  char cut[16] = {};
  name.copy(cut, sizeof cut - 1);
  pthread_setname_np(pthread_self(), cut);  // fails only for longer names
}

std::string thread_name() {
  char name[16] = {};
  pthread_getname_np(pthread_self(), name, sizeof name);
  return name;
}

}  // namespace perp::core
