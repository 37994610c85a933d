// Options as hosts send them: any choice of any of them, about a model that is there.
// It exists because what goes with what is for hosts to say; the engine has to keep its promises for all.
// Every one is valid, so parsing them must succeed.
#pragma once

#include "choices.h"
#include "monoquant/base/json.h"
#include "monoquant/catalog/catalog.h"

namespace monoquant::fuzz {

/// EngineOptions of js/engine/wasm.ts.
Json make_options(Choices &choices, const catalog::Catalog &catalog);

} // namespace monoquant::fuzz
