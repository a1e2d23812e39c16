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
import team
import vocab
from autoencoder import encode, fidelity, train_autoencoder
from reading import train_reading
from solids import sample_solids
from spotting import Spotter, make_answers, spotting_loss
from stage import Plan, Stage, mixed_precision

STAGES = ["tokenizers", "captions", "pictures", "reading", "autoencoder", "latents", "flow"]
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
SPOTTING = 0.1  # the weight of spotting's loss beside the flow's
FIRST_ROUNDS = 2  # of pictures, which the autoencoder learns from


def sample_times(count, options, device):
    """Logit-normal times, and a share of uniform ones in [0, 1], moved towards noise as the sampler's are.

    Without the move few times are so noisy that the caption decides anything: at 0.8 the picture is laid out already.
    Sampling starts at exactly 1, where the logit-normal alone has next to no mass: its first step would be a guess.
    """
    normal = torch.sigmoid(torch.randn(count, device=device))
    flat = torch.rand(count, device=device)
    times = torch.where(torch.rand(count, device=device) < options.uniform_times, flat, normal)
    return options.time_shift * times / (1 + (options.time_shift - 1) * times)


def cell_weights(answers, times, height, width):
    """How much each latent cell counts, [n, 1, h, w], one on average.

    Where noise hides the objects all cells count alike: more weight there would draw objects everywhere.
    """
    start, end = OBJECT_TIMES
    share = ((times - start) / (end - start)).clamp(0, 1)[:, None, None, None]
    objects = F.interpolate(answers[:, :1].float().view(-1, 1, height // 2, width // 2), scale_factor=2.0)
    weights = 1 + OBJECT_WEIGHT * share * objects
    return weights / weights.mean((1, 2, 3), keepdim=True)


def flow_loss(model, teacher, data, untold, options, stance):
    """The loss of one format: the velocity noise - latents on the straight line between the two, and spotting's.

    A `teacher`, the model as the stage found it, moves the target away from what it would draw without a caption by
    `options.guidance` times the difference: what classifier-free guidance does at each step of sampling is learnt.
    `stance` says whether what is compiled is used.
    """
    latents, tokens, answers = data
    device, (height, width) = latents.device, latents.shape[-2:]
    batch = max(1, options.flow.batch * 1024 // (height * width) // team.size())  # as many patches for every format

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
            velocity, half_way = model.look(noisy, times, *ids.unbind(1))
            said = model.spotter(half_way)
        weights = cell_weights(answers[rows], times, height, width)
        missed = ((velocity.float() - target) ** 2 * weights).mean()
        spotted = spotting_loss(said, answers[rows])
        return missed + SPOTTING * spotted, torch.stack([missed, spotted])

    return loss


def train_flow(model, formats, untold, options, device):
    """Rectified flow over all formats, {size: (latents, tokens, answers)}."""
    model.spotter = Spotter()
    if (kept := options.pool / "spotter.pt").exists() and options.resume:
        model.spotter.load_state_dict(torch.load(kept))
    model.to(device)
    stage = Stage("flow", model, options.flow, options.flow_rate, options.average, options.descent)
    teacher = copy.deepcopy(model).requires_grad_(False).eval() if options.guidance else None
    if options.compile:
        for network in filter(None, (model, teacher)):
            network.transformer.compile_repeated_blocks(dynamic=False)  # dynamic shapes failed (torch 2.11)
    shares = [share for size, share, _ in pool.FORMATS if size in formats]
    # Compiling for a size takes longer than it saves where the size is rare.
    stances = ["default" if share > 0.1 or len(shares) == 1 else "force_eager" for share in shares]
    losses = [
        flow_loss(model, teacher, data, untold, options, stance) for data, stance in zip(formats.values(), stances)
    ]
    torch.manual_seed(options.seed + 7919 * team.rank())
    model = stage.run(losses, device, shares)
    if team.rank() == 0:
        torch.save(model.spotter.state_dict(), kept)
    return model


def make_captions(options):
    """Captions' tokens of every format's scenes, kept in the pool's folder. Before the GPU is touched."""
    scenes = pool.sample_scenes(options.scenes, options.seed + 1)
    captions = pool.CaptionTokens(options.out, scenes, options.seed + 2, options.captions)
    options.pool.mkdir(parents=True, exist_ok=True)
    torch.save({size: captions.get(size) for size in scenes}, options.pool / "captions.pt")


def make_readers(options, device):
    """Text encoders that know what captions say."""
    scenes = pool.sample_scenes(options.scenes, options.seed + 1)[pool.SQUARE]
    tokens = torch.load(options.pool / "captions.pt")[pool.SQUARE]
    encoders = networks.make_text_encoders(*vocab.sizes(options.out))
    encoders = train_reading(*encoders, scenes, tokens, device, options.reading)
    networks.save_text_encoders(options.out, *encoders)


def load_autoencoder(folder):
    return AutoencoderKL.from_pretrained(folder / "vae", dtype=torch.float32)


def make_autoencoder(options, device):
    """The autoencoder, from the first pictures that are there; with --resume only its decoder learns."""
    kept = options.pool / "pictures"
    pool.wait_for(lambda: len(pool.pool_files(options.pool, pool.SQUARE)) >= FIRST_ROUNDS or (kept / "ready").exists(), kept)
    files = pool.pool_files(options.pool, pool.SQUARE)[:FIRST_ROUNDS]
    pictures = torch.cat([pool.load_pictures(path)[1] for path in files]).to(device)
    keep_encoder = options.resume is not None
    model = load_autoencoder(options.out) if keep_encoder else networks.make_autoencoder()
    model = train_autoencoder(model, pictures, device, options.autoencoder, keep_encoder)
    if not keep_encoder:
        latents = encode(model, pictures[:8192], device).float()
        model.register_to_config(
            shift_factor=round(latents.mean().item(), 4), scaling_factor=round(1 / latents.std().item(), 4)
        )
    networks.save_autoencoder(options.out, model)
    whole, afar = fidelity(load_autoencoder(options.out), pictures[-256:], device)
    print(f"autoencoder: {whole:.1f} dB, from afar {afar:.1f} dB", flush=True)


def make_latents(options, device):
    """What the flow trains on, kept in the pool's folder: {size: (latents, tokens, answers)}.

    Squares are there at half their size, too, among the small format's: a quarter of the patches to learn from what
    captions mean.
    """
    ready = options.pool / "pictures/ready"
    pool.wait_for(ready.exists, ready)
    # As saved: rounded to bf16, which is what every user decodes and encodes with.
    model = load_autoencoder(options.out)
    captions = torch.load(options.pool / "captions.pt")
    formats = {}

    def keep(size, scenes, pictures, tokens):
        latents = (encode(model, pictures, device) - model.config.shift_factor) * model.config.scaling_factor
        answers = make_answers(scenes, latents.shape[2] // 2, latents.shape[3] // 2)
        formats.setdefault(size, []).append((latents.cpu(), tokens, answers))

    for size in captions:
        start = 0
        for path in pool.pool_files(options.pool, size):
            scenes, pictures = pool.load_pictures(path)
            tokens = captions[size][start : start + len(pictures)]
            start += len(pictures)
            keep(size, scenes, pictures, tokens)
            if size == pool.SQUARE:
                keep(pool.SMALL, scenes, halved(pictures, device), tokens)
    joined = {size: tuple(torch.cat(part) for part in zip(*parts)) for size, parts in formats.items()}
    torch.save(joined, options.pool / "latents.pt")
    print(", ".join(f"{len(data[0])} latents of {size}" for size, data in joined.items()), flush=True)


def halved(pictures, device):
    parts = [F.avg_pool2d(part.to(device).float(), 2).round().byte() for part in pictures.split(1024)]
    return torch.cat(parts)


def make_flow(options, device):
    formats = torch.load(options.pool / "latents.pt")
    chosen = [size for size, *_ in pool.FORMATS if pool.name_of(size) in options.formats]
    formats = {size: tuple(part.to(device) for part in formats[size]) for size in chosen}
    if options.resume:
        model = networks.TextToVelocity.from_pretrained(options.out)
    else:
        model = networks.TextToVelocity(*networks.load_text_encoders(options.out), networks.make_transformer())
    untold = pool.tokenise(options.out, [""]).to(device).long()
    model = train_flow(model, formats, untold, options, device)
    if team.rank() == 0:
        networks.save_flow(options.out, model)


def make_tokenizers(options):
    scenes = sample_solids(10000, torch.Generator().manual_seed(options.seed))
    vocab.write_tokenizers(options.out, solid_captions.captions(scenes, options.seed, 2), pool.MAX_TOKENS)
    networks.save_settings(options.out, SETTINGS)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("models/spark"))
    parser.add_argument("--resume", type=Path, help="go on from the pipeline in this folder, keeping its encoder")
    parser.add_argument("--stages", nargs="+", choices=STAGES, help="default: all, or the flow alone with --resume")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=160000, help="pictures of the main format; others get shares")
    parser.add_argument("--captions", type=int, default=6, help="captions per picture")
    parser.add_argument("--render-seconds", type=float, default=float("inf"), help="begin no round of pictures later")
    parser.add_argument("--shrink", type=int, default=1, help="draw pictures at this part of their size: to rehearse")
    parser.add_argument("--pool", type=Path, required=True, help="where the stages leave what the next ones need")
    names = [pool.name_of(size) for size, *_ in pool.FORMATS]
    parser.add_argument("--formats", nargs="+", choices=names, default=names, help="that the flow learns from")
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
    for stage in ("reading", "autoencoder", "flow"):
        setattr(options, stage, Plan(*getattr(options, stage)))
    return options


def main():
    options = parse_arguments()
    torch.manual_seed(options.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    # The backward pass of cuDNN's attention failed or returned NaN for these shapes (torch 2.11).
    torch.backends.cuda.enable_cudnn_sdp(False)
    device = team.join(torch.device(options.device))
    if team.size() > 1 and options.stages != ["flow"]:
        raise SystemExit("several processes can train the flow and nothing else: --stages flow, or --resume")
    if options.resume and options.resume != options.out and team.rank() == 0:
        shutil.copytree(options.resume, options.out, dirs_exist_ok=True)
    team.wait_for_all()
    work = {
        "tokenizers": lambda: make_tokenizers(options),
        "captions": lambda: make_captions(options),
        "pictures": lambda: pool.draw_pool(options, device),
        "reading": lambda: make_readers(options, device),
        "autoencoder": lambda: make_autoencoder(options, device),
        "latents": lambda: make_latents(options, device),
        "flow": lambda: make_flow(options, device),
    }
    for stage in options.stages:
        started = time.time()
        work[stage]()
        team.say(f"{stage}: done in {time.time() - started:.0f} s")
    team.leave()


if __name__ == "__main__":
    main()
