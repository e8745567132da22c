#include "journal/writer_impl.hpp"

#include <perp/core/platform.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace perp::journal {
namespace {

constexpr std::uint64_t sync_token = std::uint64_t{1} << 63;  // write tokens are slot indices

bool is_disk_full(int error) { return error == ENOSPC || error == EDQUOT || error == EFBIG; }

std::string text_of(int error) { return std::generic_category().message(error); }

}  // namespace

Writer::Impl::~Impl() {
  try {
    close();
  } catch (const core::Error&) {
    // A destructor cannot tell it; close() does. What is not durable is not published as such.
  }
  // The kernel may still be reading the block buffers.
  try {
    Storage::Completion completion;
    while (outstanding > 0 || round_pending > 0) {
      storage->wait();
      while (storage->reap(completion))
        --(completion.token == sync_token ? round_pending : outstanding);
    }
  } catch (const core::Error&) {
    // The ring itself is broken: closing it makes the kernel give its requests up.
  }
}

void Writer::Impl::stop(const std::string& why) {
  stopped = fmt::format("{}; nothing behind position {} is promised to be on disk", why, durable);
  throw core::Error("the journal writer has stopped", options.folder, stopped);
}

void Writer::Impl::stop(const std::string& what, int error) { stop(what + ": " + text_of(error)); }

void Writer::Impl::submit() {
  try {
    storage->submit();
  } catch (const core::Error& error) {
    stop(error.what());
  }
}

void Writer::Impl::queue(std::size_t index) {
  Slot& slot = slots[index];
  slot.state = Slot::State::queued;
  ++outstanding;
  try {
    storage->write(slot.segment->file, {slot.data + slot.written, slot.bytes - slot.written},
                   slot.offset + slot.written, static_cast<unsigned>(index), index);
  } catch (const core::Error& error) {
    --outstanding;
    stop(error.what());
  }
}

void Writer::Impl::drain() {
  Storage::Completion completion;
  while (storage->reap(completion)) {
    if (completion.token == sync_token)
      complete_sync(completion.result);
    else
      complete_write(completion.token, completion.result);
  }
}

void Writer::Impl::complete_write(std::size_t index, std::int32_t result) {
  --outstanding;
  Slot& slot = slots[index];
  if (result <= 0) {
    const int error = result == 0 ? EIO : -result;  // a write that takes nothing goes nowhere
    if (error == EINTR || error == EAGAIN) return queue(index);
    slot.state = Slot::State::stalled;
    ++stalled;
    if (!is_disk_full(error))
      stop(fmt::format("writing {} at {} failed", slot.segment->file.path(), slot.offset), error);
    stall_error = error;
    return;
  }
  slot.written += static_cast<std::uint32_t>(result);
  if (slot.written < slot.bytes) return queue(index);
  slot.state = Slot::State::written;
  slot.segment->is_dirty = true;
  --slot.segment->blocks_in_flight;
  while (in_flight > 0 && slots[head].state == Slot::State::written) {
    written = slots[head].segment->base + slots[head].offset + slots[head].bytes;
    slots[head].state = Slot::State::free;
    head = (head + 1) % slots.size();
    --in_flight;
  }
  if (in_flight == 0)
    written = next_position;  // also past the header of a segment that has no block yet
}

void Writer::Impl::complete_sync(std::int32_t result) {
  --round_pending;
  if (result == -EINTR) result = -EIO;  // whether it was done is not known: that is a failure
  if (result < 0 && round_error == 0) round_error = -result;
  if (round_pending > 0) return;
  if (round_error != 0) stop("fdatasync failed", round_error);
  durable = round_target;
  durable_file.publish(durable);
  ++stats.syncs;
  // A segment that was over only after this round had begun waits for the next, which cuts it: it
  // would keep its reserved bytes for good.
  while (segments.front().is_cut && segments.front().base + segments.front().end_offset <= durable)
    segments.pop_front();
}

// Everything written so far becomes durable together: every file touched, and the folder if a name
// is new.
void Writer::Impl::start_round() {
  try {
    for (Segment& segment : segments)
      if (segment.is_over && !segment.is_cut && segment.blocks_in_flight == 0) {
        storage->truncate(segment.file, segment.end_offset);
        segment.is_cut = segment.is_dirty = true;
      }
    round_target = written;
    round_error = 0;
    for (Segment& segment : segments)
      if (std::exchange(segment.is_dirty, false)) {
        ++round_pending;
        storage->sync(segment.file, true, sync_token);
      }
    if (std::exchange(is_folder_dirty, false)) {
      ++round_pending;
      storage->sync(folder, false, sync_token);
    }
  } catch (const core::Error& error) {
    round_error = EIO;  // half a round must never count as one
    stop(error.what());
  }
  PERP_ASSERT(round_pending > 0);  // whoever asks for a round has written something
  submit();
}

void Writer::Impl::retry_stalled() {
  for (std::size_t i = 0; stalled > 0 && i < slots.size(); ++i)
    if (slots[i].state == Slot::State::stalled) {
      --stalled;
      queue(i);
    }
}

// Tells a full disk once per attempt. The blocks stay where they are and are tried again by the
// next call.
void Writer::Impl::report_stall() {
  if (stall_error == 0) return;
  const int error = std::exchange(stall_error, 0);
  std::uint64_t needed = 0;
  for (const Slot& slot : slots)
    if (slot.state == Slot::State::stalled) needed += slot.bytes - slot.written;
  throw core::Error(
      "cannot write the journal", options.folder,
      fmt::format("{}: {} bytes are needed now; everything appended is kept and tried again",
                  text_of(error), needed));
}

void Writer::Impl::wait_for_one() {
  retry_stalled();
  submit();
  storage->wait();
  drain();
  report_stall();
}

void Writer::Impl::poll(core::MonoNs now) {
  if (is_closed) return;
  check();
  retry_stalled();
  drain();
  const bool is_due = !has_synced || now - last_round >= options.sync_ms * core::ns_per_ms;
  if (is_due && round_pending == 0 && !is_sync_wanted && durable < end()) {
    if (is_open) close_block();
    is_sync_wanted = true;
    wanted_target = next_position;
    last_round = now;
    has_synced = true;
  }
  submit();
  drain();
  if (is_sync_wanted && round_pending == 0 && written >= wanted_target) {
    is_sync_wanted = false;
    start_round();
    drain();
  }
  report_stall();
}

void Writer::Impl::sync() {
  check();
  if (is_open) close_block();
  while (in_flight > 0) wait_for_one();
  while (round_pending > 0) wait_for_one();
  if (durable < next_position || is_folder_dirty) {
    start_round();
    while (round_pending > 0) wait_for_one();
  }
  is_sync_wanted = false;
}

void Writer::Impl::close() {
  if (is_closed) return;
  sync();
  Segment& segment = segments.back();
  storage->truncate(segment.file, segment.end_offset);
  segment.is_dirty = true;
  start_round();
  while (round_pending > 0) wait_for_one();
  is_closed = true;
  segments.clear();
  folder.close();
  lock.close();
}

}  // namespace perp::journal
