// A catalog as JSON text, in pieces: one of many tensors is longer than memory has room for.
#pragma once

#include "monoquant/base/json_writer.h"
#include "monoquant/catalog/catalog.h"

namespace monoquant::catalog {

/// TypeScript's Catalog, of js/api/catalog.ts.
void write_catalog(JsonWriter &json, const Catalog &catalog);

} // namespace monoquant::catalog
