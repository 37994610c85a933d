// Turns the bytes of a file into a Catalog, asking for what it needs.
// It exists so that a host only ever does one thing: read the range that is asked for, and ask again.
// Only metadata is wanted, whatever the size of the file; the format is told by content, never by name.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "monoquant/base/byte_window.h"
#include "monoquant/base/result.h"
#include "monoquant/catalog/catalog.h"

namespace monoquant::layout {

class Inspector {
public:
  explicit Inspector(uint64_t file_bytes, catalog::Opening opening = {})
      : window_(file_bytes), opening_(std::move(opening)) {}

  /// Goes as far as the known bytes allow: a Need to be filled, or nothing when the catalog is complete.
  Result<std::optional<Need>> step();

  /// Hands in bytes of the file, usually those that `step` asked for.
  void add(uint64_t offset, std::vector<uint8_t> bytes) { window_.add(offset, std::move(bytes)); }

  /// Once the catalog is complete: leaves these tensors out, as if the file did not have them, and gives others new names,
  /// by their indices before. Errors: kInvalidOptions (a tensor is tied to one that is left out, or names that would
  /// become the same).
  Result<void> select(const std::vector<size_t> &left_out,
                      const std::vector<std::pair<size_t, std::string>> &renamed);

  /// Valid once `step` has returned nothing.
  [[nodiscard]] const catalog::Catalog &catalog() const { return *catalog_; }
  /// The same for who needs it longer: names of many tensors are not copied.
  [[nodiscard]] std::shared_ptr<const catalog::Catalog> share() const { return catalog_; }

private:
  Result<void> read();
  Result<void> finish();

  ByteWindow window_;
  catalog::Opening opening_;
  std::deque<Need> needs_; // found by the last parse, not handed out yet
  bool is_read_ = false;   // whether the catalog holds what the file has
  std::shared_ptr<catalog::Catalog> catalog_ = std::make_shared<catalog::Catalog>();
};

} // namespace monoquant::layout
