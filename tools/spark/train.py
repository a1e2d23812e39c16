"""Trains the pipeline: tokenizers, what captions say, the autoencoder, then flow and text encoders together."""

import argparse
import copy
import shutil
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

import networks
import pool
import solid_captions
import vocab
from autoencoder import encode, fidelity, train_autoencoder
from reading import train_reading
from solids import sample_solids
from stage import Plan, Stage, mixed_precision

STAGES = ["tokenizers", "reading", "autoencoder", "flow"]
SETTINGS = {
    "width": pool.SQUARE[0],
    "height": pool.SQUARE[1],
    "steps": 8,
    "guidance": 0.0,
    "max_sequence_length": pool.MAX_TOKENS,
    "shift": 3.0,
}
UNTOLD = 0.1  # the share of pictures whose caption is withheld
CLIP_UNTOLD = 0.3  # the share whose caption CLIP does not see: its one vector is easier to learn from than T5's tokens
LEAST_GUIDED_TIME = 0.1
# An object's cells count this much more, at times when the noise no longer hides where the object is.
OBJECT_WEIGHT = 4.0
OBJECT_TIMES = (0.85, 0.6)  # from none of it to all


def sample_times(count, options, device):
    """Logit-normal times, and a share of uniform ones in [0, 1], moved towards noise as the sampler's are.

    Without the move few times are so noisy that the caption decides anything: at 0.8 the picture is laid out already.
    Sampling starts at exactly 1, where the logit-normal alone has next to no mass: its first step would be a guess.
    """
    normal = torch.sigmoid(torch.randn(count, device=device))
    flat = torch.rand(count, device=device)
    times = torch.where(torch.rand(count, device=device) < options.uniform_times, flat, normal)
    return options.time_shift * times / (1 + (options.time_shift - 1) * times)


def cell_weights(masks, times):
    """How much each latent cell counts, [n, 1, h, w], one on average.

    Where noise hides the objects all cells count alike: more weight there would draw objects everywhere.
    """
    start, end = OBJECT_TIMES
    share = ((times - start) / (end - start)).clamp(0, 1)[:, None, None, None]
    weights = 1 + OBJECT_WEIGHT * share * masks[:, None].float()
    return weights / weights.mean((1, 2, 3), keepdim=True)


