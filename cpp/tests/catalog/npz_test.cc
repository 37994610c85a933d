// NumPy's archives: everything that numpy.savez writes is read, everything else is refused by name.
#include <gtest/gtest.h>

#include "support/catalog_builder.h"
#include "support/memory_host.h"
#include "support/npz_file.h"
#include "support/sample_tensors.h"

namespace monoquant::catalog {
namespace {

using test::Bytes;
using test::FileTensor;
using test::MemoryRun;
using test::NpyShape;
using test::NpzStoring;
using test::Random;
using test::ZipEntry;

Bytes archive_of(const std::string &name, const Bytes &npy) {
  return test::make_zip({test::stored_entry(name, npy)});
}

/// What a copy of all tensors of the file has in it.
test::TensorFile copied(const Bytes &file) {
  Json options = test::default_options();
  options["bits"] = "none";
  MemoryRun run(test::plan_for(test::inspect_data(file).value(), options), file);
  const auto sealed = run.seal(); // compares the checksums
  EXPECT_TRUE(sealed) << sealed.error().message;
  return test::parse_file(run.output());
}

TEST(Npz, every_storing_gives_the_same_tensors) {
  Random random(41);
  for (const Dtype dtype :
       {Dtype::kF32, Dtype::kF16, Dtype::kF64, Dtype::kI64, Dtype::kU8, Dtype::kC64}) {
    for (const std::vector<uint64_t> &shape :
         std::vector<std::vector<uint64_t>>{{3, 5, 2}, {7}, {}, {4, 1}, {0, 3}}) {
      for (uint32_t bits = 0; bits < 8; ++bits) {
        const NpzStoring how{(bits & 1U) != 0, (bits & 2U) != 0, (bits & 4U) != 0};
        const FileTensor tensor = test::random_bytes(random, "layer.0#12", dtype, shape);
        const FileTensor other = test::random_bytes(random, "other", dtype, {2, 2});
        const Bytes file = test::make_zip(
            {test::npz_entry(tensor, how, random), test::npz_entry(other, how, random)});
        const auto catalog = test::inspect_data(file);
        ASSERT_TRUE(catalog) << catalog.error().message;
        EXPECT_EQ(catalog.value().format, "npz");
        const test::TensorFile copy = copied(file);
        ASSERT_EQ(copy.tensors.size(), 2U);
        EXPECT_EQ(copy.tensors.at("layer.0#12"), tensor);
        EXPECT_EQ(copy.tensors.at("other"), other);
      }
    }
  }
}

TEST(Npz, every_version_and_alignment_is_read) {
  const Bytes data = test::bytes_from_hex("000102030405");
  for (const uint8_t version : {uint8_t{1}, uint8_t{2}, uint8_t{3}}) {
    for (const size_t alignment : {size_t{16}, size_t{64}}) {
      const NpyShape shape{"<i2", false, "(3,)", version, alignment};
      const auto catalog = test::inspect_data(archive_of("x.npy", test::make_npy(shape, data)));
      ASSERT_TRUE(catalog) << catalog.error().message;
      EXPECT_EQ(catalog.value().tensors[0].shape, std::vector<uint64_t>{3});
      EXPECT_EQ(catalog.value().tensors[0].dtype, Dtype::kI16);
    }
  }
}

TEST(Npz, headers_are_read_however_they_are_written) {
  const Bytes data = test::bytes_from_hex("0001020304050607");
  for (const std::string header :
       {"{'descr':'<i2','fortran_order':False,'shape':(4,)}",
        "{\"shape\" : ( 4 , ), \"descr\": \"<i2\", \"fortran_order\": False , }   \n",
        "{'shape': (2L, 2L), 'fortran_order': False, 'descr': '<i2', }\n",
        "{'shape': (4), "
        "'fortran_order': False, 'descr': '<i2'}"}) {
    const auto catalog =
        test::inspect_data(archive_of("x.npy", test::npy_with_header(header, data)));
    ASSERT_TRUE(catalog) << header << ": " << catalog.error().message;
    EXPECT_EQ(catalog.value().tensors[0].elements, 4U) << header;
  }
}

struct Refusal {
  std::string header;
  ErrorCode code;
  std::string says;
};

TEST(Npz, what_is_no_array_of_numbers_is_refused_by_name) {
  const std::string rest = ", 'fortran_order': False, 'shape': (1,)}";
  const std::vector<Refusal> rows = {
      {"{'descr': '|O'" + rest, ErrorCode::kUnsupportedFormat, "Python objects"},
      {"{'descr': '<U4'" + rest, ErrorCode::kUnsupportedFormat, "<U4"},
      {"{'descr': '|V2'" + rest, ErrorCode::kUnsupportedFormat, "|V2"},
      {"{'descr': '<M8[ns]'" + rest, ErrorCode::kUnsupportedFormat, "<M8[ns]"},
      {"{'descr': '|i4'" + rest, ErrorCode::kUnsupportedFormat, "|i4"},
      {"{'descr': 'f4'" + rest, ErrorCode::kUnsupportedFormat, "f4"},
      {"{'descr': ''" + rest, ErrorCode::kUnsupportedFormat, "type"},
      {"{'descr': [('a', '<f4')]" + rest, ErrorCode::kUnsupportedFormat, "several fields"},
      {"{'descr': '<f4', 'fortran_order': False}", ErrorCode::kMalformedFile, "without"},
      {"{'descr': '<f4', 'descr': '<f4'" + rest, ErrorCode::kMalformedFile, "unexpected"},
      {"{'descr': '<f4', 'evil': 1" + rest, ErrorCode::kMalformedFile, "evil"},
      {"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", ErrorCode::kMalformedFile, "False"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", ErrorCode::kMalformedFile,
       "tuple"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,}", ErrorCode::kMalformedFile,
       "tuple"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': [1]}", ErrorCode::kMalformedFile,
       "tuple"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
       ErrorCode::kMalformedFile, "tuple"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}",
       ErrorCode::kMalformedFile, "array of"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", ErrorCode::kMalformedFile,
       "array of"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (0,)}", ErrorCode::kMalformedFile,
       "array of"},
      {"{'descr': '<f4'" + rest + "; import os", ErrorCode::kMalformedFile, "behind"},
      {"[1]", ErrorCode::kMalformedFile, "dictionary"},
      {"", ErrorCode::kMalformedFile, "dictionary"},
      {"{'descr': '<f4'", ErrorCode::kMalformedFile, "dictionary"},
      {"{'descr", ErrorCode::kMalformedFile, "dictionary"},
      {std::string(5000, ' ') + "{'descr': '<f4'" + rest, ErrorCode::kLimitExceeded, "header"},
  };
  for (const Refusal &row : rows) {
    const Bytes npy = test::npy_with_header(row.header, Bytes(4));
    const auto catalog = test::inspect_data(archive_of("conv.weight.npy", npy));
    ASSERT_FALSE(catalog) << row.header;
    EXPECT_EQ(catalog.error().code, row.code) << row.header;
    EXPECT_NE(catalog.error().message.find(row.says), std::string::npos) << catalog.error().message;
    EXPECT_NE(catalog.error().message.find("conv.weight.npy"), std::string::npos);
    EXPECT_FALSE(catalog.error().suggestion.empty());
  }
}

