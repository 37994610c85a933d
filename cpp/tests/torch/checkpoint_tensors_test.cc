// What a checkpoint says about its tensors and storages: accepted where it holds, refused where it cannot.
#include <gtest/gtest.h>

#include "support/checkpoint_builder.h"
#include "support/checkpoint_file.h"

namespace monoquant::torch {
namespace {

using namespace monoquant::test;

const Records kFloats = {{"data/0", floats_from(0, 8)}};

Result<Checkpoint> open_floats(const Py &root, const Records &records = kFloats) {
  return open_checkpoint(zip_checkpoint(root, records), {}).checkpoint;
}

ErrorCode refusal(const Py &root, const Records &records = kFloats) {
  const auto checkpoint = open_floats(root, records);
  EXPECT_FALSE(checkpoint.has_value());
  return checkpoint.has_value() ? ErrorCode::kInternal : checkpoint.error().code;
}

const Py kStorage = py_storage("Float", "0", 8);

TEST(CheckpointTensors, NumbersThatDoNotFitAreRefused) {
  EXPECT_TRUE(open_floats(py_view(kStorage, 2, {2, 3}, {3, 1})).has_value());
  EXPECT_EQ(refusal(py_view(kStorage, 3, {2, 3}, {3, 1})), ErrorCode::kMalformedFile);
  EXPECT_EQ(refusal(py_view(kStorage, -1, {1}, {1})), ErrorCode::kMalformedFile);
  EXPECT_EQ(refusal(py_view(kStorage, 0, {-1}, {1})), ErrorCode::kMalformedFile);
  EXPECT_EQ(refusal(py_view(kStorage, 0, {2}, {-1})), ErrorCode::kMalformedFile);
  EXPECT_EQ(refusal(py_view(kStorage, 0, {2, 2}, {1})), ErrorCode::kMalformedFile);
  EXPECT_EQ(refusal(py_view(kStorage, 0, {INT64_MAX, 2}, {0, 0})), ErrorCode::kMalformedFile);
  EXPECT_EQ(refusal(py_view(kStorage, 0, {2}, {INT64_MAX})), ErrorCode::kMalformedFile);
  EXPECT_EQ(refusal(py_view(py_storage("Float", "0", -8), 0, {1}, {1})), ErrorCode::kMalformedFile);
  EXPECT_EQ(refusal(py_view(py_storage("Float", "0", 9), 0, {1}, {1})), ErrorCode::kMalformedFile);
  EXPECT_EQ(refusal(py_view(py_storage("Flat", "0", 8), 0, {1}, {1})),
            ErrorCode::kUnsupportedFormat);
  EXPECT_EQ(refusal(py_view(kStorage, 0, std::vector<int64_t>(65, 1), std::vector<int64_t>(65, 1))),
            ErrorCode::kLimitExceeded);
}

TEST(CheckpointTensors, TwoSizesOfOneStorageAreRefused) {
  EXPECT_EQ(refusal(py_list({py_view(kStorage, 0, {1}, {1}),
                             py_view(py_storage("Float", "0", 4), 0, {1}, {1})})),
            ErrorCode::kMalformedFile);
}

TEST(CheckpointTensors, ExpandedTensorsAreTakenUnlessTheyAreHuge) {
  EXPECT_TRUE(open_floats(py_view(kStorage, 0, {1000, 8}, {0, 1})).has_value());
  EXPECT_EQ(refusal(py_view(kStorage, 0, {1LL << 31U, 8}, {0, 1})), ErrorCode::kLimitExceeded);
}

TEST(CheckpointTensors, EmptyOnesMayBeginAnywhere) {
  const auto checkpoint = open_floats(py_list({kStorage, py_view(kStorage, 100, {0, 3}, {3, 1})}));
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  EXPECT_EQ(checkpoint.value().tensors[0].first, 0U);
}

TEST(CheckpointTensors, PackedFloatsHaveTwoElementsAByte) {
  const auto typed = [](const std::vector<int64_t> &strides) {
    return py_call(
        py_global("torch._utils", "_rebuild_tensor_v3"),
        {py_persistent(py_tuple({py_text("storage"), py_global("torch.storage", "UntypedStorage"),
                                 py_text("0"), py_text("cpu"), py_int(32)})),
         py_int(4), py_ints({2, 4}), py_ints(strides), py_bool(false), py_dict({}),
         py_global("torch", "float4_e2m1fn_x2")});
  };
  const auto checkpoint = open_floats(py_list({typed({4, 1}), typed({1, 2})}));
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  const Tensor &tensor = checkpoint.value().tensors.at(0);
  EXPECT_EQ(tensor.dtype, Dtype::kF4);
  EXPECT_EQ(tensor.shape, (std::vector<uint64_t>{2, 8}));
  EXPECT_EQ(tensor.strides, (std::vector<uint64_t>{8, 1}));
  EXPECT_EQ(tensor.first, 8U);
  ASSERT_EQ(checkpoint.value().left_out.size(), 1U);
}

Py quantized(std::string_view type, const Py &parameters, const std::vector<int64_t> &shape) {
  return py_call(py_global("torch._utils", "_rebuild_qtensor"),
                 {py_storage(type, "0", 8), py_int(0), py_ints(shape), py_ints({shape[1], 1}),
                  parameters, py_bool(false), py_dict({})});
}

TEST(CheckpointTensors, QuantizedOnesBringTheirScalesAlong) {
  const Py per_tensor =
      py_tuple({py_global("torch", "per_tensor_affine"), py_float(0.5), py_int(-3)});
  const auto file =
      zip_checkpoint(py_text_dict({{"w", quantized("QInt8", per_tensor, {2, 4})}}), kFloats);
  const auto opened = open_checkpoint(file, {}).checkpoint;
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  const Checkpoint &checkpoint = opened.value();
  ASSERT_EQ(checkpoint.tensors.size(), 3U);
  EXPECT_EQ(checkpoint.tensors[0].dtype, Dtype::kI8);
  EXPECT_EQ(checkpoint.tensors[1].name, "w_scale");
  EXPECT_EQ(checkpoint.tensors[1].shape, std::vector<uint64_t>{1});
  EXPECT_EQ(tensor_bytes(file, checkpoint, checkpoint.tensors[1]).value()[7], 0x3FU);
  EXPECT_EQ(checkpoint.tensors[2].name, "w_zero_point");
  EXPECT_EQ(tensor_bytes(file, checkpoint, checkpoint.tensors[2]).value()[0], 0xFDU);
}

TEST(CheckpointTensors, ScalesOfChannelsHaveTheRankOfTheCodes) {
  const auto per_channel = [](int64_t axis) {
    return py_tuple({py_global("torch", "per_channel_affine"),
                     py_list({py_float(1), py_float(2), py_float(3), py_float(4)}),
                     py_ints({0, 0, 0, 0}), py_int(axis)});
  };
  const auto checkpoint =
      open_floats(py_text_dict({{"w", quantized("QUInt8", per_channel(1), {2, 4})}}));
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  EXPECT_EQ(checkpoint.value().tensors[1].shape, (std::vector<uint64_t>{1, 4}));
  EXPECT_EQ(refusal(quantized("QUInt8", per_channel(0), {2, 4})), ErrorCode::kMalformedFile);
  EXPECT_EQ(refusal(quantized("QUInt8", per_channel(2), {2, 4})), ErrorCode::kMalformedFile);
}

TEST(CheckpointTensors, CodesOfFourBitsAreBytes) {
  const Py per_tensor = py_tuple({py_global("torch", "per_tensor_affine"), py_float(1), py_int(0)});
  const auto checkpoint =
      open_floats(py_text_dict({{"w", quantized("QUInt4x2", per_tensor, {3, 5})}}));
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  EXPECT_EQ(checkpoint.value().tensors[0].dtype, Dtype::kU8);
  EXPECT_EQ(checkpoint.value().tensors[0].shape, std::vector<uint64_t>{8});
  EXPECT_EQ(refusal(quantized("QUInt4x2", per_tensor, {3, 6})), ErrorCode::kMalformedFile);
}

TEST(CheckpointTensors, WrappersAreSeenThrough) {
  const Py plain = py_view(kStorage, 0, {8}, {1});
  const Py old = py_call(py_global("torch.nn.parameter", "Parameter"), {plain, py_bool(true)});
  const Py variable = py_object(py_global("torch.autograd.variable", "Variable"),
                                py_tuple({plain, py_none(), py_none(), py_bool(true)}));
  const Py ancient = py_object(py_global("torch", "FloatTensor"),
                               py_tuple({kStorage, py_int(1), py_ints({2}), py_ints({3})}));
  const auto checkpoint = open_floats(py_list({old, variable, ancient}));
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  ASSERT_EQ(checkpoint.value().tensors.size(), 3U);
  EXPECT_EQ(checkpoint.value().tensors[2].strides[0], 3U);

  Py wrapped = plain;
  for (int i = 0; i < 100; ++i) {
    wrapped = py_call(py_global("torch.nn.parameter", "Parameter"), {wrapped});
  }
  EXPECT_EQ(refusal(wrapped), ErrorCode::kMalformedFile);
}

/// What PyTorch writes for a tensor subclass of this class, shape and state.
Py subclass(std::string_view module, std::string_view type, const std::vector<int64_t> &shape,
            const Py &state) {
  return py_call(py_global("torch._tensor", "_rebuild_from_type_v2"),
                 {py_global("torch._utils", "_rebuild_wrapper_subclass"), py_global(module, type),
                  py_tuple({py_global(module, type), py_global("torch", "float32"), py_ints(shape),
                            py_ints({shape.back(), 1}), py_int(0)}),
                  state});
}

std::vector<std::string> names_in(const std::vector<std::pair<std::string, Py>> &entries) {
  const auto checkpoint = open_floats(py_text_dict(entries));
  std::vector<std::string> names;
  if (checkpoint) {
    for (const Tensor &tensor : checkpoint.value().tensors) {
      names.push_back(tensor.name);
    }
    for (const LeftOut &left : checkpoint.value().left_out) {
      EXPECT_TRUE(left.is_lost);
      names.push_back("lost: " + left.name + ", " + left.reason);
    }
  }
  return names;
}

using Found = std::vector<std::string>;

TEST(CheckpointSubclasses, OfTorchaoComeAsTheirParts) {
  const Py part = py_view(kStorage, 0, {2, 4}, {4, 1});
  const Py codes = py_text_dict({{"qdata", part}, {"scale", part}, {"block_size", py_ints({1})}});
  const Py now = subclass("torchao.quantization", "Int8Tensor", {2, 4}, codes);
  const Py impl = subclass("torchao.dtypes", "PlainAQTTensorImpl", {2, 4},
                           py_text_dict({{"int_data", part}, {"scale", part}}));
  const Py before =
      subclass("torchao.dtypes", "AffineQuantizedTensor", {2, 4},
               py_text_dict({{"tensor_impl", impl}, {"zero_point_domain", py_none()}}));
  const Py parameter =
      py_call(py_global("torch._utils", "_rebuild_parameter"), {now, py_bool(false), py_dict({})});
  EXPECT_EQ(names_in({{"a.weight", now}, {"b.weight", before}, {"c.weight", parameter}}),
            (Found{"a.weight.qdata", "a.weight.scale", "b.weight.tensor_impl.int_data",
                   "b.weight.tensor_impl.scale", "c.weight.qdata", "c.weight.scale"}));
}

TEST(CheckpointSubclasses, ThatNobodyKnowsAreLostAndToldSo) {
  const Py part = py_view(kStorage, 0, {2, 4}, {4, 1});
  const Py mine = subclass("my.code", "LowRank", {2, 4}, py_text_dict({{"a", part}, {"b", part}}));
  const Py hollow = subclass("torchao.quantization", "Int8Tensor", {2, 4},
                             py_text_dict({{"qdata", py_none()}, {"scale", part}}));
  const std::string reason = ", a tensor subclass that is not known here";
  EXPECT_EQ(names_in({{"w", part}, {"mine", mine}, {"hollow", hollow}}),
            (Found{"w", "lost: mine" + reason + " (my.code.LowRank)",
                   "lost: hollow" + reason + " (torchao.quantization.Int8Tensor)"}));
}

TEST(CheckpointSubclasses, ADistributedTensorIsTakenWhereAllOfItIsHere) {
  const Py whole = py_view(kStorage, 0, {2, 4}, {4, 1});
  const Py half = py_view(kStorage, 0, {1, 4}, {4, 1});
  const auto distributed = [](const Py &local, const std::vector<std::string> &placements) {
    std::vector<Py> placed;
    for (const std::string &name : placements) {
      placed.push_back(py_object(py_global("torch.distributed.tensor.placement_types", name),
                                 py_text_dict({{"dim", py_int(0)}})));
    }
    const Py spec = py_object(py_global("torch.distributed.tensor._dtensor_spec", "DTensorSpec"),
                              py_text_dict({{"placements", py_tuple(placed)}}));
    // With slots, a state is (attributes, slots).
    return subclass(
        "torch.distributed.tensor", "DTensor", {2, 4},
        py_tuple({py_none(), py_text_dict({{"_local_tensor", local}, {"_spec", spec}})}));
  };
  const Py parameter = py_call(py_global("torch._utils", "_rebuild_parameter"),
                               {distributed(whole, {"Replicate"}), py_bool(true), py_dict({})});
  const std::string reason = ", a part of a distributed tensor";
  EXPECT_EQ(names_in({{"replicated", distributed(whole, {"Replicate", "Replicate"})},
                      {"alone", distributed(whole, {"Shard"})},
                      {"parameter", parameter},
                      {"shard", distributed(half, {"Shard"})},
                      {"summand", distributed(whole, {"Replicate", "Partial"})},
                      {"unplaced", distributed(whole, {})}}),
            (Found{"replicated", "alone", "parameter", "lost: shard" + reason,
                   "lost: summand" + reason, "lost: unplaced" + reason}));
}

TEST(CheckpointArchive, BigEndianIsToldAndMetadataIsRead) {
  auto records = kFloats;
  records.emplace_back("byteorder", "big");
  records.emplace_back("metadata.json", R"({"made by":"monoquant","n":3})");
  const auto checkpoint = open_floats(py_view(kStorage, 0, {8}, {1}), records);
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  EXPECT_TRUE(checkpoint.value().big_endian);
  ASSERT_EQ(checkpoint.value().metadata.size(), 1U);
  EXPECT_EQ(checkpoint.value().metadata[0].second, "monoquant");

  records[1].second = "middle";
  EXPECT_EQ(refusal(py_view(kStorage, 0, {8}, {1}), records), ErrorCode::kMalformedFile);
}

TEST(CheckpointArchive, AThousandTensorsTakeAFewRounds) {
  std::vector<Py> tensors;
  Records records;
  for (int i = 0; i < 1000; ++i) {
    tensors.push_back(py_tensor(std::to_string(i), {1024}));
    records.emplace_back("data/" + std::to_string(i), floats_from(i, 1024));
  }
  const auto opened = open_checkpoint(zip_checkpoint(py_list(tensors), records), {});
  ASSERT_TRUE(opened.checkpoint.has_value()) << opened.checkpoint.error().message;
  EXPECT_LE(opened.rounds, 6U);
}

TEST(CheckpointLegacy, StorageViewsAndSizesAreChecked) {
  const auto view = [](int64_t offset, int64_t units) {
    return py_view(
        py_persistent(py_tuple({py_text("storage"), py_global("torch", "FloatStorage"),
                                py_text("r"), py_text("cpu"), py_int(8),
                                py_tuple({py_text("v"), py_int(offset), py_int(units)})})),
        1, {2}, {1});
  };
  const auto open_legacy = [](const Py &root, uint64_t elements) {
    const auto file = legacy_checkpoint(root, {{"r", elements, floats_from(0, 8)}});
    return std::make_pair(file, open_checkpoint(file, {}).checkpoint);
  };
  const auto [file, checkpoint] = open_legacy(py_list({view(4, 3)}), 8);
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  EXPECT_EQ(checkpoint.value().tensors[0].first, 5U);
  const auto bytes = tensor_bytes(file, checkpoint.value(), checkpoint.value().tensors[0]);
  EXPECT_EQ(std::string(bytes->begin(), bytes->end()), floats_from(5, 2));

  EXPECT_FALSE(open_legacy(py_list({view(4, 2)}), 8).second.has_value()); // reaches behind the view
  EXPECT_FALSE(open_legacy(py_list({view(6, 3)}), 8).second.has_value());
  EXPECT_FALSE(open_legacy(py_list({view(4, 3)}), 7).second.has_value());
}

TEST(CheckpointTar, TensorsStandOutsideOfThePickle) {
  const std::string storages =
      finish_pickle(py_int(1)) +
      finish_pickle(py_tuple({py_int(7), py_text("cpu"), py_global("torch", "FloatStorage")})) +
      le_bytes(8, 8) + floats_from(0, 8) +
      finish_pickle(py_list({py_tuple({py_int(9), py_int(7), py_int(2), py_int(6)})}));
  const std::string tensors =
      finish_pickle(py_int(1)) +
      finish_pickle(py_tuple({py_int(11), py_int(9), py_global("torch", "FloatTensor")})) +
      le_bytes(2, 8) + le_bytes(2, 8) + le_bytes(2, 8) + le_bytes(1, 8) + le_bytes(2, 8) +
      le_bytes(1, 8);
  const std::string object = finish_pickle(py_text_dict({{"w", py_persistent(py_text("11"))}}));
  const auto file = tar_archive({{"storages", storages}, {"tensors", tensors}, {"pickle", object}});
  const auto opened = open_checkpoint(file, {}).checkpoint;
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(opened.value().format, "torch-tar");
  ASSERT_EQ(opened.value().tensors.size(), 1U);
  const auto bytes = tensor_bytes(file, opened.value(), opened.value().tensors[0]);
  EXPECT_EQ(std::string(bytes->begin(), bytes->end()),
            floats_from(3, 1) + floats_from(5, 1) + floats_from(4, 1) + floats_from(6, 1));
}

} // namespace
} // namespace monoquant::torch
