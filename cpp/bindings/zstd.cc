// zstd's face to JavaScript: a module of its own, which is loaded when the first compressed file is met.
// It exists so that pages and runs without one do not carry it. Plain functions: Embind would be half of its glue.
// Bytes cross in two blocks, `input` and `output`, which stay where they are until a larger one is asked for.
// The TypeScript side of this file is js/engine/zstd-module.ts.
#define ZSTD_STATIC_LINKING_ONLY
#include <emscripten/emscripten.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <cstdlib>
#include <string>

#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"
#include "monoquant/container/zstd_frames.h"

#define XXH_STATIC_LINKING_ONLY
#define XXH_NAMESPACE ZSTD_
#include <common/xxhash.h>

namespace monoquant::bindings {
namespace {

constexpr double kFailed = -1;

class Block {
public:
  /// Null where there is not so much memory.
  uint8_t *room(size_t bytes) {
    if (bytes > size_) {
      std::free(bytes_);
      bytes_ = static_cast<uint8_t *>(std::malloc(bytes));
      size_ = bytes_ == nullptr ? 0 : bytes;
    }
    return bytes_;
  }
  [[nodiscard]] uint8_t *data() const { return bytes_; }
  [[nodiscard]] size_t size() const { return size_; }

private:
  uint8_t *bytes_ = nullptr;
  size_t size_ = 0;
};

/// What the module holds: there is one of each, as one thread uses it.
struct State {
  Block input;
  Block output;
  std::string error; // as JSON
  ZSTD_CCtx *compressor = nullptr;
  ZSTD_DCtx *decompressor = nullptr;
  size_t taken = 0; // by the last step of a stream
  size_t given = 0;
  bool is_between_frames = true;
  container::ZstdScan scan{0};
  std::vector<container::ZstdFrame> written;
};

State &state() {
  static State instance;
  return instance;
}

double fail(const Error &error) {
  state().error = error_json(error);
  return kFailed;
}

double fail_damaged(std::string message) {
  return fail({ErrorCode::kMalformedFile,
               std::move(message),
               "Download or copy the file again, or compress the model anew.",
               {},
               {}});
}

double fail_as(size_t code) {
  switch (ZSTD_getErrorCode(code)) {
  case ZSTD_error_checksum_wrong:
    return fail_damaged("The content of a zstd frame does not have the checksum that it was "
                        "compressed with.");
  case ZSTD_error_dstSize_tooSmall:
    return fail_damaged("A zstd frame holds more than it says.");
  case ZSTD_error_memory_allocation:
    return fail({ErrorCode::kLimitExceeded,
                 "There is not enough memory to unpack a zstd frame.",
                 "Unpack the file first with zstd -d, and give the unpacked file.",
                 {},
                 {}});
  default:
    return fail_damaged(concat("The file is no sound zstd file: ", ZSTD_getErrorName(code), "."));
  }
}

ZSTD_DCtx *decompressor() {
  auto &context = state().decompressor;
  if (context == nullptr) {
    context = ZSTD_createDCtx();
  }
  return context;
}

} // namespace
} // namespace monoquant::bindings

using namespace monoquant::bindings;
using monoquant::container::ZstdFrame;
using monoquant::container::ZstdScan;

