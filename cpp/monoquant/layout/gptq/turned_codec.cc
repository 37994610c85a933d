#include "monoquant/layout/gptq/turned_codec.h"

#include <algorithm>
#include <set>

#include "monoquant/base/bytes.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/loaders.h"
#include "monoquant/layout/packed_codes.h"
#include "monoquant/layout/scale_bytes.h"

namespace monoquant::layout {
namespace {

using quant::QparamsArrays;

constexpr uint32_t kWordBits = 32;
/// Outputs that share a word of AWQ, by their place from the lowest bits on.
constexpr uint32_t kAwqOrder[] = {0, 2, 4, 6, 1, 3, 5, 7};
/// Words of a row that are turned together: those of a cache line.
constexpr size_t kLine = 16;

class TurnedCodec final : public RowCodec {
public:
  TurnedCodec(const Stored &stored, WordOrder order)
      : stored_(stored), order_(order), groups_(static_cast<size_t>(stored.groups())),
        words_(static_cast<size_t>(row_bytes(stored.columns) / 4)) {}

  /// Zero points of so many outputs fill whole words.
  [[nodiscard]] uint64_t row_quantum() const override {
    return codes_in_words(stored_.scheme.bits);
  }
  [[nodiscard]] uint64_t row_bytes(uint64_t columns) const override {
    return packed_bytes(columns, stored_.scheme.bits);
  }
  /// A scale has two bytes, a zero point one at most.
  [[nodiscard]] uint64_t most_band_bytes(uint64_t rows) const override {
    return rows * groups_ * 3;
  }

  uint8_t *encode(const quant::Values &values, size_t size, size_t count,
                  const QparamsArrays &qparams, uint8_t *to,
                  quant::ErrorSums &sums) const override {
    return encode_integers(values, size, count, stored_.scheme, true, qparams, to, sums);
  }

  [[nodiscard]] bool is_turned() const override { return true; }

  [[nodiscard]] Pieces pieces(size_t stream) const override {
    const uint64_t down = stream != kCodes               ? groups_
                          : order_ == WordOrder::kInputs ? words_
                                                         : stored_.columns;
    return {down, band_offset(stream, stored_.rows)};
  }

  /// In each of its rows a stream has as much of every output.
  [[nodiscard]] uint64_t band_offset(size_t stream, uint64_t row) const override {
    switch (stream) {
    case kCodes:
      return order_ == WordOrder::kInputs ? row * 4 : row * stored_.scheme.bits / 8;
    case kZeroPoints:
      return row * stored_.scheme.bits / 8;
    default:
      return row * 2;
    }
  }

  uint8_t *turn(uint64_t /*row*/, std::span<const uint8_t> rows, uint8_t *to) const override {
    return order_ == WordOrder::kInputs ? turn_words(rows, to) : turn_codes(rows, to);
  }

  uint8_t *encode_band(size_t stream, uint64_t /*row*/, const QparamsArrays &qparams,
                       uint8_t *to) const override {
    const size_t rows = qparams.scales.size() / groups_;
    for (size_t group = 0; group < groups_; ++group) {
      if (stream == kZeroPoints) {
        to = encode_zero_points(qparams.zero_points, rows, group, to);
        continue;
      }
      for (size_t row = 0; row < rows; ++row) {
        to = store_scale(to, qparams.scales[row * groups_ + group], Dtype::kF16);
      }
    }
    return to;
  }

private:
  static constexpr size_t kCodes = 0;
  static constexpr size_t kZeroPoints = 1; // and scales behind them

  /// Word w of all rows, for every w.
  uint8_t *turn_words(std::span<const uint8_t> rows, uint8_t *to) const {
    const size_t count = rows.size() / 4 / words_;
    for (size_t first = 0; first < words_; first += kLine) {
      const size_t end = std::min(words_, first + kLine);
      for (size_t row = 0; row < count; ++row) {
        const uint8_t *from = rows.data() + (row * words_ + first) * 4;
        for (size_t word = first; word < end; ++word, from += 4) {
          std::copy_n(from, 4, to + (word * count + row) * 4);
        }
      }
    }
    return to + rows.size();
  }

