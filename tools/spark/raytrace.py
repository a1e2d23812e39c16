"""Renders solid scenes: sphere tracing, one sun with soft shadows, one bounce of reflection, thin glass."""

import functools
import math
from typing import NamedTuple

import torch

from solids import COLOUR_NAMES, COLOURS, REACH, camera_frame

FAR = 40.0
CHUNK = 16384  # rays
BATCH_CHUNKS = 720
CORNERS = ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1))  # of a tetrahedron
CORNER_SIZE = 2e-3

# One row per sky. Light is linear RGB.
SKY_OVERHEAD = torch.tensor(
    [(0.10, 0.28, 0.72), (0.16, 0.15, 0.42), (0.012, 0.016, 0.06), (0.62, 0.65, 0.69), (0.42, 0.43, 0.46)]
)
SKY_HORIZON = torch.tensor(
    [(0.66, 0.82, 0.98), (1.05, 0.46, 0.16), (0.07, 0.09, 0.22), (0.72, 0.74, 0.76), (0.92, 0.91, 0.90)]
)
SUNLIGHT = torch.tensor(
    [(1.35, 1.28, 1.15), (1.42, 1.00, 0.70), (0.66, 0.69, 0.79), (0.34, 0.34, 0.34), (1.0, 0.98, 0.95)]
)
AMBIENT = torch.tensor(
    [(0.34, 0.40, 0.50), (0.38, 0.33, 0.36), (0.22, 0.23, 0.29), (0.62, 0.63, 0.64), (0.46, 0.46, 0.47)]
)
SUN_DIRECTION = torch.nn.functional.normalize(
    torch.tensor([(-0.5, 1.0, -0.6), (-0.9, 0.42, -0.25), (0.5, 0.8, -0.6), (-0.2, 1.0, -0.3), (-0.6, 0.9, -0.7)]),
    dim=1,
)
# Share of the light that the air takes per unit of distance beyond the foreground.
HAZE = torch.tensor([0.015, 0.02, 0.03, 0.13, 0.08])
FOREGROUND = 9.0
CLOUDS = torch.tensor([0.9, 0.5, 0.0, 0.0, 0.0])
STARS = torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0])
# One row per ground: how much of a mirror it is, and how far its ripples bend what it mirrors.
GROUND_MIRROR = torch.tensor([0.10, 0.14, 0.0, 0.0, 0.45, 0.22])
GROUND_RIPPLE = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.05, 0.0])


class World(NamedTuple):
    """A batch of n scenes as a renderer needs them. Vectors and colours are [3, n, ...], so that they split cheaply."""

    objects: torch.Tensor  # [7, objects, n, 1]: x, foot, z, size, cosine and sine of the turn, kind
    paint: torch.Tensor  # [objects, 3, n, 1]
    finish: torch.Tensor  # [objects, n, 1]
    overhead: torch.Tensor
    horizon: torch.Tensor
    sunlight: torch.Tensor
    ambient: torch.Tensor
    sun: torch.Tensor
    air: torch.Tensor  # [3, n, 1]: haze, clouds, stars
    mirror: torch.Tensor  # [n, 1]
    ripple: torch.Tensor
    seed: torch.Tensor  # [2, n, 1]
    ground: torch.Tensor


