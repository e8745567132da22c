#pragma once
// What a replay tells at its end, for people and as one JSON document. What was not asked for is
// "-" or null.
#include <perp/app/report.hpp>

#include <string>

namespace perp::app {

std::string summary_text(const Report& report);
std::string summary_json(const Report& report);
/// Nothing was refused, nothing set aside.
bool is_clean(const Report& report);

}  // namespace perp::app
