"""Families that read a text: encoders, and encoders with a decoder behind them."""

from family import (
    BERT_LIKE,
    BOTH,
    HEADS,
    HIDDEN,
    SEQ2SEQ_LIKE,
    T5_LIKE,
    VOCABULARY,
    WIDE,
    Family,
    classifier,
    encoder,
    masked,
    seq2seq,
)

ENCODERS = [
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
        {
            **SEQ2SEQ_LIKE,
            "num_mel_bins": 16,
            "max_source_positions": 32,
            "max_target_positions": 32,
            "suppress_tokens": None,
            "begin_suppress_tokens": None,
        },
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
    masked(
        "distilbert",
        {
            "vocab_size": VOCABULARY,
            "dim": HIDDEN,
            "hidden_dim": WIDE,
            "n_layers": 2,
            "n_heads": HEADS,
            "max_position_embeddings": 64,
        },
    ),
    masked("albert", {**BERT_LIKE, "embedding_size": 32}),
    masked("electra", {**BERT_LIKE, "embedding_size": 32}),
    classifier(
        "deberta-v2",
        {
            **BERT_LIKE,
            "relative_attention": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_buckets": 16,
        },
    ),
    masked(
        "deberta-v2",
        {
            **BERT_LIKE,
            "relative_attention": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_buckets": 16,
        },
    ),
    encoder("mpnet", BERT_LIKE),
    masked("mpnet"),
    masked(
        "modernbert",
        {
            **BERT_LIKE,
            "num_attention_heads": HEADS,
            "eos_token_id": 2,
            "bos_token_id": 1,
            "cls_token_id": 1,
            "sep_token_id": 2,
        },
    ),
    encoder("nomic_bert", BERT_LIKE),
]
