#include "state/fold.hpp"

#include <perp/core/crc32c.hpp>
#include <perp/core/error.hpp>

#include <fmt/format.h>

#include <cstring>
#include <string>
#include <type_traits>

namespace perp::state {
namespace {

constexpr std::uint64_t image_magic = 0x3145'5441'5453'5050;  // "PPSTATE1" on disk
/// Changes whenever what is written below does. An image of another version is refused: the journal
/// has it all.
constexpr std::uint32_t image_version = 6;

/// First bytes of an image. An image is only for the program that wrote it or one with the same
/// layouts.
struct ImageHeader {
  std::uint64_t magic = image_magic;
  std::uint32_t version = image_version;
  std::uint32_t crc = 0;  ///< of everything behind this header
  std::uint64_t body_bytes = 0;
  std::uint64_t series_bytes =
      sizeof(SeriesData) + sizeof(Lanes) + sizeof(RsiHistory) + sizeof(Totals) + sizeof(Quotes);
  double rsi_flat = 0;
  std::int64_t close_grace_ns = 0;
  std::int64_t rsi_period = 0;
  std::uint64_t token_members = 0;  ///< a checksum of their names; 0: no token
  std::int64_t depth_interval_ns = 0;
  std::int64_t ticker_interval_ns = 0;
  std::int64_t levels_interval_ns = 0;
};
static_assert(sizeof(ImageHeader) == 88);

std::uint64_t checksum_of(const std::vector<std::string>& members) {
  std::string joined;
  for (const std::string& member : members) joined += member + ',';
  return members.empty()
             ? 0
             : std::uint64_t{core::crc32c(std::as_bytes(std::span(joined.data(), joined.size())))} +
                   1;
}

[[noreturn]] void refuse(const std::string& why) {
  throw core::Error("cannot load state", "image", why);
}

class ImageWriter {
 public:
  explicit ImageWriter(std::vector<std::byte>& image) : image_(&image) {}
  template <class Value>
  void put(const Value& value) {
    static_assert(std::is_trivially_copyable_v<Value>);
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    image_->insert(image_->end(), bytes, bytes + sizeof value);
  }

 private:
  std::vector<std::byte>* image_;
};

class ImageReader {
 public:
  explicit ImageReader(std::span<const std::byte> image) : rest_(image) {}
  template <class Value>
  void get(Value& value) {
    static_assert(std::is_trivially_copyable_v<Value>);
    if (rest_.size() < sizeof value) refuse("it ends too early");
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_ = rest_.subspan(sizeof value);
  }
  template <class Value>
  Value get() {
    Value value{};
    get(value);
    return value;
  }
  std::span<const std::byte> rest() const { return rest_; }
  void get_book(market::OrderBook& book) {
    if (!book.load(rest_)) refuse("it holds a damaged order book");
  }

