#pragma once
// What a replay tells at its end, for people and as one JSON document. What was not asked for is
// "-" or null.
#include <perp/app/pipeline.hpp>

#include <string>

namespace perp::app {

std::string summary_text(const PipelineReport& report);
std::string summary_json(const PipelineReport& report);
/// Nothing was refused, nothing set aside.
bool is_clean(const PipelineReport& report);

}  // namespace perp::app
