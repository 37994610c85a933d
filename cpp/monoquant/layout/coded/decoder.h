// Reads the streams of a described tensor piece by piece and makes values of them.
// It holds the words of one piece; of numbers that are packed the other way round, those of a slab of rows, which are
// kept as long as pieces lie in it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "monoquant/layout/coded/field_reader.h"
#include "monoquant/layout/part_decoder.h"

namespace monoquant::layout::coded {

/// Bytes of a slab: a usual matrix of four-bit codes is one, so that it is read once and in order.
inline constexpr uint64_t kSlabBytes = uint64_t{16} << 20U;

class Decoder final : public PartDecoder {
public:
  explicit Decoder(size_t block_bytes, uint64_t slab_bytes = kSlabBytes)
      : block_bytes_(block_bytes), slab_bytes_(slab_bytes) {}

  void reserve(const catalog::Codes &codes, uint64_t elements) override;
  void begin(const catalog::Codes &codes, uint64_t begin, uint64_t end, std::span<float> values,
             std::span<int8_t> steps) override;
  std::optional<Need> next() override;
  void fill(std::span<const uint8_t> bytes) override;
  [[nodiscard]] const DecodeFindings &findings() const override { return findings_; }

  /// Whoever wants these asks for codes, which are none of integers in runs.
  [[nodiscard]] float scale(uint64_t /*element*/) const override { return 0; }
  [[nodiscard]] int32_t signed_zero_point(uint64_t /*element*/) const override { return 0; }
  /// Other tools round in ways of their own, which are not judged here.
  [[nodiscard]] uint64_t misrounded(std::span<const float> /*values*/,
                                    std::span<const float> /*expected*/) const override {
    return 0;
  }

private:
  /// A scale and what belongs to it.
  struct Scope {
    float scale = 0;
    float zero = 0;
  };

  void begin_piece();
  void want_piece();
  Window *unread();
  void decode_piece();
  void take_tables();
  void find_scopes(uint64_t row);
  [[nodiscard]] float scale_at(uint64_t down, uint64_t across) const;
  [[nodiscard]] float zero_at(uint64_t down, uint64_t across);
  void judge(const Scope &scope);
  void decode_row(uint64_t row, uint64_t column, std::span<float> to);
  void decode_rotated(uint64_t row, std::span<float> to);
  void put(std::span<const uint8_t> codes, const Scope &scope, float *to);
  [[nodiscard]] float rounded(float value) const;
  [[nodiscard]] uint64_t group_of(uint64_t column) const;

  /// Rows and columns at whose multiples pieces end.
  struct Slab {
    uint64_t rows = UINT64_MAX;
    uint64_t columns = UINT64_MAX;
  };
  [[nodiscard]] Slab slab() const;

  size_t block_bytes_;
  uint64_t slab_bytes_;
  FieldReader code_words_;
  FieldReader scale_words_;
  FieldReader zero_words_;
  Window table_;
  Window scale_table_;
  Window outer_;
  Window order_;
  std::vector<float> numbers_;   // by code
  std::vector<uint8_t> row_;     // codes
  std::vector<float> unrotated_; // a row, or whole groups of it
  std::vector<Scope> scopes_;    // of the row at work, from the first group of the piece on
  DecodeFindings findings_;

  // The part at work.
  const catalog::Codes *codes_ = nullptr;
  const catalog::Decoding *decoding_ = nullptr;
  uint64_t begin_ = 0; // elements
  uint64_t end_ = 0;
  std::span<float> values_;

  // The piece of it: whole rows, or some columns of one.
  uint64_t position_ = 0; // its first element
  Area piece_;
  uint64_t first_group_ = 0;
  uint64_t groups_ = 0;
  uint64_t first_outer_ = 0;
};

} // namespace monoquant::layout::coded
