// From what a container holds to a Catalog.
// It exists so that the differences between files end here.
// Kinds are not filled in yet.
#pragma once

#include "monoquant/catalog/catalog.h"
#include "monoquant/container/safetensors.h"

namespace monoquant::catalog {

Catalog from_safetensors(container::SafetensorsFile file, uint64_t file_bytes);
Catalog from_checkpoint(torch::Checkpoint checkpoint, uint64_t file_bytes);

} // namespace monoquant::catalog
