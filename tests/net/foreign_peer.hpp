#pragma once
// A foreign peer: a program of tests/net/peers in a process of its own. It lives as long
// as the object, or until its input is closed; what it prints can be read.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <vector>

extern char** environ;

namespace perp::net::test {

class ForeignPeer {
 public:
  ForeignPeer(const std::string& script, const std::vector<std::string>& arguments) {
    int in[2];
    int out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0)
      throw std::runtime_error("no pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::vector<std::string> words{script.ends_with(".js") ? "node" : "/usr/bin/python3",
                                   PERP_SOURCE_DIR "/tests/net/peers/" + script};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const int error = ::posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    input_ = in[1];
    output_ = out[0];
    if (error != 0) throw std::runtime_error("cannot start " + words[1]);
  }
  ~ForeignPeer() {
    ::kill(pid_, SIGKILL);
    ::close(input_);
    ::close(output_);
    ::waitpid(pid_, nullptr, 0);
  }
  ForeignPeer(const ForeignPeer&) = delete;
  ForeignPeer& operator=(const ForeignPeer&) = delete;

  int output() const { return output_; }
  /// A whole line, waited for; empty at the end of its output.
  std::string line() {
    std::string text;
    char c = 0;
    while (::read(output_, &c, 1) == 1 && c != '\n') text += c;
    return text;
  }
  /// The first line of a server.
  std::uint16_t port() { return static_cast<std::uint16_t>(std::stoi("0" + line())); }

  /// Debian's package is there: python3-websockets is for the test level of scripts/install-deps.
  static bool has_module(const std::string& name) {
    return std::system(("/usr/bin/python3 -c 'import " + name + "' 2>/dev/null").c_str()) == 0;
  }
  /// The same of node-ws.
  static bool has_ws() {
    return std::system("node -e 'require(\"/usr/share/nodejs/ws\")' 2>/dev/null") == 0;
  }

 private:
  pid_t pid_ = 0;
  int input_ = -1;
  int output_ = -1;
};

}  // namespace perp::net::test
