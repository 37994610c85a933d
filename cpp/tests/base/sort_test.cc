#include "monoquant/base/sort.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <utility>

namespace monoquant {
namespace {

TEST(Sort, orders_any_number_of_elements_and_keeps_equal_ones_as_they_were) {
  std::mt19937 random(1);
  for (size_t count = 0; count < 300; ++count) {
    std::vector<std::pair<uint32_t, std::string>> elements;
    for (size_t i = 0; i < count; ++i) {
      elements.emplace_back(random() % 20, std::to_string(i));
    }
    const auto by_number = [](const auto &a, const auto &b) { return a.first < b.first; };
    auto expected = elements;
    std::stable_sort(expected.begin(), expected.end(), by_number);
    sort(elements, by_number);
    ASSERT_EQ(elements, expected) << count;
  }
}

} // namespace
} // namespace monoquant
