#include "monoquant/plan/placement.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <set>

#include "monoquant/base/checked.h"
#include "monoquant/base/json_writer.h"
#include "monoquant/base/limits.h"
#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/container/safetensors.h"
#include "monoquant/plan/division.h"
#include "monoquant/plan/gguf.h"
#include "monoquant/quant/method.h"
#include "monoquant/torch/state_dict_pickle.h"

namespace monoquant::plan {
namespace {

/// Sets an entry of the metadata; a value that is there stays unless it is to be overwritten.
void set(container::Metadata &metadata, std::string key, std::string value, bool overwrite) {
  const auto found = std::find_if(metadata.begin(), metadata.end(),
                                  [&](const auto &entry) { return entry.first == key; });
  if (found == metadata.end()) {
    metadata.emplace_back(std::move(key), std::move(value));
  } else if (overwrite) {
    found->second = std::move(value);
  }
}

/// Adds what loaders need to know about quantized tensors, and what dequantizing them does.
void note_quantization(const Plan &plan, container::Metadata &metadata) {
  if (plan.quantization_config.empty()) {
    return;
  }
  // Whoever checks the file may then expect of each code that no other one is nearer.
  bool is_nearest = true;
  bool is_wider = false; // than its scales
  bool is_corrected = false;
  bool is_rescaled = false;
  for (const TensorPlan &entry : plan.tensors) {
    is_corrected = is_corrected || entry.decision() == Decision::kCorrect;
    is_rescaled = is_rescaled || (entry.change && !entry.change->rescaled.empty());
    if (const Quantize *quantize = entry.quantize()) {
      const quant::Scheme &scheme = quantize->stored.scheme;
      is_nearest =
          is_nearest && !quant::facts_of(scheme.method).needs_moments && entry.change == nullptr;
      is_wider = is_wider || (scheme.scale_dtype != Dtype::kF32 &&
                              dtype_bits(plan.catalog->tensors[entry.source].dtype) > 16);
    }
  }
  std::erase_if(metadata, [](const auto &entry) {
    return entry.first == catalog::kQuantizedBy || entry.first == catalog::kQuantizedFrom ||
           entry.first == catalog::kCorrectedBiases;
  });
  set(metadata, std::string(plan.layout->config_key), plan.quantization_config, true);
  if (is_nearest) {
    set(metadata, std::string(catalog::kQuantizedBy), "monoquant", true);
  }
  if (is_corrected) {
    set(metadata, std::string(catalog::kCorrectedBiases), "true", true);
  }
  if (is_rescaled) {
    set(metadata, std::string(catalog::kRescaled), "true", true);
  }
  if (is_wider) {
    set(metadata, std::string(catalog::kQuantizedFrom), std::string(dtype_name(Dtype::kF32)), true);
  }
}

/// Calls `visit(alias, output, owner, place)` for every output that is another name, the output that it is a name of,
/// the tensor which that belongs to, and the index of the alias's place.
template <typename Visit> void for_each_alias(const Plan &plan, const Visit &visit) {
  for (const TensorPlan &entry : plan.tensors) {
    if (entry.decision() != Decision::kTie) {
      continue;
    }
    const size_t owner = *plan.catalog->tensors[entry.source].tied_to;
    const std::vector<Output> own = outputs(plan, entry.source);
    const std::vector<Output> owners = outputs(plan, owner);
    // Aliases come first, in the owner's order.
    for (size_t i = 0; i < own.size() && own[i].alias; ++i) {
      visit(own[i], owners[i], owner, entry.first_place + i);
    }
  }
}

/// Aliases are where their owners are.
void follow_owners(Plan &plan) {
  for_each_alias(plan, [&](const Output &, const Output &kept, size_t, size_t place) {
    plan.places[place].offset = kept.offset;
  });
}

/// Takes out what was no note of a tie in the source and would be one here, because its value is the name of an
/// output, or its key that of an alias.
void drop_misleading_notes(Plan &plan, container::Metadata &metadata) {
  // Only names that notes speak of are of interest, which are few beside all outputs.
  std::vector<std::string_view> noted;
  for (const auto &[key, value] : metadata) {
    noted.insert(noted.end(), {key, value});
  }
  sort(noted, std::less<>());
  std::set<std::string, std::less<>> stored;
  std::set<std::string, std::less<>> aliases;
  for (size_t i = 0; i < plan.tensors.size() && !noted.empty(); ++i) {
    for (const Output &output : outputs(plan, i)) {
      if (std::binary_search(noted.begin(), noted.end(), std::string_view(output.name))) {
        (output.alias ? aliases : stored).insert(output.name);
      }
    }
  }
  std::erase_if(metadata, [&](const auto &note) {
    const auto &[key, value] = note;
    const bool is_misleading =
        aliases.contains(key) || (stored.contains(value) && !stored.contains(key));
    if (is_misleading) {
      plan.warnings.push_back({"dropped",
                               concat("The note \"", key, "\": \"", value,
                                      "\" of the metadata is left out: here it would be "
                                      "one of a tied tensor. Rename it in the source."),
                               {}});
    }
    return is_misleading;
  });
}

/// The format has no aliases: each dropped name is noted beside the kept one, as its `save_model` does, if that name
/// is not a note already. One list a file.
std::vector<container::Metadata> notes_of_ties(const Plan &plan, const Division &division,
                                               const container::Metadata &noted) {
  std::set<std::string, std::less<>> taken;
  for (const auto &[key, value] : noted) {
    taken.insert(key);
  }
  std::vector<container::Metadata> notes(division.members.size());
  for_each_alias(plan, [&](const Output &alias, const Output &kept, size_t owner, size_t) {
    if (taken.insert(alias.name).second) {
      notes[division.file_of[owner]].emplace_back(alias.name, kept.name);
    }
  });
  return notes;
}

/// A tie is a note, and some notes are the file's own.
std::optional<Error> refuse_names(const Plan &plan) {
  for (const TensorPlan &entry : plan.tensors) {
    for (const Output &output : outputs(plan, entry.source)) {
      if (output.alias ? catalog::is_of_file(output.name) : output.name == "__metadata__") {
        return Error{
            ErrorCode::kInvalidOptions,
            concat("Expected names that a safetensors file can hold, found ", output.name, "."),
            "Write a PyTorch file (.pt), or rename the tensor.",
            output.name,
            {}};
      }
    }
  }
  return std::nullopt;
}

/// Adds a file behind those that are there.
Result<void> add_file(Plan &plan, const container::Metadata &metadata,
                      const std::vector<size_t> &tensors) {
  std::vector<Place *> places; // of entries
  std::vector<container::SafetensorsEntry> entries;
  for (const size_t tensor : tensors) {
    size_t place = plan.tensors[tensor].first_place;
    for (Output &output : outputs(plan, tensor)) {
      if (!output.alias) {
        places.push_back(&plan.places[place]);
        entries.push_back(
            {std::move(output.name), output.dtype, std::move(output.shape), 0, output.bytes});
      }
      ++place;
    }
  }
  auto layout = container::layout_safetensors(metadata, entries);
  if (!layout) {
    return layout.error();
  }
  const uint64_t begin = plan.file_bytes;
  for (size_t i = 0; i < places.size(); ++i) {
    places[i]->offset = begin + entries[i].offset;
  }
  plan.fixed.push_back({begin, std::move(layout.value().header)});
  plan.files.push_back({begin, layout.value().file_bytes});
  plan.file_bytes += layout.value().file_bytes;
  return {};
}

Result<void> lay_out_safetensors(Plan &plan, const Options &options) {
  if (auto refused = refuse_names(plan)) {
    return *refused;
  }
  auto divided = divide(plan, options);
  if (!divided) {
    return divided.error();
  }
  const Division &division = divided.value();
  container::Metadata metadata = plan.catalog->metadata;
  drop_misleading_notes(plan, metadata);
  note_quantization(plan, metadata);
  // transformers refuses files whose metadata lacks it.
  const std::string_view wanted = plan.layout->safetensors_format;
  const bool is_wanted = !wanted.empty() && !plan.quantization_config.empty();
  const std::string format(is_wanted ? wanted : "pt");
  set(metadata, "format", format, is_wanted);
  auto notes = notes_of_ties(plan, division, metadata);
  for (size_t file = 0; file < division.members.size(); ++file) {
    // What is said of the whole model may be long, and is read with the first of its files.
    metadata.insert(metadata.end(), std::make_move_iterator(notes[file].begin()),
                    std::make_move_iterator(notes[file].end()));
    if (auto added = add_file(plan, metadata, division.members[file]); !added) {
      return added;
    }
    metadata = {{"format", format}};
  }
  return {};
}

/// The records that stand beside the tensors, data.pkl first, as torch.save has them.
/// Source: torch.save 2.x; `.format_version` is left out, which would promise another layout of headers.
Result<std::vector<std::pair<std::string, std::string>>> text_records(const Plan &plan) {
  std::vector<Output> all; // what is saved has views of them
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    std::vector<Output> made = outputs(plan, i);
    all.insert(all.end(), std::make_move_iterator(made.begin()),
               std::make_move_iterator(made.end()));
  }
  std::vector<torch::SavedTensor> saved;
  saved.reserve(all.size());
  for (const Output &output : all) {
    // The number of a storage stands for its place until that is known.
    saved.push_back({output.name, output.dtype, output.shape, static_cast<size_t>(output.offset),
                     *checked_product(output.shape)});
  }
  auto pickle = torch::state_dict_pickle(saved);
  if (!pickle) {
    return pickle.error();
  }
  std::vector<std::pair<std::string, std::string>> records = {
      {"data.pkl", std::move(pickle.value())}, {"byteorder", "little"}, {"version", "3\n"}};
  container::Metadata metadata = plan.catalog->metadata;
  note_quantization(plan, metadata);
  JsonWriter json;
  json.begin_object();
  for (const auto &[key, value] : metadata) {
    if (key != "format") { // of the safetensors file that this once was
      json.key(key).value(value);
    }
  }
  json.end();
  if (json.text() != "{}") {
    records.emplace_back("metadata.json", json.take());
  }
  return records;
}

Result<void> lay_out_zip(Plan &plan) {
  constexpr std::string_view kFolder = "archive/"; // what torch.save writes into a file object
  std::vector<Place *> places;                     // of storages
  std::vector<uint64_t> bytes;
  for (const TensorPlan &entry : plan.tensors) {
    size_t place = entry.first_place;
    for (const Output &output : outputs(plan, entry.source)) {
      if (!output.alias) {
        plan.places[place].offset = places.size();
        places.push_back(&plan.places[place]);
        bytes.push_back(output.bytes);
      }
      ++place;
    }
  }
  follow_owners(plan);
  auto made = text_records(plan);
  if (!made) {
    return made.error();
  }
  auto &texts = made.value();
  for (const auto &[name, text] : texts) {
    plan.records.push_back({concat(kFolder, name), text.size()});
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    plan.records.push_back({concat(kFolder, "data/", i), bytes[i]});
  }
  auto layout = container::layout_zip(plan.records);
  if (!layout) {
    return layout.error();
  }
  for (size_t i = 0; i < texts.size(); ++i) {
    plan.fixed.push_back({plan.records[i].offset, std::move(texts[i].second)});
  }
  for (size_t i = 0; i < places.size(); ++i) {
    places[i]->offset = plan.records[texts.size() + i].offset;
  }
  plan.zip = layout.value();
  plan.file_bytes = plan.zip.file_bytes;
  plan.files = {{0, plan.file_bytes}};
  return {};
}

/// Room for the places of all outputs. Readers refuse files that list too many; a zip's pickle lists names of tied
/// tensors, too.
Result<void> make_places(Plan &plan, Container container) {
  size_t count = 0;
  std::vector<Place> made;
  for (TensorPlan &entry : plan.tensors) {
    entry.first_place = made.size();
    for (const Output &output : outputs(plan, entry.source)) {
      count += output.alias && container == Container::kSafetensors ? 0 : 1;
      made.push_back({0, output.written});
    }
  }
  plan.places = std::move(made);
  const size_t most = container == Container::kSafetensors ? kMaxTensors : kMaxSavedTensors;
  if (count <= most) {
    return {};
  }
  return Error{
      ErrorCode::kLimitExceeded,
      concat("Expected an output of at most ", most, " tensors, found ", count, " in the plan."),
      container == Container::kSafetensors
          ? "Split the checkpoint into several files, or quantize less of it."
          : "Write a .safetensors file, which may have more.",
      {},
      {}};
}

/// Zeros between tensors.
void pad(Plan &plan, uint64_t from, uint64_t to) {
  if (from < to) {
    plan.fixed.push_back({from, std::string(static_cast<size_t>(to - from), '\0')});
  }
}

/// Not everything depends on the weights.
void fix_outputs(Plan &plan) {
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    for (Output &output : outputs(plan, i)) {
      if (output.written == layout::Written::kFixed && !output.alias) {
        plan.fixed.push_back({output.offset, std::move(output.fixed), i});
      }
    }
  }
}

} // namespace

