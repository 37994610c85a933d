"""Which architectures: types of transformers, classes of diffusers, names of timm and ultralytics.

Choices beside a name are those that its configuration's defaults lack.
"""

# Language models, mixtures, state spaces, encoders, encoders with decoders, pictures, sound.
TRANSFORMERS = [
    (type, {})
    for type in """
    llama mistral qwen2 qwen3 gemma gemma2 gemma3_text cohere cohere2 granite olmo olmo2 phi phi3
    stablelm starcoder2 gpt_neox smollm3 glm glm4 helium ernie4_5 seed_oss persimmon exaone4 falcon
    gpt2 openai-gpt imagegpt decision_transformer gpt_bigcode gptj codegen opt bloom mpt xglm ctrl
    mixtral qwen2_moe qwen3_moe olmoe granitemoe granitemoeshared granitemoehybrid gpt_oss deepseek_v2
    deepseek_v3 phimoe llama4 llama4_text jetmoe ernie4_5_moe glm4_moe minimax nllb-moe
    switch_transformers flex_olmo lfm2 qwen3_next qwen3_5 qwen3_5_moe bamba
    mamba mamba2 falcon_mamba falcon_h1 jamba zamba zamba2 nemotron_h recurrent_gemma rwkv xlstm
    t5 mt5 umt5 longt5 bart mbart marian pegasus m2m_100 blenderbot whisper
    bert roberta xlm-roberta distilbert albert electra deberta deberta-v2 mpnet modernbert nomic_bert xlnet
    layoutlmv3 longformer big_bird fnet
    vit beit dinov2 dinov3_vit dinov3_convnext swin swinv2 convnext convnextv2 resnet mobilenet_v2
    segformer clip siglip siglip2 blip blip-2 sam rt_detr owlvit vit_mae data2vec-vision
    wav2vec2 hubert wavlm speecht5 seamless_m4t encodec dac mimi bark vits clap univnet
    llava llava_next qwen2_vl qwen2_5_vl qwen3_vl mllama paligemma gemma3 idefics3 pixtral internvl florence2
    qwen2_audio kosmos-2 git clvp
    """.split()
] + [
    ("gemma3n_text", {"num_hidden_layers": 4, "num_kv_shared_layers": 0}),
    ("dbrx", {"n_layers": 2, "ffn_config": {"moe_num_experts": 8, "moe_top_k": 2, "ffn_hidden_size": 10752}, "d_model": 6144, "n_heads": 48, "attn_config": {"kv_n_heads": 8, "rope_theta": 10000.0}}),
    ("gpt_neo", {"num_layers": 2, "attention_types": [[["global", "local"], 1]]}),
    ("hunyuan_v1_moe", {"head_dim": 128, "num_hidden_layers": 2, "num_experts": 8, "moe_topk": 2}),
    ("lfm2_moe", {"num_hidden_layers": 4, "layer_types": ["conv", "conv", "full_attention", "conv"], "num_experts": 8}),
    ("deit", {"auto": "DeiTForImageClassification"}),
    ("reformer", {"is_decoder": True}),
    ("nemotron", {"num_hidden_layers": 2, "num_key_value_heads": 8}),
]

DIFFUSERS = [
    (name, {})
    for name in """
    UNet2DModel UNet2DConditionModel UNet1DModel UNet3DConditionModel UNetMotionModel
    UNetSpatioTemporalConditionModel ControlNetModel AutoencoderKL AutoencoderTiny VQModel AutoencoderDC
    AutoencoderOobleck AutoencoderKLWan AutoencoderKLCogVideoX AsymmetricAutoencoderKL PriorTransformer
    FluxTransformer2DModel SD3Transformer2DModel PixArtTransformer2DModel
    SanaTransformer2DModel HunyuanVideoTransformer3DModel CogVideoXTransformer3DModel
    WanTransformer3DModel LTXVideoTransformer3DModel MochiTransformer3DModel AuraFlowTransformer2DModel
    Lumina2Transformer2DModel QwenImageTransformer2DModel StableAudioDiTModel CogView4Transformer2DModel
    DiTTransformer2DModel UVit2DModel StableCascadeUNet ChromaTransformer2DModel T5FilmDecoder
    Kandinsky3UNet
    """.split()
] + [
    ("HunyuanDiT2DModel", {"in_channels": 4, "patch_size": 2, "num_layers": 2}),
    (
        "HiDreamImageTransformer2DModel",
        {
            "patch_size": 2,
            "in_channels": 16,
            "num_layers": 1,
            "num_single_layers": 1,
            "attention_head_dim": 128,
            "num_attention_heads": 20,
            "caption_channels": [4096, 4096],
            "text_emb_dim": 2048,
            "num_routed_experts": 4,
            "num_activated_experts": 2,
            "axes_dims_rope": (64, 32, 32),
            "llama_layers": [0, 1],
        },
    ),
]

TIMM = """
    resnet50 vgg16 densenet121 inception_v3 efficientnet_b0 mobilenetv3_large_100 regnety_008 convnext_tiny
    vit_base_patch16_224 vit_base_patch16_siglip_224 deit3_small_patch16_224 beit_base_patch16_224
    eva02_tiny_patch14_224 swin_tiny_patch4_window7_224 swinv2_tiny_window8_256 mixer_b16_224 gmlp_s16_224
    resmlp_12_224 cait_xxs24_224 xcit_nano_12_p16_224 maxvit_nano_rw_256 coatnet_0_224 levit_128 pvt_v2_b0
    poolformer_s12 edgenext_xx_small twins_pcpvt_small visformer_tiny crossvit_9_240 tnt_s_legacy_patch16_224
    volo_d1_224 mobilevit_xxs nfnet_f0 hrnet_w18_small vit_small_patch14_dinov2 naflexvit_base_patch16_gap
    """.split()

ULTRALYTICS = """
    yolov3-tiny.yaml yolov5n.yaml yolov8n.yaml yolov8n-seg.yaml yolov8n-pose.yaml yolov8n-obb.yaml
    yolov8n-cls.yaml yolov8s-world.yaml yolov9t.yaml yolov10n.yaml yolo11n.yaml yolo12n.yaml rtdetr-l.yaml
    yoloe-11s.yaml
    """.split()
