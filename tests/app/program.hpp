#pragma once
// Runs the built program as its user would: arguments in, exit code and both outputs back.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/wait.h>

namespace perp::app::testing {

struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string err;
};

/// The database and the file that a developer's shell names are not for tests, which load into and
/// empty what they find.
inline const bool has_own_environment = unsetenv("DATABASE_URL") == 0 &&
                                        unsetenv("PERP_DATABASE_DSN") == 0 &&
                                        unsetenv("PERP_CONFIG") == 0;

/// A folder that goes away with the test.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "perp-e2e-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

/// @param arguments as typed in a shell.
inline Outcome run(const std::string& arguments) {
  const Folder folder;
  const std::string command = std::string(PERP_PROGRAM) + " " + arguments + " >" +
                              (folder / "out") + " 2>" + (folder / "err");
  const int status = std::system(command.c_str());
  Outcome outcome;
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  outcome.out = read_file(folder / "out");
  outcome.err = read_file(folder / "err");
  return outcome;
}

}  // namespace perp::app::testing
