#pragma once
// One recorded file in the making. Messages are composed when the market makes them, travel on
// connections with a jittered latency that never reorders a connection, and are written in the
// order in which they are received, each later than the one before. One owner thread; about 100 ns
// a message beside its bytes.
#include "sim/outlet.hpp"

#include <perp/core/file.hpp>
#include <perp/sim/random.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace perp::sim {

struct StreamTotal {
  std::string name;
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;  ///< of payloads
};

class Lane final : public Outlet {
 public:
  /// The least and the greatest way from the venue to us; the greatest is rare.
  static constexpr std::int64_t latency_ns_min = 2'000'000;
  static constexpr std::int64_t latency_ns_max = 29'000'000;

  Lane(const std::string& path, std::size_t connections, std::uint64_t seed, std::uint64_t stream);

  std::size_t add_stream(std::string name) override;
  Text& compose() override { return arena_; }
  void commit(std::size_t stream, std::size_t connection, std::size_t market, std::int64_t sent_ms,
              std::string_view tail = {}) override;

  /// Nothing will be committed that leaves before `until_ms`: writes all that is received before
  /// its possible arrival.
  void flush(std::int64_t until_ms);
  /// Writes everything.
  void finish();

  const std::vector<StreamTotal>& streams() const { return streams_; }
  const std::string& path() const { return path_; }
  std::uint64_t bytes_written() const { return written_; }

 private:
  struct Pending {
    std::int64_t sent_ns = 0;
    std::int64_t received_ns = 0;  ///< 0 until it is on its way
    std::size_t begin = 0;
    std::uint32_t size = 0;       ///< payload
    std::uint32_t tail_size = 0;  ///< tab and third column, behind the payload
    std::uint32_t stream = 0;
    std::uint32_t connection = 0;
    std::uint64_t order = 0;
  };

  void depart(std::int64_t until_ns);
  void write(const Pending& message);
  void drain(std::size_t limit);
  void compact(std::vector<Pending>& kept);

  std::string path_;
  core::File file_;
  Random random_;
  std::vector<std::int64_t> last_received_ns_;  // per connection
  std::int64_t last_line_ns_ = 0;
  std::uint64_t next_order_ = 0;
  Text arena_;
  Text spare_;
  std::size_t committed_ = 0;
  std::vector<Pending> waiting_;  // not departed yet, or departed and not written
  std::vector<Pending> departed_;
  Text out_;
  std::uint64_t written_ = 0;
  std::vector<StreamTotal> streams_;
};

}  // namespace perp::sim
