// What stands in an archive beside the checkpoint: pickles and archives that PyTorch may load, and native code.
// It exists because a file is as dangerous as the worst of its parts, wherever that part stands.
// Nothing of it becomes a tensor, and nothing in it is an error: what cannot be read is listed as opaque.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/base/byte_window.h"
#include "monoquant/container/zip.h"
#include "monoquant/torch/checkpoint.h"
#include "monoquant/torch/globals.h"

namespace monoquant::torch {

/// Archives in archives are followed this far; PyTorch has two levels.
inline constexpr int kMaxNesting = 4;
/// What is read of all parts together.
inline constexpr uint64_t kMaxEmbeddedBytes = 64ULL << 20U;
/// Parts of one file that are looked into.
inline constexpr size_t kMaxEmbedded = 10'000;

class EmbeddedReader {
public:
  /// Looks into a member of the archive in `window`.
  void read(const ByteWindow &window, const container::ZipMember &member, Unpickler unpickler);
  /// Looks into a whole file, whatever it is.
  void read_file(const ByteWindow &file);

  /// What is lacking; where anything is, all of it must be read once more.
  Needs needs;
  GlobalList globals;
  std::vector<Opaque> opaque;
  std::vector<std::string> code; // paths of modules of TorchScript

private:
  /// A run of bytes of the file, or of what was inflated.
  struct Part {
    const ByteWindow &window;
    uint64_t offset = 0; // of the window in the file
    std::string_view path;
    int depth = 0; // archives around it
    Unpickler unpickler = Unpickler::kPython;
  };

  void read_member(const Part &archive, const container::ZipMember &member);
  void read_part(const Part &part);
  /// Whether it is one that can be read; so of a tar.
  bool read_archive(const Part &part);
  bool read_tar(const Part &part);
  /// What its first bytes would name, were they a pickle.
  void list_names(const Part &part);
  void read_module(const Part &part);
  void read_pickles(const Part &part, bool must_be_one);
  /// The first `length` bytes; nothing where they are not there yet.
  std::optional<std::span<const uint8_t>> head(const Part &part, uint64_t length);
  void want(const Part &part, const Needs &lacking);
  void hide(std::string_view path, std::string reason);

  size_t parts_ = 0;
  uint64_t bytes_ = 0;
};

} // namespace monoquant::torch
