#include "app/commands.hpp"
#include "app/output.hpp"

#include <perp/core/error.hpp>
#include <perp/core/uring.hpp>
#include <perp/warehouse/migrate.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sys/resource.h>
#include <sys/timex.h>
#include <thread>

namespace perp::app {
namespace {

enum class Verdict { good, warning, bad };

struct Finding {
  Verdict verdict;
  std::string subject;
  std::string found;
  std::string fix;  ///< what to do; empty when good
};

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

Finding check_processor() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return {Verdict::good, "processor",
          fmt::format("{} CPUs, sse4.2 pclmul{}{}", std::thread::hardware_concurrency(),
                      __builtin_cpu_supports("avx2") ? " avx2" : "",
                      __builtin_cpu_supports("avx512f") ? " avx512f" : ""),
          ""};
#else
  return {Verdict::warning, "processor",
          fmt::format("{} CPUs", std::thread::hardware_concurrency()), "measured on x86-64 only"};
#endif
}

Finding check_cores() {
  const unsigned count = std::thread::hardware_concurrency();
  if (count >= 2)
    return {Verdict::good, "cores", fmt::format("{}: feed and engine get one each", count), ""};
  return {Verdict::warning, "cores", "1",
          "feed and engine share it; give the machine a second core"};
}

Finding check_governor() {
  const std::string governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  if (governor.empty()) return {Verdict::good, "frequency governor", "set by the host", ""};
  if (governor == "performance") return {Verdict::good, "frequency governor", governor, ""};
  return {Verdict::warning, "frequency governor", governor,
          "cpupower frequency-set -g performance"};
}

Finding check_uring() {
  const core::Uring::Probe probe = core::Uring::probe();
  if (probe.is_available)
    return {Verdict::good, "io_uring", "available (bytes moved through it)", ""};
  return {Verdict::warning, "io_uring", probe.reason,
          "the journal uses pwrite instead; in a container allow io_uring_setup, io_uring_enter "
          "and io_uring_register"};
}

Finding check_memlock() {
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= (rlim_t{64} << 20))
    return {Verdict::good, "memlock",
            limit.rlim_cur == RLIM_INFINITY ? "unlimited" : bytes_text(limit.rlim_cur), ""};
  return {Verdict::warning, "memlock", bytes_text(limit.rlim_cur),
          "ulimit -l 65536 (or LimitMEMLOCK=64M): journal buffers cannot be registered"};
}

Finding check_files() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= 1024)
    return {Verdict::good, "open files", std::to_string(limit.rlim_cur), ""};
  return {Verdict::warning, "open files", std::to_string(limit.rlim_cur), "ulimit -n 4096"};
}

Finding check_clock() {
  timex state{};
  const int result = adjtimex(&state);
  if (result < 0)
    return {Verdict::warning, "clock", "the kernel does not say whether it is synchronised",
            "run an NTP client on the host"};
  if (result == TIME_ERROR || (state.status & STA_UNSYNC) != 0)
    return {Verdict::warning, "clock", "not synchronised",
            "run an NTP client (chrony): latencies and minute borders follow this clock"};
  return {Verdict::good, "clock",
          fmt::format("synchronised, estimated error {}",
                      duration_text(static_cast<double>(state.esterror) * 1e3)),
          ""};
}

Finding check_clock_source() {
  const std::string source =
      first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  if (source == "tsc" || source == "kvm-clock" || source == "arch_sys_counter")
    return {Verdict::good, "clock source", source, ""};
  return {Verdict::warning, "clock source", source.empty() ? "unknown" : source,
          "clocksource=tsc on the kernel command line: each clock read costs a system call now"};
}

Finding check_disk(const std::string& folder) {
  std::error_code error;
  std::filesystem::path path = std::filesystem::absolute(folder);
  while (!std::filesystem::exists(path, error) && path.has_parent_path() &&
         path != path.parent_path())
    path = path.parent_path();
  const auto space = std::filesystem::space(path, error);
  if (error)
    return {Verdict::bad, "journal disk", folder + ": " + error.message(),
            "name a folder on a local disk with --journal"};
  if (space.available >= (std::uintmax_t{10} << 30))
    return {Verdict::good, "journal disk",
            bytes_text(space.available) + " free at " + path.string(), ""};
  const bool is_full = space.available < (std::uintmax_t{1} << 30);
  return {is_full ? Verdict::bad : Verdict::warning, "journal disk",
          bytes_text(space.available) + " free at " + path.string(),
          "a busy day of four venues takes tens of GiB: make room or move the journal"};
}

std::vector<Finding> check_database(const std::string& dsn) {
  std::vector<Finding> findings;
  try {
    const warehouse::Info info = warehouse::info(dsn);
    findings.push_back(
        {Verdict::good, "database",
         info.server_version + ", backend " + std::string(warehouse::to_string(info.backend)), ""});
    if (info.tables.empty())
      findings.push_back({Verdict::bad, "schema", "not there", "perp db setup"});
    else
      findings.push_back(
          {Verdict::good, "schema", fmt::format("{} tables", info.tables.size()), ""});
  } catch (const core::Error& error) {
    findings.push_back({Verdict::bad, "database", error.what(),
                        "check --db, that the server runs and that this host may connect"});
  }
  return findings;
}

const char* word(Verdict verdict) {
  return verdict == Verdict::good ? "ok" : verdict == Verdict::warning ? "warning" : "bad";
}

}  // namespace

void add_doctor(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("doctor",
                                     "Check this machine: processor, io_uring, limits, clock, "
                                     "disk, database. Each finding has its fix.");
  auto folder = std::make_shared<std::string>("var/journal");
  command->add_option("--journal", *folder, "Where the journal is or will be")
      ->capture_default_str();
  add_dsn(*command, context, false);
  add_format(*command, context, {"table", "json"});
  command->footer(
      "Exit code 1 if something is bad, 3 if there are warnings.\nExample:\n  perp doctor --db "
      "\"$DATABASE_URL\"");
  command->callback([&context, folder] {
    std::vector<Finding> findings = {check_processor(), check_cores(),        check_governor(),
                                     check_uring(),     check_memlock(),      check_files(),
                                     check_clock(),     check_clock_source(), check_disk(*folder)};
    if (!context.dsn.empty())
      for (Finding& finding : check_database(context.dsn)) findings.push_back(std::move(finding));
    for (const Finding& finding : findings) {
      if (finding.verdict == Verdict::bad) context.exit_code = exit_failure;
      if (finding.verdict == Verdict::warning && context.exit_code == exit_ok)
        context.exit_code = exit_partial;
    }
    if (context.format == "json") {
      auto all = nlohmann::ordered_json::array();
      for (const Finding& finding : findings)
        all.push_back({{"verdict", word(finding.verdict)},
                       {"subject", finding.subject},
                       {"found", finding.found},
                       {"fix", finding.fix}});
      std::puts(all.dump(1).c_str());
      return;
    }
    Table table({"", "subject", "found", "what to do"});
    for (const Finding& finding : findings)
      table.row({word(finding.verdict), finding.subject, finding.found, finding.fix});
    std::fputs(table.text().c_str(), stdout);
  });
}

}  // namespace perp::app
