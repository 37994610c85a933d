// A fixed block of bytes, not initialized.
// It exists because std::vector writes zeros first: memory that is never used would still be touched.
// Aligned for any element type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace monoquant {

class Buffer {
public:
  Buffer() = default;
  explicit Buffer(size_t bytes)
      : bytes_(std::make_unique_for_overwrite<uint8_t[]>(bytes)), size_(bytes) {}

  [[nodiscard]] std::span<uint8_t> span() const { return {bytes_.get(), size_}; }
  [[nodiscard]] uint8_t *data() const { return bytes_.get(); }

private:
  std::unique_ptr<uint8_t[]> bytes_;
  size_t size_ = 0;
};

} // namespace monoquant
