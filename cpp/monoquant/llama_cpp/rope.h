// Rotary position embeddings: what config.json says of them in either spelling, and the factors that Llama 3 has.
// It exists because old configurations have rope_theta and rope_scaling, newer ones rope_parameters.
// Frequencies are computed in f32 as PyTorch computes them, so that the file has the converter's bits.
#pragma once

#include <vector>

#include "monoquant/base/json.h"
#include "monoquant/base/result.h"
#include "monoquant/llama_cpp/hyperparameters.h"

namespace monoquant::llama_cpp {

/// Whether it can be written as an f32: nothing that would become infinite.
bool fits_f32(double number);

/// `text`: text_config, or nothing. Errors: kUnsupportedFormat (a kind of scaling that is not written here),
/// kMalformedFile.
Result<Rope> read_rope(const Json &config, const Json *text, Family family, bool has_defaults,
                       uint32_t context);

/// By what each frequency of a head is divided: rope_freqs.weight. Empty unless the type is "llama3".
std::vector<float> rope_factors(const Rope &rope, uint32_t head_width);

} // namespace monoquant::llama_cpp
