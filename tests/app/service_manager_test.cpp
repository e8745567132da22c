// Goal: a service manager hears the words that it knows. Method: a real datagram socket stands for
// it, once as a file and once with an abstract name.
#include "app/service_manager.hpp"

#include "app/manager_socket.hpp"
#include "app/program.hpp"

#include <perp/core/error.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>

namespace perp::app::testing {
namespace {

TEST(ServiceManager, WordsArriveAsDatagramsUnderBothKindsOfName) {
  const Folder folder;
  for (const std::string& name : {folder / "notify", fmt::format("@perp-test-{}", getpid())}) {
    ManagerSocket socket(name);
    ServiceManager manager(name, 0);
    EXPECT_TRUE(manager.is_there());
    manager.ready();
    EXPECT_EQ(socket.receive(), "READY=1") << name;
    manager.status("two\nlines");
    EXPECT_EQ(socket.receive(), "STATUS=two lines");
    manager.alive();
    EXPECT_EQ(socket.receive(), "WATCHDOG=1");
    const std::int64_t before = core::mono_now().ns / core::ns_per_us;
    manager.reloading();
    const std::string words = socket.receive();
    const std::string expected = "RELOADING=1\nMONOTONIC_USEC=";
    ASSERT_TRUE(words.starts_with(expected)) << words;
    const std::int64_t us = std::stoll(words.substr(expected.size()));
    EXPECT_GE(us, before);
    EXPECT_LE(us, core::mono_now().ns / core::ns_per_us);
    manager.stopping();
    EXPECT_EQ(socket.receive(), "STOPPING=1");
    EXPECT_EQ(manager.dropped_count(), 0U);
  }
}

TEST(ServiceManager, WithoutASocketNothingHappens) {
  ServiceManager manager("", 1000);
  EXPECT_FALSE(manager.is_there());
  manager.ready();
  manager.status("x");
  EXPECT_EQ(manager.dropped_count(), 0U);
  EXPECT_EQ(manager.watchdog_ns(), 0) << "nobody would hear it";
}

TEST(ServiceManager, AManagerThatIsGoneIsCountedNotFatal) {
  const Folder folder;
  ServiceManager manager(folder / "nobody", 0);
  manager.ready();
  EXPECT_EQ(manager.dropped_count(), 1U);
}

TEST(ServiceManager, ABadNameIsRefused) {
  EXPECT_THROW(ServiceManager("relative", 0), core::Error);
  EXPECT_THROW(ServiceManager("/", 0), core::Error);
  EXPECT_THROW(ServiceManager("/" + std::string(200, 'x'), 0), core::Error);
}

TEST(ServiceManager, TheWatchdogIsForTheProcessThatItNames) {
  const Folder folder;
  setenv("NOTIFY_SOCKET", (folder / "s").c_str(), 1);
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  EXPECT_EQ(ServiceManager().watchdog_ns(), 3 * core::ns_per_second);
  setenv("WATCHDOG_PID", std::to_string(getpid() + 1).c_str(), 1);
  EXPECT_EQ(ServiceManager().watchdog_ns(), 0);
  unsetenv("WATCHDOG_PID");
  setenv("WATCHDOG_USEC", "3 s", 1);
  EXPECT_EQ(ServiceManager().watchdog_ns(), 0);
  unsetenv("WATCHDOG_USEC");
  unsetenv("NOTIFY_SOCKET");
  EXPECT_FALSE(ServiceManager().is_there());
}

}  // namespace
}  // namespace perp::app::testing
