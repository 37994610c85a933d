"""The ways of quantizing that are tried with real models, and how near to the float model each has to stay.

Bounds are about one and a half times what was measured when they were set: a fault of the format
costs far more, and a better method must not be needed to pass.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mode:
    name: str
    flags: tuple
    # Mean divergence of the next token's distribution from the float model's, in nats.
    divergence: float
    # Share of positions at which the likeliest token stays the same.
    top1: float
    # Smallest cosine of a sentence's embedding with the float model's.
    cosine: float
    # The inputs of the layers are given with -c.
    calibrated: bool = False
    # The type of all weights, of torch; None where they become codes.
    dtype: str | None = None

    def flags_for(self, wide):
        """`wide` is a pattern of the model's layers that take the most from few bits."""
        return [flag.replace("WIDE", wide) for flag in self.flags]


MODES = [
    Mode("int8", (), 0.06, 0.78, 0.995),
    Mode("int8 weights", ("--weights-only",), 0.01, 0.93, 0.999),
    Mode("int8 weights g64", ("--weights-only", "-g", "64"), 0.006, 0.94, 0.999),
    Mode("int8 static", (), 1.2, 0.40, 0.97, calibrated=True),
    Mode(
        "int8 static asymmetric", ("--input-scheme", "asymmetric"), 1.3, 0.40, 0.97, calibrated=True
    ),
    Mode("int4", ("-b", "4"), 0.85, 0.50, 0.93),
    Mode("int4 g64", ("-b", "4", "-g", "64"), 0.8, 0.60, 0.93),
    Mode("int4 g32", ("-b", "4", "-g", "32"), 0.7, 0.55, 0.94),
    Mode("int4 channel", ("-b", "4", "-g", "-1"), 2.9, 0.35, 0.85),
    Mode("int4 asymmetric", ("-b", "4", "--scheme", "asymmetric"), 0.85, 0.50, 0.93),
    Mode("int4 asymmetric g64", ("-b", "4", "--scheme", "asymmetric", "-g", "64"), 0.8, 0.55, 0.93),
    Mode("mixed", ("-b", "4", "--layer", "re:.*WIDE=bits:8"), 0.5, 0.65, 0.93),
    Mode("int8 asymmetric", ("--scheme", "asymmetric"), 0.09, 0.78, 0.995),
    Mode("embeddings", ("--layers", "linear,embedding"), 0.06, 0.78, 0.995),
    Mode("f16", ("--bits", "16"), 0.005, 0.96, 0.9999, dtype="float16"),
    Mode("bf16", ("--bits", "16", "--dtype", "bf16"), 0.005, 0.96, 0.999, dtype="bfloat16"),
]
