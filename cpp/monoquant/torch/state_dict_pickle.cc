#include "monoquant/torch/state_dict_pickle.h"

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"
#include "monoquant/torch/pickle.h"

namespace monoquant::torch {
namespace {

/// How PyTorch names a dtype. Old ones have a storage class of their own; the others are bytes that
/// `_rebuild_tensor_v3` is told the dtype of.
struct TorchDtype {
  std::string_view storage; // empty: an UntypedStorage
  std::string_view name;    // empty: PyTorch has no such dtype
};

// In the order of Dtype.
constexpr std::array<TorchDtype, kDtypeCount> kDtypes = {{
    {"BoolStorage", "bool"},
    {"", "float4_e2m1fn_x2"},
    {"", ""},
    {"", ""},
    {"ByteStorage", "uint8"},
    {"CharStorage", "int8"},
    {"", "float8_e5m2"},
    {"", "float8_e4m3fn"},
    {"", "float8_e8m0fnu"},
    {"", "float8_e4m3fnuz"},
    {"", "float8_e5m2fnuz"},
    {"ShortStorage", "int16"},
    {"", "uint16"},
    {"HalfStorage", "float16"},
    {"BFloat16Storage", "bfloat16"},
    {"IntStorage", "int32"},
    {"", "uint32"},
    {"FloatStorage", "float32"},
    {"ComplexFloatStorage", "complex64"},
    {"DoubleStorage", "float64"},
    {"LongStorage", "int64"},
    {"", "uint64"},
    {"", "complex32"},
    {"ComplexDoubleStorage", "complex128"},
}};

const TorchDtype &torch_dtype(Dtype dtype) { return kDtypes[static_cast<size_t>(dtype)]; }

// What `read_pickle` takes at most, beside the text itself: nodes and their places in tuples, dicts and sorted keys.
constexpr uint64_t kMemoryOfTensor = 320;
constexpr uint64_t kMemoryOfExtent = 44; // in shape and strides
constexpr uint64_t kMemoryOfAny = 1ULL << 17U;

constexpr size_t kBatch = 1000; // members that one SETITEMS takes, as Python's pickle has it

/// Opcodes of protocol 2 (Python's pickletools.py), those that PyTorch's safe loader takes.
class PickleText {
public:
  PickleText() { text_ = "\x80\x02"; } // PROTO 2

  void op(char opcode) { text_ += opcode; }

  void integer(uint64_t value) {
    if (value <= 0xFFU) {
      op('K'); // BININT1
      append(value, 1);
    } else if (value <= 0xFFFFU) {
      op('M'); // BININT2
      append(value, 2);
    } else if (value <= 0x7FFFFFFFU) {
      op('J'); // BININT, signed
      append(value, 4);
    } else {
      size_t bytes = 4;
      while (bytes < 8 && value >> (8 * bytes) != 0) {
        ++bytes;
      }
      // Signed as well: one more byte where the highest bit is set.
      const bool sign = (value >> (8 * bytes - 1) & 1U) != 0;
      op('\x8A'); // LONG1
      append(bytes + (sign ? 1 : 0), 1);
      append(value, bytes);
      append(0, sign ? 1 : 0);
    }
  }

  void string(std::string_view value) {
    op('X'); // BINUNICODE
    append(value.size(), 4);
    text_ += value;
  }

  /// A string that occurs often: spelled out once.
  void common_string(std::string_view value) {
    if (!recall(value)) {
      string(value);
      remember(value);
    }
  }

  /// "collections\nOrderedDict\n", spelled out once.
  void global(std::string_view module_and_name) {
    if (!recall(module_and_name)) {
      op('c'); // GLOBAL
      text_ += module_and_name;
      remember(module_and_name);
    }
  }

  void tuple(std::span<const uint64_t> values) {
    if (values.empty()) {
      op(')'); // EMPTY_TUPLE
      return;
    }
    if (values.size() > 3) {
      op('('); // MARK
    }
    for (const uint64_t value : values) {
      integer(value);
    }
    constexpr std::string_view kTuples = "\x85\x86\x87"; // TUPLE1 to TUPLE3
    op(values.size() > 3 ? 't' : kTuples[values.size() - 1]);
  }

