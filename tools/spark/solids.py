"""Solid scenes: up to three objects on a ground under a sky, as batches of numbers, and where a camera sees them."""

from dataclasses import dataclass, fields

import torch

KINDS = ["sphere", "cube", "cylinder", "cone", "torus", "pyramid"]
COLOURS = {
    "red": (0.80, 0.04, 0.04),
    "orange": (0.95, 0.32, 0.02),
    "yellow": (0.95, 0.75, 0.04),
    "green": (0.05, 0.45, 0.08),
    "cyan": (0.05, 0.62, 0.66),
    "blue": (0.04, 0.12, 0.75),
    "purple": (0.25, 0.03, 0.56),
    "pink": (0.97, 0.40, 0.60),
    "white": (0.88, 0.88, 0.88),
    "black": (0.015, 0.015, 0.015),
}
COLOUR_NAMES = list(COLOURS)
FINISHES = ["matte", "shiny", "metal", "glass"]
GROUNDS = ["wood", "checkerboard", "grass", "sand", "water", "marble"]
SKIES = ["noon", "sunset", "night", "fog", "studio"]
SIZES = ["small", "medium", "large"]
RELATIONS = ["left of", "right of", "behind", "in front of", "on top of"]
MOST_OBJECTS = 3

# What no training scene shows: 3 of the 60 pairs of colour and kind, and 8 of the 156 ordered relations between
# kinds. A relation is left out together with its inverse, which is the same scene told the other way round.
HELD_OUT_PAIRS = [("purple", "cone"), ("green", "torus"), ("orange", "pyramid")]
HELD_OUT_RELATIONS = [
    ("cube", "left of", "torus"),
    ("torus", "right of", "cube"),
    ("pyramid", "left of", "cylinder"),
    ("cylinder", "right of", "pyramid"),
    ("cone", "behind", "sphere"),
    ("sphere", "in front of", "cone"),
    ("torus", "on top of", "cube"),
    ("cone", "on top of", "cylinder"),
]

# Per kind, in units of an object's size: its height, half its width, half the depth of its foot and of its top, and
# whether something can stand on it.
HEIGHT = torch.tensor([2.0, 1.7, 1.8, 2.0, 0.64, 1.65])
HALF_WIDTH = torch.tensor([1.0, 1.1, 0.8, 1.0, 1.04, 1.1])
FOOT_DEPTH = torch.tensor([0.35, 1.1, 0.8, 1.0, 0.9, 1.0])
TOP_DEPTH = torch.tensor([0.2, 1.1, 0.8, 0.0, 0.75, 0.0])
FLAT_TOP = torch.tensor([False, True, True, False, False, False])

# The smallest and largest size of each of SIZES; fewer objects are larger.
SIZE_RANGES = torch.tensor([(0.52, 0.64), (0.74, 0.88), (1.0, 1.18)])
SIZE_FACTORS = torch.tensor([1.3, 1.0, 0.9])

CAMERA_DISTANCE = 8.5
AIM = (0.0, 1.15, 0.3)
REACH = 0.36  # tangent of half the angle that the picture's shorter side spans
MOST_COVERED = 0.35  # the largest share of an object's box that one before it may cover


@dataclass
class Solids:
    """A batch of scenes. Objects are [n, MOST_OBJECTS], the rest [n]; x points right, y up, z away from the camera."""

    kind: torch.Tensor
    colour: torch.Tensor
    finish: torch.Tensor
    size_class: torch.Tensor
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

    @property
    def present(self):
        """Which of the MOST_OBJECTS places hold an object, [n, MOST_OBJECTS]."""
        return torch.arange(MOST_OBJECTS, device=self.count.device) < self.count[:, None]


def join(parts):
    return Solids(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Solids)))


def camera_frame(scenes):
    """The camera's place and its unit vectors ahead, right and up, each [n, 3]."""
    turn, lift = scenes.camera[:, :1], scenes.camera[:, 1:]
    eye = torch.cat([CAMERA_DISTANCE * torch.sin(turn), lift, -CAMERA_DISTANCE * torch.cos(turn)], dim=1)
    ahead = torch.nn.functional.normalize(eye.new_tensor(AIM) - eye, dim=1)
    right = torch.stack([ahead[:, 2], torch.zeros_like(ahead[:, 1]), -ahead[:, 0]], dim=1)
    right = torch.nn.functional.normalize(right, dim=1)
    return eye, ahead, right, torch.linalg.cross(ahead, right)


