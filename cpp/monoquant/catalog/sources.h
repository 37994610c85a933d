// From what a container holds to a Catalog.
// It exists so that the differences between files end here.
// Kinds are not filled in yet.
#pragma once

#include <span>

#include "monoquant/base/byte_window.h"
#include "monoquant/catalog/catalog.h"
#include "monoquant/container/gguf.h"
#include "monoquant/container/safetensors.h"

namespace monoquant::catalog {

Catalog from_safetensors(container::SafetensorsFile file, uint64_t file_bytes);
Catalog from_checkpoint(torch::Checkpoint checkpoint, uint64_t file_bytes);

/// True where a file begins as a zip archive whose first member is an .npy file.
bool looks_like_npz(std::span<const uint8_t> head);
/// NumPy's archive of arrays, numpy.savez: one tensor an array, named as its member without ".npy". Errors:
/// kMalformedFile, kUnsupportedFormat (encrypted members, objects, records), kLimitExceeded, kFileTruncated.
Result<Parsed<Catalog>> read_npz(const ByteWindow &window);

/// The type of a GGUF tensor's elements where these are plain numbers; nothing where they are blocks.
std::optional<Dtype> dtype_of_gguf(uint32_t type);
/// A tensor of plain numbers of a GGUF file. Errors: kMalformedFile (it reaches beyond the file).
Result<Tensor> plain_gguf_tensor(const container::GgufTensor &entry, Dtype dtype, bool big_endian,
                                 uint64_t file_bytes);

/// True where a file begins as one of llama.cpp's, which may hold statistics of a model's inputs.
bool looks_like_statistics(std::span<const uint8_t> head);
/// What llama-imatrix has made, in GGUF or in its older form: tensors X.in_sum2 and X.counts of the weights X. Errors:
/// kMalformedFile, kUnsupportedFormat (anything else in a GGUF file), kLimitExceeded, kFileTruncated.
Result<Parsed<Catalog>> read_statistics(const ByteWindow &window, std::span<const uint8_t> head);

} // namespace monoquant::catalog