def make_world(scenes):
    device = scenes.x.device
    palette = torch.tensor([COLOURS[name] for name in COLOUR_NAMES], device=device)
    paint = palette[scenes.colour]
    paint = (paint + scenes.tint * paint.amax(-1, keepdim=True)).clamp(0, 1)
    size = torch.where(scenes.present, scenes.size, 1.0)
    foot = torch.where(scenes.present, scenes.y, -100.0)  # an absent object is far below the ground
    places = (scenes.x, foot, scenes.z, size, torch.cos(scenes.turn), torch.sin(scenes.turn), scenes.kind.float())

    def row(table, which):
        return table.to(device)[which].view(len(scenes), 1, -1).permute(2, 0, 1).contiguous()

    skies = (SKY_OVERHEAD, SKY_HORIZON, SUNLIGHT, AMBIENT, SUN_DIRECTION, torch.stack([HAZE, CLOUDS, STARS], dim=1))
    return World(
        torch.stack([p.T for p in places])[..., None].contiguous(),
        paint.permute(1, 2, 0)[..., None].contiguous(),
        scenes.finish.T[..., None].float().contiguous(),
        *(row(table, scenes.sky) for table in skies),
        row(GROUND_MIRROR, scenes.ground)[0],
        row(GROUND_RIPPLE, scenes.ground)[0],
        scenes.seed.T[..., None].contiguous(),
        scenes.ground[:, None].float(),
    )


def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _unit(v):
    return v * torch.rsqrt(_dot(v, v).clamp(min=1e-12))


def _object_distances(objects, points):
    """Signed distance from each point to each object, a list of [n, rays]."""
    distances = []
    for place in objects.unbind(1):
        px, py, pz, size, cos, sin, kind = place
        dx, y, dz = (points[0] - px) / size, (points[1] - py) / size, (points[2] - pz) / size
        x, z = dx * cos + dz * sin, dz * cos - dx * sin
        ax, az = x.abs(), z.abs()
        flat2 = x * x + z * z
        flat = flat2.sqrt()
        sphere = torch.sqrt(flat2 + (y - 1) ** 2) - 1
        bx, by, bz = ax - 0.79, (y - 0.85).abs() - 0.79, az - 0.79
        cube = torch.sqrt(bx.clamp(min=0) ** 2 + by.clamp(min=0) ** 2 + bz.clamp(min=0) ** 2)
        cube = cube + torch.maximum(torch.maximum(bx, by), bz).clamp(max=0) - 0.06
        cx, cy = flat - 0.75, (y - 0.9).abs() - 0.85
        cylinder = torch.sqrt(cx.clamp(min=0) ** 2 + cy.clamp(min=0) ** 2) + torch.maximum(cx, cy).clamp(max=0) - 0.05
        cone = torch.maximum((2 * flat + y - 2) / math.sqrt(5), -y)
        torus = torch.sqrt((flat - 0.72) ** 2 + (y - 0.32) ** 2) - 0.32
        slope = 1.65 / 0.92
        pyramid = torch.maximum((slope * torch.maximum(ax, az) + y - 1.65) / math.hypot(slope, 1), -y)
        distance = torch.where(kind == 0, sphere, torch.where(kind == 1, cube, cylinder))
        distance = torch.where(kind == 3, cone, torch.where(kind == 4, torus, distance))
        distances.append(torch.where(kind == 5, pyramid, distance) * size)
    return distances


def _distance(objects, points):
    return functools.reduce(torch.minimum, _object_distances(objects, points))


def _advance(objects, origin, direction, along):
    return (along + _distance(objects, origin + along * direction)).clamp(max=FAR)


def _darken(objects, points, sun, light, along):
    gap = _distance(objects, points + along * sun)
    return torch.minimum(light, 8 * gap / along), along + gap.clamp(0.05, 0.6)


def _meet(world, origin, direction, along, gap):
    """Which rays meet an object, and where they or the ground end: distance, whether on an object, point."""
    near = (gap < 0.01 * (1 + 0.1 * along)) & (along < FAR)
    down = direction[1]
    to_ground = torch.where(down < -1e-4, -origin[1] / down.clamp(max=-1e-4), FAR).clamp(max=FAR)
    along = torch.where(near, along, FAR)
    on_object = along < to_ground
    along = torch.minimum(along, to_ground)
    return along, on_object, origin + along * direction


def _gap(objects, points, offset):
    return _distance(objects, points + offset)


