// A file in memory, opened and worked on as a host would.
// It exists for the fuzzers of whole runs: a read or a write outside of a file ends the program.
// A refusal must come with a reason.
#pragma once

#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "monoquant/layout/inspector.h"
#include "monoquant/run/stage.h"
#include "property.h"
#include "support/drive.h"

namespace monoquant::fuzz {

/// The catalog of a file, or why it is refused.
inline Result<catalog::Catalog> open_file(const Bytes &file, catalog::Opening opening = {}) {
  layout::Inspector inspector(file.size(), std::move(opening));
  while (true) {
    auto need = inspector.step();
    if (!need) {
      require(!need.error().message.empty());
      return need.error();
    }
    if (!need.value()) {
      return inspector.catalog();
    }
    const Need wanted = *need.value();
    require(wanted.length > 0 && wanted.offset + wanted.length <= file.size());
    const auto *begin = file.data() + wanted.offset;
    inspector.add(wanted.offset, Bytes(begin, begin + wanted.length));
  }
}

/// The catalog of a file; nothing where it is refused.
inline std::optional<catalog::Catalog> inspect(const Bytes &file, catalog::Opening opening = {}) {
  auto opened = open_file(file, std::move(opening));
  return opened ? std::optional(std::move(opened.value())) : std::nullopt;
}

/// A stage over one file, or over a file and a reference that are the same.
inline Result<void> run_stage(run::Stage &stage, const Bytes &from, Bytes &to) {
  return test::drive(
      stage,
      [&](uint64_t offset, std::span<uint8_t> into) {
        require(offset + into.size() <= from.size());
        std::memcpy(into.data(), from.data() + offset, into.size());
      },
      [&](uint64_t offset, std::span<const uint8_t> bytes) {
        require(offset + bytes.size() <= to.size());
        std::memcpy(to.data() + offset, bytes.data(), bytes.size());
      });
}

} // namespace monoquant::fuzz