 private:
  std::span<const std::byte> rest_;
};

}  // namespace

static_assert(std::is_trivially_copyable_v<EngineClock> &&
              std::is_trivially_copyable_v<RsiHistory> && std::is_trivially_copyable_v<Totals>);
static_assert(sizeof(EngineClock) == 3 * sizeof(std::int64_t) + EngineClock::held_bytes_max);
static_assert(sizeof(RsiHistory) == 3 * 40 + 2 * 8 + RsiHistory::hour_count * 9);

void Fold::save(std::vector<std::byte>& image) const {
  const std::size_t start = image.size();
  ImageHeader header;
  header.rsi_flat = options_.rsi_flat;
  header.close_grace_ns = options_.close_grace_ns;
  header.rsi_period = options_.rsi_period;
  header.token_members = checksum_of(options_.market_token);
  header.depth_interval_ns = options_.depth_interval_ns;
  header.ticker_interval_ns = options_.ticker_interval_ns;
  header.levels_interval_ns = options_.levels_interval_ns;
  ImageWriter writer(image);
  writer.put(header);
  writer.put(clock_);
  writer.put(closed_);
  writer.put(totals_);
  for (const VenueFold& venue : venues_) {
    for (const VenueStream* stream : {&venue.trade, &venue.liquidation}) {
      writer.put(stream->since_ns);
      writer.put(stream->connection);
    }
    writer.put(std::uint64_t{venue.known.size()});
    for (std::size_t i = 0; i < venue.known.size(); ++i) {
      const Series* series = venue.series[i].get();
      writer.put(venue.known[i]);
      writer.put(static_cast<std::uint8_t>(series != nullptr));
      if (series == nullptr) continue;
      writer.put(series->instrument);
      writer.put(static_cast<std::uint8_t>(series->is_active));
      writer.put(static_cast<std::uint8_t>(series->is_trading));
      writer.put(static_cast<std::uint8_t>(series->lanes != nullptr));
      writer.put(series->data);
      writer.put(series->quotes);
      writer.put(std::uint64_t{series->books.size()});
      for (const KeptBook& kept : series->books) {
        writer.put(kept.depth);
        writer.put(kept.told_ns);
        kept.book.save(image);
      }
      if (series->lanes != nullptr) writer.put(*series->lanes);
      if (series->rsi != nullptr) writer.put(*series->rsi);
    }
  }
  if (token_.exists()) {
    writer.put(token_.members_);
    writer.put(token_.bases_);
    writer.put(token_.has_bases_);
    for (const MarketToken::Symbol& symbol : token_.symbols) {
      writer.put(symbol.is_described);
      writer.put(static_cast<std::uint8_t>(symbol.series.lanes != nullptr));
      writer.put(symbol.series.data);
      if (symbol.series.lanes != nullptr) writer.put(*symbol.series.lanes);
      writer.put(*symbol.series.rsi);
    }
    writer.put(std::uint64_t{token_.pending.size()});
    for (const auto& [minute, pending] : token_.pending) {
      writer.put(minute);
      writer.put(pending);
    }
    writer.put(std::uint64_t{token_.before_index.size()});
    for (const auto& [minute, values] : token_.before_index) {
      writer.put(minute);
      writer.put(values);
    }
  }
  const auto body = std::span<const std::byte>(image).subspan(start + sizeof header);
  header.body_bytes = body.size();
  header.crc = core::crc32c(body);
  std::memcpy(image.data() + start, &header, sizeof header);
}

void Fold::load(std::span<const std::byte> image) {
  ImageReader reader(image);
  const auto header = reader.get<ImageHeader>();
  const ImageHeader expected;
  if (header.magic != expected.magic) refuse("it is not a state image");
  if (header.version != expected.version)
    refuse(
        fmt::format("it has version {}, this program reads {}", header.version, expected.version));
  if (header.series_bytes != expected.series_bytes)
    refuse("it was written by a program with other layouts");
  if (header.body_bytes != reader.rest().size())
    refuse(fmt::format("it has {} bytes behind its header, which says {}", reader.rest().size(),
                       header.body_bytes));
  if (header.crc != core::crc32c(reader.rest())) refuse("its checksum does not match");
  if (header.rsi_period != options_.rsi_period || header.rsi_flat != options_.rsi_flat ||
      header.close_grace_ns != options_.close_grace_ns ||
      header.token_members != checksum_of(options_.market_token))
    refuse(
        fmt::format("it was made with rsi_period {}, rsi_flat {}, close_grace_ns {}; the options "
                    "are {}, {}, {}, or their market_token is another one",
                    header.rsi_period, header.rsi_flat, header.close_grace_ns, options_.rsi_period,
                    options_.rsi_flat, options_.close_grace_ns));
  if (header.depth_interval_ns != options_.depth_interval_ns ||
      header.ticker_interval_ns != options_.ticker_interval_ns ||
      header.levels_interval_ns != options_.levels_interval_ns)
    refuse(fmt::format(
        "it was made with samples of depth, ticker and levels each {}, {}, {} ns; the "
        "options are {}, {}, {}",
        header.depth_interval_ns, header.ticker_interval_ns, header.levels_interval_ns,
        options_.depth_interval_ns, options_.ticker_interval_ns, options_.levels_interval_ns));
  reader.get(clock_);
  reader.get(closed_);
  reader.get(totals_);
  for (std::size_t v = 0; v < venues_.size(); ++v) {
    VenueFold& venue = venues_[v];
    for (VenueStream* stream : {&venue.trade, &venue.liquidation}) {
      reader.get(stream->since_ns);
      reader.get(stream->connection);
    }
    const auto count = reader.get<std::uint64_t>();
    if (count > reader.rest().size()) refuse("it names more instruments than it has bytes");
    venue.known.resize(count);
    venue.series.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      reader.get(venue.known[i]);
      if (reader.get<std::uint8_t>() == 0) continue;
      auto series = std::make_unique<Series>();
      series->venue = static_cast<market::VenueId>(v);
      reader.get(series->instrument);
      series->is_active = reader.get<std::uint8_t>() != 0;
      series->is_trading = reader.get<std::uint8_t>() != 0;
      const bool has_lanes = reader.get<std::uint8_t>() != 0;
      reader.get(series->data);
      reader.get(series->quotes);
      series->books.reserve(KeptBook::books_max);
      for (auto books = reader.get<std::uint64_t>(); books > 0; --books) {
        if (series->books.size() == KeptBook::books_max) refuse("it holds too many order books");
        KeptBook& kept = series->books.emplace_back(reader.get<std::uint16_t>());
        reader.get(kept.told_ns);
        reader.get_book(kept.book);
      }
      if (has_lanes) {
        series->lanes = std::make_unique<Lanes>();
        reader.get(*series->lanes);
      }
      if (has(*series, SpecKind::rsi)) {
        series->rsi = std::make_unique<RsiHistory>();
        reader.get(*series->rsi);
      }
      venue.series[i] = std::move(series);
    }
  }
  if (token_.exists()) {
    reader.get(token_.members_);
    reader.get(token_.bases_);
    reader.get(token_.has_bases_);
    for (MarketToken::Symbol& symbol : token_.symbols) {
      reader.get(symbol.is_described);
      const bool has_lanes = reader.get<std::uint8_t>() != 0;
      reader.get(symbol.series.data);
      if (has_lanes) {
        symbol.series.lanes = std::make_unique<Lanes>();
        reader.get(*symbol.series.lanes);
      }
      reader.get(*symbol.series.rsi);
    }
    for (auto count = reader.get<std::uint64_t>(); count > 0; --count) {
      const auto minute = reader.get<std::int64_t>();
      reader.get(token_.pending[minute]);
    }
    for (auto count = reader.get<std::uint64_t>(); count > 0; --count) {
      const auto minute = reader.get<std::int64_t>();
      reader.get(token_.before_index[minute]);
    }
  }
  if (!reader.rest().empty()) refuse("something follows its end");
  if (clock_.now_ns() != core::unknown_ns) start_cadences(clock_.now_ns());
}

}  // namespace perp::state