// All lengths are in bytes. What answers a number answers -1 if it failed: `mz_error` says why, as JSON.
extern "C" {

EMSCRIPTEN_KEEPALIVE uint8_t *mz_input(size_t bytes) { return state().input.room(bytes); }
EMSCRIPTEN_KEEPALIVE uint8_t *mz_output(size_t bytes) { return state().output.room(bytes); }
EMSCRIPTEN_KEEPALIVE const char *mz_error() { return state().error.c_str(); }

/// The largest frame that so much content can become.
EMSCRIPTEN_KEEPALIVE size_t mz_bound(size_t bytes) { return ZSTD_compressBound(bytes); }

/// Makes a frame of the input, with its size and a checksum in it. Answers how long it is.
EMSCRIPTEN_KEEPALIVE double mz_compress(size_t bytes, int level) {
  auto &[input, output, error, context, decompressor, taken, given, between, scan, written] =
      state();
  if (context == nullptr) {
    context = ZSTD_createCCtx();
  }
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  const size_t length = ZSTD_compress2(context, output.data(), output.size(), input.data(), bytes);
  return ZSTD_isError(length) != 0U ? fail_as(length) : static_cast<double>(length);
}

/// Unpacks the frame in the input, which holds just so much content.
EMSCRIPTEN_KEEPALIVE double mz_decompress(size_t bytes, size_t content_bytes) {
  auto &[input, output, error, compressor, context, taken, given, between, scan, written] = state();
  const size_t frame = ZSTD_findFrameCompressedSize(input.data(), bytes);
  if (ZSTD_isError(frame) == 0U && frame != bytes) {
    return fail_damaged(monoquant::concat("A zstd frame has ", frame,
                                          " bytes where the seek table says ", bytes, "."));
  }
  const size_t length =
      ZSTD_decompressDCtx(decompressor(), output.data(), content_bytes, input.data(), bytes);
  if (ZSTD_isError(length) != 0U) {
    return fail_as(length);
  }
  if (length != content_bytes) {
    return fail_damaged(monoquant::concat("A zstd frame holds ", length,
                                          " bytes where the seek table says ", content_bytes, "."));
  }
  return static_cast<double>(length);
}

/// A file from its first byte on, whatever frames it has.
EMSCRIPTEN_KEEPALIVE void mz_stream_begin() {
  ZSTD_DCtx_reset(decompressor(), ZSTD_reset_session_only);
  state().is_between_frames = true;
}

/// Unpacks from `from` to `end` in the input as much as the output takes. Answers how much that gave.
EMSCRIPTEN_KEEPALIVE double mz_stream_step(size_t from, size_t end) {
  State &the = state();
  ZSTD_outBuffer out{the.output.data(), the.output.size(), 0};
  ZSTD_inBuffer in{the.input.data(), end, from};
  while (in.pos < in.size && out.pos < out.size) {
    const size_t hint = ZSTD_decompressStream(decompressor(), &out, &in);
    if (ZSTD_isError(hint) != 0U) {
      return fail_as(hint);
    }
    the.is_between_frames = hint == 0;
  }
  // What the decoder still holds back.
  while (!the.is_between_frames && out.pos < out.size) {
    const size_t before = out.pos;
    const size_t hint = ZSTD_decompressStream(decompressor(), &out, &in);
    if (ZSTD_isError(hint) != 0U) {
      return fail_as(hint);
    }
    the.is_between_frames = hint == 0;
    if (out.pos == before) {
      break;
    }
  }
  the.taken = in.pos;
  return static_cast<double>(out.pos);
}

/// Where in the input the last step ended.
EMSCRIPTEN_KEEPALIVE size_t mz_stream_taken() { return state().taken; }
/// Whether the last frame was complete.
EMSCRIPTEN_KEEPALIVE int mz_stream_is_whole() { return state().is_between_frames ? 1 : 0; }

/// Of the beginning of the input or the output.
EMSCRIPTEN_KEEPALIVE uint64_t mz_checksum(int is_output, size_t bytes) {
  const auto &block = is_output != 0 ? state().output : state().input;
  return XXH64(block.data(), bytes, 0);
}

EMSCRIPTEN_KEEPALIVE void mz_scan_begin(double file_bytes) {
  state().scan = ZstdScan(static_cast<uint64_t>(file_bytes));
}
EMSCRIPTEN_KEEPALIVE double mz_scan_offset() {
  const auto need = state().scan.need();
  return need ? static_cast<double>(need->offset) : 0;
}
/// 0 when all frames are known.
EMSCRIPTEN_KEEPALIVE double mz_scan_length() {
  const auto need = state().scan.need();
  return need ? static_cast<double>(need->length) : 0;
}
/// Takes what was needed from the input.
EMSCRIPTEN_KEEPALIVE double mz_scan_take(size_t bytes) {
  const auto taken = state().scan.take({state().input.data(), bytes});
  return taken ? 0 : fail(taken.error());
}
EMSCRIPTEN_KEEPALIVE double mz_content_bytes() {
  return static_cast<double>(state().scan.index().content_bytes);
}
EMSCRIPTEN_KEEPALIVE int mz_is_exact() { return state().scan.index().is_exact ? 1 : 0; }
EMSCRIPTEN_KEEPALIVE int mz_is_seekable() { return state().scan.index().is_seekable() ? 1 : 0; }
EMSCRIPTEN_KEEPALIVE size_t mz_frame_count() { return state().scan.index().frames.size(); }
/// Of each frame that was found: its offset, its bytes, its content's offset and bytes, as 64-bit integers.
EMSCRIPTEN_KEEPALIVE const ZstdFrame *mz_frames() { return state().scan.index().frames.data(); }

EMSCRIPTEN_KEEPALIVE void mz_table_begin() { state().written.clear(); }
EMSCRIPTEN_KEEPALIVE void mz_table_add(size_t bytes, size_t content_bytes) {
  state().written.push_back({0, bytes, 0, content_bytes});
}
/// Puts the table of the frames that were added into the output. Answers how long it is.
EMSCRIPTEN_KEEPALIVE double mz_table_end() {
  const auto table = monoquant::container::zstd_seek_table(state().written);
  uint8_t *to = state().output.room(table.size());
  if (to == nullptr) {
    return fail(
        {monoquant::ErrorCode::kLimitExceeded, "There is no memory for a seek table.", {}, {}, {}});
  }
  std::copy(table.begin(), table.end(), to);
  return static_cast<double>(table.size());
}
}
