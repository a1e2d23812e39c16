"""Solid scenes: up to three objects on a ground under a sky, as batches of numbers."""

from dataclasses import dataclass, fields

import torch

KINDS = ["sphere", "cube", "cylinder", "cone", "torus", "pyramid"]
COLOURS = {
    "red": (0.80, 0.06, 0.06),
    "orange": (0.92, 0.38, 0.03),
    "yellow": (0.93, 0.75, 0.05),
    "green": (0.06, 0.45, 0.10),
    "blue": (0.05, 0.16, 0.72),
    "purple": (0.32, 0.07, 0.50),
    "pink": (0.92, 0.36, 0.56),
    "white": (0.88, 0.88, 0.88),
    "gray": (0.30, 0.30, 0.30),
    "black": (0.02, 0.02, 0.02),
}
COLOUR_NAMES = list(COLOURS)
FINISHES = ["matte", "shiny", "metal", "glass"]
GROUNDS = ["wood", "checkerboard", "grass", "sand", "water", "marble"]
SKIES = ["noon", "sunset", "night", "fog", "studio"]
MOST_OBJECTS = 3

# Height of each kind in units of its size, and whether something can stand on it.
HEIGHTS = torch.tensor([2.0, 1.7, 1.8, 2.0, 0.64, 1.7])
FLAT_TOP = torch.tensor([False, True, True, False, False, False])


@dataclass
class Solids:
    """A batch of scenes. Objects are [n, MOST_OBJECTS], the rest [n]; x points right, y up, z away from the camera."""

    kind: torch.Tensor
    colour: torch.Tensor
    finish: torch.Tensor
    size: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor  # the height of the object's foot: above zero for what stands on another object
    z: torch.Tensor
    turn: torch.Tensor
    tint: torch.Tensor  # [n, MOST_OBJECTS, 3]
    count: torch.Tensor
    stacked: torch.Tensor  # object 1 stands on object 0
    ground: torch.Tensor
    sky: torch.Tensor
    camera: torch.Tensor  # [n, 2], turn and height
    seed: torch.Tensor  # [n, 2], where in the ground's pattern the scene lies

    def to(self, device):
        return Solids(*(getattr(self, f.name).to(device) for f in fields(self)))

    def __getitem__(self, rows):
        return Solids(*(getattr(self, f.name)[rows] for f in fields(self)))

    def __len__(self):
        return len(self.count)


def sample_solids(count, generator):
    """Draws scenes whose objects keep clear of each other and of the picture's edge."""
    many = (count, MOST_OBJECTS)

    def uniform(low, high, shape):
        return low + (high - low) * torch.rand(*shape, generator=generator)

    def choose(options, shape):
        return torch.randint(len(options), shape, generator=generator)

    kind = choose(KINDS, many)
    objects = 1 + torch.randint(MOST_OBJECTS, (count,), generator=generator)
    largest = torch.tensor([1.25, 0.95, 0.8])[objects - 1]
    size = uniform(0.55, 1.0, many) * largest[:, None]
    stacked = (objects > 1) & (torch.rand(count, generator=generator) < 0.35)
    base = torch.multinomial(FLAT_TOP.float().expand(count, -1), 1, generator=generator).flatten()
    kind[:, 0] = torch.where(stacked, base, kind[:, 0])
    size[:, 0] = torch.where(stacked, size[:, 0].clamp(min=0.75), size[:, 0])
    size[:, 1] = torch.where(stacked, size[:, 0] * uniform(0.5, 0.75, (count,)), size[:, 1])

    colour, finish = choose(COLOUR_NAMES, many), choose(FINISHES, many)
    alike = ~stacked & (torch.rand(count, generator=generator) < 0.1)  # so that captions can count them
    for attribute in (kind, colour, finish):
        attribute[alike] = attribute[alike, :1].expand(-1, MOST_OBJECTS).clone()

    x, z = _places(size, objects, stacked, uniform)
    y = torch.zeros(many)
    y[:, 1] = torch.where(stacked, HEIGHTS[kind[:, 0]] * size[:, 0], y[:, 1])
    return Solids(
        kind=kind,
        colour=colour,
        finish=finish,
        size=size,
        x=x,
        y=y,
        z=z,
        turn=uniform(-0.8, 0.8, many),
        tint=uniform(-0.04, 0.04, (*many, 3)),
        count=objects,
        stacked=stacked,
        ground=choose(GROUNDS, (count,)),
        sky=choose(SKIES, (count,)),
        camera=torch.stack([uniform(-0.12, 0.12, (count,)), uniform(2.2, 3.4, (count,))], dim=1),
        seed=uniform(-50.0, 50.0, (count, 2)),
    )


def _places(size, objects, stacked, uniform, tries=24):
    """Places on the ground: of several random layouts the one whose objects keep furthest apart."""
    count = len(objects)
    layouts_x = uniform(-2.3, 2.3, (tries, count, MOST_OBJECTS))
    layouts_z = uniform(-1.4, 1.8, (tries, count, MOST_OBJECTS))
    alone = (objects == 1)[None, :, None]
    layouts_x = torch.where(alone, layouts_x * 0.4, layouts_x)
    layouts_x[:, stacked, 1] = layouts_x[:, stacked, 0]
    layouts_z[:, stacked, 1] = layouts_z[:, stacked, 0]
    gap = torch.full((tries, count), float("inf"))
    for a in range(MOST_OBJECTS):
        for b in range(a):
            apart = torch.hypot(layouts_x[..., a] - layouts_x[..., b], layouts_z[..., a] - layouts_z[..., b])
            clear = apart - 1.2 * (size[:, a] + size[:, b])
            ignored = (objects <= a) | (stacked if (a, b) == (1, 0) else torch.zeros_like(stacked))
            gap = torch.minimum(gap, torch.where(ignored, torch.inf, clear))
    best = gap.argmax(dim=0)
    rows = torch.arange(count)
    return layouts_x[best, rows], layouts_z[best, rows]
