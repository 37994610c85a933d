#include "monoquant/torch/script_code.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "monoquant/base/text.h"

namespace monoquant::torch {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kClasses = "__torch__.torch.classes";
// Namespaces of operators that PyTorch and torchvision register, but for those of files, video and the network.
constexpr std::array kOperators = {"_quantized"sv,
                                   "aten"sv,
                                   "cuda"sv,
                                   "mkldnn"sv,
                                   "mkldnn_prepacked"sv,
                                   "mtia"sv,
                                   "onednn"sv,
                                   "prepacked"sv,
                                   "prim"sv,
                                   "prims"sv,
                                   "profiler"sv,
                                   "quantization"sv,
                                   "quantized"sv,
                                   "rngprims"sv,
                                   "sparse"sv,
                                   "torchvision"sv,
                                   "quantized_decomposed"sv,
                                   "xnnpack"sv};
constexpr std::array kNativeClasses = {"cuda"sv, "mkldnn"sv, "profiler"sv, "quantized"sv,
                                       "rnn"sv,  "sparse"sv, "xnnpack"sv};
// Write or read a file by its name, or call another machine. Source: torch/csrc/jit/runtime/register_prim_ops.cpp.
constexpr std::array kReaching = {"from_file"sv,  "save"sv,     "rpc_async"sv,
                                  "rpc_remote"sv, "rpc_sync"sv, "PythonOp"sv};

template <size_t N> bool has(const std::array<std::string_view, N> &list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

bool is_letter(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || letter == '_' ||
         (letter >= '0' && letter <= '9') || static_cast<unsigned char>(letter) >= 0x80;
}

/// Names joined with dots, as TorchScript's lexer splits text. Source: torch/csrc/jit/frontend/lexer.h.
class Chains {
public:
  explicit Chains(std::string_view text) : text_(text) {}

  /// The next one; nothing at the end.
  std::vector<std::string_view> next() {
    std::vector<std::string_view> chain;
    while (at_ < text_.size() && chain.empty()) {
      if (is_letter(text_[at_])) {
        read_chain(chain);
      } else if (!skip_gap() && !skip_string()) {
        after_dot_ = text_[at_++] == '.';
      }
    }
    return chain;
  }

  /// Whether what came last hangs on another value: "(x).save".
  [[nodiscard]] bool is_attribute() const { return is_attribute_; }

private:
  void read_chain(std::vector<std::string_view> &chain) {
    is_attribute_ = std::exchange(after_dot_, false);
    while (true) {
      const size_t begin = at_;
      while (at_ < text_.size() && is_letter(text_[at_])) {
        ++at_;
      }
      chain.push_back(text_.substr(begin, at_ - begin));
      skip_gaps();
      if (at_ == text_.size() || text_[at_] != '.') {
        return;
      }
      ++at_;
      skip_gaps();
      if (at_ == text_.size() || !is_letter(text_[at_])) {
        after_dot_ = true;
        return;
      }
    }
  }

  void skip_gaps() {
    while (skip_gap()) {
    }
  }

  /// White space, the end of a line that goes on, or a comment.
  bool skip_gap() {
    const auto rest = text_.substr(at_);
    if (rest.empty()) {
      return false;
    }
    if (rest.starts_with("\\\n")) {
      at_ += 2;
    } else if (rest[0] == '#') {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else if (rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\n' || rest[0] == '\r') {
      ++at_;
    } else {
      return false;
    }
    return true;
  }

  bool skip_string() {
    const char quote = text_[at_];
    if (quote != '"' && quote != '\'') {
      return false;
    }
    const std::string_view one = text_.substr(at_, 1);
    const std::string_view three = quote == '"' ? R"(""")" : "'''";
    const std::string_view end = text_.substr(at_).starts_with(three) ? three : one;
    for (size_t to = at_ + end.size(); to < text_.size(); ++to) {
      if (text_.substr(to).starts_with(end)) {
        at_ = to + end.size();
        return true;
      }
      if (text_[to] == '\n' && end == one) {
        return false; // no string
      }
      to += text_[to] == '\\' ? 1 : 0;
    }
    return false;
  }

  std::string_view text_;
  size_t at_ = 0;
  bool after_dot_ = false;
  bool is_attribute_ = false;
};

/// An operator of a namespace; both may be empty, where the text hides them.
void add_operator(std::string_view space, std::string_view name, GlobalList &globals) {
  const std::string module = space.empty() ? "torch.ops" : concat("torch.ops.", space);
  const bool is_known = has(kOperators, space) && !name.empty();
  const bool reaches = is_known && has(kReaching, name);
  if (reaches || !is_known) {
    globals.add({module, name.empty() ? "?" : std::string(name),
                 reaches ? Danger::kDangerous : Danger::kUnknown});
  }
}

} // namespace

void list_operators(std::string_view code, GlobalList &globals) {
  Chains chains(code);
  for (auto chain = chains.next(); !chain.empty(); chain = chains.next()) {
    const auto part = [&](size_t index) {
      return index < chain.size() ? chain[index] : std::string_view();
    };
    if (chains.is_attribute() ||
        (part(0) != "ops" && part(0) != "torch" && part(0) != "__torch__")) {
      // A method of a tensor is the operator of its name.
      for (size_t i = chains.is_attribute() ? 0 : 1; i < chain.size(); ++i) {
        if (has(kReaching, chain[i])) {
          globals.add({"torch.Tensor", std::string(chain[i]), Danger::kUnknown});
        }
      }
    } else if (part(0) == "ops") {
      add_operator(part(1), part(2), globals);
    } else if (part(0) == "torch") {
      add_operator("aten", part(1), globals);
    } else if (part(1) == "torch" && part(2) == "classes") {
      const std::string module = concat(kClasses, ".", part(3));
      if (danger_of_script_class(module) != Danger::kSafe) {
        globals.add({module, std::string(part(4)), Danger::kUnknown});
      }
    }
  }
}

Danger danger_of_script_class(std::string_view path) {
  if (path != kClasses && !path.starts_with("__torch__.torch.classes.")) {
    return Danger::kSafe;
  }
  const auto rest = path.substr(std::min(kClasses.size() + 1, path.size()));
  return has(kNativeClasses, rest.substr(0, rest.find('.'))) ? Danger::kSafe : Danger::kUnknown;
}

} // namespace monoquant::torch