  /// Of eight rows each, one code after the other; of these, a word has eight as well.
  uint8_t *turn_codes(std::span<const uint8_t> rows, uint8_t *to) const {
    const size_t count = rows.size() / 4 / words_;
    const size_t across = count / 8; // words of a row there
    for (size_t word = 0; word < words_; ++word) {
      for (size_t eight = 0; eight < across; ++eight) {
        uint32_t turned[8] = {};
        for (uint32_t place = 0; place < 8; ++place) {
          const size_t row = eight * 8 + kAwqOrder[place];
          const auto codes = load_le<uint32_t>(rows.data() + (row * words_ + word) * 4);
          for (uint32_t i = 0; i < 8; ++i) {
            turned[i] |= (codes >> (4 * i) & 15U) << (4 * place);
          }
        }
        for (size_t i = 0; i < 8; ++i) {
          store_le(to + ((word * 8 + i) * across + eight) * 4, turned[i]);
        }
      }
    }
    return to + rows.size();
  }

  /// Those of one group, of all rows.
  uint8_t *encode_zero_points(std::span<const int32_t> zero_points, size_t rows, size_t group,
                              uint8_t *to) const {
    const uint32_t bits = stored_.scheme.bits;
    const uint32_t mask = (1U << bits) - 1;
    const int32_t less = order_ == WordOrder::kInputs && stored_.scheme.symmetric ? 1 : 0;
    const auto stored_as = [&](size_t row) {
      const int32_t code = zero_points[row * groups_ + group] - stored_.scheme.lowest();
      return static_cast<uint32_t>(code - less) & mask;
    };
    uint64_t waiting = 0;
    uint32_t held = 0;
    for (size_t row = 0; row < rows; ++row) {
      const size_t from = order_ == WordOrder::kInputs ? row : row - row % 8 + kAwqOrder[row % 8];
      waiting |= static_cast<uint64_t>(stored_as(from)) << held;
      for (held += bits; held >= kWordBits; held -= kWordBits, waiting >>= kWordBits) {
        store_le(to, static_cast<uint32_t>(waiting));
        to += 4;
      }
    }
    return to;
  }

  const Stored &stored_;
  WordOrder order_;
  size_t groups_;
  size_t words_; // of a row
};

bool may_be_linear_layer(const catalog::Tensor &tensor) {
  const std::string_view name = catalog::class_name(tensor);
  return tensor.shape.size() == 2 && tensor.name.ends_with(".weight") &&
         (name == "Linear" || name.empty()) && tensor.kind != catalog::LayerKind::kRouter;
}

} // namespace

std::unique_ptr<RowCodec> make_turned_codec(const Stored &stored, WordOrder order) {
  return std::make_unique<TurnedCodec>(stored, order);
}

std::string refuse_all_but_linear(const catalog::Tensor &tensor, std::string_view format) {
  return may_be_linear_layer(tensor)
             ? std::string()
             : concat("loaders of ", format, " take weights of Linear layers only");
}

std::string fault_without_weights(const catalog::Catalog &catalog, std::string_view format) {
  return layout::fault_of_loading(catalog, true).empty()
             ? std::string()
             : concat("transformers 5.23 cannot load ", format, " codes of models of type \"",
                      catalog.model->model_type, "\". Other programs may; 16 bits load there.");
}

std::vector<std::string> modules_left_alone(const catalog::Catalog &catalog,
                                            std::span<const Described> tensors) {
  std::set<std::string> names;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const catalog::Tensor &tensor = catalog.tensors[i];
    if (tensors[i].stored == nullptr && tensor.shape.size() == 2 &&
        tensor.name.ends_with(".weight") && tensor.kind != catalog::LayerKind::kEmbedding) {
      for (std::string &name :
           names_on_loading(catalog, std::string(catalog::module_name(tensor.name)))) {
        names.insert(std::move(name));
      }
    }
  }
  for (const std::string &name : catalog::modules_without_tensors(catalog)) {
    names.insert(name);
  }
  return {names.begin(), names.end()};
}

} // namespace monoquant::layout
