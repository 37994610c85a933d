"""The tiny random models that are quantized and loaded: one entry a family of architectures.

Sizes are the smallest at which every layer has 512 weights or more and groups of 32 and 64 divide
its rows, so that nothing is left alone for being small.
"""

from dataclasses import dataclass, field

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
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": HIDDEN}


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
    extra: dict = field(default_factory=dict)

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
    return encoder(type, config, "AutoModelForSequenceClassification", variant="classifier", **extra)


def seq2seq(type, config, ties=BOTH, **extra):
    return Family(type, "AutoModelForSeq2SeqLM", {**config, **extra}, "pair", ties)


def vision(type, config=VISION_LIKE, auto="AutoModelForImageClassification", **extra):
    return Family(type, auto, {**config, "num_labels": 16, **extra}, "pixels")


FAMILIES = [
    # Language models of Llama's build.
    llama_like("llama"),
    llama_like("mistral"),
    llama_like("qwen2"),
    llama_like("qwen3"),
    llama_like("gemma"),
    llama_like("gemma2"),
    llama_like("gemma3_text"),
    llama_like("cohere"),
    llama_like("cohere2"),
    llama_like("granite"),
    llama_like("olmo"),
    llama_like("olmo2"),
    llama_like("phi"),
    llama_like("phi3"),
    llama_like("stablelm"),
    llama_like("starcoder2"),
    llama_like("gpt_neox"),
    llama_like("smollm3"),
    llama_like("glm"),
    llama_like("glm4"),
    llama_like("nemotron"),
    llama_like("helium"),
    llama_like("ernie4_5"),
    llama_like("seed_oss"),
    llama_like("persimmon"),
    llama_like("exaone4"),
    causal("falcon", {**{key: LLAMA_LIKE[key] for key in LLAMA_LIKE if key != "head_dim"}, "num_kv_heads": 2}),
    # GPT-2's generation.
    causal("gpt2", GPT_LIKE),
    causal("gpt_bigcode", GPT_LIKE),
    causal("gptj", {**GPT_LIKE, "rotary_dim": 16}),
    causal("codegen", {**GPT_LIKE, "rotary_dim": 16}),
    causal(
        "gpt_neo",
        {**LLAMA_LIKE, "num_layers": 2, "num_heads": HEADS, "attention_types": [[["global", "local"], 1]]},
    ),
    causal(
        "opt",
        {**LLAMA_LIKE, "ffn_dim": WIDE, "word_embed_proj_dim": HIDDEN},
    ),
    causal("bloom", {**LLAMA_LIKE, "n_layer": 2, "n_head": HEADS}),
    causal("mpt", {"vocab_size": VOCABULARY, "d_model": HIDDEN, "n_heads": HEADS, "n_layers": 2, "max_seq_len": 64}),
    causal("xglm", {"vocab_size": VOCABULARY, "d_model": HIDDEN, "ffn_dim": WIDE, "num_layers": 2, "attention_heads": HEADS, "max_position_embeddings": 64}),
    # Mixtures of experts.
    llama_like("mixtral", num_local_experts=4, num_experts_per_tok=2),
    llama_like("qwen2_moe", **EXPERTS, shared_expert_intermediate_size=HIDDEN),
    llama_like("qwen3_moe", **EXPERTS, mlp_only_layers=[], decoder_sparse_step=1),
    llama_like("olmoe", **EXPERTS),
    llama_like("granitemoe", num_local_experts=4, num_experts_per_tok=2),
    llama_like("gpt_oss", num_local_experts=4, num_experts_per_tok=2),
    llama_like(
        "deepseek_v2",
        num_key_value_heads=HEADS,
        moe_intermediate_size=HIDDEN,
        n_routed_experts=4,
        n_shared_experts=1,
        num_experts_per_tok=2,
        first_k_dense_replace=1,
        kv_lora_rank=32,
        q_lora_rank=32,
        qk_rope_head_dim=16,
        qk_nope_head_dim=16,
        v_head_dim=16,
        n_group=1,
        topk_group=1,
    ),
    llama_like(
        "deepseek_v3",
        num_key_value_heads=HEADS,
        moe_intermediate_size=HIDDEN,
        n_routed_experts=4,
        n_shared_experts=1,
        num_experts_per_tok=2,
        first_k_dense_replace=1,
        kv_lora_rank=32,
        q_lora_rank=32,
        qk_rope_head_dim=16,
        qk_nope_head_dim=16,
        v_head_dim=16,
        n_group=1,
        topk_group=1,
    ),
    llama_like("phimoe", num_local_experts=4, num_experts_per_tok=2),
    llama_like("dbrx", ties=(False,), d_model=HIDDEN, n_heads=HEADS, n_layers=2, max_seq_len=64,
               attn_config={"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 10000.0},
               ffn_config={"ffn_hidden_size": WIDE, "moe_num_experts": 4, "moe_top_k": 2}),
    # State spaces and their mixtures with attention.
    causal("mamba", {"vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_hidden_layers": 2, "state_size": 16}),
    causal("mamba2", {"vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_hidden_layers": 2, "state_size": 16, "num_heads": 8, "head_dim": 16, "n_groups": 1, "chunk_size": 16}),
    causal("falcon_mamba", {"vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_hidden_layers": 2, "state_size": 16}),
    llama_like("jamba", num_experts=4, num_experts_per_tok=2, mamba_d_state=16, mamba_dt_rank=16, attn_layer_period=2, attn_layer_offset=1, expert_layer_period=2, expert_layer_offset=1, use_mamba_kernels=False),
    llama_like("recurrent_gemma", lru_width=HIDDEN, block_types=["recurrent", "attention"], attention_window_size=32),
    causal("rwkv", {"vocab_size": VOCABULARY, "hidden_size": HIDDEN, "attention_hidden_size": HIDDEN, "intermediate_size": WIDE, "num_hidden_layers": 2, "context_length": 64}),
    # Encoders and decoders.
    seq2seq("t5", T5_LIKE, (True,)),
    seq2seq("mt5", T5_LIKE, (True,)),
    seq2seq("umt5", T5_LIKE, (True,)),
    seq2seq("bart", SEQ2SEQ_LIKE),
    seq2seq("mbart", SEQ2SEQ_LIKE),
    seq2seq("marian", {**SEQ2SEQ_LIKE, "decoder_vocab_size": VOCABULARY}),
    seq2seq("pegasus", SEQ2SEQ_LIKE),
    seq2seq("m2m_100", SEQ2SEQ_LIKE),
    seq2seq("blenderbot", SEQ2SEQ_LIKE),
    Family(
        "whisper",
        "AutoModelForSpeechSeq2Seq",
        {**SEQ2SEQ_LIKE, "num_mel_bins": 16, "max_source_positions": 32, "max_target_positions": 32,
         "suppress_tokens": None, "begin_suppress_tokens": None},
        "features",
        BOTH,
    ),
    # Encoders.
    encoder("bert", BERT_LIKE),
    masked("bert"),
    classifier("bert"),
    masked("roberta"),
    classifier("roberta"),
    masked("xlm-roberta"),
    masked("distilbert", {"vocab_size": VOCABULARY, "dim": HIDDEN, "hidden_dim": WIDE, "n_layers": 2, "n_heads": HEADS, "max_position_embeddings": 64}),
    masked("albert", {**BERT_LIKE, "embedding_size": 32}),
    masked("electra", {**BERT_LIKE, "embedding_size": 32}),
    classifier("deberta-v2", {**BERT_LIKE, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16}),
    masked("deberta-v2", {**BERT_LIKE, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16}),
    encoder("mpnet", BERT_LIKE),
    masked("mpnet"),
    masked("modernbert", {**BERT_LIKE, "num_attention_heads": HEADS, "eos_token_id": 2, "bos_token_id": 1, "cls_token_id": 1, "sep_token_id": 2}),
    encoder("nomic_bert", BERT_LIKE),
    # Pictures.
    vision("vit"),
    vision("deit", auto="DeiTForImageClassification"),
    vision("beit"),
    vision("dinov2", mlp_ratio=2),
    vision("dinov3_vit", auto="AutoModel"),
    vision("swin", {"image_size": 32, "patch_size": 4, "embed_dim": 32, "depths": [1, 1], "num_heads": [2, 4], "window_size": 4}),
    vision("convnext", {"image_size": 32, "patch_size": 4, "hidden_sizes": [32, 64], "depths": [1, 1], "num_stages": 2}),
    vision("convnextv2", {"image_size": 32, "patch_size": 4, "hidden_sizes": [32, 64], "depths": [1, 1], "num_stages": 2}),
    vision("resnet", {"embedding_size": 32, "hidden_sizes": [32, 64], "depths": [1, 1], "layer_type": "basic"}),
    vision("mobilenet_v2", {"image_size": 32}),
    vision("segformer", {"num_encoder_blocks": 2, "depths": [1, 1], "sr_ratios": [2, 1], "hidden_sizes": [32, 64], "patch_sizes": [7, 3], "strides": [4, 2], "num_attention_heads": [2, 4], "mlp_ratios": [2, 2], "decoder_hidden_size": HIDDEN}),
    Family("clip", "AutoModel", {
        "text_config": {**BERT_LIKE, "eos_token_id": 2, "bos_token_id": 1, "projection_dim": HIDDEN},
        "vision_config": {**VISION_LIKE, "projection_dim": HIDDEN},
        "projection_dim": HIDDEN}, "picture and tokens"),
    Family("siglip", "AutoModel", {
        "text_config": {**BERT_LIKE, "eos_token_id": 2, "bos_token_id": 1, "projection_size": HIDDEN},
        "vision_config": VISION_LIKE}, "picture and tokens"),
    Family("siglip2", "AutoModel", {
        "text_config": {**BERT_LIKE, "eos_token_id": 2, "bos_token_id": 1, "projection_size": HIDDEN},
        "vision_config": {**VISION_LIKE, "num_patches": 16}}, "patches and tokens"),
    # Speech.
    Family("wav2vec2", "AutoModelForCTC", SPEECH_LIKE, "sound"),
    Family("hubert", "AutoModelForCTC", SPEECH_LIKE, "sound"),
    Family("wavlm", "AutoModelForCTC", SPEECH_LIKE, "sound"),
    # Pictures and text in one language model.
    Family("llava", "AutoModelForImageTextToText", {
        "text_config": {**LLAMA_LIKE, "model_type": "llama"},
        "vision_config": {**VISION_LIKE, "model_type": "clip_vision_model", "projection_dim": HIDDEN},
        "image_token_index": 255}, "tokens", BOTH),
]


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
