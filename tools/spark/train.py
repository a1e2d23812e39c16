"""Trains the pipeline: tokenizers, then the autoencoder, then flow and text encoders together."""

import argparse
import copy
import shutil
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from transformers import CLIPTokenizer, T5TokenizerFast

import networks
import shapes
import vocab
from stage import Stage, mixed_precision

SIZE = 128
MAX_TOKENS = 32
PICTURE_POOL = 32768
SETTINGS = {"width": SIZE, "height": SIZE, "steps": 8, "guidance": 0.0, "max_sequence_length": MAX_TOKENS, "shift": 2.0}


def edges(pictures):
    return pictures.diff(dim=-1), pictures.diff(dim=-2)


def reconstruction_loss(decoded, pictures):
    edge = sum(F.l1_loss(a, b) for a, b in zip(edges(decoded), edges(pictures)))
    return F.l1_loss(decoded, pictures) + edge


@torch.no_grad()
def draw_pool(scenes, device):
    """Up to PICTURE_POOL pictures as bytes, [n, 3, SIZE, SIZE]."""
    rows = range(0, min(len(scenes), PICTURE_POOL), 512)
    parts = [shapes.draw(scenes[slice(r, r + 512)].to(device), SIZE) for r in rows]
    return torch.cat([((part + 1) * 127.5).round().byte() for part in parts])


def train_autoencoder(model, scenes, device, plan, keep_encoder, compiled):
    """Reconstruction with sharp edges, and just enough KL to keep the latents tidy.

    With `keep_encoder` only the decoder learns, so that a flow model trained on the latents stays valid.
    """
    model.to(device, memory_format=torch.channels_last)
    model.encoder.requires_grad_(not keep_encoder)
    pool = draw_pool(scenes, device)

    def loss():
        rows = torch.randint(len(pool), (plan.batch,), device=device)
        pictures = (pool[rows].float() / 127.5 - 1).to(memory_format=torch.channels_last)
        with mixed_precision(device):
            with torch.set_grad_enabled(not keep_encoder):
                posterior = model.encode(pictures).latent_dist
                latents = posterior.sample()
            decoded = model.decode(latents).sample
        kl = (posterior.mean.float() ** 2 + posterior.var.float() - 1 - posterior.logvar.float()).mean() / 2
        return reconstruction_loss(decoded.float(), pictures) + 1e-4 * kl

    stage = Stage("autoencoder", model, plan, peak_rate=1.5e-3, average_decay=0.998)
    if compiled:
        model.encoder.compile()
        model.decoder.compile()
    return stage.run(loss, device).to(memory_format=torch.contiguous_format)


@torch.no_grad()
def encode_pictures(model, scenes, device):
    """The latents' means, [n, 16, SIZE / 8, SIZE / 8]."""
    parts = []
    for start in range(0, len(scenes), 512):
        pictures = shapes.draw(scenes[slice(start, start + 512)].to(device), SIZE)
        with mixed_precision(device):
            parts.append(model.encode(pictures).latent_dist.mean.float())
    return torch.cat(parts)


