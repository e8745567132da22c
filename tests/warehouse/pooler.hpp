#pragma once
// A pgbouncer of the test's own before one database, as an unprivileged user, until the test ends.
#include "warehouse/database.hpp"
#include "warehouse/minute_oracle.hpp"

#include <pwd.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <sys/wait.h>

namespace perp::warehouse::test {

class Pooler {
 public:
  /// @param mode session, transaction or statement
  Pooler(const std::string& dsn, const std::string& mode) : dsn_(dsn) {
    const std::string config = folder_.path() + "/pgbouncer.ini";
    std::ofstream(folder_.path() + "/users")
        << "\"perp\" \"" << value_of(dsn, "password") << "\"\n";
    std::ofstream(config) << "[databases]\n* = host=" << value_of(dsn, "host")
                          << " port=" << value_of(dsn, "port") << "\n[pgbouncer]\n"
                          << "listen_addr =\nlisten_port = 6432\nunix_socket_dir = "
                          << folder_.path() << "\nauth_type = trust\nauth_file = " << folder_.path()
                          << "/users\npool_mode = " << mode << "\nlogfile = " << folder_.path()
                          << "/log\npidfile =\n";
    // It refuses to run as root, and its server's socket may be one user's alone.
    const passwd* user = geteuid() == 0 ? getpwnam("postgres") : nullptr;
    if (user != nullptr)
      for (const char* file : {"", "/users", "/pgbouncer.ini"})
        if (chown((folder_.path() + file).c_str(), user->pw_uid, user->pw_gid) != 0)
          throw std::runtime_error("pooler: chown");
    child_ = fork();
    if (child_ == 0) {
      if (user != nullptr && (setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)) _exit(1);
      execlp("pgbouncer", "pgbouncer", "-q", config.c_str(), nullptr);
      _exit(1);
    }
    for (int status = 0;;) {
      if (waitpid(child_, &status, WNOHANG) == child_) throw std::runtime_error("pooler: ended");
      try {
        Text probe(this->dsn());
        return;
      } catch (const std::runtime_error&) {
        usleep(20'000);
      }
    }
  }
  ~Pooler() {
    kill(child_, SIGTERM);
    waitpid(child_, nullptr, 0);
  }
  Pooler(const Pooler&) = delete;
  Pooler& operator=(const Pooler&) = delete;

  std::string dsn() const {
    return with(dsn_, {{"host", folder_.path()}, {"port", "6432"}, {"gssencmode", "disable"}});
  }

 private:
  std::string dsn_;
  Folder folder_;
  pid_t child_ = 0;
};

}  // namespace perp::warehouse::test
