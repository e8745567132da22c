#pragma once
// Book records as a ring would hold them, and short ways to feed them to an OrderBook, for tests
// and benchmarks.
#include <perp/market/order_book.hpp>

#include <cstdint>
#include <memory>
#include <new>
#include <vector>

namespace perp::market::testing {

using Levels = std::vector<Level>;

// A record as a ring would hold it.
class BookRecord {
 public:
  BookRecord(RecordType type, Book book, const Levels& bids, const Levels& asks) {
    const std::size_t size =
        sizeof(RecordHeader) + sizeof(Book) + (bids.size() + asks.size()) * sizeof(Level);
    words_.resize(size / 8);
    auto* header = new (words_.data()) RecordHeader;
    header->size = static_cast<std::uint32_t>(size);
    header->type = type;
    header->exchange_ns = 7;
    header->receive_ns = 9;
    book.bid_count = static_cast<std::uint32_t>(bids.size());
    book.ask_count = static_cast<std::uint32_t>(asks.size());
    auto* at = new (header + 1) Book(book);
    auto* levels = reinterpret_cast<Level*>(at + 1);
    levels = std::uninitialized_copy(bids.begin(), bids.end(), levels);
    std::uninitialized_copy(asks.begin(), asks.end(), levels);
  }
  const RecordHeader& header() const {
    return *reinterpret_cast<const RecordHeader*>(words_.data());
  }

 private:
  std::vector<std::uint64_t> words_;
};

inline BookOutcome apply(OrderBook& book, RecordType type, Book ids, Continuity continuity,
                         const Levels& bids, const Levels& asks) {
  ids.continuity = static_cast<std::uint8_t>(continuity);
  return book.apply(BookRecord(type, ids, bids, asks).header());
}
inline BookOutcome snapshot(OrderBook& book, std::int64_t id, const Levels& bids,
                            const Levels& asks, Continuity continuity = Continuity::restart,
                            std::uint16_t depth = 0) {
  Book ids;
  ids.last_id = id;
  ids.depth = depth;
  return apply(book, RecordType::book_snapshot, ids, continuity, bids, asks);
}
inline BookOutcome ranged(OrderBook& book, std::int64_t first, std::int64_t last,
                          std::int64_t previous, Continuity continuity, const Levels& bids,
                          const Levels& asks = {}) {
  Book ids;
  ids.first_id = first;
  ids.last_id = last;
  ids.previous_id = previous;
  return apply(book, RecordType::book_delta, ids, continuity, bids, asks);
}
inline BookOutcome plain(OrderBook& book, Continuity continuity, const Levels& bids,
                         const Levels& asks = {}) {
  return apply(book, RecordType::book_delta, Book{}, continuity, bids, asks);
}

}  // namespace perp::market::testing
