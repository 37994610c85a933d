// Source of the layout: torch/export/pt2_archive, and files that PyTorch 2.14 wrote.
#include "monoquant/base/text.h"
#include "monoquant/torch/assembly.h"
#include "monoquant/torch/embedded.h"
#include "monoquant/torch/exported_set.h"
#include "monoquant/torch/member_kind.h"
#include "monoquant/torch/zip_checkpoint.h"

namespace monoquant::torch {
namespace {

/// Everything in the archive that PyTorch may load, but plain weights and JSON.
Needs read_others(const ZipArchive &archive, const PlainRecords &records, EmbeddedReader &others) {
  for (const container::ZipMember &member : archive.directory.members) {
    const std::string_view name = member.name;
    const bool is_inside = name.starts_with(archive.top);
    const auto inner = is_inside ? name.substr(archive.top.size()) : std::string_view();
    // The class of an object of TorchScript is a program, or one that a library has registered.
    const bool is_script = inner.starts_with(concat(kExportedConstants, "custom_obj_"));
    if (!records.has(member.name) && !name.ends_with(".json") && inner != "archive_format" &&
        inner != "archive_version" && !is_plain_fact(inner)) {
      others.read(archive.window, member, is_script ? Unpickler::kScript : Unpickler::kPython);
    }
  }
  return std::move(others.needs);
}

/// Puts the set that is wanted into the checkpoint and lists the others. With one program its name is no key.
Result<void> choose_set(const std::vector<ExportedSet> &sets, const Choice &choice,
                        Checkpoint &checkpoint) {
  const ExportedSet *chosen = sets.empty() ? nullptr : &sets.front();
  for (const ExportedSet &set : sets) {
    const std::string key = sets.size() == 1 ? std::string() : set.model;
    checkpoint.candidates.push_back({key, set.tensors.size(), set.bytes});
    if (choice.key && *choice.key == key) {
      chosen = &set;
    }
  }
  if (chosen == nullptr) {
    return {};
  }
  const std::string key = sets.size() == 1 ? std::string() : chosen->model;
  if (choice.key && *choice.key != key) {
    return Error{ErrorCode::kInvalidOptions,
                 concat("The archive has no program of the name \"", *choice.key, "\"."),
                 concat("Choose \"", key, "\"."),
                 {},
                 {}};
  }
  checkpoint.key = key;
  for (const auto &[name, plain] : chosen->tensors) {
    checkpoint.tensors.push_back({name,
                                  {},
                                  plain.dtype,
                                  plain.shape,
                                  plain.strides,
                                  plain.claim,
                                  plain.first,
                                  false,
                                  false});
  }
  checkpoint.left_out = chosen->left_out;
  for (const ExportedSet &set : sets) {
    if (&set != chosen) {
      checkpoint.left_out.push_back(
          {set.model, concat("outside of ", key), set.tensors.size(), set.bytes});
    }
  }
  return {};
}

} // namespace

Result<Parsed<Checkpoint>> read_export_archive(const ZipArchive &archive, const Choice &choice) {
  using Step = Parsed<Checkpoint>;
  Checkpoint checkpoint;
  checkpoint.format = "torch-export";
  StorageClaims claims;
  StorageClaims constant_claims;
  PlainRecords records;
  auto sets = read_exported_sets(archive, kExportedWeights, claims, records);
  if (!sets) {
    return sets.error();
  }
  auto constants = read_exported_sets(archive, kExportedConstants, constant_claims, records);
  if (!constants) {
    return constants.error();
  }
  auto facts = read_archive_facts(archive, checkpoint);
  if (!facts) {
    return facts.error();
  }
  Needs needs = std::move(facts.value());
  for (const auto *parsed : {&sets.value(), &constants.value()}) {
    if (const Needs *lacking = std::get_if<Needs>(parsed)) {
      needs.insert(needs.end(), lacking->begin(), lacking->end());
    }
  }
  if (!needs.empty()) {
    return Step(std::move(needs));
  }
  EmbeddedReader others;
  if (Needs lacking = read_others(archive, records, others); !lacking.empty()) {
    return Step(std::move(lacking));
  }
  checkpoint.globals = others.globals.list();
  checkpoint.opaque = std::move(others.opaque);
  checkpoint.code = std::move(others.code);
  const auto &programs = *std::get_if<std::vector<ExportedSet>>(&sets.value());
  if (auto chosen = choose_set(programs, choice, checkpoint); !chosen) {
    return chosen.error();
  }
  for (const auto &set : *std::get_if<std::vector<ExportedSet>>(&constants.value())) {
    if (!set.tensors.empty()) {
      checkpoint.left_out.push_back({concat("constants of ", set.model),
                                     "constants and buffers that are not saved", set.tensors.size(),
                                     set.bytes});
    }
  }
  if (auto some = require_tensors(checkpoint); !some) {
    return some.error();
  }
  std::vector<StorageClaim> wanted;
  for (size_t i = 0; i < claims.size(); ++i) {
    wanted.push_back(claims.at(i));
  }
  auto storages = place_storages(archive, kExportedWeights, wanted);
  if (!storages) {
    return storages.error();
  }
  if (Needs *lacking = std::get_if<Needs>(&storages.value())) {
    return Step(std::move(*lacking));
  }
  checkpoint.storages = std::move(*std::get_if<std::vector<Storage>>(&storages.value()));
  return Step(std::move(checkpoint));
}

} // namespace monoquant::torch
