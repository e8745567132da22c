// perp: one program, many commands. Options are read, one command runs, errors are told once.
#include "app/commands.hpp"

#include <perp/core/error.hpp>
#include <perp/core/printable.hpp>

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string_view>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace {

// Written by the signal handler, read by every worker's loop. A flag alone: nothing is read behind
// it.
std::atomic<bool> stop_requested{false};

extern "C" void on_signal(int number) {
  // A second signal means it: the default action ends the process.
  stop_requested.store(true, std::memory_order_relaxed);
  std::signal(number, SIG_DFL);
}

/// A daemon runs for weeks. Large buffers (a long answer, a burst behind a stall) come from the
/// kernel and go back to it: glibc would raise its bound with the first one freed, take the next
/// from the thread's heap, and keep the holes.
void keep_memory_flat() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 128 << 10);
#endif
}

/// The one that is called; all of them, for their list and for whoever mistyped, if `word` names
/// none. Most of a short command's own time would go into the options of the others.
void add_commands(CLI::App& app, perp::app::Context& context, std::string_view word) {
  const auto& all = perp::app::commands;
  const auto called =
      std::find_if(all.begin(), all.end(), [word](const auto& one) { return one.name == word; });
  if (called != all.end()) return called->add(app, context);
  for (const perp::app::Command& command : all) command.add(app, context);
}

/// What was printed must have arrived: a full disk behind `>` is no success. A reader who left
/// (`| head`) had what it wanted.
int exit_code_of_output(int code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  pollfd output{STDOUT_FILENO, POLLOUT, 0};
  const bool has_reader = poll(&output, 1, 0) <= 0 || (output.revents & POLLERR) == 0;
  if (!has_reader) return code;
  std::fputs("perp: standard output: what was printed could not be written whole\n", stderr);
  return perp::app::exit_failure;
}

}  // namespace

int main(int argc, char** argv) {
  keep_memory_flat();
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("pclmul")) {
    std::fputs("perp: this processor lacks SSE4.2 or PCLMULQDQ (2010), which the decoders need\n",
               stderr);
    return perp::app::exit_failure;
  }
#endif
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  std::signal(SIGPIPE, SIG_IGN);

  CLI::App app{
      "Market data of crypto perpetual futures: record, replay, journal, warehouse, query.",
      "perp"};
  app.set_version_flag("--version", std::string("perp ") + PERP_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 ok, 1 failure, 2 usage, 3 partial (some input was refused).\n"
      "Times are UTC. `perp COMMAND --help` has examples.");
  perp::app::Context context;
  context.stop = &stop_requested;
  add_commands(app, context, argc > 1 ? argv[1] : "");

  try {
    app.parse(argc, argv);
    return exit_code_of_output(context.exit_code);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? exit_code_of_output(perp::app::exit_ok) : perp::app::exit_usage;
  } catch (const perp::core::Error& error) {
    // It may quote what a venue or a database said.
    std::fprintf(stderr, "perp: %s\n", perp::core::printable(error.what()).c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "perp: unexpected: %s\n", perp::core::printable(error.what()).c_str());
  }
  return perp::app::exit_failure;
}
