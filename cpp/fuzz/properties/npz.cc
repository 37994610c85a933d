// Any archive of arrays: refused with a reason, or its arrays lie inside of it and are read; those that we make
// are read as what they are.
// It exists because captured data come in NumPy's files, whose headers are Python text by strangers.
// The first byte chooses: 0 the bytes are the archive, 1 an array in it, 2 the header of one, else made-up arrays.
#include <map>
#include <optional>

#include "choices.h"
#include "file.h"
#include "monoquant/base/text.h"
#include "monoquant/run/tensor_reader.h"
#include "properties.h"
#include "support/npz_file.h"
#include "support/sample_tensors.h"

namespace monoquant::fuzz {
namespace {

constexpr uint64_t kMostOfArray = uint64_t{1}
                                  << 20U; // views of few bytes; more of them show nothing new

/// The elements of a tensor; nothing where they are broken, which must come with a reason.
std::optional<Bytes> read_elements(run::TensorReader &reader, const catalog::Tensor &tensor,
                                   const Bytes &file) {
  Bytes all;
  for (uint64_t begin = 0; begin < tensor.elements; begin += run::kPartElements) {
    reader.begin(tensor, begin, std::min(tensor.elements, begin + run::kPartElements));
    while (const auto read = reader.next()) {
      require(read->offset <= file.size() && read->length <= file.size() - read->offset,
              "reads lie in the file");
      const auto done = reader.fill({file.data() + read->offset, read->length});
      if (!done) {
        require(done.error().code == ErrorCode::kMalformedFile && !done.error().message.empty());
        return std::nullopt;
      }
    }
    const auto part = reader.bytes();
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

/// All arrays by name.
std::map<std::string, Bytes> read_arrays(const Bytes &file, const catalog::Catalog &catalog) {
  constexpr size_t kBlock = size_t{1} << 16U;
  std::map<std::string, Bytes> arrays;
  uint64_t elements = 0;
  run::TensorReader reader(catalog, kBlock, 0);
  for (const catalog::Tensor &tensor : catalog.tensors) {
    elements += tensor.elements;
    if (elements > kMostOfArray) {
      break;
    }
    if (auto bytes = read_elements(reader, tensor, file)) {
      require(bytes->size() == tensor.bytes, "an array has all its bytes", tensor.name);
      require(arrays.emplace(tensor.name, std::move(*bytes)).second, "names are unique");
    }
  }
  return arrays;
}

void check_file(const Bytes &file) {
  catalog::Opening opening;
  opening.accepts_arrays = true;
  if (const auto catalog = inspect(file, std::move(opening))) {
    read_arrays(file, *catalog);
  }
}

Bytes archive(Bytes array) {
  return test::make_zip({test::stored_entry("a.npy", std::move(array))});
}

void check_made_up(Choices &choices) {
  constexpr Dtype kTypes[] = {Dtype::kF32, Dtype::kF16, Dtype::kF64,
                              Dtype::kI64, Dtype::kU8,  Dtype::kC64};
  test::Random random(choices.below(256));
  std::vector<test::FileTensor> tensors;
  std::vector<test::ZipEntry> entries;
  for (uint64_t count = choices.between(1, 4); count > 0; --count) {
    std::vector<uint64_t> shape(choices.below(4));
    for (uint64_t &extent : shape) {
      extent = choices.below(9);
    }
    tensors.push_back(test::random_bytes(random, concat("n", count), choices.pick(kTypes), shape));
    entries.push_back(
        test::npz_entry(tensors.back(), {choices.flag(), choices.flag(), choices.flag()}, random));
  }
  const Bytes file = test::make_zip(entries);
  catalog::Opening opening;
  opening.accepts_arrays = true;
  const auto catalog = inspect(file, std::move(opening));
  require(catalog.has_value(), "arrays as NumPy writes them are opened");
  const auto arrays = read_arrays(file, *catalog);
  for (const test::FileTensor &tensor : tensors) {
    require(arrays.contains(tensor.name) && arrays.at(tensor.name) == tensor.bytes,
            "arrays are read as they are", tensor.name);
  }
}

} // namespace

void check_npz(Input input) {
  Choices choices(input);
  switch (choices.below(4)) {
  case 0:
    return check_file({choices.rest().begin(), choices.rest().end()});
  case 1:
    return check_file(archive({choices.rest().begin(), choices.rest().end()}));
  case 2: {
    const auto version = static_cast<uint8_t>(choices.below(4));
    const Bytes data(choices.index(256), uint8_t{7});
    const std::string header(choices.rest().begin(), choices.rest().end());
    return check_file(archive(test::npy_with_header(header, data, version)));
  }
  default:
    return check_made_up(choices);
  }
}

} // namespace monoquant::fuzz
