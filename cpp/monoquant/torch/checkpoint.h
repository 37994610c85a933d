// What PyTorch wrote into a file: tensors by name, and what else is there.
// It exists as the one thing that all of PyTorch's containers are read into.
// Every tensor lies inside its storage and every storage inside the file: checked here, relied upon later.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "monoquant/base/byte_window.h"
#include "monoquant/base/dtype.h"
#include "monoquant/base/result.h"

namespace monoquant::torch {

// Names are those of state_dict(): the keys of dicts and the indices of lists on the way to a tensor, joined with
// dots; of pickled modules their parameters, persistent buffers and modules. Objects of unknown classes are looked
// into, those that dangerous functions would make are not.
//
// A quantized tensor W becomes three: its codes W (I8, U8 or I32; of 4 and 2 bits U8, the packed bytes in one
// dimension), W_scale and W_zero_point: [1], or the rank of W with ones but for the axis.
//
// A frozen TorchScript program has its weights among its constants: constants.0, constants.1, … Constants beside
// weights are left out, and so are attributes without elements, which no state_dict() has.

/// Bytes that tensors are views of.
struct Storage {
  uint64_t offset = 0;       // in the file
  uint64_t stored_bytes = 0; // in the file
  uint64_t bytes = 0;        // of the content: more than the stored ones where those are compressed
  bool deflated = false;     // RFC 1951
  std::optional<uint32_t> crc32; // of the content, where the container has one
  std::vector<uint8_t>
      literal; // the content itself, where the pickle held it; `offset` is unused then
};

struct Tensor {
  std::string name;        // keys joined with dots, from the chosen root on
  std::string module_type; // "torch.nn.modules.linear.Linear" where a module holds it; else empty
  Dtype dtype = Dtype::kF32;
  std::vector<uint64_t> shape;
  std::vector<uint64_t> strides; // in elements, one a dimension
  size_t storage = 0;            // index in Checkpoint::storages
  uint64_t first = 0;            // element of the storage
  bool conjugate = false;        // imaginary parts are to be negated
  bool negative = false;         // values are to be negated
};

/// Something that does not come out as a tensor, or was not chosen.
struct LeftOut {
  std::string name;   // its path in the file
  std::string reason; // a clause: "optimizer state", "a sparse tensor", …
  uint64_t tensors = 0;
  uint64_t bytes = 0;
  bool is_lost = false; // it belongs to the part that was taken, and cannot be read
};

enum class Danger : uint8_t {
  kSafe,      // known to be harmless
  kUnknown,   // a name that we know nothing about
  kDangerous, // can run code or reach files, processes or the network
};

/// A class or function that a pickle names. Never looked up or run here.
struct Global {
  std::string module;
  std::string name;
  Danger danger = Danger::kUnknown;
};

/// A part of an archive that may run code where it is loaded, and shows no names.
struct Opaque {
  std::string member; // its path
  std::string reason; // a clause: "native code", "a pickle that cannot be read", …
};

/// A place in the file that holds a state dict.
struct Candidate {
  std::string key; // its path; empty for the whole file
  uint64_t tensors = 0;
  uint64_t bytes = 0;
};

struct Checkpoint {
  std::string_view
      format; // "torch-zip", "torch-legacy", "torch-tar", "torchscript", "torch-export"
  bool big_endian = false; // all storages
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<Storage> storages;
  std::vector<Tensor> tensors; // in the order of the state dict; names are unique
  std::vector<LeftOut> left_out;
  std::vector<Global> globals; // one for each name, of every pickle that PyTorch may load
  std::vector<Opaque> opaque;
  std::vector<std::string> code; // members: modules of TorchScript, which its own interpreter runs
  std::string key;               // the candidate that was taken
  std::vector<Candidate> candidates; // all of them, the largest first
};

/// `key`: the candidate to take; nothing: the largest. "" takes the whole file.
struct Choice {
  std::optional<std::string> key;
};

/// A torch zip archive: torch.save since 1.6, TorchScript, torch.export.
/// All three: errors kMalformedFile, kFileTruncated, kLimitExceeded, kUnsupportedFormat (no checkpoint, or one
/// without tensors), kInvalidOptions (a key that is not there).
Result<Parsed<Checkpoint>> read_zip_checkpoint(const ByteWindow &window, const Choice &choice);
/// The stream that torch.save wrote before 1.6.
Result<Parsed<Checkpoint>> read_legacy_checkpoint(const ByteWindow &window, const Choice &choice);
/// The tar archive of the first releases (up to 0.1.10).
Result<Parsed<Checkpoint>> read_tar_checkpoint(const ByteWindow &window, const Choice &choice);

} // namespace monoquant::torch
