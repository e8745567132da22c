#pragma once
// A program of ours that runs beside the test: started, told by signals, awaited, its outputs read.
// Killed with the test at the latest.
#include "app/program.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <utility>
#include <vector>

namespace perp::app::testing {

/// Looks again and again until it is so or the time is over.
template <class Predicate>
bool await(double seconds, Predicate&& predicate) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!predicate()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

class Process {
 public:
  using Environment = std::vector<std::pair<std::string, std::string>>;

  /// Our program. @param arguments without its name. @param environment put before ours
  explicit Process(const std::vector<std::string>& arguments, const Environment& environment = {})
      : Process(PERP_PROGRAM, arguments, environment, "") {}
  /// @param directory to run in; empty: ours
  Process(std::string program, const std::vector<std::string>& arguments,
          const Environment& environment, const std::string& directory) {
    pid_ = fork();
    if (pid_ != 0) return;
    if (!directory.empty() && chdir(directory.c_str()) != 0) _exit(126);
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    const auto redirect = [&](const char* name, int descriptor) {
      const int file = open((folder_ / name).c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
      dup2(file, descriptor);
    };
    redirect("out", STDOUT_FILENO);
    redirect("err", STDERR_FILENO);
    std::vector<char*> words{program.data()};
    std::vector<std::string> copies = arguments;
    for (std::string& word : copies) words.push_back(word.data());
    words.push_back(nullptr);
    execv(program.c_str(), words.data());
    _exit(127);
  }
  ~Process() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void signal(int number) const { kill(pid_, number); }
  /// Waits for its end. @returns its exit code, 128 + signal, or -1 if it did not end in time
  int wait(double seconds = 20) {
    int status = 0;
    if (!await(seconds, [&] { return waitpid(pid_, &status, WNOHANG) == pid_; })) return -1;
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string out() const { return read_file(folder_ / "out"); }
  std::string err() const { return read_file(folder_ / "err"); }
  bool await_err(const std::string& text, double seconds = 20) const {
    return await(seconds, [&] { return err().find(text) != std::string::npos; });
  }

 private:
  Folder folder_;
  pid_t pid_ = -1;
};

}  // namespace perp::app::testing
