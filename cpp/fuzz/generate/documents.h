// JSON that is nearly right: a valid document in which something was changed.
// It exists because random text never comes past the first brace.
// What is changed and into what is chosen from the input.
#pragma once

#include "choices.h"
#include "monoquant/base/json.h"

namespace monoquant::fuzz {

/// The document after one to three changes: values replaced, members gone or new.
Json make_damaged(Choices &choices, Json document);

/// As text, whatever bytes its strings have.
std::string document_text(const Json &document);

} // namespace monoquant::fuzz
