"""What a tiny random model is made of: its type, its class, its sizes and its inputs.

Sizes are the smallest at which every layer has 512 weights or more and groups of 32 and 64 divide
its rows, so that nothing is left alone for being small.
"""

from dataclasses import dataclass

import torch

VOCABULARY = 256
HIDDEN = 64
WIDE = 128
HEADS = 4

# The words that most language models of the last years use for their sizes.
LLAMA_LIKE = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "intermediate_size": WIDE,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
# GPT-2's generation names the same things otherwise.
GPT_LIKE = {
    "vocab_size": VOCABULARY,
    "n_embd": HIDDEN,
    "n_layer": 2,
    "n_head": HEADS,
    "n_positions": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
BERT_LIKE = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "intermediate_size": WIDE,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
VISION_LIKE = {
    "hidden_size": HIDDEN,
    "intermediate_size": WIDE,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "image_size": 32,
    "patch_size": 8,
}
SPEECH_LIKE = {
    "vocab_size": 64,
    "hidden_size": HIDDEN,
    "intermediate_size": WIDE,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "conv_dim": (32, 32),
    "conv_kernel": (10, 3),
    "conv_stride": (5, 2),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "pad_token_id": 0,
}
SEQ2SEQ_LIKE = {
    "vocab_size": VOCABULARY,
    "d_model": HIDDEN,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": HEADS,
    "decoder_attention_heads": HEADS,
    "encoder_ffn_dim": WIDE,
    "decoder_ffn_dim": WIDE,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
    "forced_eos_token_id": 2,
}
T5_LIKE = {
    "vocab_size": VOCABULARY,
    "d_model": HIDDEN,
    "d_kv": 16,
    "d_ff": WIDE,
    "num_layers": 2,
    "num_heads": HEADS,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "decoder_start_token_id": 0,
}


@dataclass(frozen=True)
class Family:
    """A model type of transformers, the class that loads it, and what it takes."""

    type: str
    auto: str
    config: dict
    inputs: str
    # The values of `tie_word_embeddings` that the family allows.
    ties: tuple = (None,)
    # Tells cases of one type apart: a task, a variant.
    variant: str = ""

    @property
    def name(self):
        return f"{self.type}-{self.variant}" if self.variant else self.type


BOTH = (True, False)


def causal(type, config, ties=BOTH, **extra):
    return Family(type, "AutoModelForCausalLM", {**config, **extra}, "tokens", ties)


def llama_like(type, ties=BOTH, **extra):
    return causal(type, LLAMA_LIKE, ties, **extra)


def encoder(type, config, auto="AutoModel", ties=(None,), variant="", **extra):
    return Family(type, auto, {**config, **extra}, "tokens", ties, variant)


def masked(type, config=BERT_LIKE, ties=BOTH, **extra):
    return encoder(type, config, "AutoModelForMaskedLM", ties, "masked", **extra)


def classifier(type, config=BERT_LIKE, **extra):
    return encoder(
        type, config, "AutoModelForSequenceClassification", variant="classifier", **extra
    )


def seq2seq(type, config, ties=BOTH, **extra):
    return Family(type, "AutoModelForSeq2SeqLM", {**config, **extra}, "pair", ties)


def vision(type, config=VISION_LIKE, auto="AutoModelForImageClassification", **extra):
    return Family(type, auto, {**config, "num_labels": 16, **extra}, "pixels")


def make_inputs(family):
    """The same inputs every time; small enough that a pass takes milliseconds."""
    random = torch.Generator().manual_seed(1)

    def tokens(count=12, top=VOCABULARY):
        return torch.randint(3, min(top, VOCABULARY) - 2, (2, count), generator=random)

    def normal(*shape):
        return torch.randn(*shape, generator=random)

    match family.inputs:
        case "tokens":
            return {"input_ids": tokens()}
        case "pair":
            return {"input_ids": tokens(), "decoder_input_ids": tokens(8)}
        case "pixels":
            return {"pixel_values": normal(2, 3, 32, 32)}
        case "picture and tokens":
            return {"input_ids": tokens(), "pixel_values": normal(2, 3, 32, 32)}
        case "patches and tokens":
            return {
                "input_ids": tokens(),
                "pixel_values": normal(2, 16, 3 * 8 * 8),
                "pixel_attention_mask": torch.ones(2, 16, dtype=torch.int64),
                "spatial_shapes": torch.tensor([[4, 4], [4, 4]]),
            }
        case "features":
            return {"input_features": normal(2, 16, 64), "decoder_input_ids": tokens(8)}
        case "sound":
            return {"input_values": normal(2, 800)}
    raise ValueError(family.inputs)