def _normal(world, on_object, points, gaps):
    """The normal at each point, from the distances at the corners of a tiny tetrahedron around it."""
    total = 0
    for corner, gap in zip(CORNERS, gaps):
        total = total + torch.stack([sign * gap for sign in corner])
    x, z = points[0] + world.seed[0], points[2] + world.seed[1]
    tilt = world.ripple * (_noise(x * 2.5, z * 5) - 0.5), world.ripple * (_noise(x * 2.5 + 9, z * 5) - 0.5)
    flat = _unit(torch.stack([tilt[0], torch.ones_like(x), tilt[1]]))
    normal = torch.where(on_object, _unit(total), flat)
    return normal, points + 0.02 * normal


def _background(world, direction):
    height = direction[1].clamp(0, 1)
    colour = world.horizon + (world.overhead - world.horizon) * (1 - (1 - height) ** 3)
    _, clouds, stars = world.air
    flat = 1 / (height + 0.12)
    x, z = direction[0] * flat * 2 + world.seed[0], direction[2] * flat * 2 + world.seed[1]
    cover = 0.6 * _noise(x, z) + 0.3 * _noise(2 * x, 2 * z) + 0.1 * _noise(5 * x, 5 * z)
    cover = clouds * ((cover - 0.45) * 3).clamp(0, 1) * (height * 5).clamp(0, 1)
    colour = colour + cover * (0.75 * world.sunlight + 0.15 - colour)
    u, v = direction[0] * 70, direction[1] * 70
    star = _hash(u.floor() + world.seed[0].floor(), v.floor())
    around = ((u - u.floor() - 0.5) ** 2 + (v - v.floor() - 0.5) ** 2).clamp(max=0.25)
    colour = colour + stars * torch.where(star > 0.97, (1 - 4 * around) ** 2, 0.0) * (height * 6).clamp(0, 1)
    glow = _dot(direction, world.sun).clamp(0, 1)
    return colour + world.sunlight * (0.25 * glow**24 + 1.5 * glow**900)


def _ground_colour(world, points):
    x, z = points[0] + world.seed[0], points[2] + world.seed[1]
    colour = _wood(x, z)
    for index, pattern in enumerate((_checkerboard, _grass, _sand, _water, _marble)):
        colour = torch.where(world.ground == index + 1, pattern(x, z), colour)
    return colour


def _light(world, direction, on_object, points, normal, ground, gap, shadow):
    """Light that comes straight off each point, and the paint and finish there; a finish of -1 is the ground."""
    distances = _object_distances(world.objects, points)
    nearest = functools.reduce(torch.minimum, distances)
    paint, finish = world.paint[0] + torch.zeros_like(points), world.finish[0] + torch.zeros_like(nearest)
    for index in (1, 2):
        here = distances[index] == nearest
        paint = torch.where(here, world.paint[index], paint)
        finish = torch.where(here, world.finish[index], finish)
    finish = torch.where(on_object, finish, -1.0)
    albedo = torch.where(on_object, paint, ground)
    open_sky = (gap / 0.27).clamp(0.25, 1) * (0.65 + 0.35 * normal[1])
    shadow = shadow.clamp(0, 1)
    sun_seen = shadow * shadow * (3 - 2 * shadow) * _dot(normal, world.sun).clamp(min=0)
    light = albedo * (world.sunlight * sun_seen + world.ambient * open_sky)
    half = _unit(world.sun - direction)
    gleam = torch.where(finish > 0, _dot(normal, half).clamp(min=0) ** 160, 0.0) * (sun_seen > 0)
    return light, paint, finish, 0.6 * gleam * world.sunlight


def _through_air(world, light, along, sky):
    clear = torch.exp(-world.air[0] * (along - FOREGROUND).clamp(min=0))
    return torch.where(along < FAR, world.horizon + (light - world.horizon) * clear, sky)


def _mirrored(direction, normal):
    return _unit(direction - 2 * _dot(direction, normal).clamp(max=0) * normal)


