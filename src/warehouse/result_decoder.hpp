#pragma once
// PGresult (binary format) to columns. Sees libpq, therefore private to this layer.
#include <perp/warehouse/result.hpp>

#include <libpq-fe.h>

namespace perp::warehouse {

/// Throws core::Error for a column type that it does not know, naming the column; a cast to text
/// helps then.
QueryResult decode_result(const PGresult* result);

}  // namespace perp::warehouse
