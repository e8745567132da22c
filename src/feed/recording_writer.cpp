#include <perp/core/error.hpp>
#include <perp/feed/recording_writer.hpp>

#include <fmt/format.h>

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace perp::feed {

struct RecordingWriter::Output {
  gzFile file = nullptr;
  ~Output() {
    if (file != nullptr) gzclose(file);
  }
};

RecordingWriter::RecordingWriter(const std::string& path)
    : path_(path), output_(std::make_unique<Output>()) {
  const bool is_compressed = path.ends_with(".txt.gz");
  if (path == "-") {
    const int own = ::dup(STDOUT_FILENO);
    if (own >= 0) output_->file = gzdopen(own, "wbT");
  } else if (is_compressed || path.ends_with(".txt")) {
    output_->file = gzopen(path.c_str(), is_compressed ? "wbx6" : "wbxT");
  } else {
    throw core::Error("is no name of a recording", path, "it has to end in .txt or .txt.gz");
  }
  if (output_->file == nullptr) core::throw_system_error("cannot make the recording", path, errno);
  gzbuffer(output_->file, 256 * 1024);
}

RecordingWriter::~RecordingWriter() = default;

void RecordingWriter::put(std::string_view text) {
  while (!text.empty()) {
    const auto size = static_cast<unsigned>(std::min<std::size_t>(text.size(), 1U << 30));
    errno = 0;
    if (gzwrite(output_->file, text.data(), size) != static_cast<int>(size))
      core::throw_system_error("cannot write the recording", path_, errno != 0 ? errno : EIO);
    text.remove_prefix(size);
  }
}

void RecordingWriter::write(std::string_view payload, core::WallNs receive_ns) {
  line_.clear();
  fmt::format_to(std::back_inserter(line_), "{} ", receive_ns.ns);
  const std::size_t begin = line_.size();
  line_ += payload;
  for (std::size_t i = begin; i < line_.size(); ++i) {
    if (line_[i] != '\n' && line_[i] != '\r') continue;
    line_[i] = ' ';
    ++line_breaks_replaced_;
  }
  line_ += '\n';
  put(line_);
  ++messages_;
  payload_bytes_ += payload.size();
}

void RecordingWriter::flush() {
  errno = 0;
  if (gzflush(output_->file, Z_SYNC_FLUSH) != Z_OK)
    core::throw_system_error("cannot write the recording", path_, errno != 0 ? errno : EIO);
}

void RecordingWriter::close() {
  errno = 0;
  if (output_->file != nullptr && gzclose(std::exchange(output_->file, nullptr)) != Z_OK)
    core::throw_system_error("cannot write the recording", path_, errno != 0 ? errno : EIO);
}

}  // namespace perp::feed