def _bend(world, direction, points, normal):
    """Where a ray that glass bends meets the ground: distance and point."""
    bent = _unit(direction - 0.35 * normal)
    behind = torch.where(bent[1] < 0, -points[1] / bent[1].clamp(max=-1e-4), FAR).clamp(max=FAR)
    return behind, points + behind * bent


def _mirror(world, light, paint, finish, direction, normal, seen, behind, ground):
    """Light with what mirrors: `seen` in a mirror, and `ground` seen through glass."""
    facing = -_dot(direction, normal).clamp(max=0)
    grazing = (1 - facing.clamp(0, 1)) ** 5
    amount = torch.where(finish == 1, 0.06 + 0.5 * grazing, 0.0)
    amount = torch.where(finish == 3, 0.08 + 0.7 * grazing, amount)
    amount = torch.where(finish == -1, world.mirror * (0.6 + grazing), amount)
    light = light + amount * (seen - light)
    metal = (0.04 + 0.96 * paint) * (0.6 * seen + 0.15) + 0.45 * light
    light = torch.where(finish == 2, metal, light)
    # Glass: a thick tinted lens that bends the view and shows ground and sky behind it.
    below = ground * (world.sunlight * 0.5 + world.ambient * 0.8)
    through = torch.where(behind < FAR, below, world.horizon)
    glass = (0.05 + 0.95 * paint) * (0.6 * through + 0.28 * (world.sunlight + world.ambient)) + 0.15 * light
    return torch.where(finish == 3, glass + amount * seen, light)


def _mix(low, high, amount):
    return torch.stack([a + (b - a) * amount for a, b in zip(low, high)])


def _hash(x, z):
    value = torch.sin(x * 12.9898 + z * 78.233) * 437.585
    return value - value.floor()


def _noise(x, z):
    """Smooth random values in [0, 1] that vary over a unit length."""
    column, row = x.floor(), z.floor()
    u, v = x - column, z - row
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    near = _hash(column, row) * (1 - u) + _hash(column + 1, row) * u
    far = _hash(column, row + 1) * (1 - u) + _hash(column + 1, row + 1) * u
    return near * (1 - v) + far * v


def _wood(x, z):
    plank = (z / 0.8).floor()
    grain = _noise(x * 0.7 + 17 * plank, z * 14)
    tone = 0.55 * grain + 0.45 * _hash(plank, plank * 3)
    seam = ((z / 0.8 - plank - 0.5).abs() > 0.48).float()
    return _mix((0.24, 0.11, 0.045), (0.58, 0.33, 0.16), tone * (1 - 0.7 * seam))


def _checkerboard(x, z):
    return _mix((0.05, 0.05, 0.05), (0.75, 0.75, 0.75), (x.floor() + z.floor()) % 2)


def _grass(x, z):
    return _mix((0.04, 0.14, 0.015), (0.20, 0.40, 0.07), 0.6 * _noise(x * 9, z * 5) + 0.4 * _noise(x * 1.5, z * 1.5))


def _sand(x, z):
    ripple = 0.5 + 0.5 * torch.sin(5 * z + 3 * _noise(x, z))
    return _mix((0.58, 0.44, 0.26), (0.80, 0.66, 0.44), 0.6 * ripple + 0.4 * _noise(x * 12, z * 12))


def _water(x, z):
    wave = 0.5 * _noise(x * 1.5, z * 4) + 0.5 * _noise(x * 3 + 7, z * 8)
    return _mix((0.01, 0.10, 0.18), (0.05, 0.26, 0.38), wave)


def _marble(x, z):
    vein = torch.sin(1.7 * (x + z) + 5 * _noise(x * 0.9, z * 0.9) + 2 * _noise(x * 3, z * 3)).abs()
    return _mix((0.40, 0.41, 0.44), (0.80, 0.79, 0.77), vein.clamp(0, 1) ** 0.5)


