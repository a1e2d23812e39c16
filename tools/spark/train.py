"""Trains the pipeline from nothing: tokenizers, then the autoencoder, then flow and text encoders together."""

import argparse
import copy
import time
from pathlib import Path

import torch
import torch._dynamo
import torch.nn.functional as F
from transformers import CLIPTokenizer, T5TokenizerFast

import networks
import shapes
import vocab

SIZE = 128
MAX_TOKENS = 32
SETTINGS = {"width": SIZE, "height": SIZE, "steps": 8, "guidance": 0.0, "max_sequence_length": MAX_TOKENS, "shift": 1.0}


class Progress:
    """How far a stage has come, from 0 to 1, by steps or by seconds, whichever is further."""

    def __init__(self, name, steps, seconds):
        self.name, self.steps, self.seconds = name, steps, seconds
        self.start, self.step, self.last_report = time.time(), 0, 0.0

    def fraction(self):
        return max(self.step / self.steps, (time.time() - self.start) / self.seconds)

    def advance(self, loss):
        self.step += 1
        if self.step == 1:  # compiling is not training time
            print(f"{self.name}: first step after {time.time() - self.start:.0f} s", flush=True)
            self.start = time.time()
        if self.step % 50 == 0 and not torch.isfinite(loss):
            raise RuntimeError(f"{self.name}: the loss is {loss.item()} at step {self.step}")
        elapsed = time.time() - self.start
        if elapsed - self.last_report > 10:
            self.last_report = elapsed
            print(f"{self.name}: step {self.step}, {elapsed:.0f} s, loss {loss.item():.5f}", flush=True)
        return self.fraction() < 1


def set_rate(optimizer, peak, progress, warmup_steps):
    """Linear warm-up, a plateau, then a linear descent over the last 60 % of the stage."""
    rate = peak * min(1.0, (progress.step + 1) / warmup_steps, (1 - progress.fraction()) / 0.6)
    for group in optimizer.param_groups:
        group["lr"] = max(rate, 0.0)


class Average:
    """Exponential moving average of a model's weights."""

    def __init__(self, model, decay):
        self.model, self.decay, self.count = copy.deepcopy(model).requires_grad_(False), decay, 0

    @torch.no_grad()
    def update(self, model):
        self.count += 1
        weight = 1 - min(self.decay, self.count / (self.count + 10))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), weight)


def mixed_precision(device):
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def edges(pictures):
    return pictures.diff(dim=-1), pictures.diff(dim=-2)


def train_autoencoder(device, batch, steps, seconds, seed, compiled):
    """Reconstruction with sharp edges, and just enough KL to keep the latents tidy."""
    generator = torch.Generator().manual_seed(seed)
    model = networks.make_autoencoder().to(device, memory_format=torch.channels_last)
    average = Average(model, 0.998)
    if compiled:
        model.encoder.compile()
        model.decoder.compile()
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=0.01)
    progress = Progress("autoencoder", steps, seconds)
    running = True
    while running:
        scenes = shapes.sample_scenes(batch, generator, held_out=[]).to(device)
        pictures = shapes.draw(scenes, SIZE).to(memory_format=torch.channels_last)
        set_rate(optimizer, 1.5e-3, progress, 200)
        with mixed_precision(device):
            posterior = model.encode(pictures).latent_dist
            decoded = model.decode(posterior.sample()).sample
        decoded = decoded.float()
        edge = sum(F.l1_loss(a, b) for a, b in zip(edges(decoded), edges(pictures)))
        kl = (posterior.mean.float() ** 2 + posterior.var.float() - 1 - posterior.logvar.float()).mean() / 2
        loss = F.l1_loss(decoded, pictures) + edge + 1e-4 * kl
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(model)
        running = progress.advance(loss)
    return average.model.eval()


@torch.no_grad()
def encode_pictures(model, scenes, device, batch=512):
    """Normalised latents of the scenes; sets the model's shift and scaling factors from them."""
    parts = []
    for start in range(0, len(scenes), batch):
        pictures = shapes.draw(scenes[slice(start, start + batch)].to(device), SIZE)
        with mixed_precision(device):
            parts.append(model.encode(pictures.to(memory_format=torch.channels_last)).latent_dist.mean.float().contiguous())
    latents = torch.cat(parts)
    shift, scale = latents.mean().item(), 1 / latents.std().item()
    model.register_to_config(shift_factor=round(shift, 4), scaling_factor=round(scale, 4))
    return (latents - model.config.shift_factor) * model.config.scaling_factor