def boxes(scenes):
    """Where the picture shows each object: [n, MOST_OBJECTS, 4], left, right, bottom, top.

    Zero is the picture's centre, one is half its shorter side; up and right are positive. The boxes are close
    estimates, not outlines. Those of absent objects mean nothing.
    """
    kind, size = scenes.kind, scenes.size
    table = {name: values.to(kind.device)[kind] * size for name, values in _extents().items()}
    eye, ahead, right, top = (v[:, None] for v in camera_frame(scenes))

    def project(up, depth):
        at = torch.stack([scenes.x, scenes.y + up, scenes.z + depth], dim=-1) - eye
        return [(at * axis).sum(-1) for axis in (right, top, ahead)]

    zero = torch.zeros_like(size)
    across, _, middle = project(table["height"] / 2, zero)
    corners = [
        project(up, depth)
        for up, depth in ((zero, -table["foot"]), (table["height"], -table["top"]), (table["height"], table["top"]))
    ]
    foot, near, far = (upward / away / REACH for _, upward, away in corners)
    left, right = ((across + side * table["width"]) / middle / REACH for side in (-1, 1))
    return torch.stack([left, right, foot, torch.maximum(near, far)], dim=-1)


def _extents():
    return {"height": HEIGHT, "width": HALF_WIDTH, "foot": FOOT_DEPTH, "top": TOP_DEPTH}


def relations(scenes):
    """Which relations are plain to see: {relation: [n, a, b]}, true where object a is in it to object b.

    A caption may name these; others are unclear, or hold but cannot be read off the picture.
    """
    edges = boxes(scenes)
    centre, half = (edges[..., 0] + edges[..., 1]) / 2, (edges[..., 1] - edges[..., 0]) / 2
    both = scenes.present[:, :, None] & scenes.present[:, None, :] & ~torch.eye(MOST_OBJECTS, dtype=torch.bool)
    standing = torch.zeros_like(both)
    standing[:, 1, 0] = scenes.stacked
    apart = both & ~standing & ~standing.transpose(1, 2)

    def difference(values):
        return values[:, :, None] - values[:, None, :]

    aside, beyond = difference(centre), difference(scenes.z)
    clear = aside.abs() > 0.75 * (half[:, :, None] + half[:, None, :])
    grounded = (scenes.y == 0)[:, :, None] & (scenes.y == 0)[:, None, :]
    deep = grounded & (beyond.abs() > 1.2) & (difference(scenes.x).abs() < beyond.abs())
    return {
        "left of": apart & clear & (aside < 0),
        "right of": apart & clear & (aside > 0),
        "behind": apart & deep & (beyond > 0),
        "in front of": apart & deep & (beyond < 0),
        "on top of": standing,
    }


def is_held_out(scenes):
    """Which scenes show a held-out pair or a held-out relation, [n]."""
    found = torch.zeros(len(scenes), dtype=torch.bool)
    for colour, kind in HELD_OUT_PAIRS:
        match = (scenes.colour == COLOUR_NAMES.index(colour)) & (scenes.kind == KINDS.index(kind))
        found |= (match & scenes.present).any(1)
    holding = relations(scenes)
    for a, relation, b in HELD_OUT_RELATIONS:
        first, second = scenes.kind == KINDS.index(a), scenes.kind == KINDS.index(b)
        found |= (holding[relation] & first[:, :, None] & second[:, None, :]).flatten(1).any(1)
    return found


