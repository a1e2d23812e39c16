"""How people would ask for a solid scene: objects, relations, ground and light, in many wordings."""

import random

from solids import COLOUR_NAMES, FINISHES, GROUNDS, KINDS, SIZES, SKIES, boxes, relations

KIND_WORDS = {
    "sphere": ["sphere", "sphere", "sphere", "ball"],
    "cube": ["cube", "cube", "cube", "box", "block"],
    "cylinder": ["cylinder"],
    "cone": ["cone"],
    "torus": ["torus", "torus", "donut", "ring"],
    "pyramid": ["pyramid"],
}
COLOUR_WORDS = {"cyan": ["cyan", "cyan", "turquoise"], "purple": ["purple", "purple", "violet"]}
FINISH_WORDS = {"matte": ["matte"], "shiny": ["shiny", "glossy"], "metal": ["metal", "metallic"], "glass": ["glass"]}
SIZE_WORDS = {"small": ["small", "small", "little", "tiny"], "large": ["large", "big"]}
GROUND_WORDS = {
    "wood": ["on a wooden floor", "on wood", "on wooden planks"],
    "checkerboard": ["on a checkerboard", "on a checkered floor", "on a checkerboard floor"],
    "grass": ["on grass", "on green grass", "in a meadow"],
    "sand": ["on sand", "on a sandy beach", "in the desert"],
    "water": ["on water", "on the sea", "on a lake"],
    "marble": ["on marble", "on a marble floor", "on white marble"],
}
SKY_WORDS = {
    "noon": ["at noon", "under a blue sky", "in sunlight"],
    "sunset": ["at sunset", "under an orange sky", "at dusk"],
    "night": ["at night", "in the dark", "under a night sky", "under the stars"],
    "fog": ["in fog", "in the mist", "on a foggy day"],
    "studio": ["in a studio", "in studio light", "against a plain backdrop"],
}
RELATION_WORDS = {
    "left of": ["to the left of", "left of", "on the left of"],
    "right of": ["to the right of", "right of", "on the right of"],
    "behind": ["behind"],
    "in front of": ["in front of"],
    "on top of": ["on top of", "on", "standing on"],
}
ASIDE_WORDS = {
    "left of": ["to its left", "on its left"],
    "right of": ["to its right", "on its right"],
    "behind": ["behind it"],
    "in front of": ["in front of it"],
    "on top of": ["on top", "on it", "on top of it"],
}
INVERSE = {"left of": "right of", "right of": "left of", "behind": "in front of", "in front of": "behind"}
COLOURS_SPOKEN = {*COLOUR_NAMES, *(word for words in COLOUR_WORDS.values() for word in words)}
COUNT_WORDS = ["", "a", "two", "three"]
OPENINGS = ["a picture of ", "an image of ", "a photo of ", "a render of ", "there is "]


def describe(scenes):
    """Each scene as plain words, which is what a caption is made from."""
    middle = boxes(scenes)[..., :2].mean(-1).tolist()
    holding = [[] for _ in range(len(scenes))]
    for name, where in relations(scenes).items():
        for row, a, b in where.nonzero().tolist():
            holding[row].append((a, name, b))
    columns = [getattr(scenes, name).tolist() for name in ("count", "kind", "colour", "finish", "size_class")]
    places = zip(*columns, scenes.stacked.tolist(), scenes.ground.tolist(), scenes.sky.tolist())
    result = []
    for row, (count, kind, colour, finish, size, stacked, ground, sky) in enumerate(places):
        result.append(
            {
                "kind": [KINDS[i] for i in kind[:count]],
                "colour": [COLOUR_NAMES[i] for i in colour[:count]],
                "finish": [FINISHES[i] for i in finish[:count]],
                "size": ["" if stacked and i == 1 else SIZES[size[i]] for i in range(count)],
                "middle": middle[row][:count],
                "relations": holding[row],
                "ground": GROUNDS[ground],
                "sky": SKIES[sky],
            }
        )
    return result


def _with_article(phrase):
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def _plural(phrase):
    return phrase + ("es" if phrase.endswith(("x", "s")) else "s")


def _noun(scene, index, style, rng):
    """One object without its article; `style` says what this caption tells of its objects."""
    colour, finish, kind, size = (scene[key][index] for key in ("colour", "finish", "kind", "size"))
    words = []
    if style["sizes"] and size in SIZE_WORDS:
        words.append(rng.choice(SIZE_WORDS[size]))
    paint = []
    if style["finishes"] and (finish != "matte" or rng.random() < 0.4):
        paint.append(rng.choice(FINISH_WORDS[finish]))
    if style["colours"]:
        paint.append(rng.choice(COLOUR_WORDS.get(colour, [colour])))
    if rng.random() < 0.3:
        paint.reverse()
    return " ".join([*words, *paint, rng.choice(KIND_WORDS[kind])])


def _listed(names, rng):
    *most, last = names
    if not most:
        return last
    between = rng.choice([" and ", " and ", " and ", ", ", " next to " if len(most) == 1 else ", and "])
    return ", ".join(most) + between + last