def flow_loss(model, teacher, data, untold, options, stance):
    """The loss of one format: the velocity noise - latents on the straight line between the two.

    A `teacher`, the model as the stage found it, moves the target away from what it would draw without a caption by
    `options.guidance` times the difference: what classifier-free guidance does at each step of sampling is learnt.
    `stance` says whether what is compiled is used.
    """
    latents, tokens, masks = data
    device, pixels = latents.device, latents[0, 0].numel()
    batch = options.flow.batch if pixels <= 1024 else max(1, options.flow.batch * 1024 // pixels)

    def loss():
        rows = torch.randint(len(latents), (batch,), device=device)
        told = tokens[rows, torch.randint(tokens.shape[1], (batch,), device=device)].long()
        withheld = torch.rand(batch, device=device) < UNTOLD
        deaf = torch.stack([torch.rand(batch, device=device) < CLIP_UNTOLD, torch.zeros_like(withheld)], dim=1)
        ids = torch.where((withheld[:, None] | deaf)[..., None], untold, told)
        clean = latents[rows].float()
        noise = torch.randn_like(clean)
        times = sample_times(batch, options, device)
        noisy = clean + times[:, None, None, None] * (noise - clean)
        target = noise - clean
        with mixed_precision(device), torch.compiler.set_stance(stance):
            if teacher:
                with torch.no_grad():
                    with_text = teacher(noisy, times, *ids.unbind(1)).float()
                    without = teacher(noisy, times, *untold.expand_as(ids).unbind(1)).float()
                guided = options.guidance * (~withheld & (times > LEAST_GUIDED_TIME))
                target = target + guided[:, None, None, None] * (with_text - without)
            velocity = model(noisy, times, *ids.unbind(1))
        value = ((velocity.float() - target) ** 2 * cell_weights(masks[rows], times)).mean()
        return value, value

    return loss


def train_flow(model, formats, untold, options, device):
    """Rectified flow over all formats, {size: (latents, tokens, masks)}."""
    model.to(device)
    stage = Stage("flow", model, options.flow, options.flow_rate, options.average, options.descent)
    teacher = copy.deepcopy(model).requires_grad_(False).eval() if options.guidance else None
    if options.compile:
        for network in filter(None, (model, teacher)):
            network.transformer.compile_repeated_blocks(dynamic=False)  # dynamic shapes failed (torch 2.11)
    shares = [share for _, share, _ in pool.FORMATS]
    # Compiling for a size takes longer than it saves where the size is rare.
    stances = ["default" if share > 0.1 else "force_eager" for share in shares]
    losses = [
        flow_loss(model, teacher, formats[size], untold, options, stance)
        for (size, _, _), stance in zip(pool.FORMATS, stances)
    ]
    return stage.run(losses, device, shares)


def draw_pictures(scenes, options, device, started):
    """{size: pictures as bytes on the device}; keeps some of them in the pool's folder, with what they show."""
    sizes = pool.shrunk(scenes, options.shrink)
    pictures = {}
    for size, of_size in scenes.items():
        seconds = options.render_seconds * len(of_size) / len(scenes[pool.SQUARE])
        pictures[size] = pool.draw(of_size, *sizes[size], device, seconds, compiled=options.compile)
        print(f"{len(pictures[size])} pictures of {sizes[size]}, {time.time() - started:.0f} s", flush=True)
    if options.keep_pictures:
        for size, of_size in scenes.items():
            most = options.keep_pictures if size == pool.SQUARE else options.keep_pictures // 4
            pool.save_pictures(options.pool, of_size, pictures[size][:most])
        unseen = pool.sample_held_out(options.keep_pictures // 6, options.seed + 77)
        drawn = pool.draw(unseen, *sizes[pool.SQUARE], device, compiled=options.compile)
        pool.save_pictures(options.pool, unseen, drawn, "-unseen")
        (options.pool / "ready").touch()
        print(f"pool kept, {time.time() - started:.0f} s", flush=True)
    return pictures


def load_autoencoder(folder):
    return AutoencoderKL.from_pretrained(folder / "vae", dtype=torch.float32)


def make_data(options, scenes, captions, device, started):
    """{size: (latents, tokens, masks)} for the flow, from pictures; trains the autoencoder first if it is to be."""
    pictures = draw_pictures(scenes, options, device, started)
    if "autoencoder" in options.stages:
        model = load_autoencoder(options.resume) if options.resume else networks.make_autoencoder()
        keep_encoder = options.resume is not None
        model = train_autoencoder(model, pictures[pool.SQUARE], device, options.autoencoder, keep_encoder)
        if not keep_encoder:
            latents = encode(model, pictures[pool.SQUARE][:8192], device).float()
            model.register_to_config(
                shift_factor=round(latents.mean().item(), 4), scaling_factor=round(1 / latents.std().item(), 4)
            )
        networks.save_autoencoder(options.out, copy.deepcopy(model))
    # As saved: rounded to bf16, which is what every user decodes and encodes with.
    model = load_autoencoder(options.out)
    whole, afar = fidelity(model, pictures[pool.SQUARE][-256:], device)
    print(f"autoencoder: {whole:.1f} dB, from afar {afar:.1f} dB", flush=True)
    formats = {}
    for size in scenes:
        latents = encode(model, pictures.pop(size), device)
        latents = (latents - model.config.shift_factor) * model.config.scaling_factor
        tokens = captions.get(size)[: len(latents)]
        masks = pool.object_masks(scenes[size][slice(len(latents))], *latents.shape[-2:])
        formats[size] = latents, tokens.to(device), masks.to(device)
        print(f"{len(latents)} latents of {size}, {time.time() - started:.0f} s", flush=True)
    return formats


def get_data(options, device, started):
    """What the flow trains on, kept in the pool's folder for the stages that follow; reading is trained on the way."""
    kept = options.pool / "latents" if options.pool else None
    if kept and kept.exists() and options.stages == ["flow"]:
        return {size: tuple(t.to(device) for t in data) for size, data in torch.load(kept).items()}
    scenes = pool.sample_scenes(options.scenes, options.seed + 1)
    captions = pool.CaptionTokens(options.out, scenes, options.seed + 2, options.captions)  # before the GPU is touched
    if "reading" in options.stages:
        tokens = captions.get(pool.SQUARE)
        encoders = networks.make_text_encoders(*vocab.sizes(options.out))
        encoders = train_reading(*encoders, scenes[pool.SQUARE], tokens, device, options.reading)
        networks.save_text_encoders(options.out, *encoders)
    if options.stages[-1] == "reading":
        return None
    formats = make_data(options, scenes, captions, device, started)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        torch.save({size: tuple(t.cpu() for t in data) for size, data in formats.items()}, kept)
    return formats


def make_tokenizers(options):
    scenes = sample_solids(10000, torch.Generator().manual_seed(options.seed))
    vocab.write_tokenizers(options.out, solid_captions.captions(scenes, options.seed, 2), pool.MAX_TOKENS)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("models/spark"))
    parser.add_argument("--resume", type=Path, help="go on from the pipeline in this folder, keeping its encoder")
    parser.add_argument("--stages", nargs="+", choices=STAGES, help="default: all, or the flow alone with --resume")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=100000, help="pictures of the main format; others get shares")
    parser.add_argument("--captions", type=int, default=6, help="captions per picture")
    parser.add_argument("--render-seconds", type=float, default=float("inf"), help="most time for the main format")
    parser.add_argument("--shrink", type=int, default=1, help="draw pictures at this part of their size: to rehearse")
    parser.add_argument("--pool", type=Path, help="keep latents here for later stages, and take them from here")
    parser.add_argument("--keep-pictures", type=int, default=0, help="keep so many in --pool, to judge by")
    plan = {"type": float, "nargs": 3, "metavar": ("BATCH", "STEPS", "SECONDS")}
    parser.add_argument("--reading", default=(512, 6000, 60), **plan)
    parser.add_argument("--autoencoder", default=(32, 40000, 300), **plan)
    parser.add_argument("--flow", default=(256, 90000, 500), **plan)
    parser.add_argument("--flow-rate", type=float, default=1e-3, help="peak learning rate of the flow stage")
    parser.add_argument("--descent", type=float, default=0.6, help="last part of the flow stage over which it falls")
    parser.add_argument("--average", type=float, default=0.9995, help="decay of the moving average")
    parser.add_argument("--uniform-times", type=float, default=0.2, help="share of times that are uniform in [0, 1]")
    parser.add_argument("--time-shift", type=float, default=3.0, help="how far times are moved towards noise")
    parser.add_argument("--guidance", type=float, default=0.0, help="learn to sample as if guided this much beyond 1")
    parser.add_argument("--compile", action="store_true", help="compile renderer and transformer; pays off on a GPU")
    options = parser.parse_args()
    options.stages = options.stages or (["flow"] if options.resume else STAGES)
    options.stages = [stage for stage in STAGES if stage in options.stages]
    for stage in STAGES[1:]:
        setattr(options, stage, Plan(*getattr(options, stage)))
    if options.keep_pictures and not options.pool:
        parser.error("--keep-pictures needs --pool")
    return options


def main():
    options = parse_arguments()
    torch.manual_seed(options.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    # The backward pass of cuDNN's attention failed or returned NaN for these shapes (torch 2.11).
    torch.backends.cuda.enable_cudnn_sdp(False)

    started = time.time()
    if options.resume and options.resume != options.out:
        shutil.copytree(options.resume, options.out, dirs_exist_ok=True)
    if "tokenizers" in options.stages:
        make_tokenizers(options)
    networks.save_settings(options.out, SETTINGS)
    if options.stages == ["tokenizers"]:
        return
    device = torch.device(options.device)
    formats = get_data(options, device, started)
    if "flow" in options.stages:
        if options.resume:
            model = networks.TextToVelocity.from_pretrained(options.out)
        else:
            model = networks.TextToVelocity(*networks.load_text_encoders(options.out), networks.make_transformer())
        untold = pool.tokenise(options.out, [""]).to(device).long()
        model = train_flow(model, formats, untold, options, device)
        networks.save_flow(options.out, model)
    print(f"saved to {options.out}, {time.time() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