  void empty_ordered_dict() {
    global("collections\nOrderedDict\n");
    op(')'); // EMPTY_TUPLE
    op('R'); // REDUCE
  }

  std::string take() { return std::move(text_); }

private:
  bool recall(std::string_view value) {
    const auto known = memo_.find(value);
    if (known == memo_.end()) {
      return false;
    }
    op('h'); // BINGET
    append(known->second, 1);
    return true;
  }

  // A table of names: never near 256 of them.
  void remember(std::string_view value) {
    const size_t index = memo_.size();
    memo_.emplace(value, index);
    op('q'); // BINPUT
    append(index, 1);
  }

  void append(uint64_t value, size_t bytes) {
    std::array<uint8_t, sizeof(value)> all{};
    store_le(all.data(), value);
    text_.append(reinterpret_cast<const char *>(all.data()), bytes);
  }

  std::string text_;
  std::map<std::string, size_t, std::less<>> memo_;
};

/// Elements from one to the next in each dimension. An extent of 0 counts as 1, as in PyTorch.
std::vector<uint64_t> contiguous_strides(std::span<const uint64_t> shape) {
  std::vector<uint64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) {
    // Only a tensor without elements can have such extents: its strides are not used.
    strides[i - 1] = checked_mul(strides[i], std::max<uint64_t>(shape[i], 1)).value_or(1);
  }
  return strides;
}

void append_tensor(PickleText &pickle, const SavedTensor &tensor) {
  const TorchDtype &dtype = torch_dtype(tensor.dtype);
  const bool typed = !dtype.storage.empty();
  std::vector<uint64_t> shape(tensor.shape.begin(), tensor.shape.end());
  if (tensor.dtype == Dtype::kF4 && !shape.empty()) {
    shape.back() /= 2; // PyTorch counts pairs
  }

  pickle.string(tensor.name);
  pickle.global(typed ? "torch._utils\n_rebuild_tensor_v2\n"
                      : "torch._utils\n_rebuild_tensor_v3\n");
  pickle.op('('); // MARK: the arguments
  pickle.op('('); // MARK: the persistent id
  pickle.common_string("storage");
  pickle.global(typed ? concat("torch\n", dtype.storage, "\n") : "torch.storage\nUntypedStorage\n");
  pickle.string(std::to_string(tensor.storage));
  pickle.common_string("cpu");
  pickle.integer(typed ? tensor.elements : tensor.elements * dtype_bits(tensor.dtype) / 8);
  pickle.op('t');    // TUPLE
  pickle.op('Q');    // BINPERSID
  pickle.integer(0); // where in the storage
  pickle.tuple(shape);
  pickle.tuple(contiguous_strides(shape));
  pickle.op('\x89');           // NEWFALSE: requires no gradient
  pickle.empty_ordered_dict(); // hooks
  if (!typed) {
    pickle.global(concat("torch\n", dtype.name, "\n"));
  }
  pickle.op('t'); // TUPLE
  pickle.op('R'); // REDUCE
}

} // namespace

bool torch_has(Dtype dtype) { return !torch_dtype(dtype).name.empty(); }

Result<std::string> state_dict_pickle(std::span<const SavedTensor> tensors) {
  PickleText pickle;
  pickle.empty_ordered_dict();
  for (size_t begin = 0; begin < tensors.size(); begin += kBatch) {
    pickle.op('('); // MARK
    for (const SavedTensor &tensor :
         tensors.subspan(begin, std::min(kBatch, tensors.size() - begin))) {
      append_tensor(pickle, tensor);
    }
    pickle.op('u'); // SETITEMS
  }
  pickle.op('.'); // STOP
  std::string text = pickle.take();
  uint64_t memory = kMemoryOfAny + text.size() + kMemoryOfTensor * tensors.size();
  for (const SavedTensor &tensor : tensors) {
    memory += kMemoryOfExtent * tensor.shape.size();
  }
  if (text.size() > kMaxPickleBytes || memory > kMaxPickleMemory) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("Expected a state dict whose pickle has at most ", kMaxPickleBytes,
                        " bytes and takes ", kMaxPickleMemory, " to be read, found ", text.size(),
                        " and ", memory, "."),
                 "Write a .safetensors file, or split the checkpoint into several files.",
                 {},
                 {}};
  }
  return text;
}

} // namespace monoquant::torch
