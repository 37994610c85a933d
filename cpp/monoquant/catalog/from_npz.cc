#include <algorithm>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/limits.h"
#include "monoquant/base/text.h"
#include "monoquant/catalog/sources.h"
#include "monoquant/container/deflate.h"
#include "monoquant/container/npy.h"
#include "monoquant/container/zip.h"
#include "monoquant/container/zip_records.h"

namespace monoquant::catalog {
namespace {

using container::NpyHeader;
using container::ZipMember;
namespace zip = container::zip;

constexpr std::string_view kSuffix = ".npy";
// What a local header's extra fields mostly stay under (NumPy's have 20 bytes): one read brings header and array's.
constexpr uint64_t kUsualExtra = 64;

/// Where the content of a member begins in the file, and its first bytes.
struct Head {
  uint64_t data = 0;
  std::vector<uint8_t> bytes;
};

Result<std::vector<uint8_t>> inflate_head(std::span<const uint8_t> stored, const ZipMember &member,
                                          size_t bytes) {
  container::Inflater inflater;
  std::vector<uint8_t> head(bytes);
  auto step = inflater.inflate(stored, head);
  if (!step || (step.value().produced < bytes && step.value().done)) {
    return zip::malformed(concat("the compressed data of \"", member.name, "\" broken"),
                          member.header_offset);
  }
  head.resize(step.value().produced);
  return head;
}

Result<Parsed<Head>> read_head(const ByteWindow &window, const ZipMember &member) {
  using Step = Parsed<Head>;
  if (member.encrypted || (member.method != zip::kStored && member.method != zip::kDeflated)) {
    return Error{ErrorCode::kUnsupportedFormat,
                 concat("Expected \"", member.name, "\" stored or deflated, found it ",
                        member.encrypted ? "encrypted" : "compressed in another way", "."),
                 "Save the arrays again with numpy.savez.", member.name, member.header_offset};
  }
  const uint64_t stored = std::min<uint64_t>(member.stored_bytes, container::kMaxNpyHeader);
  auto place = container::find_zip_data(window, member);
  if (!place) {
    return place.error();
  }
  if (std::holds_alternative<Needs>(place.value())) {
    const uint64_t guess = zip::LocalHeader::kBytes + member.name.size() + kUsualExtra + stored;
    return Step(
        Needs{{member.header_offset, std::min(guess, member.end_limit - member.header_offset)}});
  }
  Head head;
  head.data = *std::get_if<uint64_t>(&place.value());
  const auto begin =
      stored == 0 ? std::optional(std::span<const uint8_t>()) : window.find(head.data, stored);
  if (!begin) {
    return Step(Needs{{head.data, stored}});
  }
  head.bytes.assign(begin->begin(), begin->end());
  if (member.method == zip::kDeflated) {
    const auto bytes =
        static_cast<size_t>(std::min<uint64_t>(member.bytes, container::kMaxNpyHeader));
    auto inflated = inflate_head(*begin, member, bytes);
    if (!inflated) {
      return inflated.error();
    }
    head.bytes = std::move(inflated.value());
  }
  return Step(std::move(head));
}

/// Strides of dimensions that run fastest first.
std::vector<uint64_t> fortran_strides(const std::vector<uint64_t> &shape) {
  std::vector<uint64_t> strides;
  uint64_t stride = 1;
  for (const uint64_t extent : shape) {
    strides.push_back(stride);
    stride *= extent;
  }
  return strides;
}

std::vector<uint64_t> c_strides(const std::vector<uint64_t> &shape) {
  std::vector<uint64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) {
    strides[i - 1] = strides[i] * shape[i];
  }
  return strides;
}

/// The archive's checksum is that of header and data together: this is the data's share of it.
uint32_t crc_of_data(const ZipMember &member, std::span<const uint8_t> header, uint64_t bytes) {
  return member.crc32 ^ container::crc32_combine(container::crc32(0, header), 0, bytes);
}

Result<Tensor> make_tensor(const ZipMember &member, const Head &head) {
  auto read = container::read_npy_header(head.bytes, member.name);
  if (!read) {
    read.error().offset = member.header_offset;
    return read.error();
  }
  NpyHeader &header = read.value();
  const uint32_t width = dtype_bits(header.dtype) / 8;
  const auto elements = checked_product(header.shape);
  const auto bytes = elements ? checked_mul(*elements, width) : std::nullopt;
  if (!bytes || *bytes != member.bytes - header.data_offset) {
    return Error{ErrorCode::kMalformedFile,
                 concat("Expected \"", member.name, "\" to hold an array of ",
                        shape_text(header.shape), " ", dtype_name(header.dtype), ", found ",
                        member.bytes - header.data_offset, " bytes."),
                 "Save the arrays again with numpy.savez.", member.name, member.header_offset};
  }
  Tensor tensor{member.name.substr(0, member.name.size() - kSuffix.size()),
                header.dtype,
                header.shape,
                *elements,
                head.data,
                *bytes};
  if (*elements == 0) {
    return tensor;
  }
  const bool deflated = member.method == zip::kDeflated;
  const bool swapped = header.big_endian && width > 1;
  const bool strided = header.fortran_order && header.shape.size() > 1;
  if (!deflated) {
    tensor.offset += header.data_offset;
  } else if (header.data_offset % width != 0) {
    return Error{ErrorCode::kUnsupportedFormat,
                 concat("Expected the data of \"", member.name, "\" to begin at a multiple of ",
                        width, " bytes, found ", header.data_offset, "."),
                 "Save the arrays again with numpy.savez.", member.name, member.header_offset};
  }
  if (deflated || swapped || strided) {
    View view;
    view.deflated = deflated;
    view.stored_bytes = deflated ? member.stored_bytes : *bytes;
    view.storage_bytes = deflated ? member.bytes : *bytes;
    view.big_endian = swapped;
    view.first = deflated ? header.data_offset / width : 0;
    view.strides = strided ? fortran_strides(header.shape) : c_strides(header.shape);
    if (deflated) {
      view.crc32 = member.crc32;
    }
    tensor.view = std::make_shared<const View>(std::move(view));
  } else {
    const auto before = std::span(head.bytes).first(static_cast<size_t>(header.data_offset));
    tensor.crc32 = crc_of_data(member, before, *bytes);
  }
  return tensor;
}

} // namespace

