// Values of codes whose packing a catalog::Decoding describes, and what layouts need to make one.
// It exists so that a layout of another tool is a few lines: which tensors belong together, and what they hold.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/base/json_name.h"
#include "monoquant/catalog/catalog.h"
#include "monoquant/layout/joining.h"
#include "monoquant/layout/part_decoder.h"

namespace monoquant::layout::coded {

/// Layout::make_decoder of all layouts that describe their codes. `block_bytes`: of the largest read.
std::unique_ptr<PartDecoder> make_decoder(size_t block_bytes);

/// A matrix of whole elements, as it lies in the file: `rows` of `columns`.
catalog::Fields plain_fields(const catalog::Tensor &tensor, uint64_t rows, uint64_t columns);
/// Numbers of `bits` bits one after the other in rows of `words` words each, lowest bits first.
catalog::Fields packed_rows(const catalog::Tensor &tensor, uint32_t bits, uint64_t rows,
                            uint64_t words);

// What codes stand for, by code.

/// `lowest` and the integers that follow it.
std::vector<float> integers(uint32_t bits, int32_t lowest);
/// 8-bit integers of both signs, and F8_E4M3 or F8_E5M2: what a byte of this type stands for.
std::vector<float> bytes_of_type(Dtype dtype);
/// Floats of one sign bit and no infinities: E2M1 (FP4), E2M3 (FP6), ...
std::vector<float> small_floats(uint32_t exponent_bits, uint32_t mantissa_bits);

/// Whether scales can be read in this type by the decoder; U8 and F8_E8M0 hold exponents.
bool holds_scales(Dtype dtype);

/// What people are told of codes, from their decoding: of `layout`, of so many bits.
catalog::Codes codes_of(std::string_view layout, uint32_t bits, bool is_integer,
                        catalog::Decoding decoding);

/// Whether every number that the decoding speaks of lies in its part, and a part of the tensor can be decoded in bounded
/// memory. A last line of defence: layouts have told what is wrong before.
bool is_sound(const catalog::Decoding &decoding);

/// What a layout has found: the tensor, which of the catalog's tensors hold its codes, and the others that are its parts.
struct Found {
  std::string_view layout;
  size_t codes = 0;
  std::string name;
  std::vector<uint64_t> shape;
  std::vector<size_t> parts = {};
  uint32_t bits = 8;
  bool is_integer = true;
};

/// Puts the tensor where its codes are; a problem if these do not fit its shape, or if its name is another tensor's.
void take(Joining &joining, Found found, catalog::Decoding decoding);

/// The problem "Expected `wanted`, found PART of TYPE, SHAPE." of a tensor.
void wrong_part(Joining &joining, const std::string &tensor, std::string_view wanted,
                const catalog::Tensor &part);
/// The same of a part that is not there.
void missing_part(Joining &joining, std::string_view code, const std::string &tensor,
                  std::string_view wanted);

// Parts of a layout's tensors.

/// The part of this name, if its bytes are at hand.
std::optional<size_t> part_at_hand(const Joining &joining, std::string_view base,
                                   std::string_view suffix);
/// What a configuration says, or `fallback`.
std::string text_of(const Json &object, const char *key);
uint64_t number_of(const Json &object, const char *key);

} // namespace monoquant::layout::coded
