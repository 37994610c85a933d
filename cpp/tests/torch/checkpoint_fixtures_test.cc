// Every checkpoint of the fixtures: its tensors bit for bit, or the refusal that is due.
#include <gtest/gtest.h>

#include "support/checkpoint_file.h"
#include "support/fixture.h"
#include "support/sha256.h"

namespace monoquant::torch {
namespace {

using test::open_checkpoint;

const Json &expectations() {
  static const Json document = test::read_fixture_json("torch/expectations.json");
  return document;
}

std::vector<std::string> files_expected_to(std::string_view verdict) {
  std::vector<std::string> files;
  for (const auto &[file, entry] : expectations().items()) {
    if (entry["expect"].get<std::string>() == verdict) {
      files.push_back(file);
    }
  }
  return files;
}

const Tensor *find_tensor(const Checkpoint &checkpoint, const std::string &name) {
  for (const Tensor &tensor : checkpoint.tensors) {
    if (tensor.name == name) {
      return &tensor;
    }
  }
  return nullptr;
}

/// An entry is [dtype, shape, strides or null, offset or null, SHA-256].
void expect_tensor(const std::vector<uint8_t> &file, const Checkpoint &checkpoint,
                   const std::string &name, const Json &entry) {
  SCOPED_TRACE("tensor \"" + name + "\"");
  const Tensor *tensor = find_tensor(checkpoint, name);
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(dtype_name(tensor->dtype), entry[0].get<std::string>());
  EXPECT_EQ(tensor->shape, entry[1].get<std::vector<uint64_t>>());
  if (!entry[2].is_null()) {
    EXPECT_EQ(tensor->strides, entry[2].get<std::vector<uint64_t>>());
    const bool is_empty = checkpoint.storages[tensor->storage].bytes == 0;
    EXPECT_TRUE(is_empty || tensor->first == entry[3].get<uint64_t>());
  }
  const auto bytes = test::tensor_bytes(file, checkpoint, *tensor);
  ASSERT_TRUE(bytes.has_value());
  EXPECT_EQ(test::sha256(*bytes), entry[4].get<std::string>());
}

/// True where all that a checkpoint promises is in the file.
bool is_readable(const std::vector<uint8_t> &file, const Checkpoint &checkpoint) {
  for (const Tensor &tensor : checkpoint.tensors) {
    if (!test::tensor_bytes(file, checkpoint, tensor)) {
      return false;
    }
  }
  return true;
}

class CheckpointFixtures : public testing::TestWithParam<std::string> {};

TEST_P(CheckpointFixtures, HoldExactlyTheTensorsOfPyTorch) {
  const auto file = test::read_fixture("torch/" + GetParam());
  const auto opened = open_checkpoint(file, {""}); // the whole file
  ASSERT_TRUE(opened.checkpoint.has_value()) << opened.checkpoint.error().message;
  const Checkpoint &checkpoint = opened.checkpoint.value();
  const Json &tensors = expectations()[GetParam()]["tensors"];
  for (const auto &[name, entry] : tensors.items()) {
    expect_tensor(file, checkpoint, name, entry);
  }
  for (const Tensor &tensor : checkpoint.tensors) {
    EXPECT_TRUE(tensors.contains(tensor.name)) << "\"" << tensor.name << "\" is one too many";
  }
  EXPECT_LE(opened.rounds, 8U);
}

INSTANTIATE_TEST_SUITE_P(All, CheckpointFixtures, testing::ValuesIn(files_expected_to("load")));

class RejectedCheckpoints : public testing::TestWithParam<std::string> {};

TEST_P(RejectedCheckpoints, AreRefusedWithAReason) {
  const auto file = test::read_fixture("torch/" + GetParam());
  const auto opened = open_checkpoint(file, {});
  if (opened.checkpoint.has_value()) { // what only reading the data can show
    EXPECT_FALSE(is_readable(file, opened.checkpoint.value()));
    return;
  }
  EXPECT_FALSE(opened.checkpoint.error().message.empty());
  EXPECT_NE(opened.checkpoint.error().code, ErrorCode::kInternal);
  RecordProperty("message", opened.checkpoint.error().message);
}

INSTANTIATE_TEST_SUITE_P(All, RejectedCheckpoints, testing::ValuesIn(files_expected_to("reject")));

/// Either verdict is right, but what is loaded must be what is expected, where anything is.
class OddCheckpoints : public testing::TestWithParam<std::string> {};

TEST_P(OddCheckpoints, AreLoadedOrRefused) {
  const auto file = test::read_fixture("torch/" + GetParam());
  const auto opened = open_checkpoint(file, {});
  if (!opened.checkpoint.has_value()) {
    EXPECT_FALSE(opened.checkpoint.error().message.empty());
    return;
  }
  EXPECT_FALSE(opened.checkpoint.value().tensors.empty());
  const Json &entry = expectations()[GetParam()];
  if (entry.contains("tensors")) {
    for (const auto &[name, tensor] : entry["tensors"].items()) {
      expect_tensor(file, opened.checkpoint.value(), name, tensor);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Either, OddCheckpoints, testing::ValuesIn(files_expected_to("either")));
INSTANTIATE_TEST_SUITE_P(Partly, OddCheckpoints, testing::ValuesIn(files_expected_to("load_skip")));

} // namespace
} // namespace monoquant::torch