bool looks_like_npz(std::span<const uint8_t> head) {
  if (!container::looks_like_zip(head) || head.size() < zip::LocalHeader::kBytes ||
      load_le<uint32_t>(head.data()) != zip::LocalHeader::kSignature) {
    return false;
  }
  const size_t length = load_le<uint16_t>(&head[zip::LocalHeader::kNameLength]);
  const auto rest = head.subspan(zip::LocalHeader::kBytes);
  const std::string_view name(reinterpret_cast<const char *>(rest.data()),
                              std::min(length, rest.size()));
  return name.ends_with(kSuffix);
}

Result<Parsed<Catalog>> read_npz(const ByteWindow &window) {
  using Step = Parsed<Catalog>;
  auto parsed = container::read_zip_directory(window);
  if (!parsed) {
    return parsed.error();
  }
  if (Needs *needs = std::get_if<Needs>(&parsed.value())) {
    return Step(std::move(*needs));
  }
  const auto &directory = *std::get_if<container::ZipDirectory>(&parsed.value());
  if (directory.members.size() > kMaxTensors) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("The file lists more than ", kMaxTensors, " arrays."),
                 "Split it into several files.",
                 {},
                 0};
  }
  Catalog catalog;
  catalog.file_bytes = window.file_size();
  catalog.format = "npz";
  Needs needs;
  for (const ZipMember &member : directory.members) {
    if (!member.name.ends_with(kSuffix)) {
      catalog.left_out.push_back({member.name, "no NumPy array", 0, member.bytes});
      continue;
    }
    auto head = read_head(window, member);
    if (!head) {
      return head.error();
    }
    if (const Needs *missing = std::get_if<Needs>(&head.value())) {
      needs.insert(needs.end(), missing->begin(), missing->end());
      continue;
    }
    auto tensor = make_tensor(member, *std::get_if<Head>(&head.value()));
    if (!tensor) {
      return tensor.error();
    }
    catalog.tensors.push_back(std::move(tensor.value()));
  }
  return needs.empty() ? Step(std::move(catalog)) : Step(std::move(needs));
}

} // namespace monoquant::catalog
