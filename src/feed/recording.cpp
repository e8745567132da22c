#include <perp/core/error.hpp>
#include <perp/feed/recording.hpp>

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace perp::feed {
namespace {

constexpr std::size_t piece_bytes = std::size_t{4} << 20;

/// "1723161255.030314667" -> ns, without going through a double.
bool parse_seconds(std::string_view text, std::int64_t& ns) {
  const std::size_t dot = text.find('.');
  std::int64_t seconds = 0;
  if (!market::parse_integer(text.substr(0, dot), seconds) || seconds < 0 ||
      seconds > 9'000'000'000)
    return false;
  std::int64_t fraction = 0;
  std::int64_t unit = 100'000'000;
  if (dot != std::string_view::npos) {
    for (const char c : text.substr(dot + 1)) {
      if (c < '0' || c > '9') return false;
      fraction += (c - '0') * unit;
      unit /= 10;
    }
  }
  ns = seconds * core::ns_per_second + fraction;
  return true;
}

/// A value of the third column: " symbol=X" anywhere behind the endpoint.
std::string_view option(std::string_view meta, std::string_view key) {
  for (std::size_t at = meta.find(' '); at != std::string_view::npos;) {
    const std::size_t begin = at + 1;
    const std::size_t end = std::min(meta.find(' ', begin), meta.size());
    const std::string_view word = meta.substr(begin, end - begin);
    if (word.size() > key.size() && word.substr(0, key.size()) == key && word[key.size()] == '=')
      return word.substr(key.size() + 1);
    at = end == meta.size() ? std::string_view::npos : end;
  }
  return {};
}

/// A REST depth snapshot written between the stream messages by some recorders.
bool is_bare_depth(std::string_view payload) {
  const std::string_view head = payload.substr(0, 96);
  return head.find("\"lastUpdateId\"") != std::string_view::npos &&
         head.find("\"stream\"") == std::string_view::npos &&
         head.find("\"e\"") == std::string_view::npos;
}

}  // namespace

struct RecordingReader::Input {
  gzFile zipped = nullptr;
  int plain = -1;

  ~Input() {
    if (zipped != nullptr) gzclose_r(zipped);
    if (plain >= 0) ::close(plain);
  }
};

RecordingReader::RecordingReader(const RecordingFile& file)
    : file_(file), input_(std::make_unique<Input>()) {
  if (file.form == RecordingForm::journal) {  // read by journal::Reader
    is_at_end_ = true;
    return;
  }
  if (file.path.ends_with(".gz")) {
    input_->zipped = gzopen(file.path.c_str(), "rb");
    if (input_->zipped == nullptr)
      core::throw_system_error("cannot open recording", file.path, errno);
    gzbuffer(input_->zipped, 1u << 18);
  } else {
    input_->plain = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
    if (input_->plain < 0) core::throw_system_error("cannot open recording", file.path, errno);
    posix_fadvise(input_->plain, 0, 0, POSIX_FADV_SEQUENTIAL);
  }
  buffer_.resize(piece_bytes + venue::frame_padding);
}

RecordingReader::~RecordingReader() = default;
RecordingReader::RecordingReader(RecordingReader&&) noexcept = default;

bool RecordingReader::fill() {
  if (is_at_end_) return false;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - venue::frame_padding - end_ < piece_bytes / 2)
    buffer_.resize(buffer_.size() * 2);
  const std::size_t room =
      std::min(buffer_.size() - venue::frame_padding - end_, std::size_t{1} << 30);
  std::size_t got = 0;
  if (input_->zipped != nullptr) {
    const int count = gzread(input_->zipped, buffer_.data() + end_, static_cast<unsigned>(room));
    int code = Z_OK;
    const char* why = gzerror(input_->zipped, &code);
    if (count < 0 || (code != Z_OK && code != Z_STREAM_END))
      throw core::Error("cannot read recording", file_.path, why);
    got = static_cast<std::size_t>(count);
  } else {
    const ssize_t count = ::read(input_->plain, buffer_.data() + end_, room);
    if (count < 0) core::throw_system_error("cannot read recording", file_.path, errno);
    got = static_cast<std::size_t>(count);
  }
  bytes_read_ += got;
  end_ += got;
  is_at_end_ = got == 0;
  return got != 0;
}

bool RecordingReader::next_line(std::string_view& line) {
  std::size_t searched = begin_;
  for (;;) {
    const void* found = std::memchr(buffer_.data() + searched, '\n', end_ - searched);
    if (found != nullptr) {
      const auto stop = static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data());
      line = {buffer_.data() + begin_, stop - begin_};
      begin_ = stop + 1;
      ++line_;
      return true;
    }
    const std::size_t kept = end_ - begin_;
    if (!fill()) {
      if (kept == 0) return false;
      line = {buffer_.data() + begin_, kept};
      begin_ = end_;
      ++line_;
      return true;
    }
    searched = begin_ + kept;
  }
}

void RecordingReader::refuse(const char* why) {
  if (bad_lines_++ == 0) first_bad_line_ = file_.path + ":" + std::to_string(line_) + ": " + why;
}

bool RecordingReader::split(std::string_view line, RecordedMessage& message) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.empty()) return false;
  message.is_rest = file_.is_rest;
  message.endpoint = file_.endpoint;
  message.symbol = file_.symbol;
  message.period = file_.period;
  message.payload = line;
  if (file_.form == RecordingForm::timed_tab) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos || !parse_seconds(line.substr(0, tab), message.receive_ns)) {
      refuse("expected 'seconds<TAB>json'");
      return false;
    }
    message.payload = line.substr(tab + 1);
    // JSON holds no raw tab, so a second one begins the note that names a REST body.
    if (const std::size_t second = message.payload.rfind('\t'); second != std::string_view::npos) {
      const std::string_view meta = message.payload.substr(second + 1);
      message.payload = message.payload.substr(0, second);
      message.is_rest = true;
      message.endpoint = meta.substr(0, meta.find(' '));
      message.symbol = option(meta, "symbol");
      message.period = option(meta, "period");
      message.is_backfill = option(meta, "backfill") == "1";
    }
  } else if (file_.form == RecordingForm::timed_space) {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos ||
        !market::parse_integer(line.substr(0, space), message.receive_ns)) {
      refuse("expected 'nanoseconds<SPACE>json'");
      return false;
    }
    message.payload = line.substr(space + 1);
  }
  if (!message.is_rest && file_.venue == market::VenueId::binance &&
      is_bare_depth(message.payload)) {
    message.is_rest = true;
    message.endpoint = "depth";
  }
  return true;
}

bool RecordingReader::next(RecordedMessage& message) {
  message = {};
  if (file_.form == RecordingForm::whole) {
    while (fill()) {
    }
    if (end_ == begin_ || line_ != 0) return false;
    line_ = 1;
    message.line = 1;
    message.payload = {buffer_.data() + begin_, end_ - begin_};
    message.is_rest = file_.is_rest;
    message.endpoint = file_.endpoint;
    message.symbol = file_.symbol;
    message.period = file_.period;
    return true;
  }
  std::string_view line;
  while (next_line(line)) {
    message = {};
    if (!split(line, message)) continue;
    message.line = line_;
    return true;
  }
  return false;
}

}  // namespace perp::feed
