"""Families that see and hear: pictures, pictures with text, speech."""

from family import BERT_LIKE, BOTH, HIDDEN, LLAMA_LIKE, SPEECH_LIKE, VISION_LIKE, Family, vision

SENSES = [
    # Pictures.
    vision("vit"),
    vision("deit", auto="DeiTForImageClassification"),
    vision("beit"),
    vision("dinov2", mlp_ratio=2),
    vision("dinov3_vit", auto="AutoModel"),
    vision(
        "swin",
        {
            "image_size": 32,
            "patch_size": 4,
            "embed_dim": 32,
            "depths": [1, 1],
            "num_heads": [2, 4],
            "window_size": 4,
        },
    ),
    vision(
        "convnext",
        {
            "image_size": 32,
            "patch_size": 4,
            "hidden_sizes": [32, 64],
            "depths": [1, 1],
            "num_stages": 2,
            "layer_scale_init_value": 1.0,
        },
    ),
    vision(
        "convnextv2",
        {
            "image_size": 32,
            "patch_size": 4,
            "hidden_sizes": [32, 64],
            "depths": [1, 1],
            "num_stages": 2,
        },
    ),
    vision(
        "resnet",
        {"embedding_size": 32, "hidden_sizes": [32, 64], "depths": [1, 1], "layer_type": "basic"},
    ),
    vision("mobilenet_v2", {"image_size": 32}),
    vision(
        "segformer",
        {
            "num_encoder_blocks": 2,
            "depths": [1, 1],
            "sr_ratios": [2, 1],
            "hidden_sizes": [32, 64],
            "patch_sizes": [7, 3],
            "strides": [4, 2],
            "num_attention_heads": [2, 4],
            "mlp_ratios": [2, 2],
            "decoder_hidden_size": HIDDEN,
        },
    ),
    Family(
        "clip",
        "AutoModel",
        {
            "text_config": {
                **BERT_LIKE,
                "eos_token_id": 2,
                "bos_token_id": 1,
                "projection_dim": HIDDEN,
            },
            "vision_config": {**VISION_LIKE, "projection_dim": HIDDEN},
            "projection_dim": HIDDEN,
        },
        "picture and tokens",
    ),
    Family(
        "siglip",
        "AutoModel",
        {
            "text_config": {
                **BERT_LIKE,
                "eos_token_id": 2,
                "bos_token_id": 1,
                "projection_size": HIDDEN,
            },
            "vision_config": VISION_LIKE,
        },
        "picture and tokens",
    ),
    Family(
        "siglip2",
        "AutoModel",
        {
            "text_config": {
                **BERT_LIKE,
                "eos_token_id": 2,
                "bos_token_id": 1,
                "projection_size": HIDDEN,
            },
            "vision_config": {**VISION_LIKE, "num_patches": 16},
        },
        "patches and tokens",
    ),
    # Speech.
    Family("wav2vec2", "AutoModelForCTC", SPEECH_LIKE, "sound"),
    Family("hubert", "AutoModelForCTC", SPEECH_LIKE, "sound"),
    Family("wavlm", "AutoModelForCTC", SPEECH_LIKE, "sound"),
    # Pictures and text in one language model.
    Family(
        "llava",
        "AutoModelForImageTextToText",
        {
            "text_config": {**LLAMA_LIKE, "model_type": "llama"},
            "vision_config": {
                **VISION_LIKE,
                "model_type": "clip_vision_model",
                "projection_dim": HIDDEN,
            },
            "image_token_index": 255,
        },
        "tokens",
        BOTH,
    ),
]
