"""SmolLM2 with its columns in another order, which computes the same.

The package has it in 4 bits, whose groups of 32 columns still show in the floats: a group of ours that is
one of those loses next to nothing. In another order no group is favoured.
"""

import torch


@torch.no_grad()
def permute_columns(model, seed=0):
    """Changes the model of a Llama's build in place."""
    config = model.config
    generator = torch.Generator().manual_seed(seed)
    state = dict(model.state_dict())

    def order(size):
        return torch.randperm(size, generator=generator)

    def take(name, axis, index):
        state[name] = state[name].index_select(axis, index)

    hidden = order(config.hidden_size)
    for name, tensor in list(state.items()):
        reads = name.endswith(
            tuple(f"{part}_proj.weight" for part in ("q", "k", "v", "gate", "up"))
        ) or name.endswith(("embed_tokens.weight", "lm_head.weight"))
        if reads:
            take(name, 1, hidden)
        elif tensor.dim() == 1 or name.endswith(("o_proj.weight", "down_proj.weight")):
            take(name, 0, hidden)
    heads, shared = config.num_attention_heads, config.num_key_value_heads
    size = config.hidden_size // heads
    for layer in range(config.num_hidden_layers):
        prefix = f"model.layers.{layer}"
        wide = order(config.intermediate_size)
        take(f"{prefix}.mlp.gate_proj.weight", 0, wide)
        take(f"{prefix}.mlp.up_proj.weight", 0, wide)
        take(f"{prefix}.mlp.down_proj.weight", 1, wide)
        # What a head computes of the values, in another order; several heads share theirs.
        own = [order(size) for _ in range(shared)]
        values = torch.cat([head * size + own[head] for head in range(shared)])
        each = heads // shared
        outputs = torch.cat([head * size + own[head // each] for head in range(heads)])
        take(f"{prefix}.self_attn.v_proj.weight", 0, values)
        take(f"{prefix}.self_attn.o_proj.weight", 1, outputs)
    model.load_state_dict(state)
