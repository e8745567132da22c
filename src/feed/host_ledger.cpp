#include "feed/ledger_account.hpp"
#include "feed/ledger_file.hpp"

#include <perp/core/crc32c.hpp>
#include <perp/core/error.hpp>
#include <perp/core/file.hpp>
#include <perp/feed/host_ledger.hpp>
#include <perp/feed/limit_headers.hpp>

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

namespace perp::feed {
namespace {

constexpr std::int64_t busy_pause_ns = 100 * core::ns_per_ms;

/// The kernel's name for this run of the machine, and for the clock that this process sees: in
/// another time namespace the monotonic clock is another one. Empty where it cannot be told.
std::string ask_boot_id() {
  std::array<char, 64> id{};
  int error = 0;
  const core::File file =
      core::File::try_open("/proc/sys/kernel/random/boot_id", O_RDONLY, 0, error);
  if (!file.is_open()) return {};
  std::string text(id.data(), file.pread_all(std::as_writable_bytes(std::span(id)), 0));
  std::array<char, 64> name{};
  const ssize_t size = ::readlink("/proc/self/ns/time", name.data(), name.size());
  if (size > 0) text.append(name.data(), static_cast<std::size_t>(size));
  return text;
}

/// 0 for "not known", which is equal to no boot.
std::uint64_t boot_number(const std::string& id) {
  if (id.empty()) return 0;
  const auto bytes = std::as_bytes(std::span(id));
  const std::uint64_t low = core::crc32c(bytes);
  return (std::uint64_t{core::crc32c(bytes, 0x9e3779b9u)} << 32 | low) | 1;
}

[[noreturn]] void refuse_option(const std::string& host, const std::string& why) {
  throw core::Error("cannot keep a host's ledger", host, why);
}

void check_pool(const std::string& host, const WeightPool& pool) {
  const auto refuse = [&](const char* why) {
    refuse_option(host, fmt::format("pool '{}': {}", pool.name, why));
  };
  if (pool.name.empty() || pool.name.size() > 23 || pool.name.find('\0') != std::string::npos)
    refuse("its name must have 1 to 23 bytes");
  if (pool.window_ns < core::ns_per_ms) refuse("its window must be 1 ms or longer");
  if (pool.percent < 1 || pool.percent > 100) refuse("percent must lie in 1 to 100");
  if (std::uint64_t{pool.limit} * pool.percent < 100) refuse("its limit leaves nothing to spend");
}

void check(const HostLedgerOptions& options) {
  const std::string& host = options.host;
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || c == ':';
  };
  if (options.folder.empty()) refuse_option(host, "expected a folder, e.g. var/run");
  // It becomes a file's name.
  if (host.empty() || host.size() > 200 || host.front() == '.' ||
      !std::all_of(host.begin(), host.end(), is_plain))
    refuse_option(host, "expected a host: letters, digits, '.', '-', '_', ':'");
  if (options.pools.size() > 8) refuse_option(host, "at most 8 pools");
  check_pool(host, options.connects);
  for (std::size_t i = 0; i < options.pools.size(); ++i) {
    check_pool(host, options.pools[i]);
    bool is_double = options.pools[i].name == options.connects.name;
    for (std::size_t j = 0; j < i; ++j) is_double |= options.pools[i].name == options.pools[j].name;
    if (is_double) refuse_option(host, fmt::format("two pools '{}'", options.pools[i].name));
  }
  for (const std::int64_t ban : {options.ban_429_ns, options.ban_418_ns, options.ban_403_ns})
    if (ban <= 0 || ban > HostLedger::ban_ns_max)
      refuse_option(host, "bans without Retry-After must last more than 0 and at most 30 days");
}

std::string prepare_path(const HostLedgerOptions& options) {
  check(options);
  core::create_folders(options.folder);
  return options.folder + "/" + options.host + ".ledger";
}

std::uint64_t budget(const WeightPool& pool) {
  return std::uint64_t{pool.limit} * pool.percent / 100;
}

}  // namespace

struct HostLedger::State {
  State(HostLedgerOptions given, const std::string& path)
      : options(std::move(given)),
        boot(boot_number(options.boot_id.empty() ? ask_boot_id() : options.boot_id)),
        file(path) {}

  /// Runs `use(account)` on the account as it is now, under both locks, and keeps what it changed.
  /// `use` returns what has to be kept. @returns false if another process holds the file.
  enum class Keep { nothing, booking, ban };
  template <class Use>
  bool with_account(Moment now, const Use& use);

