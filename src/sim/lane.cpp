#include "sim/lane.hpp"

#include <perp/core/time.hpp>

#include <fcntl.h>

#include <algorithm>
#include <limits>
#include <span>

namespace perp::sim {
namespace {

constexpr std::size_t write_bytes = std::size_t{1} << 20;

}  // namespace

Lane::Lane(const std::string& path, std::size_t connections, std::uint64_t seed,
           std::uint64_t stream)
    : path_(path),
      file_(core::File::open(path, O_WRONLY | O_CREAT | O_TRUNC)),
      random_(seed, stream),
      last_received_ns_(connections) {}

std::size_t Lane::add_stream(std::string name) {
  streams_.push_back({std::move(name), 0, 0});
  return streams_.size() - 1;
}

void Lane::commit(std::size_t stream, std::size_t connection, std::size_t, std::int64_t sent_ms,
                  std::string_view tail) {
  Pending message;
  message.sent_ns = sent_ms * core::ns_per_ms;
  message.begin = committed_;
  message.size = static_cast<std::uint32_t>(arena_.size() - committed_);
  message.stream = static_cast<std::uint32_t>(stream);
  message.connection = static_cast<std::uint32_t>(connection);
  message.order = next_order_++;
  if (!tail.empty()) {
    arena_.raw("\t").raw(tail);
    message.tail_size = static_cast<std::uint32_t>(tail.size() + 1);
  }
  committed_ = arena_.size();
  waiting_.push_back(message);
}

/// Messages that leave before `until_ns` get their time of arrival, in the order of leaving.
void Lane::depart(std::int64_t until_ns) {
  const auto leaving =
      std::partition(waiting_.begin(), waiting_.end(),
                     [until_ns](const Pending& message) { return message.sent_ns >= until_ns; });
  std::sort(leaving, waiting_.end(), [](const Pending& a, const Pending& b) {
    return a.sent_ns != b.sent_ns ? a.sent_ns < b.sent_ns : a.order < b.order;
  });
  for (auto message = leaving; message != waiting_.end(); ++message) {
    std::int64_t latency = latency_ns_min + random_.between(0, 2'500'000);
    if (random_.chance(20'000)) latency += random_.between(0, 20'000'000);
    std::int64_t& last = last_received_ns_[message->connection];
    last = message->received_ns =
        std::max(message->sent_ns + latency, last + random_.between(900, 9'000));
    departed_.push_back(*message);
  }
  waiting_.erase(leaving, waiting_.end());
}

void Lane::write(const Pending& message) {
  last_line_ns_ = std::max(message.received_ns, last_line_ns_ + 1);
  out_.seconds(last_line_ns_)
      .raw("\t")
      .raw(arena_.view(message.begin, message.size + message.tail_size))
      .raw("\n");
  StreamTotal& total = streams_[message.stream];
  ++total.messages;
  total.bytes += message.size;
}

void Lane::drain(std::size_t limit) {
  if (out_.size() < limit || out_.size() == 0) return;
  const std::string_view bytes = out_.view();
  file_.pwrite_all(std::as_bytes(std::span(bytes.data(), bytes.size())), written_);
  written_ += bytes.size();
  out_.clear();
}

void Lane::compact(std::vector<Pending>& kept) {
  for (Pending& message : kept) {
    const std::size_t begin = spare_.size();
    spare_.raw(arena_.view(message.begin, message.size + message.tail_size));
    message.begin = begin;
  }
}

void Lane::flush(std::int64_t until_ms) {
  const std::int64_t until_ns = until_ms * core::ns_per_ms;
  depart(until_ns);
  std::sort(departed_.begin(), departed_.end(), [](const Pending& a, const Pending& b) {
    return a.received_ns != b.received_ns ? a.received_ns < b.received_ns : a.order < b.order;
  });
  const auto end =
      std::find_if(departed_.begin(), departed_.end(), [until_ns](const Pending& message) {
        return message.received_ns >= until_ns + latency_ns_min;
      });
  for (auto message = departed_.begin(); message != end; ++message) write(*message);
  departed_.erase(departed_.begin(), end);
  drain(write_bytes);
  // What waits is copied once per step; it is a small part of what was written.
  spare_.clear();
  compact(departed_);
  compact(waiting_);
  std::swap(arena_, spare_);
  committed_ = arena_.size();
}

void Lane::finish() {
  flush(std::numeric_limits<std::int64_t>::max() / core::ns_per_ms / 2);
  drain(0);
}

}  // namespace perp::sim
