// Every name that Python would resolve is listed, wherever in a file its pickle stands.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "monoquant/base/json.h"
#include "monoquant/torch/globals.h"
#include "support/checkpoint_builder.h"
#include "support/checkpoint_file.h"
#include "support/fixture.h"
#include "support/zip_file.h"

namespace monoquant::torch {
namespace {

using namespace monoquant::test;

const Py kSystemCall = py_call(py_global("os", "system"), {py_text("true")});
const Py kWholeTensor = py_tensor("0", {4});
const std::string kFourFloats = floats_from(0, 4);

void expect_system_listed(const std::vector<uint8_t> &file) {
  const auto checkpoint = open_checkpoint(file, {}).checkpoint;
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  EXPECT_EQ(danger_in(checkpoint.value(), "os", "system"), Danger::kDangerous);
}

/// A call whose value is dropped, in front of a pickle's own.
std::string with_call(std::string pickle) { return pickle.insert(2, kSystemCall + "0"); }

TEST(PickleNames, OfAllFivePicklesOfTheOldStream) {
  const auto plain =
      legacy_checkpoint(py_text_dict({{"w", kWholeTensor}}), {{"0", 4, kFourFloats}});
  const auto opened = open_checkpoint(plain, {}).checkpoint;
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  std::vector<size_t> begins = {0};
  const std::span<const uint8_t> bytes(plain);
  for (int i = 0; i < 4; ++i) {
    begins.push_back(begins.back() + read_pickle_names(bytes.subspan(begins.back())).end);
  }
  for (const size_t begin : begins) {
    std::vector<uint8_t> file = plain;
    const std::string call = kSystemCall + "0";
    file.insert(file.begin() + static_cast<std::ptrdiff_t>(begin) + 2, call.begin(), call.end());
    expect_system_listed(file);
  }
}

TEST(PickleNames, OfAllMembersOfTheOldTar) {
  const auto archive = [](bool in_count, bool in_storage, bool in_views, bool in_tensors) {
    const auto maybe = [](std::string pickle, bool wanted) {
      return wanted ? with_call(std::move(pickle)) : pickle;
    };
    const std::string storages =
        maybe(finish_pickle(py_int(1)), in_count) +
        maybe(finish_pickle(
                  py_tuple({py_int(7), py_text("cpu"), py_global("torch", "FloatStorage")})),
              in_storage) +
        le_bytes(4, 8) + kFourFloats + maybe(finish_pickle(py_list({})), in_views);
    const std::string tensors =
        maybe(finish_pickle(py_int(1)), in_tensors) +
        finish_pickle(py_tuple({py_int(11), py_int(7), py_global("torch", "FloatTensor")})) +
        le_bytes(1, 8) + le_bytes(4, 8) + le_bytes(1, 8) + le_bytes(0, 8);
    return Records{{"storages", storages},
                   {"tensors", tensors},
                   {"pickle", finish_pickle(py_text_dict({{"w", py_persistent(py_text("11"))}}))}};
  };
  for (int where = 0; where < 4; ++where) {
    expect_system_listed(tar_archive(archive(where == 0, where == 1, where == 2, where == 3)));
  }
  Records twice = archive(false, false, false, false);
  twice.emplace_back("./pickle", finish_pickle(kSystemCall));
  const auto refused = open_checkpoint(tar_archive(twice), {}).checkpoint;
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("two entries of the name"), std::string::npos);
}

TEST(PickleNames, OfConstantsWhetherTheyAreTakenOrNot) {
  expect_system_listed(zip_checkpoint(
      py_text_dict({{"w", kWholeTensor}}),
      {{"data/0", kFourFloats}, {"constants.pkl", with_call(finish_pickle(py_tuple({})))}}));
}

TEST(PickleNames, OfEveryOtherPickleInAnArchive) {
  for (const char *member : {"extra/notes.pkl", "extra/notes", "bytecode.pkl", "extra/x.pt"}) {
    expect_system_listed(zip_checkpoint(
        py_text_dict({{"w", kWholeTensor}}),
        {{"data/0", kFourFloats}, {member, with_call(finish_pickle(py_tuple({})))}}));
  }
  // What Python runs before a pickle turns out to be broken.
  const auto broken =
      zip_checkpoint(py_text_dict({{"w", kWholeTensor}}),
                     {{"data/0", kFourFloats}, {"extra/notes.pkl", "\x80\x02" + kSystemCall}});
  expect_system_listed(broken);
  EXPECT_EQ(open_checkpoint(broken, {}).checkpoint.value().opaque.size(), 1U);
}

TEST(PickleNames, TextAndTensorsBesideACheckpointAreNone) {
  const auto opened =
      open_checkpoint(zip_checkpoint(py_text_dict({{"w", kWholeTensor}}),
                                     {{"data/0", kFourFloats},
                                      {"extra/config.yaml", "class: net\nname: x\nlayers: 3\n"},
                                      {"extra/readme.txt", "I am a model.\n"},
                                      {"extra/labels.txt", "cat\ndog\nfox\n"},
                                      {"extra/animals", "ibex\nfox\n"},
                                      {"extra/table.bin", floats_from(0, 300)}}),
                      {});
  ASSERT_TRUE(opened.checkpoint.has_value());
  EXPECT_TRUE(opened.checkpoint.value().opaque.empty());
  for (const Global &global : opened.checkpoint.value().globals) {
    EXPECT_EQ(global.danger, Danger::kSafe) << global.module << " " << global.name;
  }
}

Bytes to_bytes(std::string_view text) { return {text.begin(), text.end()}; }

/// A program of torch.export with one weight, and more members.
Bytes exported(const std::vector<std::pair<std::string, Bytes>> &more, bool is_pickled = false) {
  const std::string config =
      std::string(R"({"config":{"w":{"path_name":"weight_0","is_param":true,"use_pickle":false,)") +
      R"("tensor_meta":{"dtype":7,"sizes":[{"as_int":4}],"strides":[{"as_int":1}],)" +
      R"("storage_offset":{"as_int":0},"layout":7}},"p":{"path_name":"weight_1","is_param":true,)" +
      R"("use_pickle":)" + (is_pickled ? "true" : "false") +
      R"(,"tensor_meta":{"dtype":7,"sizes":[{"as_int":4}],"strides":[{"as_int":1}],)" +
      R"("storage_offset":{"as_int":0},"layout":7}}}})";
  std::vector<ZipEntry> entries = {
      stored_entry("m/archive_format", to_bytes("pt2")),
      stored_entry("m/data/weights/model_weights_config.json", to_bytes(config)),
      stored_entry("m/data/weights/weight_0", to_bytes(kFourFloats))};
  bool has_second = false;
  for (const auto &[name, content] : more) {
    has_second = has_second || name == "data/weights/weight_1";
    entries.push_back(stored_entry("m/" + name, content));
  }
  if (!has_second) {
    entries.push_back(stored_entry("m/data/weights/weight_1", to_bytes(kFourFloats)));
  }
  return make_zip(entries);
}

TEST(PickleNames, OfEverythingThatTorchExportLoads) {
  const Bytes saved =
      zip_checkpoint(py_tuple({kSystemCall, kWholeTensor}), {{"data/0", kFourFloats}});
  const Bytes old = to_bytes(finish_pickle(kSystemCall));
  for (const char *member :
       {"data/sample_inputs/model.pt", "data/sample_inputs/anything", "data/weights/model.pt",
        "data/constants/opaque_obj_0", "data/constants/model.pt", "extra/x"}) {
    for (const Bytes &content : {saved, old, make_zip({stored_entry("inner.pt", saved)})}) {
      expect_system_listed(exported({{member, content}}));
    }
  }
  expect_system_listed(exported({{"data/weights/weight_1", saved}}, true));
  // Called plain by the configuration: torch.export takes its bytes, and so do we.
  const auto plain = open_checkpoint(exported({{"data/weights/weight_1", saved}}), {}).checkpoint;
  ASSERT_TRUE(plain.has_value()) << plain.error().message;
  EXPECT_TRUE(plain.value().globals.empty());
}

TEST(PickleNames, NativeCodeIsNamed) {
  const auto checkpoint =
      open_checkpoint(exported({{"data/aotinductor/model/wrapper.so", Bytes(8)},
                                {"data/aotinductor/model/kernel", to_bytes("\x7f"
                                                                           "ELF\2\1\1")},
                                {"data/aotinductor/model/k.cubin", Bytes(8)}}),
                      {})
          .checkpoint;
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  ASSERT_EQ(checkpoint.value().opaque.size(), 3U);
  EXPECT_EQ(checkpoint.value().opaque[0].reason, "native code");
  EXPECT_EQ(checkpoint.value().opaque[0].member, "m/data/aotinductor/model/wrapper.so");
}

TEST(PickleNames, AnArchiveBehindTheOldStreamIsRefused) {
  Bytes file = legacy_checkpoint(py_text_dict({{"w", kWholeTensor}}), {{"0", 4, kFourFloats}});
  file.insert(file.end(), 3, 0); // other data may follow
  EXPECT_TRUE(open_checkpoint(file, {}).checkpoint.has_value());
  const Bytes archive = zip_checkpoint(kSystemCall, {});
  file.insert(file.end(), archive.begin(), archive.end());
  const auto refused = open_checkpoint(file, {}).checkpoint;
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("two files in one"), std::string::npos);
}

