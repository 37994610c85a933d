#include "support/pickle_writer.h"

#include <bit>
#include <cstdio>
#include <map>
#include <utility>

#include "monoquant/base/text.h"

namespace monoquant::test {
namespace {

using torch::NodeId;
using torch::NodeKind;

template <typename T> std::string le(T number, size_t bytes = sizeof(T)) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) {
    text += static_cast<char>(static_cast<uint64_t>(number) >> (8 * i));
  }
  return text;
}

class Writer {
public:
  Writer(const PickleValues &values, int protocol) : values_(values), protocol_(protocol) {}

  std::string write() {
    if (protocol_ >= 2) {
      out_ += "\x80";
      out_ += static_cast<char>(protocol_);
    }
    value(values_.size() - 1);
    out_ += '.';
    if (protocol_ >= 4) { // a frame around everything behind PROTO
      out_.insert(2, "\x95" + le(uint64_t{out_.size() - 2}));
    }
    return out_;
  }

private:
  void value(size_t index) {
    if (const auto known = memo_.find(index); known != memo_.end()) {
      numbered("g", "h", "j", known->second);
      return;
    }
    const PickleValue &of = values_[index];
    switch (of.kind) {
    case NodeKind::kNone:
      out_ += 'N';
      return;
    case NodeKind::kBool:
      out_ += protocol_ >= 2 ? (of.integer != 0 ? "\x88" : "\x89")
                             : (of.integer != 0 ? "I01\n" : "I00\n");
      return;
    case NodeKind::kInt:
      integer(of.integer);
      return;
    case NodeKind::kFloat:
      real(of.real);
      return;
    case NodeKind::kText:
      text(of.text);
      break;
    case NodeKind::kBytes:
      bytes(of.text, index % 2 == 0);
      break;
    case NodeKind::kTuple:
      tuple(of.children);
      break;
    case NodeKind::kList:
      open(NodeKind::kList);
      memorize(index);
      fill("a", "e", of.children, 1);
      state(of);
      return;
    case NodeKind::kSet:
      open(NodeKind::kSet);
      memorize(index);
      fill("", "\x90", of.children, 1);
      return;
    case NodeKind::kDict:
      open(NodeKind::kDict);
      memorize(index);
      fill("s", "u", of.children, 2);
      return;
    case NodeKind::kGlobal:
      global(of);
      break;
    case NodeKind::kObject:
      value(of.children[0]);
      value(of.children[1]);
      out_ += protocol_ >= 2 && index % 2 == 0 ? '\x81' : 'R';
      memorize(index);
      fill("s", "u", of.items, 2);
      state(of);
      return;
    case NodeKind::kPersistent:
      if (protocol_ == 0) {
        out_ += "P" + values_[of.children[0]].text + "\n";
      } else {
        value(of.children[0]);
        out_ += 'Q';
      }
      break;
    default:
      return;
    }
    memorize(index);
  }

  void numbered(const char *line, const char *small, const char *large, size_t number) {
    out_ += protocol_ == 0 ? line + std::to_string(number) + "\n"
            : number < 256 ? small + le(number, 1)
                           : large + le(number, 4);
  }

  void memorize(size_t index) {
    const size_t number = memo_.size();
    memo_[index] = number;
    if (protocol_ >= 4) {
      out_ += '\x94';
    } else {
      numbered("p", "q", "r", number);
    }
  }

  void integer(int64_t of) {
    if (protocol_ == 0) {
      out_ += of % 2 == 0 ? "I" + std::to_string(of) + "\n" : "L" + std::to_string(of) + "L\n";
    } else if (of >= 0 && of < 256) {
      out_ += "K" + le(of, 1);
    } else if (of >= 0 && of < 65536) {
      out_ += "M" + le(of, 2);
    } else if (of == static_cast<int32_t>(of)) {
      out_ += "J" + le(of, 4);
    } else if (protocol_ == 1) {
      out_ += "L" + std::to_string(of) + "L\n";
    } else {
      out_ += of % 2 == 0 ? "\x8a\x08" + le(of)
                          : "\x8b" + le(uint32_t{9}) + le(of) + (of < 0 ? '\xff' : '\0');
    }
  }

