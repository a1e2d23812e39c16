"""The five networks of a case with random weights, and its model directory in the layout of the published models."""

import json
import math
import pathlib
import re

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

from tiny_tokenizers import write_clip, write_json, write_t5

MODEL_INDEX = {
    "_class_name": "FluxPipeline",
    "_diffusers_version": "0.30.0",
    "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "T5EncoderModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "tokenizer_2": ["transformers", "T5TokenizerFast"],
    "transformer": ["diffusers", "FluxTransformer2DModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def make_transformer(case):
    t = case.transformer
    return FluxTransformer2DModel(
        in_channels=4 * case.vae.latent_channels, num_layers=t.double, num_single_layers=t.single,
        attention_head_dim=t.head_dim, num_attention_heads=t.heads, joint_attention_dim=case.t5.width,
        pooled_projection_dim=case.clip.width, guidance_embeds=t.guidance, axes_dims_rope=t.axes)


def make_vae(v):
    levels = len(v.channels)
    return AutoencoderKL(
        latent_channels=v.latent_channels, block_out_channels=v.channels, layers_per_block=v.layers,
        down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
        norm_num_groups=v.groups, mid_block_add_attention=v.mid_attention, use_quant_conv=v.quant_conv,
        use_post_quant_conv=v.post_quant_conv, scaling_factor=v.scaling, shift_factor=v.shift)


def make_clip(c, tokenizer):
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=c.width, intermediate_size=c.mlp, num_hidden_layers=c.layers,
        num_attention_heads=c.heads, max_position_embeddings=c.length, projection_dim=c.width, bos_token_id=0,
        pad_token_id=1, eos_token_id=2 if c.legacy_eos else tokenizer.eos_token_id))


def make_t5(t, tokenizer):
    rows = len(tokenizer) + 4  # like the published model, a few more rows than the tokenizer has pieces
    return T5EncoderModel(T5Config(
        vocab_size=rows, d_model=t.width, d_kv=t.d_kv, d_ff=t.mlp, num_layers=t.layers, num_heads=t.heads,
        relative_attention_num_buckets=t.buckets, relative_attention_max_distance=t.max_distance,
        feed_forward_proj="gated-gelu"))


def make_scheduler(s):
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=s.dynamic, shift=s.shift, base_shift=s.base_shift, max_shift=s.max_shift)


def spread(name, parameter):
    """(mean, standard deviation) that keeps activations near one and makes every parameter count."""
    if re.search(r"relative_attention_bias|shared\.weight", name):
        return 0.0, 1.0
    if "embedding" in name:
        return 0.0, 0.7
    if parameter.dim() == 1:
        return (1.0, 0.3) if "norm" in name and name.endswith("weight") else (0.0, 0.2)
    gain = 1.0
    if re.search(r"SelfAttention\.(q|k)\.", name):  # T5 does not divide its scores by sqrt(d_kv)
        gain = 0.5
    if re.search(r"norm\w*\.linear", name):  # modulation
        gain = 0.6
    return 0.0, gain / math.sqrt(parameter[0].numel())


@torch.no_grad()
def randomize(model, seed):
    generator = torch.Generator("cpu").manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        mean, deviation = spread(name, parameter)
        parameter.copy_(mean + deviation * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def prefix_tensors(path: pathlib.Path, prefix):
    tensors = {prefix + name: tensor for name, tensor in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})


def remove_key(path: pathlib.Path, key):
    config = json.loads(path.read_text())
    del config[key]
    write_json(path, config)


def write_model(folder: pathlib.Path, case, seed):
    """Writes the model directory `folder`; the same case and seed give the same bytes."""
    tokenizer = write_clip(folder / "tokenizer", case.clip)
    tokenizer_2 = write_t5(folder / "tokenizer_2", case.t5)
    networks = {
        "transformer": make_transformer(case),
        "vae": make_vae(case.vae),
        "text_encoder": make_clip(case.clip, tokenizer),
        "text_encoder_2": make_t5(case.t5, tokenizer_2),
    }
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[case.weights]
    for i, (name, network) in enumerate(networks.items()):
        shards = {"max_shard_size": case.shard_sizes[name]} if name in case.shard_sizes else {}
        randomize(network.to(dtype), 1000 * seed + i).save_pretrained(folder / name, **shards)
    if case.clip.layout == "published":
        prefix_tensors(folder / "text_encoder" / "model.safetensors", "text_model.")
    if not case.transformer.write_axes:
        remove_key(folder / "transformer" / "config.json", "axes_dims_rope")
    make_scheduler(case.scheduler).save_pretrained(folder / "scheduler")
    write_json(folder / "model_index.json", MODEL_INDEX)
