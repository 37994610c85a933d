#include "monoquant/base/text.h"
#include "monoquant/torch/assembly.h"
#include "monoquant/torch/embedded.h"
#include "monoquant/torch/globals.h"
#include "monoquant/torch/member_kind.h"
#include "monoquant/torch/pickle.h"
#include "monoquant/torch/zip_checkpoint.h"

namespace monoquant::torch {
namespace {

/// A pickle of the archive. Errors: also where its checksum is another one.
Result<Pickle> read_member_pickle(const ZipArchive &archive, std::string_view name,
                                  const container::ZipContent &content) {
  if (!content.crc_matches && archive.has_checksums) {
    return malformed_checkpoint(
        concat("the checksum of \"", archive.top, name, "\" does not match its content"));
  }
  auto read = read_pickle(content.bytes, true, 0);
  if (!read) {
    return read.error();
  }
  if (!read.value()) {
    return malformed_checkpoint(concat("\"", archive.top, name, "\" ends before its pickle does"));
  }
  return std::move(read.value()->pickle);
}

/// Example inputs that torch.jit.trace kept.
void leave_traced_inputs(const ZipArchive &archive, Checkpoint &checkpoint) {
  LeftOut inputs{"traced_inputs", "example inputs of a trace", 0, 0};
  for (const container::ZipMember &member : archive.directory.members) {
    if (member.name.starts_with(archive.top + "traced_inputs/")) {
      ++inputs.tensors;
      inputs.bytes += member.bytes;
    }
  }
  if (inputs.tensors != 0) {
    checkpoint.left_out.push_back(std::move(inputs));
  }
}

/// Everything but the two pickles, storages and small facts.
Needs read_others(const ZipArchive &archive, bool is_script, EmbeddedReader &others) {
  const auto unpickler = is_script ? Unpickler::kScript : Unpickler::kPython;
  for (const container::ZipMember &member : archive.directory.members) {
    const std::string_view name = member.name;
    const bool is_inside = name.starts_with(archive.top);
    const auto inner = is_inside ? name.substr(archive.top.size()) : std::string_view();
    if (!is_inside ||
        (inner != "data.pkl" && inner != "constants.pkl" && !is_plain_record(inner))) {
      others.read(archive.window, member, unpickler);
    }
  }
  return std::move(others.needs);
}

/// Tensors of constants.pkl: the weights of a frozen program, whose modules have none any more. Otherwise
/// they are numbers in the program's text, and are left out.
Result<bool> take_constants(const ZipArchive &archive, const container::ZipContent &content,
                            Assembly &assembly, GlobalList &globals) {
  auto pickle = read_member_pickle(archive, "constants.pkl", content);
  if (!pickle) {
    return pickle.error();
  }
  AssemblyOptions options;
  options.is_script = true;
  options.prefix = "constants.";
  options.choice.key = "";
  auto constants = assemble(pickle.value(), {}, options);
  if (!constants) {
    return constants.error();
  }
  globals.add(pickle.value(), Unpickler::kScript);
  Checkpoint &from = constants.value().checkpoint;
  Checkpoint &to = assembly.checkpoint;
  if (to.tensors.empty() && !from.tensors.empty()) {
    from.left_out.insert(from.left_out.end(), to.left_out.begin(), to.left_out.end());
    assembly = std::move(constants.value());
    assembly.checkpoint.key.clear();
    return true;
  }
  if (!from.tensors.empty()) {
    to.left_out.push_back({"constants", "constants of the program", from.tensors.size(),
                           from.candidates.empty() ? 0 : from.candidates.front().bytes});
  }
  return false;
}

} // namespace

Result<Parsed<Checkpoint>> read_pickled_archive(ZipArchive archive, const Choice &choice) {
  using Step = Parsed<Checkpoint>;
  const container::ZipMember *data = archive.find("data.pkl");
  const container::ZipMember *constants = archive.find("constants.pkl");
  MemberReader reader(archive.window);
  const auto data_content = reader.read(data, kMaxPickleBytes);
  const auto constants_content = reader.read(constants, kMaxPickleBytes);
  Checkpoint facts;
  auto needs = reader.finish();
  if (!needs) {
    return needs.error();
  }
  auto more = read_archive_facts(archive, facts);
  if (!more) {
    return more.error();
  }
  EmbeddedReader others;
  Needs hidden = read_others(archive, constants != nullptr, others);
  for (const Needs *lacking : std::initializer_list<const Needs *>{&more.value(), &hidden}) {
    needs.value().insert(needs.value().end(), lacking->begin(), lacking->end());
  }
  if (!needs.value().empty()) {
    return Step(std::move(needs.value()));
  }
  // torch.serialization.set_crc32_options(False) leaves all of them 0.
  archive.has_checksums = data_content->crc_matches || data->crc32 != 0;

  auto pickle = read_member_pickle(archive, "data.pkl", *data_content);
  if (!pickle) {
    return pickle.error();
  }
  AssemblyOptions options;
  options.choice = choice;
  options.is_script = constants != nullptr;
  auto assembled = assemble(pickle.value(), {}, options);
  if (!assembled) {
    return assembled.error();
  }
  Assembly &assembly = assembled.value();
  GlobalList globals;
  globals.add(pickle.value(), constants != nullptr ? Unpickler::kScript : Unpickler::kPython);
  bool is_frozen = false;
  if (constants_content) {
    auto taken = take_constants(archive, *constants_content, assembly, globals);
    if (!taken) {
      return taken.error();
    }
    is_frozen = taken.value();
  }
  Checkpoint &checkpoint = assembly.checkpoint;
  leave_traced_inputs(archive, checkpoint);
  globals.add(others.globals);
  checkpoint.globals = globals.list();
  checkpoint.opaque = std::move(others.opaque);
  checkpoint.code = std::move(others.code);
  if (auto some = require_tensors(checkpoint); !some) {
    return some.error();
  }
  auto storages = place_storages(archive, is_frozen ? "constants/" : "data/", assembly.claims);
  if (!storages) {
    return storages.error();
  }
  if (Needs *lacking = std::get_if<Needs>(&storages.value())) {
    return Step(std::move(*lacking));
  }
  checkpoint.format = constants != nullptr ? "torchscript" : "torch-zip";
  checkpoint.big_endian = facts.big_endian;
  checkpoint.metadata = std::move(facts.metadata);
  checkpoint.storages = std::move(*std::get_if<std::vector<Storage>>(&storages.value()));
  return Step(std::move(checkpoint));
}

} // namespace monoquant::torch
