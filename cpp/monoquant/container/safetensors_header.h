// The JSON header of a safetensors file, read strictly.
// It exists apart from the reader because what the text says and whether it fits the file are two questions.
// Nothing is accepted that the format's own reader refuses, and duplicate names are refused too.
#pragma once

#include <span>
#include <string>

#include "monoquant/base/result.h"
#include "monoquant/container/safetensors.h"

namespace monoquant::container {

/// kMalformedFile, with the sentence that every such error begins with. `offset` is in the file.
Error malformed_safetensors(const std::string &message, uint64_t offset, std::string tensor = {});

/// `json` is the header without its length prefix. Offsets of the entries still count from the data's start,
/// and neither they nor the names have been compared with each other. Errors: kMalformedFile, kLimitExceeded.
Result<SafetensorsFile> parse_safetensors_header(std::span<const uint8_t> json);

} // namespace monoquant::container
