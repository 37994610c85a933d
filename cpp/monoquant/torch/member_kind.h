// What a member of an archive is, by its name and its first bytes.
// It exists so that what is not looked into is told apart in one place: storages, and small facts.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "monoquant/base/result.h"

namespace monoquant::torch {

/// Whether a member says only how the archive was written. `name`: without the top folder.
bool is_plain_fact(std::string_view name);
/// Whether a member of a saved checkpoint can hold neither names nor code: storages, and small facts.
/// `name`: without the archive's top folder.
bool is_plain_record(std::string_view name);

/// True for the files that models are saved to: in an archive that is no checkpoint, a model that was packed.
bool is_weights_file(std::string_view name);

/// The error of an archive that is no checkpoint and has such a file in it. `archive` is "zip" or "tar", `unpack` the
/// command that unpacks one.
Error packed_model(std::string_view archive, std::string_view member, std::string_view unpack);

/// A module of a program of TorchScript. `name`: without the archive's top folder.
bool is_script_module(std::string_view name);

// `name`: in lower case. `head`: the first bytes, as far as they are known.

/// "native code", "Python source": what runs and shows no names. Nothing for all else.
std::optional<std::string_view> code_kind(std::string_view name, std::span<const uint8_t> head);
/// Whether it is called a pickle, or begins as one of protocol 2 to 5.
bool must_be_pickle(std::string_view name, std::span<const uint8_t> head);
/// Where the pickle begins in a NumPy array of Python's objects. Nothing for all else.
std::optional<uint64_t> find_array_pickle(std::span<const uint8_t> head);

} // namespace monoquant::torch
