// The rows of the table.
#include "app/config/setting.hpp"

#include <perp/core/error.hpp>
#include <perp/market/venue_id.hpp>
#include <perp/net/url.hpp>
#include <perp/venue/connect.hpp>
#include <perp/warehouse/loader.hpp>

#include <fmt/format.h>

namespace perp::app {
namespace {

using List = std::vector<std::string>;

std::vector<std::string> venue_choices() {
  std::vector<std::string> names{"all"};
  for (const market::Venue& venue : market::venues) names.emplace_back(venue.key);
  return names;
}

std::vector<std::string> stream_choices() {
  std::vector<std::string> names{"all"};
  for (std::size_t i = 0; i < venue::stream_kind_count; ++i)
    names.emplace_back(venue::name_of(static_cast<venue::StreamKind>(i)));
  return names;
}

std::string is_some(const SettingValue& value) {
  return std::get<List>(value).empty() ? "is empty; expected 'all' or names" : "";
}

std::string is_power_of_two(const SettingValue& value) {
  const std::int64_t number = std::get<std::int64_t>(value);
  return (number & (number - 1)) != 0 ? fmt::format("is {}; expected a power of two", number) : "";
}

std::string is_whole_mebibytes(const SettingValue& value) {
  const std::int64_t number = std::get<std::int64_t>(value);
  return number % (1 << 20) != 0 ? fmt::format("is {}; expected a multiple of 1048576", number)
                                 : "";
}

std::string is_origin(const SettingValue& value, net::Url::Scheme scheme) {
  const std::string& text = std::get<std::string>(value);
  if (text.empty()) return {};
  const std::string expected = fmt::format("; expected {}://host[:port]", net::name_of(scheme));
  try {
    const net::Url url = net::Url::parse(text);
    return url.scheme != scheme || url.target != "/" ? "is '" + text + "'" + expected : "";
  } catch (const core::Error& error) {
    return fmt::format("is no address ({}){}", error.what(), expected);
  }
}
std::string is_wss(const SettingValue& value) { return is_origin(value, net::Url::Scheme::wss); }
std::string is_https(const SettingValue& value) {
  return is_origin(value, net::Url::Scheme::https);
}

void add_venues(std::vector<Setting>& all) {
  for (const market::Venue& venue : market::venues) {
    const std::string key(venue.key);
    const std::string table = "exchanges." + key + ".";
    std::string upper;
    for (const char c : key) upper += static_cast<char>(c - 'a' + 'A');
    all.push_back({.name = table + "enabled",
                   .type = SettingType::boolean,
                   .other_variable = upper + "_ENABLED",
                   .is_reloaded = true,
                   .help = fmt::format("{} takes part. Not set: as `venues` says.", venue.name)});
    all.push_back({.name = table + "symbols",
                   .type = SettingType::list,
                   .complaint = is_some,
                   .is_reloaded = true,
                   .help = fmt::format("Its coins or native names, or all. Not set: `symbols`.")});
    all.push_back({.name = table + "testnet",
                   .type = SettingType::boolean,
                   .help = "Its test network. Not set: as `testnet` says."});
    all.push_back({.name = table + "websocket_url",
                   .fallback = std::string(),
                   .flag = "--venue-url",
                   .flag_item = key,
                   .complaint = is_wss,
                   .help = "wss://host[:port] in place of the venue's own; paths stay."});
    all.push_back({.name = table + "rest_url",
                   .fallback = std::string(),
                   .flag = "--venue-url",
                   .flag_item = key,
                   .complaint = is_https,
                   .help = "https://host[:port] in place of the venue's own; paths stay."});
  }
}

void add_pins(std::vector<Setting>& all) {
  const auto pin = [&](const std::string& thread, const std::string& help) {
    all.push_back({.name = "pins." + thread,
                   .type = SettingType::integer,
                   .fallback = std::int64_t{-1},
                   .flag = "--pin",
                   .flag_item = thread,
                   .least = -1,
                   .most = 4095,
                   .help = help + " -1: not pinned."});
  };
  pin("engine", "CPU of the thread that journals and folds.");
  pin("feed", "CPU of a replay's feed thread.");
  for (const market::Venue& venue : market::venues)
    pin(std::string(venue.key), fmt::format("CPU of {}'s feed thread.", venue.name));
}

void add_database(std::vector<Setting>& all) {
  all.push_back({.name = "database.dsn",
                 .fallback = std::string(),
                 .flag = "--db",
                 .other_flag = "--database-url",
                 .other_variable = "DATABASE_URL",
                 .is_reloaded = true,
                 .is_secret = true,
                 .help = "PostgreSQL connection: a URL or `host=... dbname=...`. Empty: from the "
                         "five below; without a host nothing is loaded."});
  const auto part = [&](const char* name, const char* variable, const char* help,
                        bool is_secret = false) {
    all.push_back({.name = std::string("database.") + name,
                   .fallback = std::string(),
                   .other_variable = variable,
                   .is_reloaded = true,
                   .is_secret = is_secret,
                   .help = help});
  };
  part("host", "DB_HOST", "Host name, address or socket folder.");
  part("port", "DB_PORT", "Port.");
  part("database", "DB_NAME", "Database.");
  part("user", "DB_USER", "Role.");
  part("password", "DB_PASSWORD", "Its password.", true);
  all.push_back({.name = "db_retention_days",
                 .type = SettingType::integer,
                 .fallback = std::int64_t{-1},
                 .least = -1,
                 .most = 36'500,
                 .is_reloaded = true,
                 .help = "Days kept in perp_data and perp_metrics; stored in the database, whole "
                         "days are dropped each hour. 0: for ever. -1: what the database says."});
  all.push_back({.name = "seal_after_hours",
                 .type = SettingType::integer,
                 .fallback = std::int64_t{26},
                 .least = 0,
                 .most = 8760,
                 .is_reloaded = true,
                 .help = "Plain PostgreSQL: days of perp_data and perp_metrics that began as many "
                         "hours ago (24 at least) are rewritten in order of their series. 0: "
                         "never."});
  all.push_back({.name = "loader.lanes",
                 .type = SettingType::integer,
                 .fallback = std::int64_t{2},
                 .flag = "--lanes",
                 .least = 1,
                 .most = 16,
                 .is_reloaded = true,
                 .help = "Database connections that load side by side."});
  all.push_back({.name = "loader.batch_rows",
                 .type = SettingType::integer,
                 .fallback = std::int64_t{50'000},
                 .least = 1,
                 .most = 1'000'000,
                 .is_reloaded = true,
                 .help = "A batch is stored when it has as many rows,"});
  all.push_back({.name = "loader.tables",
                 .type = SettingType::list,
                 .fallback = warehouse::default_fact_tables(),
                 .choices = warehouse::fact_table_names(),
                 .is_reloaded = true,
                 .help = "Which records are also rows of tables of their own. trades are many."});
  all.push_back({.name = "loader.flush_ms",
                 .type = SettingType::integer,
                 .fallback = std::int64_t{1000},
                 .least = 1,
                 .most = 600'000,
                 .is_reloaded = true,
                 .help = "or when its first row waits as long, ms."});
}

std::vector<Setting> make_settings() {
  std::vector<Setting> all;
  all.push_back({.name = "venues",
                 .type = SettingType::list,
                 .fallback = List{"all"},
                 .flag = "--venues",
                 .other_flag = "--exchanges",
                 .choices = venue_choices(),
                 .complaint = is_some,
                 .is_reloaded = true,
                 .help = "Which venues take part."});
  all.push_back({.name = "symbols",
                 .type = SettingType::list,
                 .fallback = List{"all"},
                 .flag = "--symbols",
                 .complaint = is_some,
                 .is_reloaded = true,
                 .help = "Coins (BTC) or native names (BTCUSDT); all: every primary perpetual."});
  all.push_back({.name = "streams",
                 .type = SettingType::list,
                 .fallback = List{"all"},
                 .flag = "--streams",
                 .choices = stream_choices(),
                 .complaint = is_some,
                 .is_reloaded = true,
                 .help = "What is asked for of each symbol, as far as the venue has it."});
  all.push_back({.name = "market_token",
                 .type = SettingType::list,
                 .fallback = List{"ETH", "BTC", "XRP", "SOL"},
                 .complaint = is_some,
                 .help = "Coins on Binance of which the symbols MT (mean) and MTW (equal weights) "
                         "are made, at most 8; none: no "
                         "such rows."});
  all.push_back({.name = "depth_interval_s",
                 .type = SettingType::integer,
                 .fallback = std::int64_t{30},
                 .flag = "--depth-interval",
                 .least = 0,
                 .most = 86'400,
                 .help = "Each contract's book is sampled at whole multiples of so many seconds: "
                         "depth, slippage, summary. 0: never."});
  all.push_back(
      {.name = "ticker_interval_s",
       .type = SettingType::integer,
       .fallback = std::int64_t{60},
       .flag = "--ticker-interval",
       .least = 0,
       .most = 86'400,
       .help =
           "Each contract's ticker is sampled at whole multiples of so many seconds. 0: never."});
  all.push_back({.name = "levels_interval_s",
                 .type = SettingType::integer,
                 .fallback = std::int64_t{0},
                 .flag = "--levels-interval",
                 .least = 0,
                 .most = 86'400,
                 .help = "The best 100 levels a side are sampled at whole multiples of so many "
                         "seconds, 200 rows each time. 0: never."});
  all.push_back({.name = "testnet",
                 .type = SettingType::boolean,
                 .fallback = false,
                 .flag = "--testnet",
                 .help = "The venues' test networks."});
  add_venues(all);
  all.push_back({.name = "tls_ca",
                 .fallback = std::string(),
                 .flag = "--tls-ca",
                 .help = "PEM file of the authorities to trust. Empty: the system's."});
  all.push_back({.name = "obeys_proxy_variables",
                 .type = SettingType::boolean,
                 .fallback = true,
                 .help = "HTTPS_PROXY and NO_PROXY are obeyed."});
  all.push_back({.name = "io",
                 .fallback = std::string("auto"),
                 .flag = "--io",
                 .choices = {"auto", "uring", "epoll"},
                 .help = "How feeds wait for sockets; auto: io_uring unless it is refused."});
  all.push_back({.name = "idle",
                 .fallback = std::string("park"),
                 .flag = "--idle",
                 .choices = {"spin", "park", "block"},
                 .help = "What a feed does meanwhile: spin (a whole CPU), park, block."});
  all.push_back({.name = "gather_us",
                 .type = SettingType::integer,
                 .fallback = std::int64_t{0},
                 .most = 100'000,
                 .help = "A feed's sleep may last so long for 32 arrivals, us: fewer system calls, "
                         "so much later at most."});
  all.push_back({.name = "ring_bytes",
                 .type = SettingType::integer,
                 .fallback = std::int64_t{16} << 20,
                 .flag = "--ring-bytes",
                 .least = 1 << 20,
                 .most = std::int64_t{1} << 30,
                 .complaint = is_power_of_two,
                 .help = "Size of each feed's ring, a power of two."});
  all.push_back({.name = "ledger_folder",
                 .fallback = std::string("var/run"),
                 .flag = "--ledger",
                 .help = "Where all processes of this machine keep their account with each host."});
  all.push_back({.name = "haste",
                 .type = SettingType::integer,
                 .fallback = std::int64_t{1},
                 .flag = "--haste",
                 .least = 1,
                 .most = 100'000,
                 .help = "Divides the feeds' waits, bounds and lifetimes: for rehearsals with "
                         "simulated venues, never with true ones."});
  add_pins(all);
  all.push_back({.name = "journal.folder",
                 .fallback = std::string("var/journal"),
                 .flag = "--journal",
                 .help = "The journal's folder."});
  all.push_back({.name = "journal.sync_ms",
                 .type = SettingType::integer,
                 .fallback = std::int64_t{50},
                 .flag = "--sync-ms",
                 .most = 60'000,
                 .help = "What a power cut may take of the journal, ms."});
  all.push_back({.name = "journal.segment_bytes",
                 .type = SettingType::integer,
                 .fallback = std::int64_t{256} << 20,
                 .least = 16 << 20,
                 .most = std::int64_t{16} << 30,
                 .complaint = is_whole_mebibytes,
                 .help = "Size of a segment, whole MiB."});
  all.push_back({.name = "journal.keep_book_deltas",
                 .type = SettingType::boolean,
                 .fallback = true,
                 .help = "Keeps every step of the order books; most of a journal's size. Without "
                         "them no book is sampled."});
  all.push_back({.name = "journal.checkpoint_s",
                 .type = SettingType::integer,
                 .fallback = std::int64_t{300},
                 .most = 86'400,
                 .help = "A checkpoint each so many seconds shortens a start. 0: none."});
  add_database(all);
  all.push_back({.name = "logging.level",
                 .fallback = std::string("info"),
                 .flag = "--log-level",
                 .other_variable = "LOG_LEVEL",
                 .choices = {"debug", "info", "warn", "error", "off"},
                 .is_reloaded = true,
                 .help = "The least that is logged."});
  all.push_back({.name = "logging.format",
                 .fallback = std::string("text"),
                 .flag = "--log-format",
                 .choices = {"text", "json"},
                 .help = "logfmt or one JSON object a line."});
  all.push_back({.name = "logging.color",
                 .fallback = std::string("auto"),
                 .flag = "--color",
                 .choices = {"auto", "always", "never"},
                 .help = "Status lines in colour; auto: on a terminal, unless NO_COLOR is set."});
  all.push_back({.name = "logging.status_s",
                 .type = SettingType::integer,
                 .fallback = std::int64_t{10},
                 .most = 86'400,
                 .is_reloaded = true,
                 .help = "A line about everything each so many seconds. 0: none."});
  return all;
}

std::string toml_text(const SettingValue& value) {
  if (std::holds_alternative<std::monostate>(value)) return "not set";
  if (const auto* yes = std::get_if<bool>(&value)) return *yes ? "true" : "false";
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return text->empty() ? "empty" : *text;
  std::string out;
  for (const std::string& word : std::get<List>(value)) out += (out.empty() ? "" : ",") + word;
  return out;
}

}  // namespace

const std::vector<Setting>& settings() {
  static const std::vector<Setting> all = make_settings();
  return all;
}

std::string settings_markdown() {
  std::string out =
      "| key | environment | flag | value | default | reload | |\n"
      "| --- | --- | --- | --- | --- | --- | --- |\n";
  for (const Setting& setting : settings()) {
    std::string variables = "`" + variable_of(setting) + "`";
    if (!setting.other_variable.empty()) variables += ", `" + setting.other_variable + "`";
    std::string flag = setting.flag.empty() ? "" : "`" + setting.flag + "`";
    if (!setting.flag_item.empty()) flag = "`" + setting.flag + " " + setting.flag_item + "=...`";
    if (!setting.other_flag.empty()) flag += ", `" + setting.other_flag + "`";
    out += fmt::format("| `{}` | {} | {} | {} | {} | {} | {} |\n", setting.name, variables, flag,
                       expectation_of(setting), toml_text(setting.fallback),
                       setting.is_reloaded ? "yes" : "restart", setting.help);
  }
  return out;
}

}  // namespace perp::app
