#pragma once
// A PostgreSQL cluster of the test's own, of either edition: it may be stopped, killed, copied to a
// standby, promoted. Removed with the test. Throws std::runtime_error where a step fails.
#include "warehouse/database.hpp"
#include "warehouse/minute_oracle.hpp"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/stat.h>
#include <thread>

namespace perp::warehouse::test {

/// The root of the file system that a server of this edition sees.
inline std::string root_of(Server server) {
  if (server == Server::plain) return "";
  const char* root = std::getenv("PERP_TIMESCALE_ROOT");
  return root == nullptr ? "/var/cache/perp/trixie" : root;
}

/// Runs a command line of the shell. @throws std::runtime_error with it
inline std::string run(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  std::string out;
  char buffer[256];
  while (pipe != nullptr && std::fgets(buffer, sizeof buffer, pipe) != nullptr) out += buffer;
  if (pipe == nullptr || pclose(pipe) != 0) throw std::runtime_error("failed: " + command);
  return out.substr(0, out.find('\n'));
}

inline bool answers(const std::string& dsn) {
  try {
    Text probe(dsn);
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

class Cluster {
 public:
  explicit Cluster(Server server) : server_(server) { begin(); }
  /// A streaming standby of `primary`.
  Cluster(Server server, const Cluster& primary) : server_(server) {
    script("standby", primary.folder());
    begin();
  }
  ~Cluster() {
    try {
      script("remove");
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  const std::string& dsn() const { return dsn_; }
  std::string port() const { return value_of(dsn_, "port"); }
  std::string folder() const { return folder_.path() + "/cluster"; }
  /// Its data as the test sees it.
  std::string data() const {
    std::string data;
    std::ifstream(folder() + "/data-folder") >> data;
    return root_of(server_) + data;
  }
  pid_t postmaster() const {
    pid_t pid = 0;
    std::ifstream(data() + "/postmaster.pid") >> pid;
    return pid;
  }
  /// Settings that it has from its next start on.
  void configure(const std::string& lines) const {
    std::ofstream(data() + "/postgresql.conf", std::ios::app) << lines << "\n";
  }
  /// Gives a file to its user.
  void hand_over(const std::string& path, mode_t mode) const {
    struct stat owner {};
    if (stat(data().c_str(), &owner) != 0 || chown(path.c_str(), owner.st_uid, owner.st_gid) != 0 ||
        chmod(path.c_str(), mode) != 0)
      throw std::runtime_error("cannot hand over " + path);
  }

  void stop() const { script("stop"); }
  /// Signals the postmaster and waits until none of its processes is left: one that never has to
  /// wait for its client notices late that the postmaster is dead, and commits until then.
  void signal(int number) const {
    if (::kill(postmaster(), number) != 0) throw std::runtime_error("no postmaster");
    while (answers(dsn_) || has_processes()) std::this_thread::yield();
  }
  /// Once more, on its port. Tries for a minute: processes of a killed server end by themselves.
  void start() const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    for (;;) {
      try {
        script("stop");
        script("start", "--port " + port());
        return;
      } catch (const std::runtime_error&) {
        if (std::chrono::steady_clock::now() > deadline) throw;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
    }
  }

 private:
  /// They all work in the data's folder.
  bool has_processes() const {
    const std::string data = std::filesystem::canonical(this->data());
    for (const auto& process : std::filesystem::directory_iterator("/proc")) {
      std::error_code gone;
      if (std::filesystem::read_symlink(process.path() / "cwd", gone) == data && !gone) return true;
    }
    return false;
  }
  void begin() { dsn_ = script("start", "--port auto"); }
  std::string script(const std::string& command, const std::string& more = "") const {
    const std::string name = server_ == Server::plain ? "postgres" : "timescale";
    return run(std::string(PERP_SOURCE_DIR) + "/scripts/" + name + " " + command + " " + folder() +
               " " + more);
  }

  Server server_;
  Folder folder_;
  std::string dsn_;
};

/// The fixture of tests that need clusters of their own.
class ClusterTest : public testing::TestWithParam<Server> {
 protected:
  void SetUp() override {
    if (std::getenv(variable_of(GetParam())) == nullptr)
      GTEST_SKIP() << variable_of(GetParam()) << " is not set: run under scripts/test-databases";
  }
};

/// A small file system in memory, where mounting is allowed: a disk that can be full. `ballast`
/// takes its room away and gives it back.
class SmallDisk {
 public:
  /// @returns nothing where the machine does not allow it
  static std::unique_ptr<SmallDisk> mount(const std::string& path, int mib) {
    const std::string command =
        "mount -t tmpfs -o size=" + std::to_string(mib) + "m perp-test " + path + " 2>/dev/null";
    if (std::system(command.c_str()) != 0) return nullptr;
    return std::unique_ptr<SmallDisk>(new SmallDisk(path));
  }
  ~SmallDisk() {
    if (std::system(("umount -l " + path_).c_str()) != 0) ADD_FAILURE() << "umount " << path_;
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  /// Leaves so much room.
  void fill_but(std::uintmax_t bytes) const {
    const std::uintmax_t room = std::filesystem::space(path_).free;
    if (room > bytes)
      run("fallocate -l " + std::to_string(room - bytes) + " " + path_ + "/ballast");
  }
  void make_room() const { std::filesystem::remove(path_ + "/ballast"); }

 private:
  explicit SmallDisk(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace perp::warehouse::test
