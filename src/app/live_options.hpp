#pragma once
// From the effective configuration to what the daemon's parts take. The configuration is right by
// itself; what is wrong only together is refused here.
#include "app/config/config.hpp"
#include "app/live_run.hpp"

#include <perp/app/pipeline.hpp>
#include <perp/core/log.hpp>

#include <string>

namespace perp::app {

/// @throws core::Error naming the settings that do not go together
LiveOptions live_options(const Config& config);
warehouse::LoaderOptions loader_options(const Config& config);
/// What a replay takes from the configuration; its recordings are the caller's.
void set_pipeline_options(const Config& config, PipelineOptions& options);
core::LogOptions log_options(const Config& config);

/// database.dsn, or keywords made of database.host and the others; empty: none.
std::string dsn_of(const Config& config);
std::int64_t status_ns_of(const Config& config);

}  // namespace perp::app
