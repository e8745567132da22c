// Every interleaving of those who ring a doorbell with those who sleep on it, and of a worker's
// loop with whoever stops it; each memory order weakened in turn. A lost wake-up shows as a thread
// that sleeps for ever.
#include "support/interleaving_check.hpp"

#include <perp/core/idle.hpp>
#include <perp/core/spsc_queue.hpp>
#include <perp/core/worker.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace perp::core {
namespace {

using test::model::Atomic;
using test::model::check_interleavings;
using test::model::Checker;
using test::model::knows_coroutines;
using test::model::Operation;
using test::model::PlainItem;
using test::model::unlimited;
using test::model::Weak;
using test::model::weak_load;
using test::model::weak_store;

using Bell = BasicDoorbell<Atomic>;
using Queue = SpscQueue<PlainItem, std::uint8_t, Atomic>;
constexpr std::int64_t for_ever = ns_per_minute;  // the model knows no time

// Locations of a Doorbell that is constructed first: 0 rings_, 1 sleepers_.
constexpr auto seq_cst = std::memory_order_seq_cst;
const std::vector<Weak> handshake = {{"tell of rings (P1)", {0, 0, Operation::update, seq_cst}},
                                     {"settled of sleepers (P2)", {1, 1, Operation::load, seq_cst}},
                                     {"tell of sleepers (C1)", {1, 1, Operation::update, seq_cst}},
                                     {"settled of rings (C2)", {0, 0, Operation::load, seq_cst}}};

std::vector<Weak> with(std::vector<Weak> weak, const Weak& more) {
  weak.push_back(more);
  return weak;
}

void sleep_until_popped(Checker& checker, Bell& bell, Queue& queue, std::uint64_t count) {
  PlainItem item;
  for (std::uint64_t popped = 0; popped < count;) {
    const Bell::Ticket ticket = bell.ticket();
    if (queue.try_pop(item))
      checker.check(item.value() == ++popped, "an item out of order");
    else
      bell.wait(ticket, for_ever);
  }
}

TEST(Interleaving, DoorbellLosesNoRingBetweenTheLookAndTheSleep) {
  check_interleavings(
      unlimited,
      [](Checker& checker) {
        Bell bell;
        Queue queue(2);
        checker.run({[&] {
                       for (std::uint64_t i = 1; i <= 2; ++i) {
                         checker.check(queue.try_push(PlainItem(i)), "no room");
                         bell.ring();
                       }
                     },
                     [&] { sleep_until_popped(checker, bell, queue, 2); }});
      },
      with(handshake, weak_load("observe of a ticket", 0, 0)));
}

TEST(Interleaving, DoorbellWakesEverySleeperAndBringsWhatWasDoneBefore) {
  check_interleavings(
      2,
      [](Checker& checker) {
        Bell bell;
        PlainItem work;
        const Bell::Ticket ticket = bell.ticket();
        const auto sleep = [&] {
          if (bell.wait(ticket, for_ever))
            checker.check(work.value() == 7, "rung without its work");
          else
            checker.fail("awake for no reason");
        };
        checker.run({[&] {
                       work = PlainItem(7);
                       bell.ring();
                     },
                     sleep, sleep});
      },
      handshake);
}

TEST(Interleaving, DoorbellServesTwoWhoRing) {
  check_interleavings(
      2,
      [](Checker& checker) {
        Bell bell;
        Queue first(1);
        Queue second(1);
        const auto ring = [&](Queue& queue) {
          return [&] {
            checker.check(queue.try_push(PlainItem(1)), "no room");
            bell.ring();
          };
        };
        checker.run({ring(first), ring(second), [&] {
                       PlainItem item;
                       for (int popped = 0; popped < 2;) {
                         const Bell::Ticket ticket = bell.ticket();
                         const int before = popped;
                         popped += first.try_pop(item) ? 1 : 0;
                         popped += second.try_pop(item) ? 1 : 0;
                         if (popped == before) bell.wait(ticket, for_ever);
                       }
                     }});
      },
      handshake);
}

// The loop is the one that every Worker runs.
void stop_a_worker(Checker& checker, IdleKind kind) {
  Bell bell;                     // locations 0, 1
  BasicStopSignal<Atomic> stop;  // location 2
  Queue queue(2);
  PlainItem last_words;
  std::uint64_t popped = 0;
  checker.run({[&] {
                 checker.check(queue.try_push(PlainItem(1)), "no room");
                 bell.ring();
                 last_words = PlainItem(5);
                 stop.request(bell);
               },
               [&] {
                 BasicIdleStrategy<Atomic> idle({kind, 1, for_ever}, bell);
                 const auto work = [&] {
                   PlainItem item;
                   if (!queue.try_pop(item)) return 0;
                   checker.check(item.value() == ++popped, "an item out of order");
                   return 1;
                 };
                 run_until_stopped(stop, idle, work);
                 checker.check(last_words.value() == 5, "stopped without its reason");
               }});
  PlainItem item;
  if (!checker.has_failed())
    checker.check(popped + (queue.try_pop(item) ? 1U : 0U) == 1, "an item was lost in the stop");
}

TEST(Interleaving, WorkerThatBlocksIsStoppedWhereverItStands) {
  check_interleavings(
      unlimited, [](Checker& checker) { stop_a_worker(checker, IdleKind::block); },
      with(with(handshake, weak_store("publish of the stop", 2, 2)),
           weak_load("observe of the stop", 2, 2)));
}

TEST(Interleaving, WorkerThatParksIsStoppedWhereverItStands) {
  check_interleavings(
      3, [](Checker& checker) { stop_a_worker(checker, IdleKind::park); }, handshake);
}

TEST(Interleaving, AStopLookedAtBeforeTheTicketWouldBeSleptThrough) {
  if (!knows_coroutines) GTEST_SKIP() << "the sanitizer does not know coroutines";
  // The order of two lines in run_until_stopped(), turned round.
  const std::string failure =
      Checker()
          .explore([](Checker& checker) {
            Bell bell;
            BasicStopSignal<Atomic> stop;
            checker.run({[&] { stop.request(bell); },
                         [&] {
                           BasicIdleStrategy<Atomic> idle({IdleKind::block, 0, for_ever}, bell);
                           while (!stop.is_requested()) {
                             idle.prepare();
                             idle.idle(0);
                           }
                         }});
          })
          .failure;
  EXPECT_EQ(failure, "asleep for ever: a wake-up was lost");
}

}  // namespace
}  // namespace perp::core