TEST(Npz, a_header_that_is_cut_anywhere_is_an_error) {
  const Bytes npy = test::make_npy({"<f4", false, "(2, 2)"}, Bytes(16));
  for (size_t length = 0; length < npy.size(); ++length) {
    const auto end = npy.begin() + static_cast<std::ptrdiff_t>(length);
    EXPECT_FALSE(test::inspect_data(archive_of("x.npy", Bytes(npy.begin(), end)))) << length;
  }
}

TEST(Npz, headers_of_any_bytes_are_read_or_refused) {
  Random random(43);
  const Bytes npy = test::make_npy({"<f4", false, "(2, 2)"}, Bytes(16));
  size_t read = 0;
  for (int round = 0; round < 3000; ++round) {
    Bytes damaged = npy;
    for (size_t flips = 1 + random.index(3); flips > 0; --flips) {
      damaged[random.index(80)] = static_cast<uint8_t>(random.bits());
    }
    const auto catalog = test::inspect_data(archive_of("x.npy", damaged));
    if (!catalog) {
      EXPECT_FALSE(catalog.error().message.empty());
      continue;
    }
    ++read;
    EXPECT_LE(catalog.value().tensors[0].bytes, npy.size());
  }
  EXPECT_LT(read, 3000U);
}

TEST(Npz, members_that_are_no_arrays_are_left_out_by_name) {
  Random random(44);
  const FileTensor tensor = test::random_bytes(random, "a", Dtype::kF32, {2});
  const auto catalog = test::inspect_data(
      test::make_zip({test::npz_entry(tensor, {}, random),
                      test::stored_entry("notes.txt", test::bytes_from_text("hello"))}));
  ASSERT_TRUE(catalog) << catalog.error().message;
  ASSERT_EQ(catalog.value().left_out.size(), 1U);
  EXPECT_EQ(catalog.value().left_out[0].name, "notes.txt");
}

TEST(Npz, damage_to_the_data_is_found) {
  Random random(45);
  for (const bool deflated : {false, true}) {
    const FileTensor tensor = test::random_bytes(random, "a", Dtype::kF32, {8, 8});
    ZipEntry entry = test::npz_entry(tensor, {false, false, deflated}, random);
    entry.stored[entry.stored.size() - 9] ^= 4U;
    const Bytes file = test::make_zip({entry});
    Json options = test::default_options();
    options["bits"] = "none";
    if (!deflated) {
      MemoryRun run(test::plan_for(test::inspect_data(file).value(), options), file);
      const auto sealed = run.seal();
      ASSERT_FALSE(sealed);
      EXPECT_EQ(sealed.error().code, ErrorCode::kMalformedFile);
    }
  }
}

TEST(Npz, encrypted_and_foreign_compression_are_refused) {
  Random random(46);
  const FileTensor tensor = test::random_bytes(random, "a", Dtype::kF32, {8, 8});
  ZipEntry encrypted = test::npz_entry(tensor, {}, random);
  encrypted.flags = 1;
  ZipEntry bzip2 = test::npz_entry(tensor, {}, random);
  bzip2.method = 12;
  bzip2.bytes = bzip2.stored.size();
  for (const ZipEntry &entry : {encrypted, bzip2}) {
    const auto catalog = test::inspect_data(test::make_zip({entry}));
    ASSERT_FALSE(catalog);
    EXPECT_EQ(catalog.error().code, ErrorCode::kUnsupportedFormat);
    EXPECT_NE(catalog.error().message.find("a.npy"), std::string::npos);
  }
}

TEST(Npz, IsDataAndNoModel) {
  const Bytes file = archive_of("x.npy", test::make_npy({"<f4", false, "(2,)"}, Bytes(8)));
  const auto as_model = test::inspect(file);
  ASSERT_FALSE(as_model);
  EXPECT_EQ(as_model.error().code, ErrorCode::kUnsupportedFormat);
  EXPECT_NE(as_model.error().message.find("NumPy"), std::string::npos);
  EXPECT_TRUE(test::inspect_data(file));
}

} // namespace
} // namespace monoquant::catalog
