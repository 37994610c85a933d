// Runs independent tasks on several threads.
// It exists so that everything above it is written once: serial.cc or threads.cc is chosen at build time.
// Which thread runs which task is never visible in a result; tasks write to places of their own.
#pragma once

#include <cstddef>
#include <memory>

namespace monoquant::parallel {

class Workers {
public:
  /// `threads` counts the calling one. Threads that cannot be had are simply missing.
  explicit Workers(size_t threads);
  ~Workers();
  Workers(const Workers &) = delete;
  Workers &operator=(const Workers &) = delete;

  /// Threads that work, the calling one included.
  [[nodiscard]] size_t count() const;

  /// Calls task(i, worker) for i = 0 … tasks - 1, each once, and returns when all are done. `worker`, below
  /// count(), is the same for everything that one thread runs: use it to choose scratch memory. The calling
  /// thread takes part, so this also works while the other threads are still starting. Allocates nothing.
  template <typename Task> void run(size_t tasks, const Task &task) {
    run_erased(tasks, {&task, [](const void *self, size_t index, size_t worker) {
                         (*static_cast<const Task *>(self))(index, worker);
                       }});
  }

private:
  struct ErasedTask {
    const void *self;
    void (*call)(const void *self, size_t index, size_t worker);
  };
  void run_erased(size_t tasks, ErasedTask task);

  struct State;
  std::unique_ptr<State> state_;
};

} // namespace monoquant::parallel
