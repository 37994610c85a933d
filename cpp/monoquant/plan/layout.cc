#include "monoquant/plan/layout.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "monoquant/base/checked.h"
#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"
#include "monoquant/container/safetensors.h"
#include "monoquant/plan/compressed_tensors.h"
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

/// Adds what loaders need to know about quantized tensors.
void note_quantization(const Plan &plan, container::Metadata &metadata) {
  if (!plan.quantization_config.empty()) {
    set(metadata, std::string(catalog::kQuantizationConfig), plan.quantization_config, true);
    // Whoever checks the file may then expect of each code that no other one is nearer.
    set(metadata, std::string(catalog::kQuantizedBy), "monoquant", true);
  }
}

/// Calls `visit(alias, output)` for every output that is another name, and the output that it is a name of.
template <typename Visit> void for_each_alias(Plan &plan, const Visit &visit) {
  for (TensorPlan &entry : plan.tensors) {
    if (entry.decision != Decision::kTie) {
      continue;
    }
    const TensorPlan &owner = plan.tensors[*plan.catalog.tensors[entry.source].tied_to];
    // Aliases come first, in the owner's order.
    for (size_t i = 0; i < entry.outputs.size() && entry.outputs[i].alias; ++i) {
      visit(entry.outputs[i], owner.outputs[i]);
    }
  }
}

/// Takes out what was no note of a tie in the source and would be one here, because its value is the name of an
/// output, or its key that of an alias.
void drop_misleading_notes(Plan &plan, container::Metadata &metadata) {
  std::set<std::string_view> stored;
  std::set<std::string_view> aliases;
  for (const TensorPlan &tensor : plan.tensors) {
    for (const Output &output : tensor.outputs) {
      (output.alias ? aliases : stored).insert(output.name);
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

Result<void> lay_out_safetensors(Plan &plan) {
  std::vector<Output *> outputs;
  std::vector<container::SafetensorsEntry> entries;
  for (TensorPlan &tensor : plan.tensors) {
    for (Output &output : tensor.outputs) {
      // A tie is a note, and some notes are the file's own.
      if (output.alias ? catalog::is_of_file(output.name) : output.name == "__metadata__") {
        return Error{
            ErrorCode::kInvalidOptions,
            concat("Expected names that a safetensors file can hold, found ", output.name, "."),
            "Write a PyTorch file (.pt), or rename the tensor.",
            output.name,
            {}};
      }
      if (!output.alias) {
        outputs.push_back(&output);
        entries.push_back({output.name, output.dtype, output.shape, 0, output.bytes});
      }
    }
  }
  container::Metadata metadata = plan.catalog.metadata;
  drop_misleading_notes(plan, metadata);
  note_quantization(plan, metadata);
  set(metadata, "format", "pt", false); // transformers refuses files whose metadata lacks it
  // The format has no aliases: each dropped name is noted beside the kept one, as its `save_model` does.
  for_each_alias(plan, [&](const Output &alias, const Output &kept) {
    set(metadata, alias.name, kept.name, false);
  });
  auto layout = container::layout_safetensors(metadata, entries);
  if (!layout) {
    return layout.error();
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    outputs[i]->offset = entries[i].offset;
  }
  plan.fixed.push_back({0, std::move(layout.value().header)});
  plan.file_bytes = layout.value().file_bytes;
  return {};
}

/// The records that stand beside the tensors, data.pkl first, as torch.save has them.
/// Source: torch.save 2.x; `.format_version` is left out, which would promise another layout of headers.
std::vector<std::pair<std::string, std::string>> text_records(const Plan &plan) {
  std::vector<torch::SavedTensor> saved;
  size_t storage = 0;
  for (const TensorPlan &tensor : plan.tensors) {
    for (const Output &output : tensor.outputs) {
      // An alias has the number of its owner, noted in its offset until the layout is known.
      const size_t number = output.alias ? static_cast<size_t>(output.offset) : storage++;
      saved.push_back(
          {output.name, output.dtype, output.shape, number, *checked_product(output.shape)});
    }
  }
  std::vector<std::pair<std::string, std::string>> records = {
      {"data.pkl", torch::state_dict_pickle(saved)}, {"byteorder", "little"}, {"version", "3\n"}};
  container::Metadata metadata = plan.catalog.metadata;
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
  size_t storage = 0;
  for (TensorPlan &tensor : plan.tensors) {
    for (Output &output : tensor.outputs) {
      output.offset = output.alias ? 0 : storage++;
    }
  }
  for_each_alias(plan, [](Output &alias, const Output &kept) { alias.offset = kept.offset; });
  const auto texts = text_records(plan);
  for (const auto &[name, text] : texts) {
    plan.records.push_back({concat(kFolder, name), text.size()});
  }
  std::vector<Output *> outputs;
  for (TensorPlan &tensor : plan.tensors) {
    for (Output &output : tensor.outputs) {
      if (!output.alias) {
        plan.records.push_back({concat(kFolder, "data/", outputs.size()), output.bytes});
        outputs.push_back(&output);
      }
    }
  }
  auto layout = container::layout_zip(plan.records);
  if (!layout) {
    return layout.error();
  }
  for (size_t i = 0; i < texts.size(); ++i) {
    plan.fixed.push_back({plan.records[i].offset, texts[i].second});
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    outputs[i]->offset = plan.records[texts.size() + i].offset;
  }
  plan.zip = layout.value();
  plan.file_bytes = plan.zip.file_bytes;
  return {};
}

template <typename T> std::string bytes_of(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T)); // little-endian, as all targets are
  return bytes;
}

/// How inputs are quantized does not depend on the weights.
void fix_inputs(Plan &plan) {
  for (const TensorPlan &entry : plan.tensors) {
    for (const Output &output : entry.outputs) {
      if (output.role == Role::kInputScale) {
        plan.fixed.push_back({output.offset, bytes_of(entry.input->params.scale)});
      } else if (output.role == Role::kInputZeroPoint) {
        const auto zero_point = static_cast<int8_t>(entry.input->params.zero_point);
        plan.fixed.push_back({output.offset, bytes_of(zero_point)});
      }
    }
  }
}

} // namespace

bool can_hold(Container container, Dtype dtype) {
  if (container == Container::kSafetensors) {
    return dtype_is_in_safetensors(dtype);
  }
  // PyTorch counts pairs of F4: the shape would be another one.
  return torch::torch_has(dtype) && dtype != Dtype::kF4;
}

Result<void> lay_out(Plan &plan, Container container) {
  auto done = container == Container::kSafetensors ? lay_out_safetensors(plan) : lay_out_zip(plan);
  if (done) {
    for_each_alias(plan, [](Output &alias, const Output &kept) { alias.offset = kept.offset; });
    fix_inputs(plan);
  }
  return done;
}

} // namespace monoquant::plan
