// Quantized tensors of layouts that are known by name only, and of those that nobody here has heard of.
// It exists so that codes are never taken for plain numbers: what is not understood is named, and refused.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "monoquant/base/byte_window.h"
#include "monoquant/base/result.h"
#include "monoquant/catalog/catalog.h"

namespace monoquant::layout {

/// For each tensor, whether its codes look like plain ones with scales, and are something else: rotated rows, or several
/// codes in a byte. The layouts that these belong to look for them all the same.
std::vector<bool> claimed_by_others(const catalog::Catalog &catalog, const ByteWindow &window);

/// The kinds of codes that are left in a catalog, with or without joined tensors beside them.
std::vector<catalog::Foreign> find_foreign(const catalog::Catalog &catalog);

/// The error of whoever needs numbers where there are codes that nobody here can read; nothing where there are none.
std::optional<Error> refuse_foreign(const catalog::Catalog &catalog);

/// The same, and that of whoever wants the values of joined codes of which some have a problem.
std::optional<Error> refuse_unsound(const catalog::Catalog &catalog);

/// The error of whoever would quantize what is quantized already, in whatever layout.
std::optional<Error> refuse_quantized(const catalog::Catalog &catalog);

/// The error of whoever would copy bit for bit what has no form of its own outside its file: blocks of values that were
/// not asked for as values.
std::optional<Error> refuse_blocks(const catalog::Catalog &catalog);

} // namespace monoquant::layout