def tokenise(out, texts):
    """CLIP and T5 token ids, both padded to MAX_TOKENS. CLIP's later positions cannot change the pooled vector."""
    ids = []
    for cls, folder in ((CLIPTokenizer, "tokenizer"), (T5TokenizerFast, "tokenizer_2")):
        tokenizer = cls.from_pretrained(out / folder)
        tokens = tokenizer(texts, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt")
        ids.append(tokens.input_ids)
    return ids


def train_flow(device, latents, clip_ids, t5_ids, vocab_sizes, batch, steps, seconds, seed, compiled):
    """Rectified flow: the network learns the velocity noise - latents on the straight line between the two."""
    random = torch.Generator(device).manual_seed(seed)
    model = networks.TextToVelocity(*vocab_sizes).to(device)
    average = Average(model, 0.9995)
    if compiled:
        model.transformer.compile()
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=0.01)
    progress = Progress("flow", steps, seconds)
    count, variants = len(latents), len(clip_ids) // len(latents)
    running = True
    while running:
        rows = torch.randint(count, (batch,), device=device, generator=random)
        texts = rows + count * torch.randint(variants, (batch,), device=device, generator=random)
        clean = latents[rows]
        noise = torch.randn(clean.shape, device=device, generator=random)
        times = torch.sigmoid(torch.randn(batch, device=device, generator=random))
        mix = times[:, None, None, None]
        set_rate(optimizer, 1e-3, progress, 500)
        with mixed_precision(device):
            velocity = model(clean + mix * (noise - clean), times, clip_ids[texts].long(), t5_ids[texts].long())
        loss = F.mse_loss(velocity.float(), noise - clean)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(model)
        running = progress.advance(loss)
    print(f"flow: {progress.step} steps in {time.time() - progress.start:.0f} s", flush=True)
    return average.model.eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("models/spark"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=131072, help="distinct training pictures")
    parser.add_argument("--captions", type=int, default=2, help="captions per picture")
    parser.add_argument("--autoencoder", type=float, nargs=3, default=(64, 8000, 120), metavar=("BATCH", "STEPS", "SECONDS"))
    parser.add_argument("--flow", type=float, nargs=3, default=(512, 20000, 260), metavar=("BATCH", "STEPS", "SECONDS"))
    parser.add_argument("--compile", action="store_true", help="compile the networks first; pays off on a GPU")
    args = parser.parse_args()
    device = torch.device(args.device)
    torch.manual_seed(args.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    # With torch 2.11 on an H200, the backward pass of cuDNN's attention failed or returned NaN for these shapes.
    torch.backends.cuda.enable_cudnn_sdp(False)
    torch._dynamo.config.suppress_errors = True  # what cannot be compiled runs as it is

    started = time.time()
    args.out.mkdir(parents=True, exist_ok=True)
    scenes = shapes.sample_scenes(args.scenes, torch.Generator().manual_seed(args.seed + 1))
    texts = [text for i in range(args.captions) for text in shapes.captions(scenes, args.seed + 2 + i)]
    vocab_sizes = vocab.write_tokenizers(args.out, texts[:20000], MAX_TOKENS)
    clip_ids, t5_ids = (ids.to(device, torch.int32) for ids in tokenise(args.out, texts))
    print(f"{len(texts)} captions, vocabularies {vocab_sizes}, {time.time() - started:.0f} s", flush=True)

    batch, steps, seconds = args.autoencoder
    autoencoder = train_autoencoder(device, int(batch), steps, seconds, args.seed + 10, args.compile)
    latents = encode_pictures(autoencoder, scenes, device)
    print(f"latents {tuple(latents.shape)}, {time.time() - started:.0f} s", flush=True)
    batch, steps, seconds = args.flow
    model = train_flow(
        device, latents, clip_ids, t5_ids, vocab_sizes, int(batch), steps, seconds, args.seed + 20, args.compile
    )
    networks.save_pipeline(args.out, autoencoder.to(memory_format=torch.contiguous_format), model, SETTINGS)
    print(f"saved to {args.out}, {time.time() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
