// The loop of a host: reads for a stage, has it process, writes what it hands out.
// It exists so that tests and the native tool drive the engine alike, as unkindly as its contract allows: every
// free slot is handed out ahead, input memory holds rubbish before it is filled, and writes are done at the
// latest moment that is allowed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>

#include "monoquant/run/stage.h"

namespace monoquant::test {

/// `most`: steps that are processed, after which the host ends as if it were killed: no write is made any more.
/// `read(offset, span)`, or `read(Read, span)` where there are several files, fills; `write(offset, span)` takes.
template <typename ReadBytes, typename WriteBytes>
Result<void> drive(run::Stage &stage, ReadBytes read, WriteBytes write, size_t most = SIZE_MAX) {
  const size_t slots = stage.slots();
  size_t started = 0; // blocks; block n lives in slot n % slots
  size_t processed = 0;
  size_t written = 0;
  const auto write_one = [&] {
    for (const run::Write &out : stage.writes(written % slots)) {
      write(out.offset, out.bytes);
    }
    ++written;
  };
  while (true) {
    while (started - processed < slots) {
      if (written + slots <= started) { // whoever had this slot before
        write_one();
      }
      const auto next = stage.next(started % slots);
      if (!next) { // at the end, or only until what is under way was processed
        break;
      }
      const std::span<uint8_t> input = stage.input(started % slots);
      std::fill(input.begin(), input.end(), uint8_t{0xA5});
      if constexpr (std::is_invocable_v<ReadBytes, const run::ByteRange &, std::span<uint8_t>>) {
        read(*next, input.first(next->length));
      } else {
        read(next->offset, input.first(next->length));
      }
      ++started;
    }
    if (processed == started) {
      break;
    }
    if (processed == most) {
      return {};
    }
    if (auto done = stage.process(processed % slots); !done) {
      return done;
    }
    ++processed;
  }
  for (size_t left = processed - written; left > 0; --left) {
    write_one();
  }
  return {};
}

} // namespace monoquant::test
