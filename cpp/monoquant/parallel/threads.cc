#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "monoquant/parallel/parallel_for.h"

namespace monoquant::parallel {

struct Workers::State {
  /// One call of `run`. Lives on its caller's stack: nobody may touch it once it is off the board and `busy`
  /// is zero.
  struct Job {
    ErasedTask task;
    size_t tasks;
    std::atomic<size_t> next{0};
    size_t busy = 0; // helpers inside; guarded by the mutex

    void work(size_t worker) {
      for (size_t i = next.fetch_add(1); i < tasks; i = next.fetch_add(1)) {
        task.call(task.self, i, worker);
      }
    }
  };

  struct Helper {
    State *state;
    size_t worker;
    pthread_t thread;
  };

  std::mutex mutex;
  std::condition_variable posted; // a job was put up, or the end has come
  std::condition_variable left;   // the last helper has left a job
  Job *job = nullptr;
  bool ending = false;
  std::vector<std::unique_ptr<Helper>> helpers;

  void help(size_t worker) {
    std::unique_lock lock(mutex);
    while (true) {
      posted.wait(lock, [&] { return ending || job != nullptr; });
      if (ending) {
        return;
      }
      Job *mine = job;
      ++mine->busy;
      lock.unlock();
      mine->work(worker);
      lock.lock();
      if (job == mine) {
        job = nullptr; // nothing is left in it to take
      }
      if (--mine->busy == 0) {
        left.notify_one();
      }
    }
  }
};

Workers::Workers(size_t threads) : state_(std::make_unique<State>()) {
  // pthread_create and not std::thread: without exceptions a thread that cannot start would end the program.
  const auto main = [](void *argument) -> void * {
    const auto *self = static_cast<State::Helper *>(argument);
    self->state->help(self->worker);
    return nullptr;
  };
  for (size_t worker = 1; worker < threads; ++worker) {
    auto helper = std::make_unique<State::Helper>(State::Helper{state_.get(), worker, {}});
    if (pthread_create(&helper->thread, nullptr, main, helper.get()) != 0) {
      break;
    }
    state_->helpers.push_back(std::move(helper));
  }
}

Workers::~Workers() {
  {
    const std::scoped_lock lock(state_->mutex);
    state_->ending = true;
  }
  state_->posted.notify_all();
  for (const auto &helper : state_->helpers) {
    pthread_join(helper->thread, nullptr);
  }
}

size_t Workers::count() const { return state_->helpers.size() + 1; }

void Workers::run_erased(size_t tasks, ErasedTask task) {
  State::Job job{task, tasks};
  if (tasks > 1 && !state_->helpers.empty()) {
    {
      const std::scoped_lock lock(state_->mutex);
      state_->job = &job;
    }
    state_->posted.notify_all();
  }
  job.work(0);
  std::unique_lock lock(state_->mutex);
  state_->job = nullptr;
  state_->left.wait(lock, [&] { return job.busy == 0; });
}

} // namespace monoquant::parallel
