// The layout "gguf": tensors of blocks, as GGUF files hold them. Never joined: a block has all that it needs, so the
// catalog has such tensors from the beginning (model_file.h).
#pragma once

#include "monoquant/layout/layout.h"

namespace monoquant::layout {

extern const Layout kGguf;

} // namespace monoquant::layout
