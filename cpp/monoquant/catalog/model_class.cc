#include "monoquant/catalog/model_class.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include "monoquant/base/text.h"
#include "monoquant/catalog/catalog.h"

namespace monoquant::catalog {
namespace {

/// Classes by parts of their names, of the model and then of its task. The first row that fits counts. A module that the
/// model does not have does no harm, so a row may name those of several releases.
struct TiedHead {
  const char *model; // "" for all
  const char *task;
  const char *modules; // parted by spaces
};
constexpr auto kTiedHeads = std::to_array<TiedHead>({
    {"Albert", "For", "predictions.decoder"},
    {"BigBirdFor", "LM", "cls.predictions.decoder"},
    {"BioGpt", "For", "output_projection"},
    {"BlipFor", "", "text_decoder.cls.predictions.decoder"},
    {"BlipTextLM", "", "cls.predictions.decoder"},
    {"BridgeTower", "For", "mlm_score.decoder"},
    {"Camembert", "LM", "lm_head.decoder"},
    {"Canary", "For", "proj_out"},
    {"CohereAsr", "For", "proj_out"},
    {"ConvBert", "For", "generator_lm_head"},
    {"Data2VecText", "LM", "lm_head.decoder"},
    {"DiffusionGemma", "For", "lm_head"},
    {"DistilBert", "For", "vocab_projector"},
    {"Electra", "For", "generator_lm_head"},
    {"ErnieFor", "LM", "cls.predictions.decoder"},
    {"EuroBert", "LM", "lm_head"},
    {"Flaubert", "", "pred_layer.proj"},
    {"FSMT", "For", "model.decoder.output_projection"},
    {"FSMTModel", "", "decoder.output_projection"},
    {"GitForCausalLM", "", "output"},
    {"GPTNeoX", "For", "lm_head embed_out"},
    {"GraniteSpeech", "CTC", "ctc_head"},
    {"IBert", "LM", "lm_head.decoder"},
    {"Idefics", "ForVision", "lm_head"},
    {"ImageGPTFor", "", "lm_head"},
    {"Kosmos2For", "", "text_model.lm_head"},
    {"LukeFor", "", "lm_head.decoder entity_predictions.decoder"},
    {"Marian", "MTModel", "lm_head"},
    {"ModernBert", "For", "decoder"},
    {"Moonshine", "For", "proj_out"},
    {"NeoMME", "For", "lm_head unembedding_projection"},
    {"OmniMoeTalkerCode", "", "lm_head"},
    {"OmniMoeTalker", "", "codec_head"},
    {"Pix2StructText", "", "lm_head"},
    {"RoFormerFor", "LM", "cls.predictions.decoder"},
    {"RwkvForCausalLM", "", "head"},
    {"SeamlessM4T", "", "lm_head"},
    {"SpeechT5", "For", "text_decoder_postnet.lm_head"},
    {"T5Gemma", "For", "lm_head.out_proj"},
    {"TrOCR", "For", "output_projection"},
    {"Ultrabert", "For", "head.decoder"},
    {"VBert", "For", "lm_head"}, // ModernVBert, UltraVBert
    {"Vilt", "For", "mlm_score.decoder"},
    {"VisualBert", "For", "cls.predictions.decoder"},
    {"Whisper", "For", "proj_out"},
    {"XLMWith", "", "pred_layer.proj"},
    {"XLNetLM", "", "lm_loss"},
    {"Xmod", "LM", "lm_head.decoder"},
    // Encoders have a head of two layers, the second of which is tied.
    {"BertGeneration", "", "lm_head.decoder"},
    {"Bert", "LM", "cls.predictions.decoder"},
    {"oberta", "LM", "lm_head.decoder"},
    {"", "ForMaskedLM", "lm_head lm_head.decoder cls.predictions.decoder"},
    {"", "ForPreTraining", "cls.predictions.decoder"},
    {"", "CausalLM", "lm_head"},
    {"", "LMHead", "lm_head"},
    {"", "DoubleHeads", "lm_head"},
    {"", "ForConditionalGeneration", "lm_head"},
    {"", "ForTextTo", "lm_head"},
});

/// The modules of a class that share the embedding's weight where weights are tied, parted by spaces.
std::string_view tied_heads(std::string_view architecture) {
  const auto *row = std::find_if(kTiedHeads.begin(), kTiedHeads.end(), [&](const TiedHead &head) {
    const std::string_view model = head.model;
    const size_t at = architecture.find(model);
    return at != std::string_view::npos &&
           architecture.find(head.task, at + model.size()) != std::string_view::npos;
  });
  return row == kTiedHeads.end() ? std::string_view() : row->modules;
}

/// The smaller, the more a name is its module's own: embeddings before what reuses them, outer before inner ones.
auto owner_rank(const Tensor &tensor) {
  const int by_kind = tensor.kind == LayerKind::kEmbedding ? 0
                      : tensor.kind == LayerKind::kHead    ? 2
                                                           : 1;
  const auto depth = std::count(tensor.name.begin(), tensor.name.end(), '.');
  return std::tuple(by_kind, depth, std::string_view(tensor.name));
}

} // namespace

std::vector<std::string> modules_without_tensors(const Catalog &catalog) {
  std::vector<std::string> missing;
  if (!catalog.model) {
    return missing;
  }
  for (const std::string &architecture : catalog.model->architectures) {
    std::string_view modules = tied_heads(architecture);
    while (!modules.empty()) {
      const std::string_view module = modules.substr(0, modules.find(' '));
      modules.remove_prefix(std::min(modules.size(), module.size() + 1));
      const std::string weight = concat(module, ".weight");
      if (std::none_of(catalog.tensors.begin(), catalog.tensors.end(),
                       [&](const Tensor &tensor) { return tensor.name == weight; })) {
        missing.emplace_back(module);
      }
    }
  }
  return missing;
}

void choose_owners(std::span<Tensor> tensors) {
  std::map<size_t, std::vector<size_t>> groups; // by the owner so far
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].tied_to) {
      groups[*tensors[i].tied_to].push_back(i);
    }
  }
  for (auto &[before, members] : groups) {
    members.push_back(before);
    const size_t owner = *std::min_element(members.begin(), members.end(), [&](size_t a, size_t b) {
      return owner_rank(tensors[a]) < owner_rank(tensors[b]);
    });
    for (const size_t i : members) {
      tensors[i].tied_to = i == owner ? std::nullopt : std::optional(owner);
    }
  }
}

} // namespace monoquant::catalog
