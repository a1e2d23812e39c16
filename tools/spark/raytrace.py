"""Renders solid scenes: sphere tracing, one sun with soft shadows, one bounce of reflection, thin glass."""

import math

import torch

from solids import COLOUR_NAMES, COLOURS, MOST_OBJECTS

FAR = 30.0

# One row per sky. Light is linear RGB.
SKY_OVERHEAD = torch.tensor(
    [(0.16, 0.36, 0.78), (0.20, 0.18, 0.42), (0.01, 0.01, 0.04), (0.66, 0.68, 0.70), (0.58, 0.58, 0.60)]
)
SKY_HORIZON = torch.tensor(
    [(0.70, 0.82, 0.95), (0.98, 0.48, 0.18), (0.04, 0.05, 0.13), (0.74, 0.75, 0.76), (0.90, 0.90, 0.90)]
)
SUNLIGHT = torch.tensor(
    [(1.25, 1.20, 1.10), (1.45, 0.72, 0.34), (0.30, 0.36, 0.56), (0.25, 0.25, 0.25), (0.85, 0.85, 0.85)]
)
AMBIENT = torch.tensor(
    [(0.34, 0.40, 0.50), (0.36, 0.27, 0.32), (0.08, 0.09, 0.16), (0.62, 0.63, 0.64), (0.48, 0.48, 0.48)]
)
SUN_DIRECTION = torch.nn.functional.normalize(
    torch.tensor([(-0.5, 1.0, -0.6), (-0.9, 0.34, 0.15), (0.5, 0.8, -0.5), (-0.2, 1.0, -0.3), (-0.6, 0.9, -0.7)]), dim=1
)
# Share of the light that the air takes per unit of distance.
HAZE = torch.tensor([0.004, 0.008, 0.008, 0.045, 0.0])
# One row per ground: how much of a mirror it is.
GROUND_MIRROR = torch.tensor([0.06, 0.10, 0.0, 0.0, 0.45, 0.16])


def _dot(a, b):
    return (a * b).sum(-1, keepdim=True)


