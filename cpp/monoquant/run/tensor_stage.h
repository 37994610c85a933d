// Hands out the bytes of one tensor, piece by piece, however they lie in the file.
// It exists so that reading a tensor costs no more than that tensor, whatever the size of the model.
#pragma once

#include "monoquant/run/stage.h"
#include "monoquant/run/tensor_reader.h"

namespace monoquant::run {

/// Pieces are counted from the tensor's first byte. What is stored as codes comes out as F32 values.
class TensorStage final : public Stage {
public:
  /// `tensor`: its index in the catalog, which is needed no longer.
  TensorStage(const catalog::Catalog &file, size_t tensor, size_t block_bytes);

  std::optional<ByteRange> next(size_t slot) override;
  Result<void> process(size_t slot) override;
  [[nodiscard]] std::span<const Write> writes(size_t /*slot*/) const override { return writes_; }
  [[nodiscard]] std::string_view tensor() const override { return only().name; }
  [[nodiscard]] uint64_t total_bytes() const override { return only().bytes; }
  void write_result(JsonWriter &json) const override { json.begin_object().end(); }

private:
  [[nodiscard]] const catalog::Tensor &only() const { return file_.tensors[0]; }

  const catalog::Catalog file_; // with this tensor alone, so that memory is taken for no other
  TensorReader reader_;
  size_t length_ = 0; // of the read under way; 0: the part is complete
  uint64_t end_ = 0;  // element, of the part at work
  std::vector<Write> writes_;
};

} // namespace monoquant::run
