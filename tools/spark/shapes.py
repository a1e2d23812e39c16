"""Flat shapes: what can be drawn, how it is drawn, and how people would ask for it."""

import math
import random
from dataclasses import dataclass, fields

import torch

SHAPES = ["circle", "square", "triangle", "star", "ring", "cross", "heart", "diamond"]
SHAPE_WORDS = {
    "circle": ["circle", "circle", "disc", "dot"],
    "ring": ["ring", "ring", "hoop"],
    "cross": ["cross", "cross", "plus sign"],
    "diamond": ["diamond", "diamond", "rhombus"],
}
COLOURS = {
    "red": (0.86, 0.12, 0.13),
    "orange": (0.97, 0.54, 0.08),
    "yellow": (0.98, 0.88, 0.16),
    "green": (0.14, 0.62, 0.24),
    "blue": (0.12, 0.30, 0.82),
    "purple": (0.50, 0.18, 0.68),
    "pink": (0.98, 0.60, 0.77),
    "white": (0.97, 0.97, 0.97),
    "gray": (0.50, 0.50, 0.50),
    "black": (0.04, 0.04, 0.04),
}
COLOUR_NAMES = list(COLOURS)
# Pairs that training never sees, so that evaluation can tell composition from memory.
HELD_OUT = [("star", "pink"), ("ring", "orange"), ("cross", "purple"), ("heart", "green")]

SMALL_RADIUS, BIG_RADIUS = 0.22, 0.32
NEAR, FAR = 0.42, 0.58


@dataclass
class Scenes:
    """A batch of scenes, one row each. Lengths are fractions of the picture's side, y points down."""

    shape: torch.Tensor
    colour: torch.Tensor
    ground: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor
    radius: torch.Tensor
    angle: torch.Tensor
    tint: torch.Tensor  # [n, 2, 3], small departures from the named colours of shape and ground

    def to(self, device):
        return Scenes(*(getattr(self, f.name).to(device) for f in fields(self)))

    def __getitem__(self, rows):
        return Scenes(*(getattr(self, f.name)[rows] for f in fields(self)))

    def __len__(self):
        return len(self.shape)


def sample_scenes(count, generator, held_out=HELD_OUT):
    """Draws `count` scenes without the held-out pairs."""
    allowed = [
        (s, c)
        for s, shape in enumerate(SHAPES)
        for c, colour in enumerate(COLOUR_NAMES)
        if (shape, colour) not in held_out
    ]

    def uniform(low, high, *shape):
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    pairs = torch.tensor(allowed)[torch.randint(len(allowed), (count,), generator=generator)]
    shape, colour = pairs[:, 0], pairs[:, 1]
    shift = torch.randint(1, len(COLOUR_NAMES), (count,), generator=generator)
    radius = uniform(0.16, 0.40)
    margin = radius + 0.03
    return Scenes(
        shape=shape,
        colour=colour,
        ground=(colour + shift) % len(COLOUR_NAMES),
        x=margin + (1 - 2 * margin) * uniform(0, 1),
        y=margin + (1 - 2 * margin) * uniform(0, 1),
        radius=radius,
        angle=uniform(-0.15, 0.15),
        tint=uniform(-0.03, 0.03, 2, 3),
    )


def _box(x, y, half_width, half_height):
    return torch.maximum(x.abs() - half_width, y.abs() - half_height)


def _triangle(x, y):
    return torch.maximum(y - 0.5, (math.sqrt(3) * x.abs() - y) / 2 - 0.5)


def _star(x, y):
    # Every edge of the star is a mirror image of the one from the tip (0, -1) to the first notch.
    sector = 2 * math.pi / 5
    turn = torch.atan2(x, -y)
    turn = (turn - sector * torch.round(turn / sector)).abs()
    length = torch.hypot(x, y)
    along, across = length * torch.cos(turn), length * torch.sin(turn)
    notch_x, notch_y = 0.42 * math.cos(sector / 2), 0.42 * math.sin(sector / 2)
    edge_x, edge_y = notch_x - 1, notch_y
    return (edge_x * across - edge_y * (along - 1)) / -math.hypot(edge_x, edge_y)


def _heart(x, y):
    # A square standing on its tip, with a half disc on each of its two upper sides.
    half, drop = 0.54, 0.08
    u, v = (x + y - drop) / math.sqrt(2), (x - y + drop) / math.sqrt(2)
    lobes = torch.minimum(torch.hypot(u, v - half), torch.hypot(u + half, v)) - half
    return torch.minimum(_box(u, v, half, half), lobes)


# Signed distance (negative inside) for a shape that fills the unit circle.
DISTANCES = {
    "circle": lambda x, y: torch.hypot(x, y) - 0.88,
    "square": lambda x, y: _box(x, y, 0.74, 0.74),
    "triangle": _triangle,
    "star": _star,
    "ring": lambda x, y: (torch.hypot(x, y) - 0.70).abs() - 0.20,
    "cross": lambda x, y: torch.minimum(_box(x, y, 0.92, 0.29), _box(x, y, 0.29, 0.92)),
    "heart": _heart,
    "diamond": lambda x, y: (x.abs() / 0.62 + y.abs() / 0.98 - 1) / math.hypot(1 / 0.62, 1 / 0.98),
}


