#include "monoquant/layout/bitsandbytes/nested.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/json.h"
#include "monoquant/layout/coded/codebook_codec.h"
#include "monoquant/layout/scale_bytes.h"

namespace monoquant::layout::bitsandbytes {
namespace {

using quant::QparamsArrays;

/// Bits of the positive numbers below 1 of the table; the negative ones mirror them. Source: create_dynamic_map() of
/// bitsandbytes 0.50.2 with PyTorch 2.15, whose roundings they have.
constexpr std::array<uint32_t, 127> kPositive = {
    0x3513A3B7, 0x365A1A94, 0x370205FF, 0x37B24206, 0x38378034, 0x388AEFB3, 0x38BA1F4B, 0x3923D70B,
    0x398CE705, 0x39C7E283, 0x3A016F01, 0x3A1EECC1, 0x3A3C6A80, 0x3A59E83E, 0x3A7765FF, 0x3AA7EF9D,
    0x3AF1A9FC, 0x3B1DB22D, 0x3B428F5C, 0x3B676C8A, 0x3B8624DD, 0x3B989374, 0x3BAB020D, 0x3BBD70A4,
    0x3BCFDF3B, 0x3BE24DD3, 0x3BF4BC6A, 0x3C039581, 0x3C0CCCCD, 0x3C160418, 0x3C1F3B64, 0x3C3AE148,
    0x3C68F5C3, 0x3C8B851F, 0x3CA28F5D, 0x3CB9999A, 0x3CD0A3D7, 0x3CE7AE15, 0x3CFEB852, 0x3D0AE148,
    0x3D166667, 0x3D21EB85, 0x3D2D70A3, 0x3D38F5C3, 0x3D447AE1, 0x3D500000, 0x3D5B851F, 0x3D670A3D,
    0x3D728F5D, 0x3D7E147B, 0x3D84CCCD, 0x3D8A8F5D, 0x3D9051EB, 0x3D96147B, 0x3D9BD70A, 0x3DA1999A,
    0x3DA75C2A, 0x3DAD1EB8, 0x3DB2E148, 0x3DB8A3D7, 0x3DBE6667, 0x3DC428F7, 0x3DC9EB85, 0x3DDB3334,
    0x3DF80000, 0x3E0A6666, 0x3E18CCCD, 0x3E273333, 0x3E35999A, 0x3E440000, 0x3E526666, 0x3E60CCCD,
    0x3E6F3333, 0x3E7D9999, 0x3E860000, 0x3E8D3334, 0x3E946666, 0x3E9B999A, 0x3EA2CCCC, 0x3EAA0000,
    0x3EB13333, 0x3EB86666, 0x3EBF999A, 0x3EC6CCCC, 0x3ECE0000, 0x3ED53333, 0x3EDC6666, 0x3EE3999A,
    0x3EEACCCC, 0x3EF20000, 0x3EF93332, 0x3F003333, 0x3F03CCCC, 0x3F076666, 0x3F0B0000, 0x3F0E999A,
    0x3F123334, 0x3F15CCCD, 0x3F196666, 0x3F1D0000, 0x3F20999A, 0x3F243334, 0x3F27CCCD, 0x3F2B6666,
    0x3F2F0000, 0x3F32999A, 0x3F363334, 0x3F39CCCD, 0x3F3D6666, 0x3F410000, 0x3F44999A, 0x3F483333,
    0x3F4BCCCD, 0x3F4F6666, 0x3F530000, 0x3F56999A, 0x3F5A3333, 0x3F5DCCCD, 0x3F616666, 0x3F650000,
    0x3F68999A, 0x3F6C3333, 0x3F6FCCCD, 0x3F736666, 0x3F770000, 0x3F7A999A, 0x3F7E3333};

constexpr std::array<float, 256> make_table() {
  std::array<float, 256> table{};
  for (size_t i = 0; i < kPositive.size(); ++i) {
    table[128 + i] = std::bit_cast<float>(kPositive[i]);
    table[126 - i] = -table[128 + i];
  }
  table[255] = 1;
  return table;
}
constexpr std::array<float, 256> kTable = make_table();

/// The nearest number, the lower one in the middle, of one that is first rounded to 65535 steps from -1 to 1, as
/// bitsandbytes looks it up.
uint8_t nested_code(float part) {
  constexpr float kSteps = 32767.5F;
  const float step = std::floor((part + 1.0F) * kSteps + 0.5F);
  const double wanted = static_cast<double>(step) / double{kSteps} - 1.0;
  const auto *above = std::lower_bound(kTable.begin(), kTable.end(), wanted);
  if (above == kTable.begin() || above == kTable.end()) {
    return above == kTable.begin() ? 0 : 255;
  }
  const bool is_upper = double{*above} - wanted < wanted - double{*(above - 1)};
  return static_cast<uint8_t>(above - kTable.begin() - (is_upper ? 0 : 1));
}

class NestedCodec final : public coded::CodebookCodec {
public:
  explicit NestedCodec(const Stored &stored) : CodebookCodec(stored, coded::Pair::kHighFirst) {}

