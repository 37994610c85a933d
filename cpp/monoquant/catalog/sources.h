// From what a container holds to a Catalog.
// It exists so that the differences between files end here.
// Kinds are not filled in yet.
#pragma once

#include <span>

#include "monoquant/base/byte_window.h"
#include "monoquant/catalog/catalog.h"
#include "monoquant/container/safetensors.h"

namespace monoquant::catalog {

Catalog from_safetensors(container::SafetensorsFile file, uint64_t file_bytes);
Catalog from_checkpoint(torch::Checkpoint checkpoint, uint64_t file_bytes);

/// True where a file begins as a zip archive whose first member is an .npy file.
bool looks_like_npz(std::span<const uint8_t> head);
/// NumPy's archive of arrays, numpy.savez: one tensor an array, named as its member without ".npy". Errors:
/// kMalformedFile, kUnsupportedFormat (encrypted members, objects, records), kLimitExceeded, kFileTruncated.
Result<Parsed<Catalog>> read_npz(const ByteWindow &window);

} // namespace monoquant::catalog
