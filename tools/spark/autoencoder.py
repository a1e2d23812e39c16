"""The autoencoder's training: reconstruction with sharp edges, and a rival that tells pictures from decoded ones."""

import torch
import torch.nn.functional as F
from torch import nn

from stage import Stage, mixed_precision

RIVAL_SHARE = 0.15  # of the reconstruction's gradient
RIVAL_AFTER = 4000  # steps, and as many again until it has its whole share
KL_WEIGHT = 3e-4
CROP = 128  # pixels: four times the steps that whole pictures would allow


def make_rival():
    """Says for every patch of a picture how real it looks."""
    widths = (3, 32, 64, 128)
    layers = []
    for before, after in zip(widths, widths[1:]):
        layers += [nn.Conv2d(before, after, 4, stride=2, padding=1)]
        layers += [nn.GroupNorm(8, after)] if before > 3 else []
        layers += [nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(128, 1, 3, padding=1))


def reconstruction_loss(decoded, pictures):
    """Pixels, edges, and colours from afar: without the last, small objects keep their outline and lose their colour."""
    edge = sum(F.l1_loss(decoded.diff(dim=d), pictures.diff(dim=d)) for d in (-1, -2))
    afar = F.l1_loss(F.avg_pool2d(decoded, 8), F.avg_pool2d(pictures, 8))
    return F.l1_loss(decoded, pictures) + edge + afar


def random_crops(pool, count):
    """Parts of random pictures in [-1, 1], [count, 3, CROP, CROP]; drawn on the device, as a CUDA graph needs it."""
    device, height, width = pool.device, *pool.shape[-2:]

    def window(length):
        side = min(CROP, length)
        start = torch.randint(length - side + 1, (count, 1), device=device)
        return start + torch.arange(side, device=device)

    rows = torch.randint(len(pool), (count,), device=device)[:, None, None, None]
    channels = torch.arange(3, device=device)[:, None, None]
    crops = pool[rows, channels, window(height)[:, None, :, None], window(width)[:, None, None]]
    return (crops.float() / 127.5 - 1).to(memory_format=torch.channels_last)


def train_autoencoder(model, pool, device, plan, keep_encoder):
    """Trains on a pool of pictures as bytes, and gives their latents just enough KL to stay tidy.

    With `keep_encoder` only the decoder learns, so that a flow model trained on the latents stays valid.
    """
    model.to(device, memory_format=torch.channels_last)
    model.encoder.requires_grad_(not keep_encoder)
    rival = make_rival().to(device, memory_format=torch.channels_last)
    steps = torch.zeros((), device=device)
    kept = {}

    def loss():
        pictures = random_crops(pool, plan.batch)
        with mixed_precision(device):
            with torch.set_grad_enabled(not keep_encoder):
                posterior = model.encode(pictures).latent_dist
                latents = posterior.sample()
            decoded = model.decode(latents).sample
        kept["decoded"] = leaf = decoded.detach().float().requires_grad_()
        fidelity = reconstruction_loss(leaf, pictures)
        with mixed_precision(device):
            looks_real = rival(leaf).float().mean()
        # The rival's gradient is scaled to a share of the reconstruction's: no weight to tune, and it cannot take over.
        (slope,), (pull,) = torch.autograd.grad(fidelity, leaf), torch.autograd.grad(-looks_real, leaf)
        steps.add_(1)
        share = RIVAL_SHARE * ((steps - RIVAL_AFTER) / RIVAL_AFTER).clamp(0, 1)
        slope = slope + pull * (share * slope.norm() / pull.norm().clamp(min=1e-12))
        kl = (posterior.mean.float() ** 2 + posterior.var.float() - 1 - posterior.logvar.float()).mean() / 2
        return (decoded.float() * slope).sum() + KL_WEIGHT * kl, fidelity

    def rival_loss():
        with mixed_precision(device):
            real, decoded = rival(random_crops(pool, plan.batch)).float(), rival(kept["decoded"].detach()).float()
        value = F.relu(1 - real).mean() + F.relu(1 + decoded).mean()
        return value, value

    stage = Stage("autoencoder", model, plan, peak_rate=1.2e-3, average_decay=0.998)
    result = stage.run([loss], device, rival=(rival, rival_loss))
    return result.to(memory_format=torch.contiguous_format)


@torch.no_grad()
def encode(model, pictures, device):
    """The latents' means, [n, 16, height / 8, width / 8], in half precision, of pictures as bytes."""
    model.to(device, memory_format=torch.channels_last)
    batch = max(1, 128 * 256 * 256 // pictures[0, 0].numel())
    parts = []
    for part in pictures.split(batch):
        part = (part.to(device).float() / 127.5 - 1).to(memory_format=torch.channels_last)
        with mixed_precision(device):
            parts.append(model.encode(part).latent_dist.mean.half().contiguous())
    model.to(memory_format=torch.contiguous_format)
    return torch.cat(parts)


@torch.no_grad()
def fidelity(model, pictures, device):
    """Decibels of peak signal over noise of pictures as bytes, there and back: whole, and from afar."""
    pictures = (pictures.to(device).float() / 127.5 - 1).to(memory_format=torch.channels_last)
    model.to(device)
    with mixed_precision(device):
        decoded = torch.cat([model.decode(model.encode(part).latent_dist.mean).sample for part in pictures.split(16)])
    pairs = ((decoded.float(), pictures), (F.avg_pool2d(decoded.float(), 8), F.avg_pool2d(pictures, 8)))
    return [(10 * torch.log10(4 / F.mse_loss(*pair))).item() for pair in pairs]
