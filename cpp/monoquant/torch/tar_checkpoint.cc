// The tar archive of torch 0.1.0 to 0.1.10. Members:
//   storages  pickle(count), then for each: pickle((key, location, class)), i64 numel, data;
//             then pickle([(key, root key, offset, numel), …]): views of storages
//   tensors   pickle(count), then for each: pickle((key, storage key, class)), i64 rank (its upper half is
//             rubbish), rank × i64 shape, rank × i64 strides, i64 offset
//   pickle    the object, where a reference is the key of a tensor or a storage
// Source: torch/serialization.py, legacy_load.
#include <algorithm>

#include "monoquant/base/text.h"
#include "monoquant/container/tar.h"
#include "monoquant/torch/assembly.h"
#include "monoquant/torch/checkpoint.h"
#include "monoquant/torch/member_kind.h"
#include "monoquant/torch/tar_tensors.h"

namespace monoquant::torch {
namespace {

const container::TarMember *find_member(const std::vector<container::TarMember> &members,
                                        std::string_view name) {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [&](const auto &member) { return member.name == name; });
  return found == members.end() ? nullptr : &*found;
}

Result<Checkpoint> make_checkpoint(const Pickle &object, TarTensors &reading,
                                   const Choice &choice) {
  AssemblyOptions options;
  options.choice = choice;
  options.external = &reading.tensors;
  auto assembled = assemble(object, std::move(reading.claims), options);
  if (!assembled) {
    return assembled.error();
  }
  Checkpoint &checkpoint = assembled.value().checkpoint;
  checkpoint.format = "torch-tar";
  reading.globals.add(object);
  checkpoint.globals = reading.globals.list();
  if (auto some = require_tensors(checkpoint); !some) {
    return some.error();
  }
  for (const StorageClaim &claim : assembled.value().claims) {
    const auto offset = reading.offsets.find(claim.key);
    if (offset == reading.offsets.end()) {
      return malformed_checkpoint(concat("storage \"", claim.key, "\" is not in the archive"));
    }
    checkpoint.storages.push_back(
        {offset->second, claim.bytes, claim.bytes, false, std::nullopt, {}});
  }
  return std::move(checkpoint);
}

} // namespace

Result<Parsed<Checkpoint>> read_tar_checkpoint(const ByteWindow &window, const Choice &choice) {
  using Step = Parsed<Checkpoint>;
  auto parsed = container::read_tar(window);
  if (!parsed) {
    return parsed.error();
  }
  if (Needs *needs = std::get_if<Needs>(&parsed.value())) {
    return Step(std::move(*needs));
  }
  const auto &members = *std::get_if<std::vector<container::TarMember>>(&parsed.value());
  const auto *storages = find_member(members, "storages");
  const auto *tensors = find_member(members, "tensors");
  const auto *pickle = find_member(members, "pickle");
  if (storages == nullptr || tensors == nullptr || pickle == nullptr) {
    const auto weights = std::find_if(members.begin(), members.end(), [](const auto &member) {
      return is_weights_file(member.name);
    });
    if (weights != members.end()) {
      return packed_model("tar", weights->name, "tar -xf FILE");
    }
    return Error{ErrorCode::kUnsupportedFormat,
                 "Expected a PyTorch checkpoint (a tar archive with storages, tensors and pickle), "
                 "found another tar archive.",
                 "Unpack the archive and choose the checkpoint inside.",
                 {},
                 0};
  }
  TarTensors reading(window, *storages, *tensors);
  if (auto read = reading.read(); !read) {
    return read.error();
  }
  if (pickle->bytes == 0 || pickle->bytes > kMaxPickleBytes) {
    return malformed_checkpoint(concat("its pickle has ", pickle->bytes, " bytes"));
  }
  const auto bytes = window.find(pickle->offset, pickle->bytes);
  if (!bytes) {
    reading.needs.push_back({pickle->offset, pickle->bytes});
  }
  if (!reading.needs.empty()) {
    return Step(std::move(reading.needs));
  }
  auto object = read_pickle(*bytes, true, pickle->offset);
  if (!object) {
    return object.error();
  }
  if (!object.value()) {
    return malformed_checkpoint("its pickle ends too early");
  }
  auto checkpoint = make_checkpoint(object.value()->pickle, reading, choice);
  if (!checkpoint) {
    return checkpoint.error();
  }
  return Step(std::move(checkpoint.value()));
}

} // namespace monoquant::torch
