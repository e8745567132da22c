#include <perp/core/error.hpp>
#include <perp/feed/recording.hpp>
#include <perp/venue/registry.hpp>

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace perp::feed {
namespace {

namespace fs = std::filesystem;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// Letters and digits only, lower case: "rest_aggTrades_ltcusdt" and "agg-trades" meet here.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::vector<std::string_view> words(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(separators), text.size());
    if (end > 0) out.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

market::VenueId venue_in(const fs::path& path) {
  // The nearest part of the path that names a venue: its folder, or a word of the file's own name.
  const auto name_words = plain(path.filename().string());
  for (const market::Venue& venue : market::venues)
    if (name_words.find(venue.key) != std::string::npos) return venue.id;
  for (fs::path folder = path.parent_path(); folder.has_filename(); folder = folder.parent_path())
    if (const market::Venue* venue =
            market::find_venue(std::string_view(lower(folder.filename().string()))))
      return venue->id;
  return market::VenueId::none;
}

/// The endpoint whose name or alias is the longest one found in the file's name.
const venue::Endpoint* endpoint_in(const venue::Adapter& adapter, std::string_view stem) {
  const std::string haystack = plain(stem);
  const venue::Endpoint* best = nullptr;
  std::size_t best_size = 0;
  const auto consider = [&](const venue::Endpoint& endpoint, std::string_view name) {
    const std::string needle = plain(name);
    if (needle.size() > best_size && haystack.find(needle) != std::string::npos) {
      best = &endpoint;
      best_size = needle.size();
    }
  };
  for (const venue::Endpoint& endpoint : adapter.endpoints) {
    consider(endpoint, endpoint.name);
    for (const std::string_view alias : words(endpoint.aliases, " ")) consider(endpoint, alias);
  }
  return best;
}

bool is_period(std::string_view word) {
  std::size_t digits = 0;
  while (digits < word.size() && std::isdigit(static_cast<unsigned char>(word[digits])) != 0)
    ++digits;
  return digits > 0 && digits <= 3 && word.size() == digits + 1 &&
         std::string_view("mhdwHDWM").find(word[digits]) != std::string_view::npos;
}

/// Whether a word of a file name reads as a symbol: "btcusdt", "BTC-USDT-SWAP", "kPEPE", "BTC".
bool is_symbol(std::string_view word) {
  if (word.size() < 2 || is_period(word) || std::isdigit(static_cast<unsigned char>(word[0])) != 0)
    return false;
  const std::string small = lower(word);
  if (small.find("usd") != std::string::npos) return true;
  static constexpr std::string_view kinds[] = {"SWAP", "SPOT", "FUTURES", "ANY", "CONTRACTS"};
  if (std::find(std::begin(kinds), std::end(kinds), word) != std::end(kinds)) return false;
  const std::string_view tail = word[0] == 'k' ? word.substr(1) : word;
  return tail.size() >= 2 && std::all_of(tail.begin(), tail.end(), [](char c) {
           return std::isupper(static_cast<unsigned char>(c)) != 0;
         });
}

std::string strip_suffixes(std::string name) {
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view suffix :
         {".gz", ".tsv", ".txt", ".jsonl", ".json", ".reserialised"})
      if (name.ends_with(suffix)) {
        name.resize(name.size() - suffix.size());
        again = true;
      }
  }
  return name;
}

bool is_journal(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".pj") return true;
  return false;
}

bool form_of(std::string name, RecordingForm& form) {
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  if (name.ends_with(".tsv"))
    form = RecordingForm::timed_tab;
  else if (name.ends_with(".txt"))
    form = RecordingForm::timed_space;
  else if (name.ends_with(".jsonl"))
    form = RecordingForm::lines;
  else if (name.ends_with(".json"))
    form = RecordingForm::whole;
  else
    return false;
  return true;
}

void add(const fs::path& path, const RecordingOptions& options, bool is_named,
         std::vector<RecordingFile>& found, std::vector<SkippedFile>& skipped) {
  const auto skip = [&](const std::string& why) {
    if (is_named) throw core::Error("cannot replay", path.string(), why);
    skipped.push_back({path.string(), why});
  };
  RecordingFile file;
  file.path = path.string();
  if (!form_of(path.filename().string(), file.form))
    return skip("not a recording: expected .tsv, .txt, .jsonl or .json, plain or .gz");
  file.venue = options.venue == market::VenueId::none ? venue_in(path) : options.venue;
  if (file.venue == market::VenueId::none)
    return skip("no venue in its path; name one with --venue");
  const venue::Adapter* adapter = venue::find_adapter(file.venue);
  const std::string stem = strip_suffixes(path.filename().string());
  const auto stem_words = words(stem, "_");
  file.symbol = options.symbol;
  file.period = options.period;
  for (const std::string_view word : stem_words) {
    if (file.period.empty() && is_period(word)) file.period = word;
    if (file.symbol.empty() && is_symbol(word)) file.symbol = word;
  }
  if (file.venue == market::VenueId::binance || file.venue == market::VenueId::bybit)
    for (char& c : file.symbol) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  const bool is_marked_rest =
      std::find(stem_words.begin(), stem_words.end(), "rest") != stem_words.end();
  const bool is_marked_ws = !stem_words.empty() && stem_words.front() == "ws";
  if (!options.endpoint.empty()) {
    for (const venue::Endpoint& endpoint : adapter->endpoints)
      if (endpoint.name == options.endpoint) {
        file.endpoint = endpoint.name;
        file.is_instrument_list = endpoint.is_instrument_list;
      }
    if (file.endpoint.empty()) {
      std::string known;
      for (const venue::Endpoint& endpoint : adapter->endpoints)
        known += " " + std::string(endpoint.name);
      throw core::Error("unknown endpoint '" + options.endpoint + "'", "--endpoint",
                        "this venue has:" + known);
    }
    file.is_rest = true;
  } else if (is_marked_rest && file.form == RecordingForm::timed_tab) {
    // rest.tsv: each line names its own endpoint.
  } else if (is_marked_rest || (file.form == RecordingForm::whole && !is_marked_ws)) {
    const venue::Endpoint* endpoint = endpoint_in(*adapter, stem);
    if (endpoint == nullptr) return skip("no endpoint in its name; name one with --endpoint");
    if (endpoint->needs.find("symbol") != std::string_view::npos && file.symbol.empty())
      return skip("its bodies do not say their symbol, nor does its name; name it with --symbol");
    file.is_rest = true;
    file.endpoint = endpoint->name;
    file.is_instrument_list = endpoint->is_instrument_list;
  }
  found.push_back(std::move(file));
}

}  // namespace

std::vector<RecordingFile> find_recordings(const std::vector<std::string>& paths,
                                           const RecordingOptions& options,
                                           std::vector<SkippedFile>& skipped) {
  std::vector<RecordingFile> found;
  for (const std::string& text : paths) {
    const fs::path path = fs::absolute(text);
    if (!fs::exists(path)) throw core::Error("cannot replay", text, "no such file or folder");
    if (!fs::is_directory(path)) {
      add(path, options, true, found, skipped);
      continue;
    }
    if (is_journal(path)) {
      RecordingFile journal;
      journal.path = path.string();
      journal.form = RecordingForm::journal;
      found.push_back(std::move(journal));
      continue;
    }
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(path))
      if (entry.is_regular_file()) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) add(file, options, false, found, skipped);
  }
  return found;
}

}  // namespace perp::feed