  void load(Moment now);
  void tell(const std::string& what);
  Grant ask(Moment now, const WeightPool* pool, std::uint32_t weight);
  const WeightPool* find(std::string_view name) const;
  Grant busy_grant(Moment now) const;
  core::MonoNs own_ban(Moment now) const;

  const HostLedgerOptions options;
  const std::uint64_t boot;

  std::mutex mutex;  // guards all below
  LedgerFile file;
  Account account{};  ///< as last read or changed
  bool has_account = false;
  bool must_keep = false;  ///< what load() did must be written even if nothing else is
  bool must_keep_ban = false;
  bool is_ahead = false;  ///< `account` has what could not be written
  core::MonoNs busy_until{};
  bool is_busy = false;
  std::string last_told;
  /// A ban that could not be written yet, by this process's clock.
  std::optional<core::MonoNs> pending_until;
  std::uint32_t pending_status = 0;
};

void HostLedger::State::tell(const std::string& what) {
  if (what == last_told) return;  // a full disk is told once, not at each request
  last_told = what;
  if (options.report) options.report(what);
}

/// Brings `account` up to date from the file, which is locked.
void HostLedger::State::load(Moment now) {
  const LedgerFile::Content content = file.read();
  const std::optional<Account> unwritten =
      is_ahead ? std::optional<Account>(account) : std::nullopt;
  // With the file removed under us, what is in memory is the best account there is.
  const bool is_from_memory = has_account && content.is_new;
  if (content.account) {
    account = *content.account;
  } else if (!is_from_memory) {
    account = Account::begin(now, boot);
  }
  has_account = true;
  must_keep |= content.is_new;
  must_keep |= account.advance(now, boot);
  if (unwritten && !is_from_memory) {
    account.merge(*unwritten);
    must_keep = true;
  }
  must_keep_ban |= (is_from_memory || unwritten) && account.is_banned();
  if (pending_until) {
    const std::int64_t left = *std::exchange(pending_until, std::nullopt) - now.mono;
    must_keep_ban |= account.set_ban(left, left, pending_status);
  }
  if (!content.has_damage) return;
  must_keep = true;
  for (const BanRecord& ban : content.bans) must_keep_ban |= account.adopt_ban(ban);
  if (content.account) {
    tell(options.host + ": ledger: one of two slots is damaged, going on with the other");
    return;
  }
  for (const WeightPool& pool : options.pools)
    account.window(pool.name, pool.window_ns).book(budget(pool));
  account.window(options.connects.name, options.connects.window_ns).book(budget(options.connects));
  tell(fmt::format("{}: ledger: the file is damaged and begun anew: budgets count as spent, {}",
                   options.host,
                   account.is_banned() ? "a ban was read and holds" : "no ban could be read"));
}

template <class Use>
bool HostLedger::State::with_account(Moment now, const Use& use) {
  const auto keep_all = [&](Keep keep) {
    if (must_keep_ban) keep = Keep::ban;
    if (keep == Keep::nothing && !must_keep) return;
    file.write(account, keep == Keep::ban);
    must_keep = must_keep_ban = is_ahead = false;
  };
  if (is_busy && now.mono < busy_until) return false;
  bool is_locked = false;
  bool was_used = false;
  try {
    is_locked = file.try_lock();
    is_busy = !is_locked;
    busy_until = now.mono + busy_pause_ns;
    if (!is_locked) return false;
    load(now);
    was_used = true;
    keep_all(use(account));
    last_told.clear();
  } catch (const core::Error& error) {
    // A disk that fails stops no feed: this process goes on with its own account, and says so.
    tell(fmt::format("{}: ledger: going on in memory: {}", options.host, error.what()));
    if (!has_account) account = Account::begin(now, boot);
    has_account = true;
    if (!was_used) {
      account.advance(now, boot);
      use(account);
    }
    is_ahead = true;
  }
  if (is_locked) file.unlock();
  return true;
}

Grant HostLedger::State::busy_grant(Moment now) const {
  return {Grant::Verdict::busy, std::max(busy_until, now.mono)};
}

core::MonoNs HostLedger::State::own_ban(Moment now) const {
  return std::max(pending_until.value_or(now.mono), now.mono);
}

const WeightPool* HostLedger::State::find(std::string_view name) const {
  if (name == options.connects.name) return &options.connects;
  for (const WeightPool& pool : options.pools)
    if (pool.name == name) return &pool;
  return nullptr;
}