def tokenise(out, texts):
    """CLIP and T5 token ids, both padded to MAX_TOKENS. CLIP's later positions cannot change the pooled vector."""
    ids = []
    for cls, folder in ((CLIPTokenizer, "tokenizer"), (T5TokenizerFast, "tokenizer_2")):
        tokenizer = cls.from_pretrained(out / folder)
        tokens = tokenizer(texts, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt")
        ids.append(tokens.input_ids)
    return ids


def sample_times(count, uniform, device):
    """Logit-normal times, and a share of uniform ones in [low, 1].

    Sampling starts at exactly 1, where the logit-normal alone has next to no mass: its first step would be a guess.
    """
    share, low = uniform
    normal = torch.sigmoid(torch.randn(count, device=device))
    flat = low + (1 - low) * torch.rand(count, device=device)
    return torch.where(torch.rand(count, device=device) < share, flat, normal)


def train_flow(model, latents, clip_ids, t5_ids, device, plan, peak_rate, uniform, compiled):
    """Rectified flow: the network learns the velocity noise - latents on the straight line between the two."""
    model.to(device)
    count, variants = len(latents), len(clip_ids) // len(latents)

    def loss():
        rows = torch.randint(count, (plan.batch,), device=device)
        texts = rows + count * torch.randint(variants, (plan.batch,), device=device)
        clean = latents[rows]
        noise = torch.randn_like(clean)
        times = sample_times(plan.batch, uniform, device)
        noisy = clean + times[:, None, None, None] * (noise - clean)
        with mixed_precision(device):
            velocity = model(noisy, times, clip_ids[texts].long(), t5_ids[texts].long())
        return F.mse_loss(velocity.float(), noise - clean)

    stage = Stage("flow", model, plan, peak_rate, average_decay=0.9995)
    if compiled:
        model.transformer.compile()
    return stage.run(loss, device)


class Plan:
    """How long a stage trains: `steps` batches, or `seconds` when those are over first."""

    def __init__(self, batch, steps, seconds):
        self.batch, self.steps, self.seconds = int(batch), int(steps), float(seconds)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("models/spark"))
    parser.add_argument("--resume", type=Path, help="go on from the pipeline in this folder, keeping its encoder")
    parser.add_argument("--stages", nargs="+", choices=["autoencoder", "flow"], default=["autoencoder", "flow"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=131072, help="distinct training pictures")
    parser.add_argument("--captions", type=int, default=2, help="captions per picture")
    plan = {"type": float, "nargs": 3, "metavar": ("BATCH", "STEPS", "SECONDS")}
    parser.add_argument("--autoencoder", default=(64, 8000, 120), **plan)
    parser.add_argument("--flow", default=(256, 40000, 300), **plan)
    parser.add_argument("--flow-rate", type=float, default=1e-3, help="peak learning rate of the flow stage")
    parser.add_argument(
        "--uniform-times",
        type=float,
        nargs=2,
        default=(0.2, 0.0),
        metavar=("SHARE", "LOW"),
        help="this share of the times is uniform in [LOW, 1], the rest logit-normal",
    )
    parser.add_argument("--compile", action="store_true", help="compile the networks first; pays off on a GPU")
    args = parser.parse_args()
    if not args.resume and len(args.stages) < 2:
        parser.error("a single stage needs --resume")
    return args


def main():
    args = parse_arguments()
    device = torch.device(args.device)
    torch.manual_seed(args.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    # The backward pass of cuDNN's attention failed or returned NaN for these shapes (torch 2.11).
    torch.backends.cuda.enable_cudnn_sdp(False)

    started = time.time()
    scenes = shapes.sample_scenes(args.scenes, torch.Generator().manual_seed(args.seed + 1))
    texts = [text for i in range(args.captions) for text in shapes.captions(scenes, args.seed + 2 + i)]
    if args.resume:
        for folder in ("tokenizer", "tokenizer_2"):
            if args.resume != args.out:
                shutil.copytree(args.resume / folder, args.out / folder, dirs_exist_ok=True)
        autoencoder = AutoencoderKL.from_pretrained(args.resume / "vae", dtype=torch.float32)
        model = networks.TextToVelocity.from_pretrained(args.resume)
    else:
        vocab_sizes = vocab.write_tokenizers(args.out, texts[:20000], MAX_TOKENS)
        autoencoder, model = networks.make_autoencoder(), networks.TextToVelocity.new(*vocab_sizes)

    if "autoencoder" in args.stages:
        keep_encoder = args.resume is not None
        plan = Plan(*args.autoencoder)
        autoencoder = train_autoencoder(autoencoder, scenes, device, plan, keep_encoder, args.compile)
        if not keep_encoder:
            latents = encode_pictures(autoencoder, scenes[:16384], device)
            autoencoder.register_to_config(
                shift_factor=round(latents.mean().item(), 4), scaling_factor=round(1 / latents.std().item(), 4)
            )
        networks.save_autoencoder(args.out, copy.deepcopy(autoencoder))
    if "flow" in args.stages:
        latents = encode_pictures(autoencoder.to(device), scenes, device)
        latents = (latents - autoencoder.config.shift_factor) * autoencoder.config.scaling_factor
        clip_ids, t5_ids = (ids.to(device, torch.int32) for ids in tokenise(args.out, texts))
        print(f"{len(latents)} pictures, {len(texts)} captions, {time.time() - started:.0f} s", flush=True)
        plan = Plan(*args.flow)
        model = train_flow(
            model, latents, clip_ids, t5_ids, device, plan, args.flow_rate, args.uniform_times, args.compile
        )
        networks.save_flow(args.out, model)
    networks.save_settings(args.out, SETTINGS)
    print(f"saved to {args.out}, {time.time() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