  /// Codes, outer scales, and the note.
  [[nodiscard]] uint64_t most_band_bytes(uint64_t rows) const override {
    const uint64_t scales = rows * stored().groups();
    return scales + divide_up(scales, kInNestedBlock) * sizeof(float) + stored().note.size() +
           kOffsetText;
  }
  /// Bands are whole tensors.
  [[nodiscard]] uint64_t band_offset(size_t /*stream*/, uint64_t /*row*/) const override {
    return 0;
  }

  /// Zero points, which such codes do not have, hold what readers make of scales.
  void settle(const QparamsArrays &qparams) const override {
    const NestedScales nested = nest_scales(qparams.scales);
    for (size_t i = 0; i < qparams.scales.size(); ++i) {
      qparams.zero_points[i] = std::bit_cast<int32_t>(nested.read(i));
    }
  }

  uint8_t *encode_band(size_t stream, uint64_t /*row*/, const QparamsArrays &qparams,
                       uint8_t *to) const override {
    const NestedScales nested = nest_scales(qparams.scales);
    switch (stream) {
    case 1:
      return std::copy(nested.codes.begin(), nested.codes.end(), to);
    case 2:
      for (const float outer : nested.outer) {
        to = store_scale(to, outer, Dtype::kF32);
      }
      return to;
    default:
      const std::string text = stored().note + offset_text(nested.offset);
      return std::copy(text.begin(), text.end(), to);
    }
  }

protected:
  [[nodiscard]] float read_scale(const QparamsArrays &qparams, size_t scope) const override {
    return std::bit_cast<float>(qparams.zero_points[scope]);
  }
};

} // namespace

float NestedScales::read(size_t i) const {
  return kTable[codes[i]] * outer[i / kInNestedBlock] + offset;
}

std::span<const float, 256> nested_table() { return kTable; }

NestedScales nest_scales(std::span<const float> scales) {
  NestedScales nested;
  double sum = 0;
  for (const float scale : scales) {
    sum += scale;
  }
  nested.offset =
      scales.empty() ? 0.0F : static_cast<float>(sum / static_cast<double>(scales.size()));
  nested.codes.reserve(scales.size());
  for (size_t begin = 0; begin < scales.size(); begin += kInNestedBlock) {
    const auto block =
        scales.subspan(begin, std::min<size_t>(kInNestedBlock, scales.size() - begin));
    float outer = 0;
    for (const float scale : block) {
      outer = std::max(outer, std::fabs(scale - nested.offset));
    }
    nested.outer.push_back(outer);
    for (const float scale : block) {
      nested.codes.push_back(nested_code(outer == 0 ? 0.0F : (scale - nested.offset) / outer));
    }
  }
  return nested;
}

/// As Python writes the number, but for the spaces, which JSON does not mind: the file's layout is fixed before the
/// number is known.
std::string offset_text(float offset) {
  std::array<char, 64> digits{};
  const char *end = nlohmann::detail::to_chars(digits.data(), digits.data() + digits.size(),
                                               static_cast<double>(offset));
  std::string text(static_cast<const char *>(digits.data()), end);
  text += '}';
  text.resize(kOffsetText, ' ');
  return text;
}

std::unique_ptr<RowCodec> make_nested_codec(const Stored &stored) {
  return std::make_unique<NestedCodec>(stored);
}

} // namespace monoquant::layout::bitsandbytes
