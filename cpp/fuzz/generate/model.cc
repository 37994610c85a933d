#include "generate/model.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>

#include "generate/names.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"
#include "support/sample_tensors.h"
#include "support/view_file.h"

namespace monoquant::fuzz {
namespace {

using test::FileTensor;
using test::Random;

constexpr Dtype kFloats[] = {Dtype::kF32, Dtype::kBF16,   Dtype::kF16,
                             Dtype::kF64, Dtype::kF8E4M3, Dtype::kF8E5M2};
// At and beside the sizes of groups, words, and what vectors hold.
constexpr uint64_t kExtents[] = {16, 32, 1,  2,  3,  4,  5,   7,   8,   9,   15,  17, 31,
                                 33, 48, 63, 64, 65, 96, 100, 127, 128, 129, 130, 256};
constexpr uint64_t kLongRows[] = {65'535, 65'536, 65'537, 65'600, 69'888, 70'001};
constexpr uint64_t kMostElements =
    1'000; // but for long rows: enough for several of the largest groups
constexpr std::string_view kModuleTypes[] = {"torch.nn.modules.sparse.Embedding",
                                             "torch.nn.modules.linear.Linear",
                                             "torch.nn.modules.conv.Conv2d",
                                             "torch.nn.modules.conv.ConvTranspose1d",
                                             "torch.nn.modules.rnn.LSTM",
                                             "torch.nn.modules.normalization.LayerNorm",
                                             "torch.nn.modules.sparse.EmbeddingBag",
                                             "torch.nn.modules.activation.MultiheadAttention",
                                             "torch.nn.modules.conv.ConvTranspose2d",
                                             "torch.nn.modules.linear.Bilinear",
                                             "torch.nn.modules.container.ParameterList",
                                             "somebody.Linear"};

constexpr const char *kArchitectures[] = {"LlamaForCausalLM", "BertForMaskedLM", "ViTModel"};

/// Seldom one of a long row: a thousand short ones take no longer.
uint64_t make_extent(Choices &choices) {
  constexpr uint64_t kShort = 90;
  const uint64_t which = choices.below(kShort + std::size(kLongRows));
  return which < kShort ? kExtents[which % std::size(kExtents)] : kLongRows[which - kShort];
}

std::vector<uint64_t> make_shape(Choices &choices) {
  const uint64_t kind = choices.below(32);
  if (kind == 31) {
    return {choices.between(1, 3), make_extent(choices)};
  }
  if (kind == 30) {
    return {make_extent(choices), choices.between(1, 3)};
  }
  if (kind == 29) { // more dimensions than anybody has
    std::vector<uint64_t> shape(choices.between(6, 12), 1);
    shape[choices.index(shape.size())] = choices.pick(kExtents);
    shape[0] = choices.between(1, 4);
    return shape;
  }
  const size_t rank = kind < 16   ? 2
                      : kind < 20 ? 1
                      : kind < 22 ? 0
                      : kind < 25 ? 3
                      : kind < 28 ? 4
                                  : 5;
  std::vector<uint64_t> shape;
  uint64_t elements = 1;
  for (size_t i = 0; i < rank; ++i) {
    const uint64_t wanted = i < 2 ? choices.pick(kExtents) : choices.between(1, 5);
    shape.push_back(std::min(wanted, std::max<uint64_t>(1, kMostElements / elements)));
    elements *= shape.back();
  }
  if (rank > 0 && choices.chance(24)) {
    shape[choices.index(rank)] = 0;
  }
  return shape;
}

/// Values of one kind throughout, or with one among them that is another.
FileTensor make_floats(Choices &choices, Random &random, std::string name, Dtype dtype,
                       std::vector<uint64_t> shape) {
  constexpr double kMagnitudes[] = {0.05, 1.0, 1e-9, 300.0, 1e30, 1e-38, 0.0};
  constexpr double kSpecial[] = {std::numeric_limits<double>::quiet_NaN(),
                                 std::numeric_limits<double>::infinity(),
                                 -std::numeric_limits<double>::infinity(),
                                 3.4e38,
                                 65'504.0,
                                 65'520.0,
                                 -1e-45};
  const uint64_t kind = choices.below(8);
  if (kind == 7 ||
      dtype_bits(dtype) == 8) { // any bits, of all exponents; of one byte only finite ones
    FileTensor tensor = test::random_weights(random, std::move(name), dtype, std::move(shape));
    const bool any = kind == 7 && choices.flag();
    for (uint8_t &byte : tensor.bytes) {
      byte = any ? static_cast<uint8_t>(random.bits()) : byte;
    }
    return tensor;
  }
  FileTensor tensor = test::random_weights(random, std::move(name), dtype, std::move(shape),
                                           choices.pick(kMagnitudes));
  const size_t count = static_cast<size_t>(test::element_count(tensor.shape));
  if (kind == 6 && count > 0) { // one value everywhere
    const double value = static_cast<double>(random.signed_unit());
    tensor = test::make_tensor(tensor.name, dtype, tensor.shape, std::vector<double>(count, value));
  }
  if (kind == 5 && count > 0) {
    test::set_value(tensor, random.index(count), choices.pick(kSpecial));
  }
  return tensor;
}

FileTensor make_file_tensor(Choices &choices, Random &random, std::set<std::string> &names,
                            const std::vector<FileTensor> &others) {
  std::string name = make_name(choices, names);
  std::vector<uint64_t> shape = !others.empty() && choices.chance(3)
                                    ? others[choices.index(others.size())].shape
                                    : make_shape(choices);
  if (choices.chance(6)) { // any type
    const auto dtype = static_cast<Dtype>(choices.below(kDtypeCount));
    while (!shape.empty() && test::element_count(shape) * dtype_bits(dtype) % 8 != 0) {
      shape.back() += 1;
    }
    const bool whole = test::element_count(shape) * dtype_bits(dtype) % 8 == 0;
    return test::random_bytes(random, std::move(name), whole ? dtype : Dtype::kI8,
                              std::move(shape));
  }
  return make_floats(choices, random, std::move(name), choices.pick(kFloats), std::move(shape));
}

bool is_complex(Dtype dtype) {
  return dtype == Dtype::kC32 || dtype == Dtype::kC64 || dtype == Dtype::kC128;
}

void add_to_file(Choices &choices, test::ViewFile &file, const FileTensor &tensor) {
  const bool is_view = choices.chance(5) && !tensor.bytes.empty() && dtype_bits(tensor.dtype) >= 8;
  if (!is_view) {
    return file.add_plain(tensor);
  }
  test::Storing how;
  how.strided = choices.flag();
  how.deflated = choices.flag();
  how.big_endian = choices.flag() && dtype_bits(tensor.dtype) > 8;
  how.negative = choices.chance(4) &&
                 (is_complex(tensor.dtype) || dtype_is_quantizable(tensor.dtype)) &&
                 dtype_bits(tensor.dtype) > 8;
  how.conjugate = choices.chance(4) && is_complex(tensor.dtype);
  how.literal = !how.deflated && tensor.bytes.size() <= 64 && choices.flag();
  file.add(tensor, how);
}

/// Another name for a tensor that is there.
void add_tie(Choices &choices, Model &model, std::set<std::string> &names) {
  const size_t index = choices.index(model.catalog.tensors.size());
  const size_t owner = model.catalog.tensors[index].tied_to.value_or(index);
  if (model.catalog.tensors[owner].elements == 0) {
    return; // has no bytes to share
  }
  catalog::Tensor tied = model.catalog.tensors[owner];
  tied.name = make_name(choices, names);
  tied.tied_to = owner;
  FileTensor tensor = model.tensors[owner];
  tensor.name = tied.name;
  model.catalog.tensors.push_back(std::move(tied));
  model.tensors.push_back(std::move(tensor));
}

/// Turns the list, so that owners stand behind those that are tied to them, too.
void turn(Choices &choices, Model &model) {
  const size_t count = model.tensors.size();
  const size_t by = choices.index(count);
  for (catalog::Tensor &tensor : model.catalog.tensors) {
    if (tensor.tied_to) {
      tensor.tied_to = (*tensor.tied_to + count - by) % count;
    }
  }
  const auto steps = static_cast<std::ptrdiff_t>(by);
  std::rotate(model.catalog.tensors.begin(), model.catalog.tensors.begin() + steps,
              model.catalog.tensors.end());
  std::rotate(model.tensors.begin(), model.tensors.begin() + steps, model.tensors.end());
}

void add_metadata(Choices &choices, catalog::Catalog &catalog) {
  std::set<std::string> keys;
  for (uint64_t count = choices.below(4); count > 0; --count) {
    std::set<std::string> others;
    const std::string key = choices.chance(3) ? "format" : make_name(choices, others);
    std::string value = choices.chance(3) ? "pt" : odd_unicode(choices);
    if (!catalog.tensors.empty() && choices.chance(3)) { // as notes of ties are
      value = catalog.tensors[choices.index(catalog.tensors.size())].name;
    }
    if (keys.insert(key).second) {
      catalog.metadata.emplace_back(key, std::move(value));
    }
  }
}

} // namespace

Model make_many(Choices &choices) {
  constexpr uint64_t kFewest = 33'000;
  constexpr uint64_t kMost = 100'000; // that a reader takes
  const uint64_t count = choices.between(kFewest, kMost);
  const std::vector<uint64_t> shape =
      choices.flag() ? std::vector<uint64_t>{1, 2} : std::vector<uint64_t>{2};
  Model model;
  Random random(count);
  const FileTensor tensor = test::random_weights(random, "", Dtype::kF32, shape);
  for (uint64_t i = 0; i < count; ++i) {
    const std::string name = concat("l", i, ".weight");
    model.catalog.tensors.push_back({name, Dtype::kF32, shape, 2, model.file.size(), 8});
    model.file.insert(model.file.end(), tensor.bytes.begin(), tensor.bytes.end());
    model.tensors.push_back({name, Dtype::kF32, shape, tensor.bytes});
  }
  model.catalog.file_bytes = model.file.size();
  if (shape.size() == 2) {
    catalog::classify(model.catalog.tensors);
  }
  return model;
}

Model make_model(Choices &choices) {
  Random random(choices.below(256));
  test::ViewFile file(random.bits());
  std::set<std::string> names;
  Model model;
  for (uint64_t count = choices.between(1, 8); count > 0; --count) {
    model.tensors.push_back(make_file_tensor(choices, random, names, model.tensors));
    add_to_file(choices, file, model.tensors.back());
  }
  model.file = file.bytes();
  model.catalog = file.catalog();
  model.catalog.format = choices.flag() ? "torch-zip" : "safetensors";
  for (catalog::Tensor &tensor : model.catalog.tensors) {
    if (choices.chance(6)) {
      tensor.module_type = choices.pick(kModuleTypes);
    }
  }
  for (uint64_t count = choices.below(8); count > 5; --count) {
    add_tie(choices, model, names);
  }
  turn(choices, model);
  add_metadata(choices, model.catalog);
  catalog::classify(model.catalog.tensors);
  if (choices.chance(4)) { // a configuration stands beside it
    model.catalog.model = catalog::ModelClass{{choices.pick(kArchitectures)}, "any", {}};
  }
  return model;
}

} // namespace monoquant::fuzz