@functools.cache
def _compiled(function):
    return torch.compile(function, dynamic=False)


def _trace(world, origin, direction, steps, run, bounces=1):
    """Light along each ray, [3, n, rays]; `run` makes each of the functions above as fast as it can be.

    The functions are cut so that what is needed several times is compiled once.
    """
    along = torch.full_like(direction[0], 0.02)
    for _ in range(steps):
        along = run(_advance)(world.objects, origin, direction, along)
    gap = run(_gap)(world.objects, origin, along * direction)
    along, on_object, points = run(_meet)(world, origin, direction, along, gap)
    offsets = points.new_tensor(CORNERS)[:, :, None, None] * CORNER_SIZE
    gaps = [run(_gap)(world.objects, points, offset + torch.zeros_like(points)) for offset in offsets]
    normal, lifted = run(_normal)(world, on_object, points, gaps)
    gap = run(_gap)(world.objects, lifted, 0.25 * normal)
    shadow, along_sun = torch.ones_like(along), torch.full_like(along, 0.06)
    for _ in range(20 if bounces else 10):
        shadow, along_sun = run(_darken)(world.objects, lifted, world.sun, shadow, along_sun)
    ground = run(_ground_colour)(world, points)
    light, paint, finish, gleam = run(_light)(world, direction, on_object, points, normal, ground, gap, shadow)
    if bounces:
        mirrored = run(_mirrored)(direction, normal)
        seen = _trace(world, lifted, mirrored, steps // 2, run, bounces - 1)
        behind, beneath = run(_bend)(world, direction, points, normal)
        beneath = run(_ground_colour)(world, beneath)
        light = run(_mirror)(world, light, paint, finish, direction, normal, seen, behind, beneath)
    return run(_through_air)(world, light + gleam, along, run(_background)(world, direction))


def _develop(light, shape, samples):
    """Tone, gamma and the mean of each pixel's samples."""
    light = light.clamp(min=0)
    picture = (1.1 * light / (1 + 0.25 * light)).clamp(0, 1) ** (1 / 2.2)
    n, height, width = shape
    picture = picture.view(3, n, height, samples, width, samples).mean((3, 5))
    return picture.transpose(0, 1) * 2 - 1


def _chunks(rays):
    """Into how many rows a picture's rays are cut, so that pictures of all sizes share what is compiled."""
    return rays // CHUNK if rays % CHUNK == 0 else 1


def batch_size(width, height, samples=2):
    """How many pictures to render at once on a GPU: always the same number of rays."""
    return max(1, BATCH_CHUNKS // _chunks(width * height * samples**2))


@torch.no_grad()
def render(scenes, width, height, samples=2, steps=40, compiled=False):
    """Pictures [n, 3, height, width] in [-1, 1], each pixel the mean of samples x samples rays.

    `compiled` takes a minute at the first call and is then several times as fast; it pays for batch_size() pictures
    at a time.
    """
    device, n = scenes.x.device, len(scenes)
    columns = (torch.arange(width * samples, device=device) + 0.5) / (width * samples) * 2 - 1
    rows = 1 - (torch.arange(height * samples, device=device) + 0.5) / (height * samples) * 2
    across = (REACH * width / min(width, height) * columns).repeat(len(rows))
    upward = (REACH * height / min(width, height) * rows).repeat_interleave(len(columns))
    chunks = _chunks(len(across))
    eye, ahead, right, top = (v.T[..., None] for v in camera_frame(scenes))
    direction = _unit(ahead + across * right + upward * top).reshape(3, n * chunks, -1).contiguous()
    origin = eye.repeat_interleave(chunks, 1).expand_as(direction).contiguous()
    world = make_world(scenes[torch.arange(n, device=device).repeat_interleave(chunks)])
    light = _trace(world, origin, direction, steps, _compiled if compiled else lambda function: function)
    return _develop(light, (n, height, width), samples)