def _groups(scene, order, style, rng):
    """Names of all objects, those of one colour and kind counted together."""
    alike = {}
    for i in order:
        alike.setdefault((scene["colour"][i], scene["kind"][i], scene["finish"][i], scene["size"][i]), []).append(i)
    names = []
    for members in alike.values():
        noun = _noun(scene, members[0], style, rng)
        names.append(_with_article(noun) if len(members) == 1 else f"{COUNT_WORDS[len(members)]} {_plural(noun)}")
    return names


def _short(name):
    """An object named before, told by its colour and kind alone."""
    *words, noun = name.split()[1:]
    return " ".join(["the", *(word for word in words if word in COLOURS_SPOKEN), noun])


def _pair(relation, a, b, rng):
    """Object a in a relation to object b."""
    form = rng.random()
    words = rng.choice(RELATION_WORDS[relation])
    if form < 0.18:
        return f"{b} with {a} {rng.choice(ASIDE_WORDS[relation])}"
    if form < 0.26:
        return f"{a} is {words} {b}"
    if form < 0.32 and not words.startswith("standing"):
        return f"{a} standing {words} {b}"
    if form < 0.38 and words != "on":
        return f"{words} {b}, {a}"
    return f"{a} {words} {b}"


def _related(scene, order, names, rng):
    """Objects joined by relations that hold, or None where none is plain."""
    found = scene["relations"]
    if not found:
        return None
    on_top = [r for r in found if r[1] == "on top of"]
    a, relation, b = on_top[0] if on_top and rng.random() < 0.8 else rng.choice(found)
    text = _pair(relation, names[a], names[b], rng)
    rest = [i for i in order if i not in (a, b)]
    if not rest:
        return text
    c = rest[0]
    between = {(a, "left of"), (a, "right of")} <= {(x, r) for x, r, _ in found}
    if between and relation in ("left of", "right of") and (a, INVERSE[relation], c) in found and rng.random() < 0.4:
        return f"{names[a]} between {names[b]} and {names[c]}"
    more = [r for r in found if r[0] == c]
    if more and rng.random() < 0.4:
        _, second, other = rng.choice(more)
        again = rng.choice(RELATION_WORDS[second])
        known = _short(names[other]) if rng.random() < 0.7 else f"the {names[other].split(' ', 1)[1]}"
        return text + rng.choice([" and ", ", and "]) + f"{names[c]} {again} {known}"
    return text + rng.choice([" and ", " and ", ", ", " with ", ", and "]) + names[c]


def _objects(scene, style, rng):
    order = list(range(len(scene["kind"])))
    rng.shuffle(order)
    if len(order) == 1:
        name = _noun(scene, 0, style, rng)
        name = name if style["bare"] else _with_article(name)
        middle = scene["middle"][0]
        if rng.random() < 0.3:
            if abs(middle) > 0.35:
                return f"{name} on the {'left' if middle < 0 else 'right'}"
            if abs(middle) < 0.12:
                return f"{name} in the {rng.choice(['middle', 'centre', 'center'])}"
        return name
    if style["bare"]:
        return _listed([_noun(scene, i, style, rng) for i in order], rng)
    if rng.random() < 0.75:
        names = {i: _with_article(_noun(scene, i, style, rng)) for i in order}
        text = _related(scene, order, names, rng)
        if text:
            return text
    return _listed(_groups(scene, order, style, rng), rng)


def caption(scene, rng):
    """One way to ask for the scene. It names every object; ground, light, finish and size are often left open."""
    style = {
        "sizes": rng.random() < 0.3,
        "finishes": rng.random() < 0.5,
        "colours": rng.random() < 0.96,
        "bare": rng.random() < 0.1,
    }
    text = _objects(scene, style, rng)
    ground = rng.choice(GROUND_WORDS[scene["ground"]]) if rng.random() < 0.55 else ""
    sky = rng.choice(SKY_WORDS[scene["sky"]]) if rng.random() < 0.5 else ""
    form = rng.random()
    if form < 0.65:
        text = " ".join(part for part in (text, ground, sky) if part)
    elif form < 0.85:
        text = ", ".join(part for part in (text, ground, sky) if part)
    else:
        text = ", ".join(part for part in (" ".join(p for p in (sky, ground) if p), text) if part)
    if form < 0.85 and rng.random() < 0.12:
        text = rng.choice(OPENINGS) + text
    if rng.random() < 0.2:
        text = text[0].upper() + text[1:]
    return text + ("." if rng.random() < 0.15 else "")


def same(text):
    """What two prompts share that ask for the same in the same words."""
    return text.lower().rstrip(".")


def captions(scenes, seed, each=1, unwanted=()):
    """`each` captions for every scene, those of a scene next to each other, none the `same` as an unwanted one."""
    rng = random.Random(seed)
    return [_wanted(scene, rng, unwanted) for scene in describe(scenes) for _ in range(each)]


def _wanted(scene, rng, unwanted):
    while True:
        text = caption(scene, rng)
        if same(text) not in unwanted:
            return text
