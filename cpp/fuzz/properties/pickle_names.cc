// Any bytes as a pickle, wherever it stands in a file: its names are listed, or the file is refused and they are told.
// It exists because a pickle that nobody looks at is a way past every list, and so is a name that an opcode hides.
// The first byte chooses the place. What Python itself resolves is compared in scripts/pickle-names/resolve.py.
#include <algorithm>
#include <string>

#include "file.h"
#include "monoquant/base/text.h"
#include "monoquant/torch/globals.h"
#include "monoquant/torch/pickle_opcodes.h"
#include "properties.h"
#include "support/checkpoint_builder.h"
#include "support/zip_file.h"

namespace monoquant::fuzz {
namespace {

using torch::Danger;
namespace op = torch::op;

struct Name {
  std::string module;
  std::string name;
};

/// Reads opcodes one after the other and knows of no stack: only what stands in them, or right in front of them.
class PlainScan {
public:
  explicit PlainScan(Input pickle)
      : rest_(reinterpret_cast<const char *>(pickle.data()), pickle.size()) {}

  std::vector<Name> names() {
    std::vector<Name> found;
    while (!rest_.empty()) {
      const auto opcode = static_cast<uint8_t>(take(1)[0]);
      if (opcode == op::kStop) {
        break;
      }
      if (opcode == op::kGlobal || opcode == op::kInst) {
        const std::string module = line();
        found.push_back({module, line()});
      } else if (opcode == op::kStackGlobal && texts_ >= 2) {
        found.push_back({before_, last_});
      }
      skip_operand(opcode);
    }
    return found;
  }

private:
  std::string_view take(uint64_t bytes) {
    const auto taken = rest_.substr(0, static_cast<size_t>(bytes));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string line() {
    const std::string text(rest_.substr(0, rest_.find('\n')));
    take(text.size() + 1);
    return text;
  }

  uint64_t number(size_t bytes) {
    uint64_t value = 0;
    size_t shift = 0;
    for (const char byte : take(bytes)) {
      value |= uint64_t{static_cast<uint8_t>(byte)} << shift;
      shift += 8;
    }
    return value;
  }

  void text(uint64_t bytes) {
    before_ = std::move(last_);
    last_ = std::string(take(bytes));
    ++texts_;
  }

  void skip_operand(uint8_t opcode) {
    switch (opcode) {
    case op::kBinString:
    case op::kBinUnicode:
      return text(number(4));
    case op::kShortBinString:
    case op::kShortBinUnicode:
      return text(number(1));
    case op::kBinUnicode8:
      return text(number(8));
    case op::kMemoize:
      return; // texts stay on top
    case op::kBinPut:
      take(1);
      return;
    case op::kLongBinPut:
      take(4);
      return;
    case op::kPut:
      line();
      return;
    default:
      texts_ = 0;
    }
    switch (opcode) {
    case op::kFloat:
    case op::kInt:
    case op::kLong:
    case op::kPersId:
    case op::kString:
    case op::kUnicode:
    case op::kGet:
      line();
      return;
    case op::kBinInt1:
    case op::kBinGet:
    case op::kProto:
    case op::kExt1:
      take(1);
      return;
    case op::kBinInt2:
    case op::kExt2:
      take(2);
      return;
    case op::kBinInt:
    case op::kLongBinGet:
    case op::kExt4:
      take(4);
      return;
    case op::kBinFloat:
    case op::kFrame:
      take(8);
      return;
    case op::kLong1:
    case op::kShortBinBytes:
      take(number(1));
      return;
    case op::kLong4:
    case op::kBinBytes:
      take(number(4));
      return;
    case op::kBinBytes8:
    case op::kByteArray8:
      take(number(8));
      return;
    default:
      return;
    }
  }

  std::string_view rest_;
  std::string before_;
  std::string last_;
  size_t texts_ = 0; // that lie on top of the stack
};

bool lists(const std::vector<torch::Global> &globals, std::string_view module,
           std::string_view name) {
  return std::any_of(globals.begin(), globals.end(), [&](const torch::Global &global) {
    return global.module == module && global.name == name;
  });
}

constexpr uint8_t kPlaceCount = 7;

/// A file that has the pickle in it. All places but the first say that it is one.
Bytes file_with(Input pickle, uint8_t place) {
  using namespace test;
  const Bytes content(pickle.begin(), pickle.end());
  const std::string four = floats_from(0, 4);
  const Bytes floats(four.begin(), four.end());
  const auto checkpoint = [&](const char *name, const Bytes &bytes) {
    const std::string sound = finish_pickle(py_text_dict({{"w", py_tensor("0", {4})}}));
    return make_zip({stored_entry("a/data.pkl", Bytes(sound.begin(), sound.end())),
                     stored_entry("a/data/0", floats), stored_entry(name, bytes)});
  };
  switch (place % kPlaceCount) {
  case 0:
    return content;
  case 1:
    return make_zip({stored_entry("a/data.pkl", content), stored_entry("a/data/0", floats)});
  case 2:
    return checkpoint("a/extra/x.pkl", content);
  case 3:
    return checkpoint("a/constants.pkl", content);
  case 4:
    return checkpoint("a/extra/x", make_zip({stored_entry("x.pt", content)}));
  case 5:
    return make_zip({stored_entry("model/x.pkl", content)});
  default: {
    std::string text = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n";
    const std::string head = "\x93NUMPY" + std::string(1, '\1') + std::string(1, '\0') +
                             std::string(1, static_cast<char>(text.size())) + std::string(1, '\0') +
                             text;
    Bytes array(head.begin(), head.end());
    array.insert(array.end(), content.begin(), content.end());
    return make_zip({stored_entry("x.npy", array)});
  }
  }
}

} // namespace

void check_pickle_names(Input input) {
  if (input.size() < 2) {
    return;
  }
  const uint8_t place = input[0];
  const Input pickle = input.subspan(1);
  const torch::PickleNames names = torch::read_pickle_names(pickle);
  torch::GlobalList list;
  constexpr uint8_t kConstants = 3; // TorchScript has its own unpickler
  const bool is_script = place % kPlaceCount == kConstants;
  list.add(names.pickle, is_script ? torch::Unpickler::kScript : torch::Unpickler::kPython);
  const auto globals = list.list();
  if (names.end != 0) {
    for (const Name &name : PlainScan(pickle).names()) {
      require(lists(globals, name.module, name.name), "what an opcode names is listed",
              concat(name.module, " ", name.name));
    }
  }
  const bool is_harmless = std::all_of(globals.begin(), globals.end(), [](const auto &global) {
    return global.danger == Danger::kSafe;
  });
  const auto opened = open_file(file_with(pickle, place), {{}, {}, true});
  if (opened) {
    for (const torch::Global &global : globals) {
      require(lists(opened.value().globals, global.module, global.name),
              "what a pickle names is listed, wherever it stands",
              concat(global.module, " ", global.name));
    }
    require(place % kPlaceCount == 0 || names.end != 0 || !opened.value().opaque.empty(),
            "a pickle that cannot be read is told");
  } else if (!is_harmless && place % kPlaceCount != 0) {
    require(opened.error().message.find(" It names ") != std::string::npos,
            "what a refused file would run is told", opened.error().message);
  }
}

} // namespace monoquant::fuzz
