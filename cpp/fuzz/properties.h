// The properties, one a source of properties/.
// It exists so that the table of them and their sources agree.
// What each of them promises stands in the table and, at length, in its source.
#pragma once

#include "property.h"

namespace monoquant::fuzz {

void check_calibration(Input input);
void check_execute(Input input);
void check_llama_folder(Input input);
void check_many(Input input);
void check_npz(Input input);
void check_options(Input input);
void check_pickle(Input input);
void check_pickle_names(Input input);
void check_quantized(Input input);
void check_round_trip(Input input);
void check_safetensors(Input input);
void check_search(Input input);
void check_torch_legacy(Input input);
void check_torch_zip(Input input);
void check_zip(Input input);
void check_zstd(Input input);

} // namespace monoquant::fuzz
