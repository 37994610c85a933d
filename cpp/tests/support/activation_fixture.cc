#include "support/activation_fixture.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "monoquant/base/text.h"
#include "support/fixture.h"
#include "support/random.h"
#include "support/sha256.h"
#include "support/tensor_file.h"

namespace monoquant::test {
namespace {

using quant::ActivationScheme;
using quant::ObservedRange;
using quant::RangeMethod;

[[noreturn]] void stop(const std::string &what) {
  std::fprintf(stderr, "Unexpected in an observer fixture: %s\n", what.c_str());
  std::abort();
}

float number(const Json &value) {
  if (value.is_string()) {
    const std::string text = value;
    return text == "inf"    ? std::numeric_limits<float>::infinity()
           : text == "-inf" ? -std::numeric_limits<float>::infinity()
           : text == "nan"  ? std::numeric_limits<float>::quiet_NaN()
                            : (stop(text), 0.0F);
  }
  return static_cast<float>(value.get<double>());
}

ActivationScheme scheme_of(const std::string &name, const Json &entry) {
  const bool symmetric = name.find("/symmetric/") != std::string::npos;
  const std::string dtype = name.substr(name.rfind('/') + 1);
  if (dtype == "qint8") {
    return quant::signed_8_bit(symmetric);
  }
  if (dtype == "quint8") {
    return quant::unsigned_8_bit(symmetric);
  }
  auto scheme = quant::custom_codes(entry["quant_min"], entry["quant_max"], symmetric,
                                    dtype[0] == 'q' && dtype[1] == 'u');
  return scheme ? scheme.value() : (stop(scheme.error().message), ActivationScheme{});
}

RangeMethod method_of(const std::string &name) {
  return name.find("Histogram") == 0       ? RangeMethod::kHistogram
         : name.find("MovingAverage") == 0 ? RangeMethod::kMovingAverage
                                           : RangeMethod::kMinMax;
}

ObservedActivations observed(const std::string &name, const Json &entry) {
  ObservedActivations result;
  result.name = name;
  result.method = method_of(name);
  result.per_channel = name.find("PerChannel") != std::string::npos;
  result.averaging_constant = name.find("_c0.1/") != std::string::npos ? 0.1F : 0.01F;
  result.scheme = scheme_of(name, entry);
  result.raises = entry.contains("error");
  if (entry.contains("trace")) {
    for (const Json &range : entry["trace"]) {
      result.trace.push_back({number(range["min"]), number(range["max"])});
    }
  }
  if (result.raises) {
    return result;
  }
  for (size_t i = 0; i < entry["scale_f32_hex"].size(); ++i) {
    result.ranges.push_back({number(entry["min_val"][i]), number(entry["max_val"][i])});
    const std::string hex = entry["scale_f32_hex"][i];
    result.scale_bits.push_back(static_cast<uint32_t>(std::strtoul(hex.c_str(), nullptr, 16)));
    result.zero_points.push_back(entry["zero_point"][i]);
  }
  if (entry.contains("search_min")) {
    result.searched.push_back({number(entry["search_min"]), number(entry["search_max"])});
  }
  return result;
}

/// One generated batch: u = 2 * (24 random bits / 2^24) - 1, then scale * u^9 or scale * max(u, 0)^3, in f32.
std::vector<float> generated(const Json &recipe) {
  Random random(recipe["seed"].get<uint64_t>());
  const auto scale = recipe["scale"].get<float>();
  const bool is_ninth_power = recipe["kind"] == "pow9";
  std::vector<float> values(recipe["n"].get<size_t>());
  for (float &value : values) {
    const float u = 2.0F * (static_cast<float>(random.bits() >> 40U) * 0x1p-24F) - 1.0F;
    const float square = u * u;
    const float eighth = (square * square) * (square * square);
    value = is_ninth_power ? eighth * u * scale : std::max(square * u, 0.0F) * scale;
  }
  return values;
}

std::vector<std::vector<float>> generated_batches(const Json &document) {
  std::vector<std::vector<float>> batches;
  for (size_t i = 0; i < document["generator"].size(); ++i) {
    batches.push_back(generated(document["generator"][i]));
    const std::vector<float> &values = batches.back();
    if (sha256({reinterpret_cast<const uint8_t *>(values.data()), values.size() * 4}) !=
        document["batch_sha256"][i]) {
      stop(concat("generated batch ", i, " is another one"));
    }
  }
  return batches;
}

} // namespace

std::vector<std::string> activation_fixtures() {
  std::vector<std::string> names;
  for (const std::string &path : list_fixtures("observers")) {
    const size_t begin = path.rfind('/') + 1;
    const std::string name = path.substr(begin, path.rfind('.') - begin);
    if (name != "rounding_ties" && name != "weight_64x256") {
      names.push_back(name);
    }
  }
  return names;
}

ActivationFixture read_activation_fixture(const std::string &name) {
  const Json document = read_fixture_json(concat("observers/", name, ".json"));
  const TensorFile file = parse_file(read_fixture(concat("observers/", name, ".safetensors")));
  ActivationFixture fixture;
  fixture.name = name;
  fixture.channels = document["shape"][1];
  if (document.contains("generator")) {
    fixture.batches = generated_batches(document);
  } else {
    for (int i = 0; i < document["batches"]; ++i) {
      fixture.batches.push_back(values_of(file.tensors.at(concat("batch_", i))));
    }
  }
  if (const auto histogram = file.tensors.find("histogram"); histogram != file.tensors.end()) {
    fixture.histogram = values_of(histogram->second);
  }
  for (const auto &[key, entry] : document["observers"].items()) {
    fixture.observed.push_back(observed(key, entry));
  }
  return fixture;
}

bool same_float(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) ||
         std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

bool same_range(ObservedRange a, ObservedRange b) {
  return same_float(a.min, b.min) && same_float(a.max, b.max);
}

} // namespace monoquant::test
