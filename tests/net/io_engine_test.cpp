// The choice of the engine, also in a process whose seccomp filter refuses io_uring, as Docker's
// default does.
#include "net/support.hpp"

#include <perp/core/error.hpp>

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <cstddef>
#include <fstream>
#include <functional>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <set>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace perp::net {
namespace {

using test::bytes_of;
using test::PlainSocket;
using test::Recorder;

/// From here on io_uring_setup fails with `error` in this process.
bool deny_uring(unsigned error) {
  const sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error & SECCOMP_RET_DATA)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{sizeof program / sizeof program[0], const_cast<sock_filter*>(program)};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// Runs `body` in a child, since a filter cannot be taken off. @returns its text on stdout
std::string in_child(const std::function<std::string()>& body) {
  int ends[2];
  if (::pipe(ends) != 0) return "pipe failed";
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    std::string text;
    try {
      text = body();
    } catch (const std::exception& error) {
      text = std::string("threw ") + error.what();
    }
    const bool is_written = ::write(ends[1], text.data(), text.size()) >= 0;
    ::_exit(is_written ? 0 : 1);
  }
  ::close(ends[1]);
  std::string text;
  char piece[512];
  for (ssize_t got; (got = ::read(ends[0], piece, sizeof piece)) > 0;)
    text.append(piece, static_cast<std::size_t>(got));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? text : text + " and died";
}

TEST(IoEngine, NamesAreReadBack) {
  for (const IoEngine engine : {IoEngine::automatic, IoEngine::uring, IoEngine::epoll}) {
    IoEngine read = IoEngine::automatic;
    EXPECT_TRUE(parse_io_engine(name_of(engine), read));
    EXPECT_EQ(read, engine);
  }
  IoEngine untouched = IoEngine::epoll;
  for (const char* text : {"", "Auto", "automatic", "io_uring", "select"})
    EXPECT_FALSE(parse_io_engine(text, untouched)) << text;
  EXPECT_EQ(untouched, IoEngine::epoll);
}

TEST(IoEngine, EpollIsTakenWhenAskedFor) {
  const IoChoice choice = choose_io_engine(IoEngine::epoll);
  EXPECT_EQ(choice.engine, IoEngine::epoll);
  EXPECT_EQ(choice.reason, "asked for");
}

TEST(IoEngine, AutomaticNeverFailsForWantOfUring) {
  const IoChoice choice = choose_io_engine(IoEngine::automatic);
  EXPECT_NE(choice.engine, IoEngine::automatic);
  EXPECT_FALSE(choice.reason.empty());
}

class RefusedUring : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(, RefusedUring, testing::Values(EPERM, ENOSYS, EINVAL));

TEST_P(RefusedUring, LeadsToEpollWithTheReasonAndAWorkingLoop) {
  const int error = GetParam();
  const std::string told = in_child([error]() -> std::string {
    if (!deny_uring(static_cast<unsigned>(error))) return "no filter";
    Loop loop;
    const PlainSocket listener = PlainSocket::listen();
    Recorder recorder;
    Socket socket = Socket::dial(loop, listener.endpoint(), recorder);
    if (!test::run_until(loop, [&] { return recorder.connected_count == 1; })) return "no connect";
    const PlainSocket peer = listener.accept();
    peer.send_all("in");
    if (socket.send(bytes_of("out")) != SendStatus::queued) return "not sent";
    std::string got;
    if (!test::run_until(loop, [&] {
          got += peer.receive_some();
          return recorder.received == "in" && got == "out";
        }))
      return "no bytes";
    return std::string(name_of(loop.io().engine)) + ": " + loop.io().reason;
  });
  EXPECT_EQ(told.rfind("epoll: io_uring is refused: io_uring_setup: " +
                           std::generic_category().message(error),
                       0),
            0U)
      << told;
  if (error == EPERM) {
    EXPECT_NE(told.find("seccomp"), std::string::npos) << told;
  }
}

TEST_P(RefusedUring, IsAnErrorWhenUringWasAskedFor) {
  const int error = GetParam();
  const std::string told = in_child([error]() -> std::string {
    if (!deny_uring(static_cast<unsigned>(error))) return "no filter";
    LoopOptions options;
    options.engine = IoEngine::uring;
    const Loop loop(options);
    return "a loop was made";
  });
  EXPECT_EQ(told.rfind("threw loop: io_uring cannot be used: io_uring_setup: ", 0), 0U) << told;
}

TEST(IoEngine, AShortageIsToldAndIsNoReasonToChangeEngines) {
  for (const int error : {ENOMEM, EMFILE}) {
    const std::string told = in_child([error]() -> std::string {
      if (!deny_uring(static_cast<unsigned>(error))) return "no filter";
      const Loop loop;
      return "a loop was made";
    });
    EXPECT_EQ(told, "threw loop: io_uring cannot be used: io_uring_setup: " +
                        std::generic_category().message(error));
  }
}

TEST(IoEngine, TheShippedSeccompProfileAllowsWhatTheEnginesCall) {
  std::ifstream in(std::string(PERP_SOURCE_DIR) + "/examples/compose/perp-seccomp.json");
  ASSERT_TRUE(in.is_open());
  const nlohmann::json profile = nlohmann::json::parse(in);
  EXPECT_EQ(profile.at("defaultAction"), "SCMP_ACT_ERRNO");
  std::set<std::string> allowed;
  for (const auto& rule : profile.at("syscalls"))
    if (rule.at("action") == "SCMP_ACT_ALLOW" && !rule.contains("includes"))
      for (const auto& name : rule.at("names")) allowed.insert(name.get<std::string>());
  for (const char* name : {"io_uring_setup",
                           "io_uring_enter",
                           "io_uring_register",
                           "epoll_create1",
                           "epoll_ctl",
                           "epoll_wait",
                           "epoll_pwait2",
                           "eventfd2",
                           "socket",
                           "connect",
                           "accept4",
                           "bind",
                           "listen",
                           "sendto",
                           "recvfrom",
                           "setsockopt",
                           "getsockopt",
                           "getsockname",
                           "shutdown",
                           "futex",
                           "mmap",
                           "fdatasync",
                           "pwrite64",
                           "fallocate",
                           "clock_gettime",
                           "rseq"})
    EXPECT_TRUE(allowed.contains(name)) << name;
  for (const char* name : {"ptrace", "bpf", "mount", "kexec_load", "init_module", "reboot",
                           "userfaultfd", "perf_event_open", "setns", "unshare", "keyctl"})
    EXPECT_FALSE(allowed.contains(name)) << name;
}

}  // namespace
}  // namespace perp::net