def sample_solids(count, generator, held_out=False):
    """Draws scenes whose objects are in the picture, apart and hardly hidden.

    Without `held_out` no scene shows what is held out from training; with it a scene may.
    """
    parts, have = [], 0
    while have < count:
        scenes, good = _sample(max(256, min(32768, (count - have) * 5 // 4)), generator)
        if not held_out:
            good &= ~is_held_out(scenes)
        parts.append(scenes[good])
        have += len(parts[-1])
    return join(parts)[slice(count)]


def _sample(count, generator):
    """Scenes and whether each is good to look at."""
    many = (count, MOST_OBJECTS)

    def uniform(low, high, shape):
        return low + (high - low) * torch.rand(*shape, generator=generator)

    def choose(options, shape):
        return torch.randint(len(options), shape, generator=generator)

    def chance(share):
        return torch.rand(count, generator=generator) < share

    kind, colour, finish = choose(KINDS, many), choose(COLOUR_NAMES, many), choose(FINISHES, many)
    size_class = choose(SIZES, many)
    objects = 1 + torch.multinomial(torch.tensor([0.2, 0.35, 0.45]), count, True, generator=generator)
    stacked = (objects > 1) & chance(0.25)
    base = torch.multinomial(FLAT_TOP.float().expand(count, -1), 1, generator=generator).flatten()
    kind[:, 0] = torch.where(stacked, base, kind[:, 0])
    size_class[:, 0] = torch.where(stacked, size_class[:, 0].clamp(min=1), size_class[:, 0])
    size_class[:, 1] = torch.where(stacked, 1, size_class[:, 1])
    alike = ~stacked & chance(0.1)  # so that captions can count them
    for attribute in (kind, colour, finish, size_class):
        attribute[alike] = attribute[alike, :1].expand(-1, MOST_OBJECTS).clone()
    twins = ~stacked & ~alike & chance(0.08)
    for attribute in (kind, colour, finish, size_class):
        attribute[twins, 1] = attribute[twins, 0]

    low, high = SIZE_RANGES[size_class].unbind(-1)
    size = (low + (high - low) * torch.rand(many, generator=generator)) * SIZE_FACTORS[objects - 1][:, None]
    size[:, 1] = torch.where(stacked, size[:, 0] * uniform(0.6, 0.8, (count,)), size[:, 1])
    y = torch.zeros(many)
    y[:, 1] = torch.where(stacked, HEIGHT[kind[:, 0]] * size[:, 0], 0.0)
    side = torch.where(torch.rand(many, generator=generator) < 0.5, -1.0, 1.0)
    scenes = Solids(
        kind=kind,
        colour=colour,
        finish=finish,
        size_class=size_class,
        size=size,
        x=torch.zeros(many),
        y=y,
        z=torch.zeros(many),
        turn=side * uniform(0.2, 0.8, many),  # never square on: two faces show
        tint=uniform(-0.03, 0.03, (*many, 3)),
        count=objects,
        stacked=stacked,
        ground=choose(GROUNDS, (count,)),
        sky=choose(SKIES, (count,)),
        camera=torch.stack([uniform(-0.12, 0.12, (count,)), uniform(2.7, 3.6, (count,))], dim=1),
        seed=uniform(-50.0, 50.0, (count, 2)),
    )
    return scenes, _place(scenes, uniform)


def _place(scenes, uniform, tries=16):
    """Puts each scene's objects where they are seen well; returns which scenes found such places."""
    count = len(scenes)
    narrow = uniform(0, 1, (count,)) < 0.3  # so that one is behind the other more often than beside it
    reach = torch.where(narrow, 1.2, 2.4)
    found = torch.zeros(count, dtype=torch.bool)
    for _ in range(tries):
        x = uniform(-1, 1, (count, MOST_OBJECTS)) * reach[:, None]
        z = uniform(-1.8, 2.8, (count, MOST_OBJECTS))
        x[:, 1] = torch.where(scenes.stacked, x[:, 0], x[:, 1])
        z[:, 1] = torch.where(scenes.stacked, z[:, 0], z[:, 1])
        missing = ~found[:, None]
        scenes.x, scenes.z = torch.where(missing, x, scenes.x), torch.where(missing, z, scenes.z)
        found |= _well_seen(scenes)
    return found


def _well_seen(scenes):
    edges = boxes(scenes)
    inside = ((edges.abs() < 0.96).all(-1) | ~scenes.present).all(1)
    left, right, bottom, top = edges.unbind(-1)
    reach = HALF_WIDTH[scenes.kind] * scenes.size
    for a in range(MOST_OBJECTS):
        for b in range(MOST_OBJECTS):
            if a == b:
                continue
            ignored = (scenes.count <= max(a, b)) | (scenes.stacked if {a, b} == {0, 1} else False)
            apart = torch.hypot(scenes.x[:, a] - scenes.x[:, b], scenes.z[:, a] - scenes.z[:, b])
            width = torch.minimum(right[:, a], right[:, b]) - torch.maximum(left[:, a], left[:, b])
            height = torch.minimum(top[:, a], top[:, b]) - torch.maximum(bottom[:, a], bottom[:, b])
            area = (right[:, a] - left[:, a]) * (top[:, a] - bottom[:, a])
            hidden = width.clamp(min=0) * height.clamp(min=0) > MOST_COVERED * area
            hidden &= scenes.z[:, b] < scenes.z[:, a]
            inside &= ignored | ((apart > reach[:, a] + reach[:, b]) & ~hidden)
    return inside
