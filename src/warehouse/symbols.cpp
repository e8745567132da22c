#include <perp/core/time.hpp>
#include <perp/warehouse/query.hpp>

#include <fmt/format.h>

namespace perp::warehouse {
namespace {

constexpr std::size_t spelling_limit = 64;
// A name that is not in the list may have been listed since it was read; asking again at once would
// make each query with a mistyped symbol read the whole list.
constexpr std::int64_t reread_after_ns = 10 * core::ns_per_second;

// "sol-usdt" -> "SOLUSDT". ASCII only: other bytes stay as they are.
std::string plain_spelling(std::string_view text) {
  std::string out;
  for (char c : text)
    if (c != '-' && c != '_' && c != '/' && c != ' ')
      out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

std::string without_suffix(std::string text) {
  for (std::string_view suffix : {"PERP", "SWAP"})
    if (text.size() > suffix.size() && text.ends_with(suffix))
      text.resize(text.size() - suffix.size());
  for (std::string_view suffix : {"USDT", "USDC", "USD"})
    if (text.size() > suffix.size() && text.ends_with(suffix)) {
      text.resize(text.size() - suffix.size());
      break;
    }
  return text;
}

// Rows come with the strongest claim first: a base's own name wins over another coin's pair name.
std::unordered_map<std::string, std::string> read_spellings(Connection& connection) {
  const QueryResult rows = connection.query(
      "SELECT symbol, quote, native_symbol FROM instruments ORDER BY is_primary DESC, exchange_id, "
      "id");
  std::unordered_map<std::string, std::string> out;
  for (std::size_t i = 0; i < rows.rows; ++i)
    out.emplace(plain_spelling(rows.columns[0].text(i)), rows.columns[0].text(i));
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const std::string base(rows.columns[0].text(i));
    const std::string pair = plain_spelling(base) + plain_spelling(rows.columns[1].text(i));
    for (const std::string& spelling :
         {pair, pair + "PERP", pair + "SWAP", plain_spelling(rows.columns[2].text(i))})
      out.emplace(spelling, base);
  }
  return out;
}

}  // namespace

std::string resolve_symbol(Connection& connection, std::string_view spelling) {
  // A canonical id: venue, name and, for a contract settled in something else, that coin.
  if (const std::size_t colon = spelling.find(':'); colon != std::string_view::npos) {
    spelling = spelling.substr(colon + 1);
    spelling = spelling.substr(0, spelling.find(':'));
  }
  const std::string plain = plain_spelling(spelling);
  if (plain.empty() || plain.size() > spelling_limit)
    throw core::Error("not a symbol", std::string(spelling.substr(0, spelling_limit)),
                      fmt::format("expected 1 to {} characters such as SOL, SOLUSDT or SOL-USDT",
                                  spelling_limit));
  auto found = connection.symbols_.find(plain);
  const std::int64_t now_ns = core::mono_now().ns;
  if (found == connection.symbols_.end() &&
      (connection.symbols_read_ns_ == 0 ||
       now_ns - connection.symbols_read_ns_ > reread_after_ns)) {
    connection.symbols_ = read_spellings(connection);
    connection.symbols_read_ns_ = now_ns;
    found = connection.symbols_.find(plain);
  }
  return found != connection.symbols_.end() ? found->second : without_suffix(plain);
}

}  // namespace perp::warehouse
