"""Trains the judge on renders, and tests it on renders that it has not seen and on wrong expectations of them."""

import argparse
import math
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import judge
from judge import STRIDE
from pool import FORMATS, load_pictures, name_of, pool_files
from solids import COLOUR_NAMES, FINISHES, GROUNDS, KINDS, SKIES, boxes, join, relations, sample_solids

TESTED = 2000  # the last pictures of every format are never trained on
SPREAD = 0.9  # of the peak around an object's middle, in cells


def targets(scenes, edges, height, width):
    """For every cell how much it is an object's middle, and which object's: [n, h / STRIDE, w / STRIDE]."""
    device = scenes.x.device
    left, right, bottom, top = edges.unbind(-1)
    middle = torch.stack([left + right, -bottom - top], dim=-1) / 2 * min(width, height) / 2
    cells = ((middle + torch.tensor([width, height], device=device) / 2) / STRIDE).floor()
    down = torch.arange(height // STRIDE, device=device)[None, :, None, None]
    across = torch.arange(width // STRIDE, device=device)[None, None, :, None]
    apart = (across - cells[:, None, None, :, 0]) ** 2 + (down - cells[:, None, None, :, 1]) ** 2
    nearest, owner = torch.where(scenes.present[:, None, None], apart, torch.inf).min(-1)
    return torch.exp(-nearest / (2 * SPREAD**2)), owner


def loss_of(seen, scenes, height, width):
    edges = boxes(scenes)
    peak, owner = targets(scenes, edges, height, width)
    score = seen["score"]
    found, missed = F.logsigmoid(score), F.logsigmoid(-score)
    sure = score.sigmoid()
    centre = peak == 1
    heat = -torch.where(centre, (1 - sure) ** 2 * found, (1 - peak) ** 4 * sure**2 * missed).sum() / centre.sum()

    weight = torch.where(peak > 0.2, peak, 0)
    weight = weight / weight.sum()
    rows = torch.arange(len(scenes), device=owner.device)[:, None, None]
    total = heat
    for name in ("kind", "colour", "finish"):
        wrong = F.cross_entropy(seen[name], getattr(scenes, name)[rows, owner], reduction="none")
        total = total + (weight * wrong).sum()
    places = torch.stack([scenes.x, scenes.y, scenes.z, edges[..., 0], edges[..., 1]], dim=-1)
    place = places[rows, owner].movedim(-1, 1)
    total = total + (weight * (seen["place"] - place).abs().sum(1)).sum()
    return total + 0.5 * (F.cross_entropy(seen["ground"], scenes.ground) + F.cross_entropy(seen["sky"], scenes.sky))


def _per_picture(count, low, high, device):
    return low + (high - low) * torch.rand(count, 1, 1, 1, device=device)


def _blocks(pictures, step):
    """What JPEG does to brightness, to every channel: coefficients of 8 x 8 pixels in multiples of `step`."""
    k = torch.arange(8, device=pictures.device)
    basis = torch.cos(math.pi * (2 * k[None] + 1) * k[:, None] / 16) * torch.where(k == 0, 0.5**0.5, 1.0)[:, None] / 2
    n, c, h, w = pictures.shape
    tiles = pictures.view(n, c, h // 8, 8, w // 8, 8)
    waves = torch.einsum("nchiwj,ui,vj->nchuwv", tiles, basis, basis)
    step = step[..., None, None] * (1 + (k[:, None, None] + k) / 3)
    waves = (waves / step).round() * step
    return torch.einsum("nchuwv,ui,vj->nchiwj", waves, basis, basis).reshape(n, c, h, w)


def spoiled(pictures, autoencoder=None):
    """Pictures with the small faults of a generator: soft, noisy, blotchy, blocky, slightly off in colour."""
    n, _, height, width = pictures.shape
    device = pictures.device

    def some(share, changed):
        return torch.where(torch.rand(n, 1, 1, 1, device=device) < share, changed, pictures)

    if autoencoder is not None:
        rows = torch.rand(n, device=device) < 0.4
        latents = autoencoder.encode(pictures[rows]).latent_dist.sample()
        noise = torch.randn_like(latents) * latents.std() * _per_picture(len(latents), 0, 0.25, device)
        pictures = pictures.index_put((rows,), autoencoder.decode(latents + noise).sample.to(pictures.dtype))
    smaller = 0.4 + 0.5 * random.random()
    soft = F.interpolate(pictures, scale_factor=smaller, mode="bilinear", antialias=True)
    pictures = some(0.4, F.interpolate(soft, size=(height, width), mode="bilinear"))
    blotches = F.interpolate(torch.randn(n, 3, 10, 10, device=device), size=(height, width), mode="bicubic")
    pictures = some(0.5, pictures + blotches * _per_picture(n, 0, 0.08, device))
    pictures = some(0.3, _blocks(pictures, _per_picture(n, 0.02, 0.25, device)))
    gain = 1 + 0.06 * (2 * torch.rand(n, 3, 1, 1, device=device) - 1)
    pictures = some(0.7, ((pictures + 1) * gain * _per_picture(n, 0.9, 1.1, device)) - 1)
    return some(0.6, pictures + torch.randn_like(pictures) * _per_picture(n, 0, 0.12, device)).clamp(-1, 1)


class Pool:
    """Pictures of one size as bytes [n, 3, h, w] and the scenes they show."""

    def __init__(self, name, scenes, pictures):
        self.name, self.scenes, self.pictures = name, scenes, pictures
        self.trained = max(len(pictures) - TESTED, len(pictures) // 2)

    def batch(self, rows):
        return judge.fitted(self.pictures[rows].float() / 127.5 - 1), self.scenes[rows]


def load_pools(folder, device, most):
    """Pictures that train.py drew there: every square format's, at most so many of each, and unseen ones."""
    squares = [size for size, *_ in FORMATS if size[0] == size[1]]
    groups = {name_of(size): pool_files(folder, size) for size in squares} | {"unseen": [folder / "pictures/unseen.pt"]}
    for name, paths in groups.items():
        held = [load_pictures(path) for path in paths]
        scenes, pictures = join([scenes for scenes, _ in held]), torch.cat([pictures for _, pictures in held])
        yield Pool(name, scenes[slice(most)].to(device), pictures[:most].to(device))


def small_pool(count, side, seed, device):
    """Renders for a rehearsal."""
    from raytrace import render

    scenes = sample_solids(count, torch.Generator().manual_seed(seed)).to(device)
    parts = [render(scenes[slice(i, i + 16)], side, side, samples=1) for i in range(0, count, 16)]
    return Pool("rehearsal", scenes, ((torch.cat(parts) + 1) * 127.5).round().byte())


def train(model, pools, autoencoder, args):
    device = torch.device(args.device)
    model.to(device, memory_format=torch.channels_last).train()
    torch.backends.cudnn.benchmark = True
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate, weight_decay=0.01, fused=device.type == "cuda")
    shares = torch.tensor([float(pool.trained) for pool in pools])
    start = reported = time.time()
    step, done = 0, 0.0
    while done < 1:
        for group in optimizer.param_groups:
            group["lr"] = args.rate * min(1, (step + 1) / 200) * (0.5 + 0.5 * math.cos(math.pi * done))
        pool = pools[int(torch.multinomial(shares, 1))]
        pictures, scenes = pool.batch(torch.randint(pool.trained, (args.batch,), device=device))
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            with torch.no_grad():
                pictures = spoiled(pictures, autoencoder)
            seen = model(pictures.to(memory_format=torch.channels_last))
        value = loss_of(seen, scenes, *pictures.shape[-2:])
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if time.time() - reported > 10:
            reported = time.time()
            print(f"judge: step {step}, {reported - start:.0f} s, loss {value.item():.4f}", flush=True)
        done = max(step / args.steps, (time.time() - start) / args.seconds)
    print(f"judge: {step} steps in {time.time() - start:.0f} s", flush=True)
    return model.eval()


def asked_of(scenes, plain, row):
    """One scene as an entry of prompts.json that names everything; `plain` are the scenes' relations."""
    number = int(scenes.count[row])
    things = zip(*(getattr(scenes, name)[row, :number].tolist() for name in ("kind", "colour", "finish")))
    return {
        "objects": [{"kind": KINDS[k], "colour": COLOUR_NAMES[c], "finish": FINISHES[f]} for k, c, f in things],
        "relations": [[a, name, b] for name, holding in plain.items() for a, b in holding[row].nonzero().tolist()],
        "ground": GROUNDS[int(scenes.ground[row])],
        "sky": SKIES[int(scenes.sky[row])],
    }


def altered(asked, what, rng):
    """The same expectation with one thing wrong, or None where that cannot be told from the right one."""
    changed = {**asked, "objects": [dict(thing) for thing in asked["objects"]]}
    if what == "relation":
        if not asked["relations"]:
            return None
        a, name, b = rng.choice(asked["relations"])
        if asked["objects"][a] == asked["objects"][b]:
            return None
        changed["relations"] = [[b, name, a]]
        kinds_and_colours = [(thing["kind"], thing["colour"]) for thing in asked["objects"]]
        return changed if len(set(kinds_and_colours)) == len(kinds_and_colours) else None
    changed["relations"] = []
    names = {"kind": KINDS, "colour": COLOUR_NAMES}[what]
    thing = rng.choice(changed["objects"])
    thing[what] = rng.choice([name for name in names if name != thing[what]])
    return changed


def test(model, pool, device, batch=100):
    """Prints how often the judge is right about pictures it has not seen, by what there is to be right about."""
    rng = random.Random(5)
    right, flagged, finishes = {}, {}, [0, 0]
    rows = torch.arange(pool.trained, len(pool.pictures), device=device)
    for part in rows.split(batch):
        pictures, scenes = pool.batch(part)
        known = scenes.to("cpu")
        plain = relations(known)
        for row, answer in enumerate(judge.look(model, pictures)):
            asked = asked_of(known, plain, row)
            wrong = judge.faults(asked, *answer)
            counted = "count" not in wrong
            for name in ("count", "ground", "sky", *(("kind", "colour", "relation") if counted else ())):
                right.setdefault(name, []).append(name not in wrong)
            right.setdefault(f"everything, {len(asked['objects'])} objects", []).append(not wrong)
            right.setdefault("everything", []).append(not wrong)
            finishes = [sum(pair) for pair in zip(finishes, judge.finishes_right(asked, answer[0]))]
            for what in ("kind", "colour", "relation"):
                other = altered(asked, what, rng)
                if other:
                    flagged.setdefault(what, []).append(bool(judge.faults(other, *answer)))
    for name, results in sorted(right.items()):
        print(f"right: {name:24} {sum(results):5} of {len(results):5}  {sum(results) / len(results):.2%}")
    print(f"right: {'finish of an object':24} {finishes[0]:5} of {finishes[1]:5}  {finishes[0] / finishes[1]:.2%}")
    for name, results in flagged.items():
        print(f"wrong {name + ' noticed':25} {sum(results):5} of {len(results):5}  {sum(results) / len(results):.2%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=Path, help="folder of rendered pictures; without it a few are rendered")
    parser.add_argument("--pictures", type=int, default=60000, help="most of each format")
    parser.add_argument("--weights", type=Path, default=judge.WEIGHTS)
    parser.add_argument("--resume", action="store_true", help="go on from the weights there are")
    parser.add_argument("--test-only", action="store_true")
    parser.add_argument("--autoencoder", type=Path, help="an autoencoder whose round trip spoils some pictures")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=100000)
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("--rate", type=float, default=2e-3)
    args = parser.parse_args()
    torch.manual_seed(11)
    random.seed(11)
    pools = list(load_pools(args.pool, args.device, args.pictures)) if args.pool else [small_pool(64, 64, 3, args.device)]
    if not args.test_only:
        autoencoder = None
        if args.autoencoder:
            from diffusers import AutoencoderKL

            autoencoder = AutoencoderKL.from_pretrained(args.autoencoder).to(args.device).eval()
        model = judge.load(args.weights) if args.resume else judge.Judge()
        judge.save(train(model, pools, autoencoder, args), args.weights)
    model = judge.load(args.weights, args.device)
    for pool in pools:
        print(f"-- {pool.name}")
        test(model, pool, args.device)


if __name__ == "__main__":
    main()
