#pragma once
// The light door to the library: the vocabulary that every user needs. It includes no third-party
// header and nothing that starts a thread. Heavier rooms have doors of their own:
// engine/engine.hpp, warehouse/query.hpp, ...
#include <perp/core/error.hpp>
#include <perp/core/record_ring.hpp>
#include <perp/core/spsc_queue.hpp>
#include <perp/core/time.hpp>
#include <perp/market/instrument_table.hpp>
#include <perp/market/order_book.hpp>
#include <perp/market/perpspec.hpp>
#include <perp/market/record.hpp>
#include <perp/market/record_kind.hpp>
#include <perp/venue/registry.hpp>
