#include <perp/market/record.hpp>
#include <perp/market/record_kind.hpp>

namespace perp::market {

bool is_well_formed(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() < sizeof(RecordHeader)) return false;
  const auto& header = *reinterpret_cast<const RecordHeader*>(bytes.data());
  if (header.size % 8 != 0 || header.size < sizeof(RecordHeader) || header.size > bytes.size())
    return false;
  const RecordKind* kind = find_record_kind(header.type);
  if (kind == nullptr) return false;
  const std::uint64_t body = header.size - sizeof(RecordHeader);
  if (body < kind->payload_bytes) return false;
  const std::uint64_t tail = body - kind->payload_bytes;
  switch (header.type) {
    case RecordType::trade:
      return tail == (payload<Trade>(header).has_parties != 0 ? sizeof(TradeParties) : 0);
    case RecordType::book_snapshot:
    case RecordType::book_delta: {
      const auto& book = payload<Book>(header);
      return tail == (std::uint64_t{book.bid_count} + book.ask_count) * sizeof(Level);
    }
    case RecordType::minute:
      return tail == std::uint64_t{payload<Minute>(header).count} * sizeof(MinuteValue);
    default:
      // Kinds grow at their end: a newer writer's record is longer, never shorter.
      return true;
  }
}

}  // namespace perp::market
