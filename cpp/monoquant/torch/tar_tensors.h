// The tensors of a tar archive, which stand beside its pickle.
// It exists because the first releases of PyTorch wrote tensors and storages as two sequences of their own.
// Every tensor lies inside its storage, and every storage inside its member.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "monoquant/base/byte_window.h"
#include "monoquant/base/result.h"
#include "monoquant/container/tar.h"
#include "monoquant/torch/element_type.h"
#include "monoquant/torch/globals.h"
#include "monoquant/torch/pickle.h"
#include "monoquant/torch/rebuild.h"
#include "monoquant/torch/storage_claims.h"

namespace monoquant::torch {

class TarTensors {
public:
  /// All three live longer than this.
  TarTensors(const ByteWindow &window, const container::TarMember &storages,
             const container::TarMember &tensors)
      : window_(window), storages_(storages), tensors_(tensors) {}

  /// Goes as far as the known bytes allow: `needs` says what is lacking. Errors: kMalformedFile, kLimitExceeded.
  Result<void> read();

  Needs needs;
  StorageClaims claims;
  std::map<std::string, uint64_t, std::less<>> offsets; // of storages that are no views
  ExternalTensors tensors;
  GlobalList globals; // of all pickles in both members

private:
  /// A storage, or a part of one.
  struct View {
    ElementType type;
    size_t claim = 0;
    uint64_t first = 0; // elements of `type`
    uint64_t units = 0;
  };

  /// One small pickle at `position`, which moves behind it. Nothing where bytes are lacking.
  Result<std::optional<Pickle>> next(const container::TarMember &member, uint64_t &position);
  Result<void> read_storages();
  Result<void> read_storage(uint64_t &position);
  Result<void> read_views(uint64_t position);
  Result<void> read_tensors();
  Result<void> read_tensor(uint64_t &position);

  const ByteWindow &window_;
  const container::TarMember &storages_;
  const container::TarMember &tensors_;
  std::map<std::string, View, std::less<>> views_;
};

} // namespace monoquant::torch
