#include "monoquant/parallel/parallel_for.h"

namespace monoquant::parallel {

struct Workers::State {};

Workers::Workers(size_t /*threads*/) {}
Workers::~Workers() = default;

size_t Workers::count() const { return 1; }

void Workers::run_erased(size_t tasks, ErasedTask task) {
  for (size_t i = 0; i < tasks; ++i) {
    task.call(task.self, i, 0);
  }
}

} // namespace monoquant::parallel
