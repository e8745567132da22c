// Every queue operation against the plain system call's effect. Where the machine refuses io_uring
// only the refusal is tested.
#include <perp/core/error.hpp>
#include <perp/core/file.hpp>
#include <perp/core/time.hpp>
#include <perp/core/uring.hpp>

#include <gtest/gtest.h>

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <optional>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <vector>

namespace {

using perp::core::File;
using perp::core::Uring;

class UringTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const Uring::Probe probe = Uring::probe(); !probe.is_available)
      GTEST_SKIP() << probe.reason;
    ring_.emplace(8);
  }

  Uring::Completion complete_one() {
    EXPECT_EQ(ring_->submit_and_wait(5 * perp::core::ns_per_second), 0);
    Uring::Completion completion;
    EXPECT_EQ(ring_->reap({&completion, 1}), 1u);
    return completion;
  }

  std::optional<Uring> ring_;
};

TEST_F(UringTest, WritesReadsAndSyncs) {
  const File file(::memfd_create("test", MFD_CLOEXEC), "memfd");
  const std::array<std::byte, 3> out{std::byte{1}, std::byte{2}, std::byte{3}};
  ASSERT_TRUE(ring_->write(file.descriptor(), out, 7, 11));
  Uring::Completion completion = complete_one();
  EXPECT_EQ(completion.token, 11u);
  EXPECT_EQ(completion.result, 3);
  std::array<std::byte, 3> in{};
  ASSERT_EQ(::pread(file.descriptor(), in.data(), 3, 7), 3);
  EXPECT_EQ(in, out);
  in = {};
  ASSERT_TRUE(ring_->read(file.descriptor(), in, 7, 12));
  completion = complete_one();
  EXPECT_EQ(completion.result, 3);
  EXPECT_EQ(in, out);
  ASSERT_TRUE(ring_->fsync(file.descriptor(), true, 13));
  EXPECT_EQ(complete_one().result, 0);
  ASSERT_TRUE(ring_->fsync(-1, false, 14));
  EXPECT_EQ(complete_one().result, -EBADF);
}

TEST_F(UringTest, WritesFromRegisteredBuffers) {
  std::vector<std::byte> memory(8192, std::byte{9});
  const std::array<std::span<std::byte>, 2> buffers{std::span(memory).first(4096),
                                                    std::span(memory).subspan(4096)};
  if (!ring_->register_buffers(buffers)) GTEST_SKIP() << "the kernel pins no buffers here";
  const File file(::memfd_create("test", MFD_CLOEXEC), "memfd");
  ASSERT_TRUE(ring_->write_registered(file.descriptor(), buffers[1].first(100), 0, 1, 1));
  EXPECT_EQ(complete_one().result, 100);
  ASSERT_TRUE(ring_->write_registered(file.descriptor(), buffers[1].first(100), 0, 0, 2));
  EXPECT_EQ(complete_one().result, -EFAULT) << "memory outside the buffer it names";
}

TEST_F(UringTest, MovesBytesOverSocketsPollsAndCancels) {
  int sockets[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  const File left(sockets[0], "left");
  const File right(sockets[1], "right");
  std::array<std::byte, 8> in{};
  ASSERT_TRUE(ring_->receive(right.descriptor(), in, 1));
  ASSERT_EQ(ring_->submit(), 0);
  Uring::Completion none;
  EXPECT_EQ(ring_->reap({&none, 1}), 0u) << "nothing has been sent";
  EXPECT_EQ(ring_->submit_and_wait(1'000'000), ETIME);
  const std::array<std::byte, 2> out{std::byte{5}, std::byte{6}};
  ASSERT_TRUE(ring_->send(left.descriptor(), out, 2));
  std::array<std::int32_t, 3> results{};
  for (int i = 0; i < 2; ++i) {
    const Uring::Completion completion = complete_one();
    results[completion.token] = completion.result;
  }
  EXPECT_EQ(results[1], 2);
  EXPECT_EQ(results[2], 2);
  EXPECT_EQ(in[1], std::byte{6});

  ASSERT_TRUE(ring_->receive(right.descriptor(), in, 1));
  ASSERT_TRUE(ring_->cancel(1, 2));
  for (int i = 0; i < 2; ++i) {
    const Uring::Completion completion = complete_one();
    results[completion.token] = completion.result;
  }
  EXPECT_EQ(results[1], -ECANCELED);
  EXPECT_EQ(results[2], 0);

  ASSERT_TRUE(ring_->poll(right.descriptor(), POLLIN, 3));
  ASSERT_EQ(ring_->submit(), 0);
  ASSERT_EQ(::send(left.descriptor(), "x", 1, 0), 1);
  const Uring::Completion polled = complete_one();
  EXPECT_EQ(polled.token, 3u);
  EXPECT_NE(static_cast<unsigned>(polled.result) & POLLIN, 0u);
}

TEST_F(UringTest, SaysWhenTheQueueIsFull) {
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(ring_->nop(i));
  EXPECT_FALSE(ring_->nop(8));
  ASSERT_EQ(ring_->submit(), 0);
  EXPECT_TRUE(ring_->nop(8));
  ASSERT_EQ(ring_->submit_and_wait(), 0);
  std::array<Uring::Completion, 16> completions;
  std::size_t count = 0;
  while (count < 9) {
    count += ring_->reap(std::span(completions).subspan(count));
    if (count < 9) {
      ASSERT_EQ(ring_->submit_and_wait(5 * perp::core::ns_per_second), 0);
    }
  }
  for (std::uint64_t i = 0; i < 9; ++i) EXPECT_EQ(completions[i].token, i);
}

TEST(Uring, RefusesNonsense) { EXPECT_THROW(Uring(0), perp::core::Error); }

TEST(Uring, OnlyRefusalsChangeTheEngine) {
  for (const int error : {EPERM, ENOSYS, EINVAL}) EXPECT_TRUE(Uring::is_refusal(error));
  for (const int error : {ENOMEM, EMFILE, ENFILE, EIO, 0}) EXPECT_FALSE(Uring::is_refusal(error));
}

// A container's seccomp profile, made here in a child: the probe must say so and not throw.
TEST(Uring, ProbeTellsARefusalBySeccomp) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{4, rules};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
      ::_exit(77);
    const Uring::Probe probe = Uring::probe();
    ::_exit(!probe.is_available && probe.error == EPERM &&
                    probe.reason.find("seccomp") != std::string::npos
                ? 0
                : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no seccomp here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
