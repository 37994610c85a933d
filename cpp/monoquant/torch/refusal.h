// What a file that is refused would still do in Python.
// It exists because torch.load runs a pickle up to where it breaks: what nobody can read may be dangerous.
#pragma once

#include "monoquant/base/byte_window.h"
#include "monoquant/base/result.h"

namespace monoquant::torch {

/// Says in the message of `error` which names in `file` are dangerous or, if none is, of which nothing is known. As long
/// as bytes are lacking for that, it returns them and leaves `error` as it is.
[[nodiscard]] Needs tell_names(const ByteWindow &file, Error &error);

} // namespace monoquant::torch
