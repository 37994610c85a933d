#include "monoquant/layout/coded/coded.h"

#include <algorithm>
#include <cmath>

#include "monoquant/base/checked.h"
#include "monoquant/base/float_convert.h"
#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/coded/decoder.h"
#include "monoquant/layout/coded/rotation.h"

namespace monoquant::layout::coded {
namespace {

using catalog::Codes;
using catalog::CodesPart;
using catalog::Decoding;
using catalog::Fields;
using catalog::Tensor;

/// All groups of some rows and the numbers of all columns are held where groups are not in order.
constexpr uint64_t kMostIndex = uint64_t{16} << 20U;
constexpr uint64_t kRowsAtOnce = 64;
constexpr uint64_t kMostRotated = 4096;

/// Whether this many matrices of words have the part's bytes.
bool has_bytes(const Fields &fields, uint64_t matrices) {
  const uint64_t extents[] = {matrices, fields.down, fields.across, fields.word_bytes};
  const auto bytes = checked_product(extents);
  return bytes && *bytes == fields.part.bytes;
}

/// Whether a matrix of rows and columns has its numbers in there.
bool fits(const Fields &fields, uint64_t rows, uint64_t columns) {
  const bool along_rows = fields.along == Fields::Along::kRows;
  const uint64_t packed = along_rows ? rows : columns;
  const uint64_t word_bits = uint64_t{fields.word_bytes} * 8;
  const bool packs = fields.in_word != 1;
  if (fields.bits == 0 || fields.word_bytes == 0 || packed > UINT64_MAX / 64 ||
      (packs && fields.word_bytes != 1 && fields.word_bytes != 4) ||
      uint64_t{fields.bits} * std::max(1U, fields.in_word) > word_bits ||
      (packs && fields.bits > 8)) {
    return false;
  }
  const uint64_t words = fields.words_for(packed);
  if (fields.is_apart() && packed % fields.in_word != 0) {
    return false;
  }
  const uint64_t down = fields.turned ? columns : rows;
  const uint64_t across = fields.turned ? rows : columns;
  const bool packs_down = along_rows != fields.turned;
  return fields.down == (packs_down ? words : down) &&
         fields.across == (packs_down ? across : words);
}

bool has_floats(const std::optional<CodesPart> &part, uint64_t count) {
  return !part || (part->dtype == Dtype::kF32 && part->bytes == count * 4);
}

} // namespace

std::unique_ptr<PartDecoder> make_decoder(size_t block_bytes) {
  return std::make_unique<Decoder>(block_bytes);
}

Fields plain_fields(const Tensor &tensor, uint64_t rows, uint64_t columns) {
  Fields fields;
  fields.part = part_of(tensor);
  fields.bits = dtype_bits(tensor.dtype);
  fields.word_bytes = fields.bits / 8;
  fields.down = rows;
  fields.across = columns;
  return fields;
}

Fields packed_rows(const Tensor &tensor, uint32_t bits, uint64_t rows, uint64_t words) {
  Fields fields;
  fields.part = part_of(tensor);
  fields.bits = bits;
  fields.word_bytes = dtype_bits(tensor.dtype) / 8;
  const uint32_t word_bits = fields.word_bytes * 8;
  fields.in_word = bits != 0 && word_bits % bits == 0 ? word_bits / bits : 0;
  fields.down = rows;
  fields.across = words;
  return fields;
}

std::vector<float> integers(uint32_t bits, int32_t lowest) {
  std::vector<float> numbers(size_t{1} << bits);
  for (size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = static_cast<float>(static_cast<int32_t>(i) + lowest);
  }
  return numbers;
}

std::vector<float> bytes_of_type(Dtype dtype) {
  std::vector<float> numbers(256);
  for (size_t i = 0; i < numbers.size(); ++i) {
    const auto byte = static_cast<uint8_t>(i);
    numbers[i] = dtype == Dtype::kF8E4M3   ? f8_e4m3_to_f32(byte)
                 : dtype == Dtype::kF8E5M2 ? f8_e5m2_to_f32(byte)
                 : dtype == Dtype::kI8     ? static_cast<float>(static_cast<int8_t>(byte))
                                           : static_cast<float>(byte);
  }
  return numbers;
}

std::vector<float> small_floats(uint32_t exponent_bits, uint32_t mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const uint32_t half = 1U << (exponent_bits + mantissa_bits);
  std::vector<float> numbers(size_t{half} * 2);
  for (uint32_t code = 0; code < half; ++code) {
    const auto exponent = static_cast<int>(code >> mantissa_bits);
    const uint32_t mantissa = code & ((1U << mantissa_bits) - 1);
    const uint32_t whole = exponent == 0 ? mantissa : mantissa + (1U << mantissa_bits);
    const float value = std::ldexp(static_cast<float>(whole),
                                   std::max(exponent, 1) - bias - static_cast<int>(mantissa_bits));
    numbers[code] = value;
    numbers[code + half] = -value;
  }
  return numbers;
}

bool holds_scales(Dtype dtype) {
  return layout::holds_scales(dtype) || dtype == Dtype::kF8E4M3 || dtype == Dtype::kU8 ||
         dtype == Dtype::kF8E8M0;
}

Codes codes_of(std::string_view layout, uint32_t bits, bool is_integer, Decoding decoding) {
  Codes codes;
  codes.layout = layout;
  codes.bits = bits;
  codes.is_integer = is_integer;
  codes.weights_only = true;
  codes.elements = decoding.matrices * decoding.rows * decoding.columns;
  codes.columns = decoding.columns;
  const bool is_shared = decoding.scale_rows >= decoding.rows && decoding.scales_across() == 1;
  codes.scope = is_shared ? codes.elements : decoding.scale_columns;
  if (!is_shared && decoding.scale_rows > 1) {
    codes.blocks = {decoding.scale_rows, decoding.scale_columns, decoding.rows};
    codes.scope = codes.elements;
  }
  codes.data = decoding.codes.part;
  codes.scale = decoding.scales.part;
  codes.group_index = decoding.group_index;
  if (decoding.zeros) {
    codes.zero_point = decoding.zeros->part;
  }
  codes.decoding = std::make_shared<const Decoding>(std::move(decoding));
  return codes;
}

bool is_sound(const Decoding &decoding) {
  const uint64_t extents[] = {decoding.matrices, decoding.rows, decoding.columns, 4};
  if (!checked_product(extents) || *checked_product(extents) == 0 || decoding.scale_rows == 0 ||
      decoding.scale_columns == 0) {
    return false;
  }
  const uint64_t down = divide_up(decoding.rows, decoding.scale_rows);
  const uint64_t across = divide_up(decoding.columns, decoding.scale_columns);
  const auto is_matrix = [&](const Fields &fields, uint64_t rows, uint64_t columns) {
    return has_bytes(fields, decoding.matrices) && fits(fields, rows, columns);
  };
  const uint64_t codes = uint64_t{1} << std::min(decoding.codes.bits, 8U);
  const uint64_t scales = decoding.matrices * down * across;
  const bool rotates = decoding.rotated != 0;
  return decoding.codes.bits <= 8 && is_matrix(decoding.codes, decoding.rows, decoding.columns) &&
         is_matrix(decoding.scales, down, across) && decoding.scales.in_word == 1 &&
         (!decoding.zeros || is_matrix(*decoding.zeros, down, across)) &&
         (decoding.table ? has_floats(decoding.table, codes) : decoding.numbers.size() == codes) &&
         has_floats(decoding.scale_table, 256) &&
         (!decoding.outer ||
          (decoding.scales_in_outer != 0 &&
           has_floats(decoding.outer, divide_up(scales, decoding.scales_in_outer)))) &&
         (!decoding.group_index ||
          (decoding.group_index->bytes == decoding.columns * 4 &&
           decoding.columns <= kMostIndex / 4 && across <= kMostIndex / 4 / kRowsAtOnce)) &&
         (!rotates || (is_rotated_count(decoding.rotated) && decoding.rotated <= kMostRotated &&
                       decoding.columns % decoding.rotated == 0));
}

void take(Joining &joining, Found found, Decoding decoding) {
  const Tensor &codes = joining.tensor(found.codes);
  const auto other = joining.find(found.name, "");
  if (other && *other != found.codes) {
    return joining.problem("name-taken",
                           concat("Expected no tensor ", found.name, " beside its codes in ",
                                  codes.name, ", found one."),
                           found.name);
  }
  const auto elements = checked_product(found.shape);
  if (!is_sound(decoding) || !elements ||
      *elements != decoding.matrices * decoding.rows * decoding.columns) {
    return wrong_part(joining, found.name,
                      concat("codes and scales of a tensor of shape ", shape_text(found.shape)),
                      codes);
  }
  Joined joined{std::move(found.name), std::move(found.shape),
                codes_of(found.layout, found.bits, found.is_integer, std::move(decoding)),
                std::move(found.parts)};
  joining.take(found.codes, std::move(joined));
}

void wrong_part(Joining &joining, const std::string &tensor, std::string_view wanted,
                const Tensor &part) {
  joining.problem("wrong-shape",
                  concat("Expected ", wanted, ", found ", part.name, " of ", dtype_name(part.dtype),
                         ", shape ", shape_text(part.shape), "."),
                  tensor);
}

void missing_part(Joining &joining, std::string_view code, const std::string &tensor,
                  std::string_view wanted) {
  joining.problem(code, concat("Expected ", wanted, ", found none."), tensor);
}

std::optional<size_t> part_at_hand(const Joining &joining, std::string_view base,
                                   std::string_view suffix) {
  const auto found = joining.find(base, suffix);
  return found && is_at_hand(joining.tensor(*found)) ? found : std::nullopt;
}

std::string text_of(const Json &object, const char *key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_string()
             ? found->get<std::string>()
             : std::string();
}

uint64_t number_of(const Json &object, const char *key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_number_unsigned()
             ? found->get<uint64_t>()
             : 0;
}

} // namespace monoquant::layout::coded
