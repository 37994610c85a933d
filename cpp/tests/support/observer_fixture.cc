#include "support/observer_fixture.h"

#include <cstring>

#include "support/fixture.h"
#include "support/tensor_file.h"

namespace monoquant::test {
namespace {

template <typename T> std::vector<T> elements(const FileTensor &tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

const TensorFile &file() {
  static const TensorFile kFile = parse_file(read_fixture("observers/weight_64x256.safetensors"));
  return kFile;
}

Observed observed(const std::string &name, uint32_t bits, bool symmetric, quant::Strategy strategy,
                  bool is_unsigned) {
  Observed result;
  result.name = name;
  result.scheme.bits = bits;
  result.scheme.symmetric = symmetric;
  result.scheme.strategy = strategy;
  result.scheme.group_size = strategy == quant::Strategy::kGroup ? 32 : 0;
  const size_t scope_sizes[] = {kObservedRows * kObservedColumns, kObservedColumns, 32};
  result.scope_size = scope_sizes[static_cast<size_t>(strategy)];
  const int32_t shift = is_unsigned ? 1 << (bits - 1) : 0;
  result.scales = elements<float>(file().tensors.at(name + ".scale"));
  const auto zero_points = file().tensors.find(name + ".zero_point");
  result.zero_points.assign(result.scales.size(), 0); // groups with a symmetric scheme have none
  if (zero_points != file().tensors.end()) {
    result.zero_points = elements<int32_t>(zero_points->second);
    for (int32_t &zero_point : result.zero_points) {
      zero_point -= shift;
    }
  }
  for (const uint8_t code : file().tensors.at(name + ".q").bytes) {
    result.codes.push_back(is_unsigned ? code - shift : static_cast<int8_t>(code));
  }
  return result;
}

} // namespace

const std::vector<float> &observed_weight() {
  static const std::vector<float> kWeight = elements<float>(file().tensors.at("weight"));
  return kWeight;
}

const std::vector<Observed> &observed_schemes() {
  using quant::Strategy;
  static const std::vector<Observed> kSchemes = {
      observed("pc_sym_qint8", 8, true, Strategy::kChannel, false),
      observed("pc_aff_qint8", 8, false, Strategy::kChannel, false),
      observed("pc_aff_quint8", 8, false, Strategy::kChannel, true),
      observed("pt_sym_qint8", 8, true, Strategy::kTensor, false),
      observed("pt_aff_quint8", 8, false, Strategy::kTensor, true),
      observed("pc_sym_int4", 4, true, Strategy::kChannel, false),
      observed("pc_aff_uint4", 4, false, Strategy::kChannel, true),
      observed("g32_sym_int4", 4, true, Strategy::kGroup, false),
      observed("g32_aff_uint4", 4, false, Strategy::kGroup, true)};
  return kSchemes;
}

} // namespace monoquant::test
