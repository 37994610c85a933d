#include "monoquant/torch/zip_storages.h"

#include "monoquant/base/text.h"

namespace monoquant::torch {
namespace {

constexpr uint16_t kStored = 0;
constexpr uint16_t kDeflated = 8;

Result<const container::ZipMember *> find_record(const ZipArchive &archive, std::string_view folder,
                                                 const StorageClaim &claim) {
  const container::ZipMember *member = archive.find(std::string(folder) + claim.key);
  if (member == nullptr) {
    return malformed_checkpoint(
        concat("record \"", folder, claim.key, "\" is missing from the archive"));
  }
  if (member->encrypted || (member->method != kStored && member->method != kDeflated)) {
    return Error{
        ErrorCode::kUnsupportedFormat,
        concat("Record \"", member->name, "\" is ",
               member->encrypted ? "encrypted" : "compressed in a way that is not supported",
               "; records can be stored or deflated."),
        "Save the checkpoint again with torch.save.",
        {},
        member->header_offset};
  }
  if (member->bytes < claim.bytes) {
    return malformed_checkpoint(concat("record \"", member->name, "\" has ", member->bytes,
                                       " bytes, its tensors need ", claim.bytes));
  }
  return member;
}

} // namespace

Result<Parsed<std::vector<Storage>>> place_storages(const ZipArchive &archive,
                                                    std::string_view folder,
                                                    std::span<const StorageClaim> claims) {
  using Step = Parsed<std::vector<Storage>>;
  std::vector<Storage> storages;
  Needs needs;
  for (const StorageClaim &claim : claims) {
    Storage storage;
    if (claim.is_literal) {
      storage.bytes = claim.bytes;
      storage.literal = claim.literal;
      storages.push_back(std::move(storage));
      continue;
    }
    const auto member = find_record(archive, folder, claim);
    if (!member) {
      return member.error();
    }
    auto found = container::find_zip_data(archive.window, *member.value());
    if (!found) {
      return found.error();
    }
    if (const Needs *missing = std::get_if<Needs>(&found.value())) {
      needs.insert(needs.end(), missing->begin(), missing->end());
      continue;
    }
    storage.offset = *std::get_if<uint64_t>(&found.value());
    storage.stored_bytes = member.value()->stored_bytes;
    storage.bytes = member.value()->bytes;
    storage.deflated = member.value()->method == kDeflated;
    if (archive.has_checksums) {
      storage.crc32 = member.value()->crc32;
    }
    storages.push_back(std::move(storage));
  }
  return needs.empty() ? Step(std::move(storages)) : Step(std::move(needs));
}

std::optional<container::ZipContent> MemberReader::read(const container::ZipMember *member,
                                                        uint64_t max_bytes) {
  if (member == nullptr || error_) {
    return std::nullopt;
  }
  auto content = container::read_zip_member(window_, *member, max_bytes);
  if (!content) {
    error_ = content.error();
    return std::nullopt;
  }
  if (const Needs *missing = std::get_if<Needs>(&content.value())) {
    needs_.insert(needs_.end(), missing->begin(), missing->end());
    return std::nullopt;
  }
  return std::move(*std::get_if<container::ZipContent>(&content.value()));
}

Result<Needs> MemberReader::finish() {
  if (error_) {
    return *error_;
  }
  return std::move(needs_);
}

} // namespace monoquant::torch
