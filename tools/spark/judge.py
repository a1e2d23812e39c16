"""The judge: finds the objects of a picture and says whether they are what was asked for.

A small convolutional network of its own, trained on renders alone (train_judge.py): it shares the renderer's colours
with the generator, but no weights. Every cell of 8 x 8 pixels says whether an object's middle lies in it, what the
object is and where it stands; the whole picture tells ground and sky.
"""

from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from solids import COLOUR_NAMES, FINISHES, GROUNDS, KINDS, SKIES

WEIGHTS = Path(__file__).parent / "judge.safetensors"
SIDE = 256  # the shorter side of the picture as the network sees it
STRIDE = 8
LEAST_SCORE = 0.4  # of a cell that counts as an object
OBJECT_HEADS = {"kind": len(KINDS), "colour": len(COLOUR_NAMES), "finish": len(FINISHES), "place": 5}


@dataclass
class Found:
    """An object in a picture: where it stands, as solids.py counts, and where its outline's left and right are."""

    kind: str
    colour: str
    finish: str
    x: float
    y: float
    z: float
    left: float
    right: float


def coordinates(height, width, device):
    """How far right and up each pixel's middle is from the picture's, in halves of the shorter side: [2, h, w]."""
    shorter = min(height, width)
    right = (2 * torch.arange(width, device=device) + 1 - width) / shorter
    up = (height - 1 - 2 * torch.arange(height, device=device)) / shorter
    return torch.stack([right[None].expand(height, -1), up[:, None].expand(-1, width)])


def _norm(channels):
    return nn.GroupNorm(8, channels)


class _Block(nn.Module):
    def __init__(self, channels, reach):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=reach, dilation=reach, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([_norm(channels), _norm(channels)])

    def forward(self, x):
        inner = F.relu(self.norms[0](self.first(x)))
        return F.relu(x + self.norms[1](self.second(inner)))


def _halve(inside, outside):
    return nn.Sequential(nn.Conv2d(inside, outside, 3, 2, 1, bias=False), _norm(outside), nn.ReLU())


class Judge(nn.Module):
    """Pictures [n, 3, h, w] in [-1, 1], sides multiples of STRIDE, to a dictionary of maps and of logits."""

    WIDTH = 80

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            _halve(5, 24),
            _halve(24, 48),
            _Block(48, 1),
            _halve(48, self.WIDTH),
            *(_Block(self.WIDTH, reach) for reach in (1, 2, 4, 2, 1)),
        )
        self.objects = nn.Conv2d(self.WIDTH, 1 + sum(OBJECT_HEADS.values()), 1)
        self.scene = nn.Linear(2 * self.WIDTH, len(GROUNDS) + len(SKIES))
        nn.init.constant_(self.objects.bias[:1], -3.0)

    def forward(self, pictures):
        where = coordinates(*pictures.shape[-2:], pictures.device).expand(len(pictures), -1, -1, -1)
        features = self.trunk(torch.cat([pictures, where.to(pictures.dtype)], dim=1))
        score, *heads = self.objects(features).float().split([1, *OBJECT_HEADS.values()], dim=1)
        middle = features.shape[2] // 2
        upper, lower = features[:, :, :middle].mean((2, 3)), features[:, :, middle:].mean((2, 3))
        ground, sky = self.scene(torch.cat([upper, lower], dim=1)).float().split([len(GROUNDS), len(SKIES)], dim=1)
        return {"score": score[:, 0], "ground": ground, "sky": sky, **dict(zip(OBJECT_HEADS, heads))}


def save(model, path):
    save_file({name: value.half().contiguous() for name, value in model.state_dict().items()}, path)


def load(path=WEIGHTS, device="cpu"):
    model = Judge()
    model.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return model.eval().to(device)


def fitted(pictures):
    """The pictures with a shorter side of SIDE and both sides multiples of STRIDE."""
    height, width = pictures.shape[-2:]
    sides = [STRIDE * round(SIDE * side / min(height, width) / STRIDE) for side in (height, width)]
    if sides == [height, width]:
        return pictures
    return F.interpolate(pictures, size=sides, mode="bilinear", antialias=True, align_corners=False)


@torch.no_grad()
def look(model, pictures):
    """What is in each picture: a list of (objects found, ground, sky)."""
    seen = model(fitted(pictures))
    score = seen["score"].sigmoid()
    peak = (score == F.max_pool2d(score[:, None], 3, 1, 1)[:, 0]) & (score > LEAST_SCORE)
    answers = []
    for row in range(len(pictures)):
        objects = []
        for down, across in peak[row].nonzero().tolist():
            told = {name: seen[name][row, :, down, across] for name in OBJECT_HEADS}
            best = {name: int(told[name].argmax()) for name in ("kind", "colour", "finish")}
            names = KINDS[best["kind"]], COLOUR_NAMES[best["colour"]], FINISHES[best["finish"]]
            objects.append(Found(*names, *told["place"].tolist()))
        answers.append((objects, GROUNDS[int(seen["ground"][row].argmax())], SKIES[int(seen["sky"][row].argmax())]))
    return answers


def holds(relation, a, b):
    """Whether `a` lies to `b` as the relation says: the rule of solids.relations, with slack in its distances."""
    beyond, above, apart = a.z - b.z, a.y - b.y, abs(a.x - b.x)
    if relation == "on top of":
        return above > 0.4 and apart < 0.6 and abs(beyond) < 0.9
    if relation in ("left of", "right of"):
        aside = (a.left + a.right - b.left - b.right) / 2 * (1 if relation == "right of" else -1)
        return aside > 0.5 * (a.right - a.left + b.right - b.left) / 2
    return (beyond if relation == "behind" else -beyond) > max(0.8, 0.8 * apart)


def faults(asked, objects, ground, sky):
    """What is wrong with a picture, as a list of words from count, kind, colour, relation, ground, sky.

    `asked` is an entry of prompts.json. Objects found are matched with objects asked for in the best way.
    """
    wrong = [name for name, seen in (("ground", ground), ("sky", sky)) if asked.get(name) not in (None, seen)]
    wanted = asked["objects"]
    if len(objects) != len(wanted):
        return ["count", *wrong]
    matches = [_object_faults(wanted, asked["relations"], order) for order in permutations(objects)]
    return min(matches, key=len) + wrong


def _object_faults(wanted, relations, objects):
    pairs = list(zip(wanted, objects))
    wrong = [name for name in ("kind", "colour") for want, have in pairs if want[name] != getattr(have, name)]
    return wrong + ["relation" for a, name, b in relations if not holds(name, objects[a], objects[b])]


def finishes_right(asked, objects):
    """How many of the finishes asked for are there, of how many, when objects have the right kinds and colours."""
    named = [want for want in asked["objects"] if want.get("finish")]
    have = [(found.kind, found.colour, found.finish) for found in objects]
    return sum((want["kind"], want["colour"], want["finish"]) in have for want in named), len(named)
