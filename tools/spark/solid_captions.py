"""How people would ask for a solid scene: objects, relations, ground and light, in many wordings."""

import random

from solids import COLOUR_NAMES, FINISHES, GROUNDS, KINDS, SKIES

KIND_WORDS = {
    "sphere": ["sphere", "sphere", "ball"],
    "cube": ["cube", "cube", "box", "block"],
    "torus": ["torus", "donut", "ring"],
}
FINISH_WORDS = {"matte": ["matte"], "shiny": ["shiny", "glossy"], "metal": ["metal", "metallic"], "glass": ["glass"]}
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
    "night": ["at night", "in the dark", "under a night sky"],
    "fog": ["in fog", "in the mist", "on a foggy day"],
    "studio": ["in a studio", "in studio light", "against a plain backdrop"],
}
COUNT_WORDS = ["", "a", "two", "three"]


def _with_article(phrase):
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def _plural(phrase):
    return phrase + ("es" if phrase.endswith("x") else "s")


def relation(scene, a, b):
    """How object a lies to object b as the camera sees it, or None where neither word fits clearly."""
    if scene["stacked"] and {a, b} == {0, 1}:
        return "on top of" if a == 1 else None
    aside, beyond = scene["x"][a] - scene["x"][b], scene["z"][a] - scene["z"][b]
    if abs(aside) > max(0.6, 1.2 * abs(beyond)):
        return "right of" if aside > 0 else "left of"
    if abs(beyond) > max(0.6, 1.2 * abs(aside)):
        return "behind" if beyond > 0 else "in front of"
    return None


def _relation_words(name, rng):
    if name in ("left of", "right of"):
        return rng.choice([f"to the {name}", f"on the {name}", name])
    return rng.choice(["on top of", "on"]) if name == "on top of" else name


def _object(scene, index, rng):
    colour, finish, kind = (scene[key][index] for key in ("colour", "finish", "kind"))
    colour = rng.choice(["gray", "grey"]) if colour == "gray" else colour
    finish = rng.choice(FINISH_WORDS[finish]) if rng.random() < (0.3 if finish == "matte" else 0.7) else ""
    noun = rng.choice(KIND_WORDS.get(kind, [kind]))
    words = [finish, colour] if rng.random() < 0.7 else [colour, finish]
    return " ".join(word for word in (*words, noun) if word)


def _objects(scene, rng):
    """The objects in words, joined by a relation where one is clear."""
    order = list(range(scene["count"]))
    rng.shuffle(order)
    alike = {(scene["colour"][i], scene["kind"][i], scene["finish"][i]) for i in order}
    if len(order) > 1 and len(alike) == 1 and not scene["stacked"]:
        return f"{COUNT_WORDS[len(order)]} {_plural(_object(scene, 0, rng))}"
    names = {i: _with_article(_object(scene, i, rng)) for i in order}
    if len(order) > 1 and rng.random() < 0.85:
        pairs = [(a, b) for a in order for b in order if a != b and relation(scene, a, b)]
        if pairs:
            a, b = next(((a, b) for a, b in pairs if relation(scene, a, b) == "on top of"), rng.choice(pairs))
            rest = [names[i] for i in order if i not in (a, b)]
            text = f"{names[a]} {_relation_words(relation(scene, a, b), rng)} {names[b]}"
            return text + "".join(rng.choice([" and ", ", ", " with "]) + name for name in rest)
    *most, last = (names[i] for i in order)
    return f"{', '.join(most)} and {last}" if most else last


def describe(scenes, row):
    """One row of Solids as plain words and numbers, which is what a caption is made from."""
    count = int(scenes.count[row])

    def words(values, names):
        return [names[i] for i in values[row, :count].tolist()]

    return {
        "count": count,
        "kind": words(scenes.kind, KINDS),
        "colour": words(scenes.colour, COLOUR_NAMES),
        "finish": words(scenes.finish, FINISHES),
        "x": scenes.x[row].tolist(),
        "z": scenes.z[row].tolist(),
        "stacked": bool(scenes.stacked[row]),
        "ground": GROUNDS[int(scenes.ground[row])],
        "sky": SKIES[int(scenes.sky[row])],
    }


def caption(scene, rng):
    """One way to ask for the scene; ground and light are often left open."""
    text = _objects(scene, rng)
    ground = rng.choice(GROUND_WORDS[scene["ground"]]) if rng.random() < 0.6 else ""
    sky = rng.choice(SKY_WORDS[scene["sky"]]) if rng.random() < 0.5 else ""
    form = rng.random()
    if form < 0.6:
        text = " ".join(part for part in (text, ground, sky) if part)
    elif form < 0.8:
        text = ", ".join(part for part in (text, ground, sky) if part)
    else:
        text = ", ".join(part for part in (" ".join(p for p in (sky, ground) if p), text) if part)
    if form < 0.8 and rng.random() < 0.15:
        text = rng.choice(["a picture of ", "an image of ", "a photo of ", "a render of "]) + text
    if rng.random() < 0.2:
        text = text[0].upper() + text[1:]
    return text + ("." if rng.random() < 0.15 else "")


def captions(scenes, seed):
    """One caption per scene, in order."""
    rng = random.Random(seed)
    return [caption(describe(scenes, row), rng) for row in range(len(scenes))]