TEST(PickleNames, MembersThatDifferByCaseAloneAreRefused) {
  const auto refused = open_checkpoint(zip_checkpoint(py_text_dict({{"w", kWholeTensor}}),
                                                      {{"data/0", kFourFloats},
                                                       {"DATA.PKL", finish_pickle(kSystemCall)}}),
                                       {})
                           .checkpoint;
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("differ by case alone"), std::string::npos);
}

/// Made by scripts/pickle-names/resolve.py: what Python resolved. MONOQUANT_PICKLE_CASES: a file with more of them.
TEST(PickleNames, AreThoseThatPythonResolves) {
  std::string text;
  if (const char *path = std::getenv("MONOQUANT_PICKLE_CASES")) {
    std::ifstream file(path);
    ASSERT_TRUE(file.good()) << path;
    std::ostringstream all;
    all << file.rdbuf();
    text = all.str();
  } else {
    text = read_source("cpp/tests/torch/resolved_names.jsonl");
  }
  std::istringstream lines(text);
  size_t compared = 0;
  for (std::string line; std::getline(lines, line);) {
    const Json json = parse_json(line);
    const auto *hex = json.find("pickle")->get_ptr<const std::string *>();
    ASSERT_NE(hex, nullptr);
    const PickleNames names = read_pickle_names(bytes_from_hex(*hex));
    if (names.end == 0) {
      continue; // a file with it is refused, or says that it cannot be read
    }
    GlobalList list;
    list.add(names.pickle);
    const auto listed = list.list();
    for (const Json &pair : *json.find("names")) {
      const auto *module = pair[0].get_ptr<const std::string *>();
      const auto *name = pair[1].get_ptr<const std::string *>();
      EXPECT_TRUE(std::any_of(
          listed.begin(), listed.end(),
          [&](const Global &global) { return global.module == *module && global.name == *name; }))
          << *module << " " << *name << " in " << *hex;
      ++compared;
    }
  }
  EXPECT_GT(compared, 150U);
}

} // namespace
} // namespace monoquant::torch
