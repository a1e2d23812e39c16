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


def _conv(inside, outside, stride=1):
    return nn.Conv2d(inside, outside, 3, stride, 1, bias=False)


class _Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(8, channels), nn.GroupNorm(8, channels)
        self.conv1, self.conv2 = _conv(channels, channels), _conv(channels, channels)

    def forward(self, x):
        inner = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(inner)))


class Judge(nn.Module):
    """Pictures [n, 3, h, w] in [-1, 1], sides multiples of 16, to a dictionary of maps and of logits.

    Made of operations that the engine has too: tests/spark/judge.cc runs the same weights without Python.
    """

    WIDTH = 72

    def __init__(self):
        super().__init__()
        width = self.WIDTH
        self.halve = nn.ModuleList([_conv(5, 24, 2), _conv(24, 48, 2), _conv(48, width, 2), _conv(width, width, 2)])
        self.first_norm = nn.GroupNorm(8, 24)
        self.quarter = _Block(48)
        self.eighth = nn.ModuleList([_Block(width), _Block(width)])
        self.sixteenth = nn.ModuleList([_Block(width), _Block(width), _Block(width)])
        self.back = _conv(width, width)
        self.last = _Block(width)
        self.last_norm = nn.GroupNorm(8, width)
        self.objects = nn.Conv2d(width, 1 + sum(OBJECT_HEADS.values()), 1)
        self.scene = nn.Linear(2 * width, len(GROUNDS) + len(SKIES))
        nn.init.constant_(self.objects.bias[:1], -3.0)

    def features(self, x):
        x = self.halve[1](F.silu(self.first_norm(self.halve[0](x))))
        x = self.halve[2](self.quarter(x))
        for block in self.eighth:
            x = block(x)
        wide = self.halve[3](x)
        for block in self.sixteenth:
            wide = block(wide)
        x = x + self.back(F.interpolate(wide, scale_factor=2.0))
        return F.silu(self.last_norm(self.last(x)))

    def forward(self, pictures):
        where = coordinates(*pictures.shape[-2:], pictures.device).expand(len(pictures), -1, -1, -1)
        features = self.features(torch.cat([pictures, where.to(pictures.dtype)], dim=1))
        score, *heads = self.objects(features).float().split([1, *OBJECT_HEADS.values()], dim=1)
        middle = features.shape[2] // 2
        upper, lower = features[:, :, :middle].mean((2, 3)), features[:, :, middle:].mean((2, 3))
        ground, sky = self.scene(torch.cat([upper, lower], dim=1)).float().split([len(GROUNDS), len(SKIES)], dim=1)
        return {"score": score[:, 0], "ground": ground, "sky": sky, **dict(zip(OBJECT_HEADS, heads))}


def save(model, path):
    """As f16, with the names that the logits stand for, in order."""
    names = {"kind": KINDS, "colour": COLOUR_NAMES, "finish": FINISHES, "ground": GROUNDS, "sky": SKIES}
    weights = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, path, metadata={key: ",".join(value) for key, value in names.items()})


def load(path=WEIGHTS, device="cpu"):
    model = Judge()
    model.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return model.eval().to(device)


def fitted(pictures):
    """The pictures with a shorter side of SIDE and both sides multiples of 16."""
    height, width = pictures.shape[-2:]
    sides = [16 * round(SIDE * side / min(height, width) / 16) for side in (height, width)]
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