class Tracer:
    """Holds a batch of scenes on one device; rays are [n, rays, 3]."""

    def __init__(self, scenes):
        self.scenes = scenes
        device = scenes.x.device
        palette = torch.tensor([COLOURS[name] for name in COLOUR_NAMES], device=device)
        paint = palette[scenes.colour]
        self.paint = (paint + scenes.tint * paint.amax(-1, keepdim=True)).clamp(0, 1)
        tables = (SKY_OVERHEAD, SKY_HORIZON, SUNLIGHT, AMBIENT, SUN_DIRECTION)
        self.sky = [table.to(device)[scenes.sky][:, None] for table in tables]
        self.haze = HAZE.to(device)[scenes.sky][:, None, None]
        self.ground_mirror = GROUND_MIRROR.to(device)[scenes.ground][:, None, None]
        self.present = torch.arange(MOST_OBJECTS, device=device) < scenes.count[:, None]

    def _object_distances(self, points):
        """Signed distance to each object: [n, rays, MOST_OBJECTS]."""
        s = self.scenes
        size = s.size[:, None]
        dx = (points[..., None, 0] - s.x[:, None]) / size
        y = (points[..., None, 1] - s.y[:, None]) / size
        dz = (points[..., None, 2] - s.z[:, None]) / size
        cos, sin = torch.cos(s.turn)[:, None], torch.sin(s.turn)[:, None]
        x, z = dx * cos + dz * sin, dz * cos - dx * sin
        flat = torch.hypot(x, z)
        each = [
            torch.sqrt(x * x + (y - 1) ** 2 + z * z) - 1,
            _rounded(torch.stack([x.abs() - 0.79, (y - 0.85).abs() - 0.79, z.abs() - 0.79]), 0.06),
            _rounded(torch.stack([flat - 0.76, (y - 0.9).abs() - 0.86]), 0.04),
            torch.maximum((2 * flat + y - 2) / math.sqrt(5), -y),
            torch.hypot(flat - 0.72, y - 0.32) - 0.32,
            torch.maximum((1.7 * torch.maximum(x.abs(), z.abs()) + y - 1.7) / math.hypot(1.7, 1), -y),
        ]
        kind = s.kind[:, None].expand_as(flat)
        distance = torch.stack(each).gather(0, kind[None])[0]
        return torch.where(self.present[:, None], distance * size, torch.inf)

    def distance(self, points):
        return self._object_distances(points).amin(-1, keepdim=True)

    def normal(self, points):
        step = 1e-3
        signs = points.new_tensor([(1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)])
        total = sum(sign * self.distance(points + step * sign) for sign in signs)
        return torch.nn.functional.normalize(total, dim=-1)

    def march(self, origin, direction, steps):
        """Distance along each ray to the first object, FAR where there is none."""
        along = torch.full_like(origin[..., :1], 0.02)
        for _ in range(steps):
            along = (along + self.distance(origin + along * direction)).clamp(max=FAR)
        near = self.distance(origin + along * direction) < 0.01 * (1 + 0.1 * along)
        return torch.where(near & (along < FAR), along, FAR)

    def sunlit(self, points, steps=20):
        """How much of the sun each point sees, from 0 to 1, with a penumbra."""
        sun = self.sky[4]
        light = torch.ones_like(points[..., :1])
        along = torch.full_like(light, 0.05)
        for _ in range(steps):
            gap = self.distance(points + along * sun)
            light = torch.minimum(light, 10 * gap / along)
            along = along + gap.clamp(0.04, 0.5)
        light = light.clamp(0, 1)
        return light * light * (3 - 2 * light)

    def background(self, direction):
        overhead, horizon, sunlight, _, sun = self.sky
        height = direction[..., 1:2].clamp(0, 1)
        colour = horizon + (overhead - horizon) * height.sqrt()
        glow = _dot(direction, sun.expand_as(direction)).clamp(0, 1)
        return colour + sunlight * (0.25 * glow**24 + 1.5 * glow**900)

    def ground_colour(self, points):
        x = points[..., 0] + self.scenes.seed[:, :1]
        z = points[..., 2] + self.scenes.seed[:, 1:]
        ground = self.scenes.ground[:, None, None]
        colour = torch.zeros_like(points)
        for index, pattern in enumerate((_wood, _checkerboard, _grass, _sand, _water, _marble)):
            colour = torch.where(ground == index, pattern(x, z), colour)
        return colour

    def shade(self, origin, direction, steps, bounces):
        """Light arriving along each ray."""
        _, horizon, sunlight, ambient, sun = self.sky
        to_object = self.march(origin, direction, steps)
        down = direction[..., 1:2]
        to_ground = torch.where(down < -1e-4, -origin[..., 1:2] / down.clamp(max=-1e-4), FAR).clamp(max=FAR)
        on_object = to_object < to_ground
        along = torch.minimum(to_object, to_ground)
        hit = along < FAR
        points = origin + along * direction
        up = points.new_tensor([0.0, 1.0, 0.0]).expand_as(points)
        normal = torch.where(on_object, self.normal(points), up)

        nearest = self._object_distances(points).argmin(-1)
        paint = self.paint.gather(1, nearest[..., None].expand_as(points))
        finish = self.scenes.finish.gather(1, nearest)[..., None]
        finish = torch.where(on_object, finish, -1)
        albedo = torch.where(on_object, paint, self.ground_colour(points))
        lifted = points + 0.02 * normal
        sun_seen = self.sunlit(lifted) * _dot(normal, sun.expand_as(normal)).clamp(min=0)
        open_sky = (self.distance(lifted + 0.25 * normal) / 0.27).clamp(0.25, 1) * (0.65 + 0.35 * normal[..., 1:2])
        light = albedo * (sunlight * sun_seen + ambient * open_sky)

        half = torch.nn.functional.normalize(sun - direction, dim=-1)
        gleam = _dot(normal, half).clamp(min=0)
        polish = torch.where(finish > 0, gleam**90, 0.0) * (sun_seen > 0)
        if bounces:
            light = self._reflect(light, paint, finish, direction, normal, lifted, points, steps, bounces)
        light = light + 0.9 * polish * sunlight
        clear = torch.exp(-self.haze * along)
        light = horizon + (light - horizon) * clear
        return torch.where(hit, light, self.background(direction))

    def _reflect(self, light, paint, finish, direction, normal, lifted, points, steps, bounces):
        facing = -_dot(direction, normal).clamp(max=0)
        grazing = (1 - facing.clamp(0, 1)) ** 5
        mirrored = torch.nn.functional.normalize(direction + 2 * facing * normal, dim=-1)
        seen = self.shade(lifted, mirrored, steps // 2, bounces - 1)
        amount = torch.where(finish == 1, 0.06 + 0.5 * grazing, 0.0)
        amount = torch.where(finish == 3, 0.08 + 0.8 * grazing, amount)
        amount = torch.where(finish == -1, self.ground_mirror * (0.6 + grazing), amount)
        light = light + amount * (seen - light)
        metal = (0.15 + 0.85 * paint) * seen + 0.25 * light
        light = torch.where(finish == 2, metal, light)
        # Glass: a thick tinted lens that bends the view and shows ground and sky behind it.
        bent = torch.nn.functional.normalize(direction - 0.35 * normal, dim=-1)
        down = bent[..., 1:2].clamp(max=-1e-4)
        behind = torch.where(bent[..., 1:2] < 0, -points[..., 1:2] / down, FAR).clamp(max=FAR)
        through = torch.where(behind < FAR, self.ground_colour(points + behind * bent) * 0.8, self.background(bent))
        glass = (0.35 + 0.65 * paint) * through + 0.15 * light + amount * seen
        return torch.where(finish == 3, glass, light)


def _rounded(excess, radius):
    outside = excess.clamp(min=0).norm(dim=0)
    return outside + excess.amax(0).clamp(max=0) - radius


def _mix(low, high, amount):
    low, high = amount.new_tensor(low), amount.new_tensor(high)
    return low + (high - low) * amount[..., None]


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
    return _mix((0.26, 0.12, 0.05), (0.62, 0.36, 0.17), tone * (1 - 0.7 * seam))


def _checkerboard(x, z):
    return _mix((0.05, 0.05, 0.05), (0.80, 0.80, 0.80), (x.floor() + z.floor()) % 2)


def _grass(x, z):
    return _mix((0.05, 0.17, 0.02), (0.26, 0.48, 0.10), 0.6 * _noise(x * 9, z * 5) + 0.4 * _noise(x * 1.5, z * 1.5))


def _sand(x, z):
    ripple = 0.5 + 0.5 * torch.sin(5 * z + 3 * _noise(x, z))
    return _mix((0.62, 0.47, 0.28), (0.86, 0.72, 0.48), 0.6 * ripple + 0.4 * _noise(x * 12, z * 12))


def _water(x, z):
    wave = 0.5 * _noise(x * 1.5, z * 4) + 0.5 * _noise(x * 3 + 7, z * 8)
    return _mix((0.01, 0.10, 0.20), (0.06, 0.30, 0.42), wave)


def _marble(x, z):
    vein = torch.sin(1.7 * (x + z) + 5 * _noise(x * 0.9, z * 0.9) + 2 * _noise(x * 3, z * 3)).abs()
    return _mix((0.42, 0.43, 0.46), (0.86, 0.85, 0.83), vein.clamp(0, 1) ** 0.5)


@torch.no_grad()
def render(scenes, width, height, samples=2, steps=40):
    """Pictures [n, 3, height, width] in [-1, 1], each pixel the mean of samples x samples rays."""
    device = scenes.x.device
    columns = (torch.arange(width * samples, device=device) + 0.5) / (width * samples) * 2 - 1
    rows = 1 - (torch.arange(height * samples, device=device) + 0.5) / (height * samples) * 2
    reach = 0.29 * torch.tensor([width, height], device=device) / min(width, height)
    across = (columns * reach[0]).repeat(len(rows))
    upward = (rows * reach[1]).repeat_interleave(len(columns))

    turn, lift = scenes.camera[:, :1], scenes.camera[:, 1:]
    eye = torch.cat([8.5 * torch.sin(turn), lift, -8.5 * torch.cos(turn)], dim=1)
    ahead = torch.nn.functional.normalize(eye.new_tensor([0.0, 0.8, 0.3]) - eye, dim=1)
    right = torch.stack([ahead[:, 2], torch.zeros_like(ahead[:, 1]), -ahead[:, 0]], dim=1)
    right = torch.nn.functional.normalize(right, dim=1)
    top = torch.linalg.cross(ahead, right)
    direction = ahead[:, None] + across[None, :, None] * right[:, None] + upward[None, :, None] * top[:, None]
    direction = torch.nn.functional.normalize(direction, dim=-1)
    light = Tracer(scenes).shade(eye[:, None].expand_as(direction), direction, steps, bounces=1)
    picture = (light.clamp(min=0) / (1 + 0.18 * light.clamp(min=0))).clamp(0, 1) ** (1 / 2.2)
    picture = picture.view(len(scenes), height * samples, width * samples, 3).permute(0, 3, 1, 2)
    return torch.nn.functional.avg_pool2d(picture, samples) * 2 - 1
