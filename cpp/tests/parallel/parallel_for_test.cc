#include "monoquant/parallel/parallel_for.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "support/random.h"

namespace monoquant::parallel {
namespace {

class Threads : public testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Workers, Threads, testing::Range(size_t{1}, size_t{9}));

TEST_P(Threads, run_every_index_once_again_and_again) {
  Workers workers(GetParam());
  EXPECT_EQ(workers.count(), GetParam());
  test::Random random(GetParam());
  for (int round = 0; round < 3000; ++round) {
    const size_t tasks = random.index(round % 10 == 0 ? 500 : 20);
    std::vector<std::atomic<int>> calls(tasks);
    workers.run(tasks, [&](size_t index, size_t worker) {
      calls[index].fetch_add(1, std::memory_order_relaxed);
      if (worker >= workers.count()) {
        ADD_FAILURE() << "no such worker";
      }
    });
    for (size_t i = 0; i < tasks; ++i) {
      ASSERT_EQ(calls[i].load(std::memory_order_relaxed), 1) << i << " of " << tasks;
    }
  }
}

TEST_P(Threads, each_have_a_number_of_their_own) {
  // Memory that only the worker's number protects: two threads with one number would lose counts.
  Workers workers(GetParam());
  struct alignas(64) Count {
    size_t value = 0;
    std::thread::id owner;
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<Count> counts(workers.count());
    workers.run(2000, [&](size_t, size_t worker) {
      Count &count = counts[worker];
      if (count.value == 0) {
        count.owner = std::this_thread::get_id();
      } else if (count.owner != std::this_thread::get_id()) {
        ADD_FAILURE() << "two threads are worker " << worker;
      }
      ++count.value;
    });
    size_t total = 0;
    for (const Count &count : counts) {
      total += count.value;
    }
    ASSERT_EQ(total, 2000U);
  }
}

TEST_P(Threads, results_are_there_when_run_returns) {
  Workers workers(GetParam());
  std::vector<size_t> values(1000);
  for (size_t round = 1; round <= 500; ++round) {
    workers.run(values.size(), [&](size_t index, size_t) { values[index] += index; });
    for (size_t i = 0; i < values.size(); i += 97) {
      ASSERT_EQ(values[i], i * round);
    }
  }
}

TEST_P(Threads, may_come_and_go_without_work) {
  for (int round = 0; round < 100; ++round) {
    Workers workers(GetParam());
    size_t calls = 0;
    workers.run(0, [&](size_t, size_t) { ++calls; });
    EXPECT_EQ(calls, 0U);
    workers.run(1, [&](size_t index, size_t) { calls += index + 1; });
    EXPECT_EQ(calls, 1U);
  }
}

TEST(Workers, really_share_the_work) {
  Workers workers(2);
  // Two tasks that wait for each other: one thread alone would wait forever.
  std::atomic<int> arrived = 0;
  std::vector<size_t> worker_of(2);
  workers.run(2, [&](size_t index, size_t worker) {
    worker_of[index] = worker;
    arrived.fetch_add(1);
    for (int i = 0; i < 50'000'000 && arrived.load() < 2; ++i) {
      std::this_thread::yield();
    }
  });
  EXPECT_EQ(arrived.load(), 2);
  EXPECT_NE(worker_of[0], worker_of[1]);
}

} // namespace
} // namespace monoquant::parallel
