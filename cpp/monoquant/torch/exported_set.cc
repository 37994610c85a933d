#include "monoquant/torch/exported_set.h"

#include "monoquant/base/bytes.h"
#include "monoquant/base/json.h"
#include "monoquant/base/limits.h"
#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/torch/element_type.h"
#include "monoquant/torch/zip_checkpoint.h"

namespace monoquant::torch {
namespace {

constexpr int64_t kStrided = 7; // torch.export's number of the only dense layout
constexpr std::string_view kWeightsSuffix = "_weights_config.json";
constexpr std::string_view kConstantsSuffix = "_constants_config.json";

/// A member of an object; null where it is none, or not there.
const Json &member_of(const Json &object, const char *name) {
  static const Json kNothing;
  if (!object.is_object()) {
    return kNothing;
  }
  const auto found = object.find(name);
  return found == object.end() ? kNothing : *found;
}

std::string text_of(const Json &value) {
  const auto *text = value.get_ptr<const std::string *>();
  return text == nullptr ? std::string() : *text;
}

/// A count below 2^53, plain or as {"as_int": 3}.
std::optional<uint64_t> count_of(const Json &value) {
  const Json &number = value.is_object() ? member_of(value, "as_int") : value;
  const auto *count = number.get_ptr<const Json::number_unsigned_t *>();
  return count == nullptr || *count > kMaxCheckpointBytes ? std::nullopt : std::optional(*count);
}

std::optional<std::vector<uint64_t>> counts_of(const Json &list) {
  std::vector<uint64_t> counts;
  if (!list.is_array() || list.size() > kMaxRank) {
    return std::nullopt;
  }
  for (const Json &element : list) {
    const auto count = count_of(element);
    if (!count) {
      return std::nullopt;
    }
    counts.push_back(*count);
  }
  return counts;
}

/// Adds one tensor to `set`, with a claim on the record that holds it.
Result<void> add_exported(const ZipArchive &archive, std::string_view folder,
                          const std::string &name, const Json &entry, StorageClaims &claims,
                          PlainRecords &records, ExportedSet &set) {
  const Json &meta = member_of(entry, "tensor_meta");
  const std::string path = text_of(member_of(entry, "path_name"));
  const container::ZipMember *record = archive.find(std::string(folder) + path);
  if (path.empty() || record == nullptr) {
    return malformed_checkpoint(
        concat("record \"", folder, path, "\" of tensor \"", name, "\" is missing"), name);
  }
  const Json &pickled = member_of(entry, "use_pickle");
  const bool is_pickled = pickled.is_boolean() && *pickled.get_ptr<const bool *>();
  // Constants may be objects; torch.export tells them by their names.
  const bool is_plain = !is_pickled && (folder == kExportedWeights || path.starts_with("tensor_"));
  (is_plain ? records.plain : records.pickled).insert(record->name);
  const auto number = count_of(member_of(meta, "dtype"));
  const auto type = number ? export_dtype(static_cast<int64_t>(*number)) : std::nullopt;
  const auto layout = count_of(member_of(meta, "layout"));
  if (is_pickled || !type || layout != kStrided) {
    const std::string_view reason = is_pickled ? "a tensor stored as a checkpoint of its own"
                                    : !type    ? "a tensor of a dtype that is not supported"
                                               : "a sparse tensor";
    set.left_out.push_back({name, std::string(reason), 1, record->bytes, true});
    return {};
  }
  auto shape = counts_of(member_of(meta, "sizes"));
  auto strides = counts_of(member_of(meta, "strides"));
  const auto first = count_of(member_of(meta, "storage_offset"));
  if (!shape || !strides || !first) {
    return malformed_checkpoint(
        concat("tensor \"", name, "\" has a shape, strides or an offset that are no counts"), name);
  }
  auto claim = claims.claim(path, record->bytes);
  if (!claim) {
    return claim.error();
  }
  PlainTensor tensor;
  tensor.dtype = type->dtype;
  tensor.shape = std::move(*shape);
  tensor.strides = std::move(*strides);
  tensor.first = *first;
  tensor.claim = claim.value();
  if (auto checked = check_tensor(tensor, type->bytes, record->bytes / type->bytes, name);
      !checked) {
    return checked.error();
  }
  set.bytes += tensor.bytes;
  if (set.bytes > kMaxCheckpointBytes || set.tensors.size() >= kMaxTensors) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("The program has more than ", kMaxTensors,
                        " tensors, or more than 2^53 bytes of them."),
                 "Split the model.", name, std::nullopt};
  }
  set.tensors.emplace_back(name, std::move(tensor));
  return {};
}

Result<ExportedSet> read_set(const ZipArchive &archive, std::string_view folder, std::string model,
                             const container::ZipContent &content, StorageClaims &claims,
                             PlainRecords &records) {
  ExportedSet set;
  set.model = std::move(model);
  const Json document = parse_json(text_view(content.bytes));
  const Json &config = member_of(document, "config");
  if (!config.is_object()) {
    return malformed_checkpoint(concat("the list of \"", folder, "\" of program \"", set.model,
                                       "\" is no JSON of tensors"));
  }
  for (const auto &[name, entry] : config.items()) {
    if (auto added = add_exported(archive, folder, name, entry, claims, records, set); !added) {
      return added.error();
    }
  }
  return set;
}

} // namespace

Result<Parsed<std::vector<ExportedSet>>> read_exported_sets(const ZipArchive &archive,
                                                            std::string_view folder,
                                                            StorageClaims &claims,
                                                            PlainRecords &records) {
  const std::string_view suffix = folder == kExportedWeights ? kWeightsSuffix : kConstantsSuffix;
  using Step = Parsed<std::vector<ExportedSet>>;
  MemberReader reader(archive.window);
  std::vector<std::pair<std::string, std::optional<container::ZipContent>>> contents;
  const std::string front = archive.top + std::string(folder);
  for (const container::ZipMember &member : archive.directory.members) {
    const std::string_view name = member.name;
    if (name.starts_with(front) && name.ends_with(suffix) &&
        name.size() >= front.size() + suffix.size()) {
      const size_t length = name.size() - front.size() - suffix.size();
      contents.emplace_back(name.substr(front.size(), length),
                            reader.read(&member, kMaxRecordText));
    }
  }
  auto needs = reader.finish();
  if (!needs) {
    return needs.error();
  }
  if (!needs.value().empty()) {
    return Step(std::move(needs.value()));
  }
  std::vector<ExportedSet> sets;
  for (auto &[model, content] : contents) {
    auto set = read_set(archive, folder, model, *content, claims, records);
    if (!set) {
      return set.error();
    }
    sets.push_back(std::move(set.value()));
  }
  sort(sets, [](const auto &a, const auto &b) { return a.bytes > b.bytes; });
  return Step(std::move(sets));
}

} // namespace monoquant::torch
