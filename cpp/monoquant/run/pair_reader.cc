#include "monoquant/run/pair_reader.h"

#include <utility>

namespace monoquant::run {

void PairReader::begin(const catalog::Tensor &file, const catalog::Tensor *reference,
                       uint64_t begin, uint64_t end) {
  file_.begin(file, begin, end);
  has_reference_ = reference != nullptr;
  if (has_reference_) {
    reference_.begin(*reference, begin, end);
  }
}

std::optional<ByteRange> PairReader::next() {
  auto read = file_.next();
  of_reference_ = !read;
  if (!read && has_reference_) {
    read = reference_.next();
  }
  if (read) {
    length_ = read->length;
  }
  return read;
}

Result<void> PairReader::fill(std::span<const uint8_t> block) {
  const std::span<const uint8_t> bytes =
      block.first(std::exchange(length_, std::nullopt).value_or(0));
  return of_reference_ ? reference_.fill(bytes) : file_.fill(bytes);
}

} // namespace monoquant::run
