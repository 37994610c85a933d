#include "monoquant/torch/member_kind.h"

#include <algorithm>
#include <array>

#include "monoquant/base/bytes.h"
#include "monoquant/base/text.h"

namespace monoquant::torch {
namespace {

using namespace std::string_view_literals;

std::string_view text_of(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

bool ends_with_any(std::string_view name, std::span<const std::string_view> ends) {
  return std::any_of(ends.begin(), ends.end(),
                     [&](std::string_view end) { return name.ends_with(end); });
}

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char digit) { return digit >= '0' && digit <= '9'; });
}

/// What loads as a program of the machine or of Python: ELF, PE, Mach-O.
bool is_native(std::string_view name, std::string_view head) {
  constexpr std::array kEnds = {".so"sv,  ".dll"sv, ".dylib"sv, ".o"sv,       ".obj"sv,
                                ".a"sv,   ".pyd"sv, ".cubin"sv, ".hsaco"sv,   ".ptx"sv,
                                ".exe"sv, ".spv"sv, ".pyc"sv,   ".metallib"sv};
  constexpr std::array kHeads = {"\x7f"
                                 "ELF"sv,
                                 "MZ"sv, "\xcf\xfa\xed\xfe"sv, "\xca\xfe\xba\xbe"sv};
  return ends_with_any(name, kEnds) ||
         std::any_of(kHeads.begin(), kHeads.end(),
                     [&](std::string_view start) { return head.starts_with(start); }) ||
         name.find(".so.") != std::string_view::npos;
}

} // namespace

bool is_plain_fact(std::string_view name) {
  constexpr std::array<std::string_view, 7> kFacts = {
      "version",         "byteorder",          ".data/version", ".data/serialization_id",
      ".format_version", ".storage_alignment", "metadata.json"};
  return std::find(kFacts.begin(), kFacts.end(), name) != kFacts.end();
}

bool is_plain_record(std::string_view name) {
  for (const std::string_view folder : {"data/", "constants/", "traced_inputs/", "tensors/"}) {
    if (name.starts_with(folder) && is_digits(name.substr(folder.size()))) {
      return true;
    }
  }
  return is_plain_fact(name);
}

bool is_weights_file(std::string_view name) {
  constexpr std::array kEnds = {".safetensors"sv, ".bin"sv, ".pt"sv, ".pth"sv, ".ckpt"sv};
  return ends_with_any(name, kEnds);
}

Error packed_model(std::string_view archive, std::string_view member, std::string_view unpack) {
  return {ErrorCode::kUnsupportedFormat,
          concat("Expected a PyTorch or safetensors file, found a ", archive, " archive with \"",
                 member, "\" in it."),
          concat("Unpack it first (", unpack, "), and give the model that is in it."),
          {},
          0};
}

bool is_script_module(std::string_view name) {
  return name.starts_with("code/") && name.ends_with(".py");
}

std::optional<std::string_view> code_kind(std::string_view name, std::span<const uint8_t> head) {
  if (is_native(name, text_of(head))) {
    return "native code";
  }
  return name.ends_with(".py") ? std::optional("Python source"sv) : std::nullopt;
}

bool must_be_pickle(std::string_view name, std::span<const uint8_t> head) {
  constexpr std::array kEnds = {".pkl"sv,  ".pickle"sv,    ".pt"sv,    ".pth"sv,
                                ".ckpt"sv, ".debug_pkl"sv, ".joblib"sv};
  constexpr uint8_t kProtocol = 0x80;
  return ends_with_any(name, kEnds) ||
         (head.size() >= 2 && head[0] == kProtocol && head[1] >= 2 && head[1] <= 5);
}

//  +----------+-------+-------+-----------------+------------------+--------+
//  | \x93NUMPY| major | minor | u16 len, or u32 | {'descr': '|O',…} | pickle |   u32 from major 2 on
//  +----------+-------+-------+-----------------+------------------+--------+
//  Source: numpy/lib/format.py. No type of numbers has a capital O in its name.
std::optional<uint64_t> find_array_pickle(std::span<const uint8_t> head) {
  constexpr size_t kLength = 8;
  constexpr size_t kText = 12;
  if (head.size() < kText || !text_of(head).starts_with("\x93NUMPY")) {
    return std::nullopt;
  }
  const bool is_first = head[6] == 1;
  const uint64_t begin = is_first ? kLength + 2 : kText;
  const uint64_t length =
      is_first ? load_le<uint16_t>(&head[kLength]) : load_le<uint32_t>(&head[kLength]);
  const auto text = text_of(head).substr(static_cast<size_t>(begin));
  const bool has_objects =
      text.substr(0, static_cast<size_t>(length)).find('O') != std::string_view::npos;
  return has_objects ? std::optional(begin + length) : std::nullopt;
}

} // namespace monoquant::torch