def coverage(scenes, size):
    """The part of each pixel that the shape covers: [n, size, size] in [0, 1]."""
    device = scenes.x.device
    ticks = (torch.arange(size, device=device) + 0.5) / size
    result = torch.empty(len(scenes), size, size, device=device)
    for index, name in enumerate(SHAPES):
        rows = (scenes.shape == index).nonzero().flatten()
        radius, angle = scenes.radius[rows, None, None], scenes.angle[rows, None, None]
        dx = (ticks[None, None, :] - scenes.x[rows, None, None]) / radius
        dy = (ticks[None, :, None] - scenes.y[rows, None, None]) / radius
        x = dx * torch.cos(angle) + dy * torch.sin(angle)
        y = dy * torch.cos(angle) - dx * torch.sin(angle)
        result[rows] = (0.5 - DISTANCES[name](x, y) * radius * size).clamp(0, 1)
    return result


def draw(scenes, size):
    """Anti-aliased pictures [n, 3, size, size] with values in [-1, 1]."""
    palette = torch.tensor([COLOURS[name] for name in COLOUR_NAMES], device=scenes.x.device)
    paint = (palette[scenes.colour] + scenes.tint[:, 0]).clamp(0, 1)[:, :, None, None]
    ground = (palette[scenes.ground] + scenes.tint[:, 1]).clamp(0, 1)[:, :, None, None]
    alpha = coverage(scenes, size)[:, None]
    return (ground + alpha * (paint - ground)) * 2 - 1


def _article(phrase):
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def _place(x, y, rng):
    column = "left" if x < NEAR else "right" if x > FAR else ""
    row = "top" if y < NEAR else "bottom" if y > FAR else ""
    if row and column:
        return rng.choice([f"in the {row} {column}", f"in the {row} {column} corner", f"at the {row} {column}"])
    if column:
        return rng.choice([f"on the {column}", f"on the {column} side", f"at the {column}"])
    if row:
        return rng.choice([f"at the {row}", f"near the {row}"])
    return rng.choice(["in the middle", "in the centre", "in the center"])


def caption(shape, colour, ground, x, y, radius, rng):
    """One way to ask for the scene; how much it says is left to chance."""
    noun = rng.choice(SHAPE_WORDS.get(shape, [shape]))
    grey = {"gray": rng.choice(["gray", "grey"])}
    colour, ground = grey.get(colour, colour), grey.get(ground, ground)
    size = ""
    if rng.random() < 0.35:
        if radius < SMALL_RADIUS:
            size = rng.choice(["small ", "small ", "little ", "tiny "])
        elif radius > BIG_RADIUS:
            size = rng.choice(["big ", "big ", "large ", "huge "])
    place = " " + _place(x, y, rng) if rng.random() < 0.3 else ""
    back = rng.choice(["background", "background", "ground", "backdrop"])
    thing = f"{size}{colour} {noun}"

    if rng.random() < 0.4:  # the ground is left open
        text = rng.choice([_article(thing), _article(thing), thing, "the " + thing, f"{noun}, {colour}"]) + place
        if rng.random() < 0.1:
            text = f"the {size}{noun}{place} is {colour}"
    else:
        text = rng.choice(
            [
                f"{_article(thing)}{place} on {_article(ground)} {back}",
                f"{_article(thing)}{place} on {_article(ground)} {back}",
                f"{_article(thing)} on {_article(ground)} {back}{place}",
                f"{thing}{place}, {ground} {back}",
                f"{thing}{place} on {ground}",
                f"{_article(thing)}{place} on {ground}",
                f"{_article(thing)}{place} against {_article(ground)} {back}",
                f"{_article(thing)}{place} over {_article(ground)} {back}",
                f"{_article(ground)} {back} with {_article(thing)}{place}",
                f"{ground} {back}, {thing}{place}",
                f"on {_article(ground)} {back}, {_article(thing)}{place}",
                f"{_article(size + noun)} in {colour}{place} on {_article(ground)} {back}",
                f"the {size}{noun}{place} is {colour} and the {back} is {ground}",
            ]
        )
    if rng.random() < 0.12:
        text = rng.choice(["a picture of ", "an image of ", "a drawing of ", "draw ", "there is "]) + text
    if rng.random() < 0.2:
        text = text[0].upper() + text[1:]
    if rng.random() < 0.15:
        text += "."
    return text


def captions(scenes, seed):
    """One caption per scene, in order."""
    rng = random.Random(seed)
    rows = zip(*(getattr(scenes, name).tolist() for name in ("shape", "colour", "ground", "x", "y", "radius")))
    return [caption(SHAPES[s], COLOUR_NAMES[c], COLOUR_NAMES[g], x, y, r, rng) for s, c, g, x, y, r in rows]
