#pragma once
// The messages of one venue that have not left yet, by the millisecond at which they leave: the
// outlet of a wire model that drives a server. Those of one millisecond leave in the order in which
// they were made. A ring of buckets that keep their memory: nothing is allocated once they have
// grown to what the market says. One owner thread.
#include "sim/outlet.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace perp::sim {

class DispatchQueue final : public Outlet {
 public:
  /// Nothing is committed further ahead.
  static constexpr std::int64_t reach_ms =
      4100;  // whole steps, so that a bucket's memory fits its part of a step

  struct Message {
    std::string_view payload;
    std::span<const Fact> facts;
    std::uint32_t stream = 0;
    std::uint32_t market = no_market;
  };

  std::size_t add_stream(std::string name) override {
    streams_.push_back(std::move(name));
    return streams_.size() - 1;
  }
  Text& compose() override { return text_; }
  void note(const Fact& fact) override { facts_.push_back(fact); }
  void commit(std::size_t stream, std::size_t connection, std::size_t market, std::int64_t sent_ms,
              std::string_view tail) override;

  const std::vector<std::string>& streams() const { return streams_; }
  /// Messages ever committed.
  std::uint64_t made() const { return made_; }

  /// What is committed from now on leaves at `now_ms` or later.
  void start(std::int64_t now_ms) { next_ms_ = now_ms; }
  std::int64_t next_ms() const { return next_ms_; }
  bool has_due(std::int64_t now_ms) const { return next_ms_ <= now_ms; }
  /// Hands out and forgets what leaves before `until_ms`: visit(message, its millisecond).
  template <class Visit>
  void take_before(std::int64_t until_ms, Visit visit) {
    for (; next_ms_ < until_ms; ++next_ms_) {
      Bucket& bucket = bucket_of(next_ms_);
      for (const Entry& entry : bucket.entries)
        visit(
            Message{bucket.payloads.view(entry.begin, entry.size),
                    std::span<const Fact>(bucket.facts).subspan(entry.fact_begin, entry.fact_count),
                    entry.stream, entry.market},
            next_ms_);
      bucket.entries.clear();
      bucket.payloads.clear();
      bucket.facts.clear();
    }
  }
  /// The first millisecond from next_ms() on, and before `until_ms`, that has messages.
  std::int64_t first_busy(std::int64_t until_ms) const;

 private:
  struct Entry {
    std::size_t begin = 0;
    std::uint32_t size = 0;
    std::uint32_t stream = 0;
    std::uint32_t market = no_market;
    std::uint32_t fact_begin = 0;
    std::uint32_t fact_count = 0;
  };
  struct Bucket {
    Text payloads;
    std::vector<Entry> entries;
    std::vector<Fact> facts;
  };

  Bucket& bucket_of(std::int64_t ms) { return buckets_[static_cast<std::size_t>(ms % reach_ms)]; }
  const Bucket& bucket_of(std::int64_t ms) const {
    return buckets_[static_cast<std::size_t>(ms % reach_ms)];
  }

  std::vector<std::string> streams_;
  std::vector<Bucket> buckets_ = std::vector<Bucket>(reach_ms);
  Text text_;
  std::vector<Fact> facts_;
  std::int64_t next_ms_ = 0;
  std::uint64_t made_ = 0;
};

}  // namespace perp::sim