  void real(double of) {
    if (protocol_ == 0) {
      char line[40];
      std::snprintf(line, sizeof(line), "F%.17g\n", of);
      out_ += line;
    } else {
      const std::string little = le(std::bit_cast<uint64_t>(of));
      out_ += 'G';
      out_.append(little.rbegin(), little.rend());
    }
  }

  void text(const std::string &of) {
    if (protocol_ == 0) {
      out_ += "S'";
      for (const char c : of) {
        char escape[8];
        std::snprintf(escape, sizeof(escape), "\\x%02x",
                      static_cast<unsigned>(static_cast<uint8_t>(c)));
        out_ += c >= ' ' && c < 127 && c != '\'' && c != '\\' ? std::string(1, c) : escape;
      }
      out_ += "'\n";
    } else if (protocol_ >= 4 && of.size() < 256) {
      out_ += "\x8c" + le(of.size(), 1) + of;
    } else if (protocol_ >= 4 && of.size() % 2 == 0) {
      out_ += "\x8d" + le(of.size(), 8) + of;
    } else if (protocol_ < 3 && of.size() % 3 == 0) {
      out_ += of.size() < 256 ? "U" + le(of.size(), 1) + of : "T" + le(of.size(), 4) + of;
    } else {
      out_ += "X" + le(of.size(), 4) + of;
    }
  }

  void bytes(const std::string &of, bool array) {
    if (protocol_ >= 5 && array) {
      out_ += "\x96" + le(of.size(), 8) + of;
    } else if (of.size() < 256) {
      out_ += "C" + le(of.size(), 1) + of;
    } else {
      out_ += protocol_ >= 4 ? "\x8e" + le(of.size(), 8) + of : "B" + le(of.size(), 4) + of;
    }
  }

  void tuple(const std::vector<size_t> &children) {
    const size_t count = children.size();
    const bool marked = protocol_ < 2 ? count > 0 || protocol_ == 0 : count > 3;
    out_ += marked ? "(" : "";
    for (const size_t child : children) {
      value(child);
    }
    out_ += marked ? 't' : count == 0 ? ')' : static_cast<char>(0x84 + count);
  }

  void open(NodeKind kind) {
    if (kind == NodeKind::kSet) {
      out_ += '\x8f';
    } else if (protocol_ == 0) {
      out_ += kind == NodeKind::kList ? "(l" : "(d";
    } else {
      out_ += kind == NodeKind::kList ? ']' : '}';
    }
  }

  /// In batches, as Python does, or one at a time.
  void fill(const char *one, const char *many, const std::vector<size_t> &children, size_t each) {
    constexpr size_t kBatch = 10;
    const bool single = protocol_ == 0;
    for (size_t i = 0; i < children.size(); i += each) {
      out_ += !single && i % kBatch == 0 ? "(" : "";
      for (size_t k = 0; k < each; ++k) {
        value(children[i + k]);
      }
      const bool last = (i + each) % kBatch == 0 || i + each == children.size();
      out_ += single ? one : last ? many : "";
    }
  }

  void state(const PickleValue &of) {
    if (!of.state.empty()) {
      value(of.state[0]);
      out_ += 'b';
    }
  }

  void global(const PickleValue &of) {
    if (protocol_ >= 4) {
      text(of.text);
      text(of.name);
      out_ += '\x93';
    } else {
      out_ += "c" + of.text + "\n" + of.name + "\n";
    }
  }

  const PickleValues &values_;
  int protocol_;
  std::string out_;
  std::map<size_t, size_t> memo_;
};

} // namespace

std::vector<uint8_t> write_pickle(const PickleValues &values, int protocol) {
  const std::string text = Writer(values, protocol).write();
  return {text.begin(), text.end()};
}

} // namespace monoquant::test
