"""The five networks of the pipeline, small, from diffusers' and transformers' own classes."""

import json

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

WIDTH = 256  # of the transformer and both text encoders: what every quantised type divides


def make_autoencoder():
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=16,
        block_out_channels=(32, 64, 64, 96),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=16,
        sample_size=256,
        use_quant_conv=False,
        use_post_quant_conv=False,
        force_upcast=False,
    )


def make_transformer():
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=64,
        num_layers=2,
        num_single_layers=6,
        num_attention_heads=4,
        attention_head_dim=64,
        axes_dims_rope=(8, 28, 28),
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        guidance_embeds=False,
    )
    # Every block starts as the identity and the velocity as zero: training is calm from the first step.
    blocks = [*transformer.transformer_blocks, *transformer.single_transformer_blocks]
    norms = [getattr(b, name) for b in blocks for name in ("norm1", "norm1_context", "norm") if hasattr(b, name)]
    for linear in [*(norm.linear for norm in norms), transformer.norm_out.linear, transformer.proj_out]:
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    return transformer


def make_clip(vocab_size):
    return CLIPTextModel._from_config(
        CLIPTextConfig(
            vocab_size=vocab_size,
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=1,
            num_attention_heads=4,
            max_position_embeddings=77,
            hidden_act="quick_gelu",
            bos_token_id=vocab_size - 2,
            eos_token_id=vocab_size - 1,
            pad_token_id=vocab_size - 1,
        ),
        attn_implementation="eager",
    )


def make_t5(vocab_size):
    return T5EncoderModel._from_config(
        T5Config(
            vocab_size=vocab_size,
            d_model=WIDTH,
            d_kv=64,
            d_ff=WIDTH,
            num_layers=2,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            tie_word_embeddings=False,
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
        ),
        attn_implementation="eager",
    )


def ready_masks(clip_ids, t5_ids):
    """Masks for CLIP and T5. The ones that transformers makes read from the host, which a CUDA graph cannot."""
    tokens, device = clip_ids.shape[1], clip_ids.device
    causal = torch.full((1, 1, tokens, tokens), float("-inf"), device=device).triu(1)
    return causal, torch.zeros(1, 1, t5_ids.shape[1], t5_ids.shape[1], device=device)


def make_text_encoders(clip_vocab_size, t5_vocab_size):
    return make_clip(clip_vocab_size), make_t5(t5_vocab_size)


def load_text_encoders(folder):
    """Both text encoders, ready to be trained."""
    kinds = {"text_encoder": CLIPTextModel, "text_encoder_2": T5EncoderModel}
    return [
        kind.from_pretrained(folder / name, dtype=torch.float32, attn_implementation="eager").train()
        for name, kind in kinds.items()
    ]


class TextToVelocity(nn.Module):
    """All that flow matching trains: both text encoders and the transformer."""

    def __init__(self, text_encoder, text_encoder_2, transformer):
        super().__init__()
        self.text_encoder, self.text_encoder_2, self.transformer = text_encoder, text_encoder_2, transformer

    @classmethod
    def from_pretrained(cls, folder):
        transformer = FluxTransformer2DModel.from_pretrained(folder / "transformer", dtype=torch.float32)
        return cls(*load_text_encoders(folder), transformer.train())

    def forward(self, noisy, times, clip_ids, t5_ids):
        """The velocity (noise - latents) at `times` in [0, 1]; latents and result are [n, 16, h, w]."""
        return self.look(noisy, times, clip_ids, t5_ids)[0]

    def look(self, noisy, times, clip_ids, t5_ids):
        """The velocity, and what the pictures' tokens hold half way, [n, h/2 * w/2, WIDTH].

        The transformer's own forward pass, but for the second result.
        """
        height, width = noisy.shape[-2:]
        flux = self.transformer
        causal, everything = ready_masks(clip_ids, t5_ids)
        pooled = self.text_encoder(clip_ids, attention_mask=causal).pooler_output
        text = flux.context_embedder(self.text_encoder_2(t5_ids, attention_mask=everything)[0])
        image = flux.x_embedder(pack(noisy))
        given = {
            "temb": flux.time_text_embed(times * 1000, pooled),
            "image_rotary_emb": flux.pos_embed(positions(text.shape[1], height // 2, width // 2, noisy.device)),
        }
        blocks = [*flux.transformer_blocks, *flux.single_transformer_blocks]
        for number, block in enumerate(blocks):
            text, image = block(hidden_states=image, encoder_hidden_states=text, **given)
            if number == len(blocks) // 2:
                half_way = image
        packed = flux.proj_out(flux.norm_out(image, given["temb"]))
        return unpack(packed, height, width), half_way


def positions(tokens, rows, columns, device):
    """FLUX's places of text tokens, all zero, and of patches: [tokens + rows * columns, 3]."""
    down = torch.arange(rows, device=device).repeat_interleave(columns)
    across = torch.arange(columns, device=device).repeat(rows)
    patches = torch.stack([torch.zeros_like(down), down, across], dim=1)
    return torch.cat([torch.zeros(tokens, 3, device=device), patches.float()])


def pack(latents):
    """[n, c, h, w] to [n, h/2 * w/2, 4c], FLUX's two by two patches."""
    n, c, h, w = latents.shape
    return latents.view(n, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(n, h * w // 4, 4 * c)


def unpack(packed, height, width):
    """The inverse of pack; `height` and `width` are those of the latents."""
    n, _, c = packed.shape
    patches = packed.view(n, height // 2, width // 2, c // 4, 2, 2)
    return patches.permute(0, 3, 1, 4, 2, 5).reshape(n, c // 4, height, width)


def _save(part, folder):
    part.to(torch.bfloat16).save_pretrained(folder, max_shard_size="14MB")
    config = json.loads((folder / "config.json").read_text())
    config.pop("_name_or_path", None)  # where a stage happened to resume from
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def save_autoencoder(out, autoencoder):
    _save(autoencoder, out / "vae")


def save_text_encoders(out, text_encoder, text_encoder_2):
    _save(text_encoder, out / "text_encoder")
    _save(text_encoder_2, out / "text_encoder_2")


def save_flow(out, model):
    save_text_encoders(out, model.text_encoder, model.text_encoder_2)
    _save(model.transformer, out / "transformer")


def save_settings(out, settings):
    """The scheduler's configuration, the pipeline's index and the recommended settings."""
    FlowMatchEulerDiscreteScheduler(
        num_train_timesteps=1000,
        shift=settings["shift"],
        use_dynamic_shifting=False,
        base_shift=0.5,
        max_shift=1.15,
        base_image_seq_len=256,
        max_image_seq_len=4096,
    ).save_pretrained(out / "scheduler")
    index = {
        "_class_name": "FluxPipeline",
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "T5TokenizerFast"],
        "transformer": ["diffusers", "FluxTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (out / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    defaults = {key: settings[key] for key in ("width", "height", "steps", "guidance", "max_sequence_length")}
    (out / "steadyflux.json").write_text(json.dumps(defaults, indent=2) + "\n")
