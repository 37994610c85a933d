// A file that is refused: what it would have run all the same is told.
#include "monoquant/torch/refusal.h"

#include <gtest/gtest.h>

#include "support/checkpoint_builder.h"
#include "support/zip_file.h"

namespace monoquant::torch {
namespace {

using namespace monoquant::test;

/// What is said of a file that is refused, whose bytes are read as they are asked for.
std::string refusal_of(const Bytes &file) {
  Error error{ErrorCode::kMalformedFile, "No.", {}, {}, {}};
  ByteWindow window(file.size());
  while (true) {
    const Needs needs = tell_names(window, error);
    if (needs.empty()) {
      return error.message;
    }
    EXPECT_EQ(error.message, "No.");
    for (const Need &need : needs) {
      const auto begin = file.begin() + static_cast<std::ptrdiff_t>(need.offset);
      window.add(need.offset, Bytes(begin, begin + static_cast<std::ptrdiff_t>(need.length)));
    }
  }
}

TEST(Refusal, NamesOfARefusedFileAreToldWithTheReason) {
  const Py call = py_call(py_global("os", "system"), {py_text("true")});
  const std::string broken = "\x80\x02" + call + "0\xff";
  const std::string padding =
      "\x80\x02" + py_text(std::string(300'000, ' ')) + "0" + call + "0\xff";
  const std::string sound = finish_pickle(call);
  for (const Bytes &file :
       {bytes_from_text(broken), bytes_from_text(padding), bytes_from_text(sound),
        bytes_from_text("cos\nsystem\n(tR."),
        make_zip({stored_entry("a/data.pkl", bytes_from_text(broken))}),
        make_zip({stored_entry("model.pt", zip_checkpoint(call, {}))}),
        tar_archive({{"x.pkl", sound}}), tar_archive({{"model.pt", std::string(sound)}})}) {
    const std::string message = refusal_of(file);
    EXPECT_NE(message.find(" It names os.system, which can run code"), std::string::npos)
        << message;
  }
  const std::string harmless = refusal_of(
      bytes_from_text(finish_pickle(py_call(py_global("collections", "OrderedDict"), {}))));
  EXPECT_EQ(harmless, "No.");
}

} // namespace
} // namespace monoquant::torch
