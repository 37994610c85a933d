#include "monoquant/quant/cholesky.h"

#include <algorithm>
#include <cmath>

#include "monoquant/quant/kernels/kernels.h"

namespace monoquant::quant {
namespace {

/// Columns that are factorised before the rest learns of them, and rows of the rest that learn at once.
constexpr size_t kPanel = 64;

/// The columns first to end, of all rows from the first one on.
bool factorise_panel(float *a, size_t size, size_t first, size_t end) {
  for (size_t j = first; j < end; ++j) {
    float *row_j = a + j * size;
    for (size_t i = j; i < size; ++i) {
      float *row_i = a + i * size;
      float sum = row_i[j];
      for (size_t k = first; k < j; ++k) {
        sum -= row_i[k] * row_j[k];
      }
      if (i == j) {
        if (!(sum > 0) || !std::isfinite(sum)) {
          return false;
        }
        row_j[j] = std::sqrt(sum);
      } else {
        row_i[j] = sum / row_j[j];
      }
    }
  }
  return true;
}

} // namespace

bool factorise_cholesky(std::vector<float> &a, size_t size) {
  std::vector<float> factors;    // of the rows that learn, with the other sign
  std::vector<float> transposed; // of the panel below its square
  for (size_t first = 0; first < size; first += kPanel) {
    const size_t end = std::min(size, first + kPanel);
    if (!factorise_panel(a.data(), size, first, end)) {
      return false;
    }
    const size_t panel = end - first;
    const size_t rest = size - end;
    transposed.resize(panel * rest);
    for (size_t i = 0; i < rest; ++i) {
      for (size_t k = 0; k < panel; ++k) {
        transposed[k * rest + i] = a[(end + i) * size + first + k];
      }
    }
    for (size_t row = 0; row < rest; row += kPanel) {
      const size_t rows = std::min(kPanel, rest - row);
      factors.resize(rows * panel);
      for (size_t r = 0; r < rows; ++r) {
        for (size_t k = 0; k < panel; ++k) {
          factors[r * panel + k] = -a[(end + row + r) * size + first + k];
        }
      }
      // The lower half, and as much of the upper one as whole tiles have.
      const size_t columns = std::min(rest, row + rows);
      kernels().add_products({factors.data(), panel, rows, panel},
                             {transposed.data(), rest, columns},
                             {a.data() + (end + row) * size + end, size});
    }
  }
  return true;
}

} // namespace monoquant::quant
