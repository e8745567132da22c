#include "sim/faults/fault_schedule.hpp"

#include <algorithm>

namespace perp::sim {

FaultSchedule::FaultSchedule(const FaultScript& script, const std::vector<std::string>& venues,
                             std::uint64_t seed)
    : random_(seed) {
  lines_.reserve(script.rules.size());  // episodes point to the rules
  for (const FaultRule& rule : script.rules) {
    Line line{.rule = rule, .choices = {}, .venues = {}, .next_ns = rule.start_ns};
    for (std::size_t i = 0; i < venues.size(); ++i)
      if (rule.venue.empty() || rule.venue == venues[i]) line.venues.push_back(i);
    if (line.venues.empty()) continue;
    for (const FaultKind kind : rule.kinds)
      line.choices.push_back(std::make_unique<FaultRule>(picked(rule, kind)));
    lines_.push_back(std::move(line));
  }
  find_next();
}

void FaultSchedule::make_episodes(Line& line) {
  made_.clear();
  const std::int64_t begin_ns = line.next_ns;
  const FaultRule* rule = &line.rule;
  std::size_t first = 0;
  std::size_t last = line.venues.size();
  if (rule->kind == FaultKind::random) {
    rule = line.choices[random_.below(line.choices.size())].get();
    first = random_.below(line.venues.size());
    last = first + 1;
  }
  const std::int64_t end_ns =
      rule->length_ns > rule->end_ns - begin_ns ? rule->end_ns : begin_ns + rule->length_ns;
  for (std::size_t i = first; i < last; ++i)
    made_.push_back({.rule = rule,
                     .number = ++episodes_,
                     .venue = line.venues[i],
                     .begin_ns = begin_ns,
                     .end_ns = end_ns});
  const bool repeats = line.rule.period_ns > 0 && line.rule.end_ns - begin_ns > line.rule.period_ns;
  line.next_ns = repeats ? begin_ns + line.rule.period_ns : FaultRule::never_ns;
}

void FaultSchedule::find_next() noexcept {
  next_ns_ = FaultRule::never_ns;
  for (const Line& line : lines_) next_ns_ = std::min(next_ns_, line.next_ns);
  for (const FaultEpisode& episode : running_) next_ns_ = std::min(next_ns_, episode.end_ns);
}

}  // namespace perp::sim
