#pragma once
// The order of a REST reply's records: these venues send lists newest first, records go out oldest
// first. Cold path.
#include <perp/venue/record_sink.hpp>

#include <cstddef>

namespace perp::venue {

/// Turns round the records behind `from_bytes` (of any kinds and sizes) and puts them into
/// ascending exchange time; those of equal time stay turned round. Unknown times come first.
/// Allocates. Instrument records must lie before `from_bytes`: their places are remembered
/// elsewhere.
void order_newest_first(RecordSink& sink, std::size_t from_bytes);
/// The same for lists in no particular order: equal times keep the order of the list.
void order_by_time(RecordSink& sink, std::size_t from_bytes);

}  // namespace perp::venue
