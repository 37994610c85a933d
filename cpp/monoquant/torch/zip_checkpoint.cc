#include "monoquant/torch/zip_checkpoint.h"

#include <algorithm>

#include "monoquant/base/bytes.h"
#include "monoquant/base/json.h"
#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/torch/member_kind.h"
#include "monoquant/torch/pickle.h"

namespace monoquant::torch {
namespace {

/// The folders in which a member of this name stands, the outermost ones first: "", "archive/", "a/b/".
std::vector<std::string> folders_with(const container::ZipDirectory &directory,
                                      std::string_view name) {
  std::vector<std::string> folders;
  for (const container::ZipMember &member : directory.members) {
    const std::string_view path = member.name;
    if (path.ends_with(name) &&
        (path.size() == name.size() || path[path.size() - name.size() - 1] == '/')) {
      folders.emplace_back(path.substr(0, path.size() - name.size()));
    }
  }
  const auto depth = [](const std::string &folder) {
    return std::count(folder.begin(), folder.end(), '/');
  };
  sort(folders, [&](const auto &a, const auto &b) { return depth(a) < depth(b); });
  return folders;
}

Result<std::string> only_folder(const std::vector<std::string> &folders, std::string_view name) {
  const auto depth = [](const std::string &folder) {
    return std::count(folder.begin(), folder.end(), '/');
  };
  if (folders.size() > 1 && depth(folders[0]) == depth(folders[1])) {
    return malformed_checkpoint(concat("the archive has more than one ", name, ": in \"",
                                       folders[0], "\" and in \"", folders[1], "\""));
  }
  return folders[0];
}

Error no_checkpoint(const container::ZipDirectory &directory) {
  const auto weights =
      std::find_if(directory.members.begin(), directory.members.end(),
                   [](const auto &member) { return is_weights_file(member.name); });
  std::string found;
  constexpr size_t kNamed = 3;
  for (size_t i = 0; i < std::min(directory.members.size(), kNamed); ++i) {
    found += concat(i == 0 ? " with \"" : "\", \"", directory.members[i].name);
  }
  found += found.empty() ? "" : "\"";
  const bool is_package =
      std::any_of(directory.members.begin(), directory.members.end(), [](const auto &member) {
        return member.name.find("/.data/extern_modules") != std::string::npos;
      });
  const bool is_old_export =
      directory.find("serialized_state_dict.pt") != nullptr; // torch.export before 2.8
  if (!is_package && !is_old_export && weights != directory.members.end()) {
    return packed_model("zip", weights->name, "unzip FILE");
  }
  const std::string_view what = is_package      ? "a torch.package"
                                : is_old_export ? "a program that PyTorch exported before 2.8"
                                : directory.members.empty() ? "an empty zip archive"
                                                            : "another zip archive";
  return {ErrorCode::kUnsupportedFormat,
          concat("Expected a PyTorch checkpoint (a zip archive with data.pkl), found ", what, found,
                 "."),
          "Save the state dict of the model: torch.save(model.state_dict(), path).",
          {},
          0};
}

Result<void> read_metadata(const container::ZipContent &content, Checkpoint &checkpoint) {
  const Json document = parse_json(text_view(content.bytes));
  if (!document.is_object()) {
    return {}; // some other tool's file of this name
  }
  for (const auto &[key, value] : document.items()) {
    if (value.is_string()) {
      checkpoint.metadata.emplace_back(key, *value.get_ptr<const std::string *>());
    }
  }
  return {};
}

} // namespace

Result<Needs> read_archive_facts(const ZipArchive &archive, Checkpoint &checkpoint) {
  MemberReader reader(archive.window);
  constexpr uint64_t kMaxByteOrder = 64;
  const auto order = reader.read(archive.find("byteorder"), kMaxByteOrder);
  const auto metadata = reader.read(archive.find("metadata.json"), kMaxRecordText);
  auto needs = reader.finish();
  if (!needs || !needs.value().empty()) {
    return needs;
  }
  if (order) {
    const std::string text(order->bytes.begin(), order->bytes.end());
    if (text != "little" && text != "big") {
      return malformed_checkpoint(
          concat(R"(record "byteorder" must be "little" or "big", found ")", text, R"(")"));
    }
    checkpoint.big_endian = text == "big";
  }
  if (metadata) {
    if (auto read = read_metadata(*metadata, checkpoint); !read) {
      return read.error();
    }
  }
  return Needs();
}

Result<Parsed<Checkpoint>> read_zip_checkpoint(const ByteWindow &window, const Choice &choice) {
  using Step = Parsed<Checkpoint>;
  auto parsed = container::read_zip_directory(window);
  if (!parsed) {
    return parsed.error();
  }
  if (Needs *needs = std::get_if<Needs>(&parsed.value())) {
    return Step(std::move(*needs));
  }
  ZipArchive archive{
      window, std::move(*std::get_if<container::ZipDirectory>(&parsed.value())), {}, true};
  if (auto names = container::require_names_differ_by_more_than_case(archive.directory); !names) {
    return names.error();
  }
  const auto exports = folders_with(archive.directory, "archive_format");
  const auto pickles = folders_with(archive.directory, "data.pkl");
  if (pickles.empty() && exports.empty()) {
    return no_checkpoint(archive.directory);
  }
  auto top =
      pickles.empty() ? only_folder(exports, "archive_format") : only_folder(pickles, "data.pkl");
  if (!top) {
    return top.error();
  }
  archive.top = std::move(top.value());
  return pickles.empty() ? read_export_archive(archive, choice)
                         : read_pickled_archive(std::move(archive), choice);
}

} // namespace monoquant::torch
