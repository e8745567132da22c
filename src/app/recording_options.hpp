#pragma once
// What `perp replay` and `perp run --replay` share: how recordings are read, and the replay itself.
#include "app/commands.hpp"

#include <perp/app/pipeline.hpp>

#include <string>

namespace perp::app {

struct RecordingArguments {
  feed::RecordingOptions recording{};
  std::string venue{};
  std::string speed = "max";
  bool is_without_shapes = false;
};

void add_recording_options(CLI::App& command, RecordingArguments& arguments);
/// Replays, prints the summary, sets the exit code. @param options all but how to read recordings
void replay_recordings(Context& context, PipelineOptions& options,
                       const RecordingArguments& arguments);

}  // namespace perp::app