bool can_hold(Container container, Dtype dtype) {
  if (container == Container::kSafetensors) {
    return dtype_is_in_safetensors(dtype);
  }
  if (container == Container::kGguf) {
    const auto *type = layout::gguf::find_block_type(dtype_name(dtype));
    return type != nullptr && type->values == 1;
  }
  // PyTorch counts pairs of F4: the shape would be another one.
  return torch::torch_has(dtype) && dtype != Dtype::kF4;
}

Result<void> lay_out_gguf(Plan &plan, const GgufContents &contents) {
  if (auto countable = make_places(plan, Container::kGguf); !countable) {
    return countable;
  }
  std::vector<container::GgufOutput> outputs;
  for (const size_t index : contents.order) {
    const Output output = index < plan.tensors.size() ? plan::outputs(plan, index).front()
                                                      : plan.added[index - plan.tensors.size()];
    outputs.push_back(
        {output.name, output.shape,
         static_cast<uint32_t>(layout::gguf::find_block_type(output.type_name())->type),
         output.bytes, 0});
  }
  auto layout = container::layout_gguf(contents.keys, outputs, contents.longest_name);
  if (!layout) {
    return layout.error();
  }
  const auto &header = layout.value().header;
  plan.file_bytes = layout.value().file_bytes;
  plan.files = {{0, plan.file_bytes}};
  plan.fixed.push_back({0, std::string(header.begin(), header.end())});
  uint64_t end = header.size();
  for (size_t i = 0; i < outputs.size(); ++i) {
    const size_t index = contents.order[i];
    if (index < plan.tensors.size()) {
      plan.places[plan.tensors[index].first_place].offset = outputs[i].offset;
    } else {
      Output &added = plan.added[index - plan.tensors.size()];
      added.offset = outputs[i].offset;
      plan.fixed.push_back({added.offset, std::move(added.fixed)});
    }
    pad(plan, end, outputs[i].offset);
    end = outputs[i].offset + outputs[i].bytes;
  }
  pad(plan, end, plan.file_bytes);
  return {};
}

Result<void> lay_out(Plan &plan, const Options &options) {
  if (auto countable = make_places(plan, options.container); !countable) {
    return countable;
  }
  auto done = options.container == Container::kSafetensors ? lay_out_safetensors(plan, options)
                                                           : lay_out_zip(plan);
  if (done) {
    follow_owners(plan);
    fix_outputs(plan);
  }
  return done;
}

} // namespace monoquant::plan
