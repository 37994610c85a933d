// What must hold of a file that a run has written, from everything that is known of it.
// It exists because "done" means that whoever opens the file finds what the plan had said.
// The other opinion is the reference quantizer of the tests: it shares no packing, rounding or layout.
#pragma once

#include <map>
#include <set>
#include <string>

#include "generate/model.h"
#include "monoquant/plan/plan.h"
#include "support/reference_quantizer.h"

namespace monoquant::fuzz {

class WrittenFile {
public:
  /// Everything must outlive it.
  WrittenFile(const Model &model, const plan::Plan &plan, const Bytes &file);

  /// Opened as it is: the planned tensors and no others, bytes and all.
  void check_outputs() const;
  /// Of another layout than compressed-tensors: what was quantized is found as it was, with the values of its codes.
  void check_format() const;
  /// Opened as a quantized file: every tensor under its name, with the scheme that was planned, and valid, alone and
  /// beside the model.
  void check_opened() const;
  /// Dequantized: what was copied as it was, and of codes their values.
  void check_values() const;
  /// Every quantized tensor is in one layer of a trial.
  void check_trial() const;

private:
  /// What is decided about a tensor: of a tied one, about its owner.
  [[nodiscard]] const plan::TensorPlan &decided(size_t index) const;
  [[nodiscard]] bool is_quantized(size_t index) const {
    return decided(index).decision() == plan::Decision::kQuantize;
  }
  [[nodiscard]] std::map<std::string, test::FileTensor> expected_of(size_t index) const;
  [[nodiscard]] bool is_taken_for_codes(std::string_view name) const;
  void check_bias(size_t index, const test::FileTensor &written) const;
  void check_codes(size_t index, const catalog::Tensor &found) const;
  void check_inputs() const;
  void check_problems() const;
  void check_compared() const;

  const Model &model_;
  const plan::Plan &plan_;
  const Bytes &file_;
  catalog::Catalog opened_; // with quantized tensors joined
  catalog::Catalog source_; // the same of the model, which may hold some already
  std::map<std::string, const catalog::Tensor *> by_name_; // of those opened
  std::map<size_t, test::ReferenceCodes> codes_;           // of quantized tensors
  std::set<std::string> quantized_;                        // the names of these
  std::set<std::string> taken_for_codes_;                  // and were there before
};

} // namespace monoquant::fuzz