Grant HostLedger::State::ask(Moment now, const WeightPool* pool, std::uint32_t weight) {
  if (pool == nullptr || weight == 0 || weight > budget(*pool))
    return {Grant::Verdict::too_heavy, {std::numeric_limits<std::int64_t>::max()}};
  const std::scoped_lock lock(mutex);
  if (own_ban(now) > now.mono) return {Grant::Verdict::banned, own_ban(now)};
  Grant grant;
  const bool was_asked = with_account(now, [&](Account& current) {
    if (current.is_banned()) {
      grant = {Grant::Verdict::banned, now.mono + current.ban_left_ns()};
      return Keep::nothing;
    }
    WindowRecord& window = current.window(pool->name, pool->window_ns);
    const std::uint64_t wanted = window.spent() + weight;
    if (wanted > budget(*pool)) {
      const std::int64_t free_at = window.free_at(wanted - budget(*pool));
      grant = {Grant::Verdict::spent, now.mono + (free_at - current.ledger_ns)};
      return Keep::nothing;
    }
    window.book(weight);
    grant = {Grant::Verdict::granted, now.mono};
    return Keep::booking;
  });
  return was_asked ? grant : busy_grant(now);
}

HostLedger::HostLedger(HostLedgerOptions options)
    : path_(prepare_path(options)), state_(std::make_unique<State>(std::move(options), path_)) {}

HostLedger::~HostLedger() = default;

Grant HostLedger::may_connect(Moment now) { return state_->ask(now, &state_->options.connects, 1); }

Grant HostLedger::may_request(Moment now, std::string_view pool, std::uint32_t weight) {
  return state_->ask(now, state_->find(pool), weight);
}

bool HostLedger::on_used(Moment now, std::string_view pool_name, std::uint32_t used) {
  const WeightPool* const pool = state_->find(pool_name);
  if (pool == nullptr) return false;
  const std::scoped_lock lock(state_->mutex);
  return state_->with_account(now, [&](Account& account) {
    WindowRecord& window = account.window(pool->name, pool->window_ns);
    const std::uint64_t spent = window.spent();
    if (used <= spent) return State::Keep::nothing;
    window.book(used - spent);
    return State::Keep::booking;
  });
}

bool HostLedger::on_status(Moment now, int status, std::string_view retry_after,
                           std::string_view date) {
  if (status < 400) return false;
  std::optional<std::int64_t> length = parse_retry_after(retry_after, date, now.wall);
  // Those are refusals: one that says "again in 0 s", or names a time that has passed by our clock,
  // says nothing.
  if (length.value_or(0) <= 0) {
    if (status == 429) length = state_->options.ban_429_ns;
    if (status == 418) length = state_->options.ban_418_ns;
    if (status == 403) length = state_->options.ban_403_ns;
  }
  if (length.value_or(0) <= 0) return false;
  const std::int64_t length_ns = std::min(*length, ban_ns_max);
  const std::scoped_lock lock(state_->mutex);
  state_->is_busy = false;  // worth another attempt at the lock
  const bool is_kept = state_->with_account(now, [&](Account& account) {
    const bool is_new = account.set_ban(length_ns, length_ns, static_cast<std::uint32_t>(status));
    return is_new ? State::Keep::ban : State::Keep::nothing;
  });
  if (!is_kept && now.mono + length_ns > state_->own_ban(now)) {
    state_->pending_until = now.mono + length_ns;
    state_->pending_status = static_cast<std::uint32_t>(status);
  }
  return true;
}

core::MonoNs HostLedger::banned_until(Moment now) {
  const std::scoped_lock lock(state_->mutex);
  core::MonoNs until = now.mono;
  const bool was_asked = state_->with_account(now, [&](Account& account) {
    until = now.mono + account.ban_left_ns();
    return State::Keep::nothing;
  });
  // Busy: what this process last read of the file.
  if (!was_asked && state_->has_account) {
    Account last = state_->account;
    last.advance(now, state_->boot);
    until = now.mono + last.ban_left_ns();
  }
  return std::max(until, state_->own_ban(now));
}

std::uint32_t HostLedger::spent(Moment now, std::string_view pool_name) {
  const WeightPool* const pool = state_->find(pool_name);
  if (pool == nullptr) return 0;
  const std::scoped_lock lock(state_->mutex);
  std::uint64_t spent = 0;
  const bool was_asked = state_->with_account(now, [&](Account& account) {
    spent = account.window(pool->name, pool->window_ns).spent();
    return State::Keep::nothing;
  });
  if (!was_asked && state_->has_account) {
    Account last = state_->account;
    last.advance(now, state_->boot);
    spent = last.window(pool->name, pool->window_ns).spent();
  }
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(spent, 0xffffffffu));
}

}  // namespace perp::feed
