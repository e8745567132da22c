// Goal: status lines are sky blue where a person looks, and nowhere else. Method: the program with
// a pseudo-terminal for its stderr, and without.
#include "app/process.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <pty.h>

namespace perp::app::testing {
namespace {

constexpr const char* sky_blue = "\x1b[38;2;135;206;235m";

/// What `perp run` says on a terminal until a status line is whole.
std::string on_terminal(const std::vector<std::string>& more, const char* no_color) {
  const Folder folder;
  std::vector<std::string> words{PERP_PROGRAM,  "run",
                                 "--venues",    "binance",
                                 "--symbols",   "BTC",
                                 "--venue-url", "binance=wss://127.0.0.1:1",
                                 "--venue-url", "binance=https://127.0.0.1:1",
                                 "--journal",   folder / "journal",
                                 "--ledger",    folder / "run",
                                 "--set",       "logging.status_s=1"};
  words.insert(words.end(), more.begin(), more.end());
  int terminal = -1;
  const pid_t pid = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (pid == 0) {
    if (no_color == nullptr)
      unsetenv("NO_COLOR");
    else
      setenv("NO_COLOR", no_color, 1);
    unsetenv("DATABASE_URL");
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    execv(PERP_PROGRAM, pointers.data());
    _exit(127);
  }
  std::string said;
  const bool is_there = await(30, [&] {
    pollfd wait{.fd = terminal, .events = POLLIN, .revents = 0};
    std::array<char, 4096> piece;
    if (poll(&wait, 1, 10) > 0)
      if (const ssize_t size = read(terminal, piece.data(), piece.size()); size > 0)
        said.append(piece.data(), static_cast<std::size_t>(size));
    std::size_t status = said.find("component=status");
    if (status == std::string::npos) status = said.find(R"("component":"status")");
    return status != std::string::npos && said.find('\n', status) != std::string::npos;
  });
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  close(terminal);
  EXPECT_TRUE(is_there) << said;
  return said;
}

TEST(StatusColor, IsSkyBlueOnATerminalAndOnlyForStatusLines) {
  const std::string said = on_terminal({}, nullptr);
  std::stringstream lines(said);
  std::size_t colored = 0;
  for (std::string line; std::getline(lines, line);) {
    const bool is_status = line.find("component=status") != std::string::npos;
    EXPECT_EQ(line.find(sky_blue) != std::string::npos, is_status) << line;
    colored += is_status ? 1 : 0;
  }
  EXPECT_GT(colored, 0U);
}

TEST(StatusColor, IsNoneWhereItIsNotWanted) {
  EXPECT_EQ(on_terminal({"--no-color"}, nullptr).find("\x1b["), std::string::npos);
  EXPECT_EQ(on_terminal({}, "1").find("\x1b["), std::string::npos);
  EXPECT_EQ(on_terminal({"--log-format", "json"}, nullptr).find("\x1b["), std::string::npos);
  EXPECT_NE(on_terminal({"--color", "always"}, "1").find(sky_blue), std::string::npos);
}

TEST(StatusColor, IsNoneInAFile) {
  const Folder folder;
  Process daemon(
      {"run", "--venues", "binance", "--symbols", "BTC", "--venue-url", "binance=wss://127.0.0.1:1",
       "--venue-url", "binance=https://127.0.0.1:1", "--journal", folder / "journal", "--ledger",
       folder / "run", "--set", "logging.status_s=1"},
      {{"DATABASE_URL", ""}});
  ASSERT_TRUE(daemon.await_err("component=status"));
  EXPECT_EQ(daemon.err().find("\x1b["), std::string::npos);
}

}  // namespace
}  // namespace perp::app::testing
