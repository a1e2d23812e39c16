"""Writes prompts.json: the 200 fixed prompts that evaluate.py draws, and what must be right in each picture.

With another --seed and --out it writes 200 others of the same kind.
"""

import argparse
import json
import random
from pathlib import Path

from solids import COLOUR_NAMES, FINISHES, GROUNDS, HELD_OUT_PAIRS, HELD_OUT_RELATIONS, KINDS, RELATIONS, SKIES

PROMPTS = Path(__file__).parent / "prompts.json"
NOUNS = {"sphere": ["sphere", "ball"], "cube": ["cube", "box", "cube"], "torus": ["torus", "donut", "ring"]}
GROUND_PHRASES = {
    "wood": ["on a wooden floor", "on wood"],
    "checkerboard": ["on a checkerboard", "on a checkered floor"],
    "grass": ["on grass", "in a meadow"],
    "sand": ["on sand", "on a sandy beach"],
    "water": ["on water", "on a lake"],
    "marble": ["on a marble floor", "on marble"],
}
SKY_PHRASES = {
    "noon": ["at noon", "under a blue sky"],
    "sunset": ["at sunset", "at dusk"],
    "night": ["at night", "under a night sky"],
    "fog": ["in fog", "in the mist"],
    "studio": ["in a studio", "in studio light"],
}
FLAT = ["cube", "cylinder"]  # what something can stand on
# What a third object may be to the second of two that are in the relation already.
SECOND_RELATIONS = {
    "left of": ["behind", "in front of"],
    "right of": ["behind", "in front of"],
    "behind": ["left of", "right of"],
    "in front of": ["left of", "right of"],
    "on top of": ["left of", "right of", "behind"],
}


class Writer:
    """Thinks up objects and words them; keeps to what training has seen unless told otherwise."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.seen = set()

    def thing(self, kind=None, colour=None, finish_share=0.3):
        choose = self.rng.choice
        while True:
            made = {"kind": kind or choose(KINDS), "colour": colour or choose(COLOUR_NAMES)}
            if colour or (made["colour"], made["kind"]) not in HELD_OUT_PAIRS:
                break
        if self.rng.random() < finish_share:
            made["finish"] = choose(FINISHES[1:])
        return made

    def things(self, *kinds, colours=()):
        """Objects that differ in kind or colour, so that words can tell them apart."""
        while True:
            made = [self.thing(kind, colours[i] if i < len(colours) else None) for i, kind in enumerate(kinds)]
            if len({(thing["kind"], thing["colour"]) for thing in made}) == len(made):
                return made

    def pair(self, relation):
        """Two kinds that may be in the relation and that training has seen in it."""
        while True:
            a, b = self.rng.choice(KINDS), self.rng.choice(FLAT if relation == "on top of" else KINDS)
            if (a, relation, b) not in HELD_OUT_RELATIONS:
                return a, b

    def noun(self, thing, plural=False):
        noun = self.rng.choice(NOUNS.get(thing["kind"], [thing["kind"]]))
        words = [thing.get("finish"), thing["colour"]]
        if thing.get("finish") != "shiny" and self.rng.random() < 0.7:
            words.reverse()  # "a red glass ball" comes easier than "a glass red ball"
        words = " ".join(filter(None, [*words, noun]))
        return words + ("es" if words.endswith("x") else "s") * plural

    def name(self, thing):
        words = self.noun(thing)
        return ("an " if words[0] in "aeiou" else "a ") + words

    def related(self, a, relation, b):
        """The words for `a` in a relation to `b`, in one of several orders."""
        a, b = self.name(a), self.name(b)
        if self.rng.random() < 0.08:
            return f"{relation} {b}, {a}" if relation in ("behind", "in front of") else f"{a} is {relation} {b}"
        if relation == "on top of":
            joined = self.rng.choice(["on top of", "on", "standing on", "on top of"])
            return self.rng.choice([f"{a} {joined} {b}"] * 3 + [f"{b} with {a} on top"])
        if relation in ("left of", "right of"):
            forms = [f"{a} {relation} {b}", f"{a} to the {relation} {b}", f"{a} on the {relation} {b}"]
            return self.rng.choice([*forms, f"{b} with {a} to its {relation[:-3]}"])
        forms = [f"{a} standing {relation} {b}", f"{b} with {a} {relation} it"]
        return self.rng.choice([f"{a} {relation} {b}"] * 2 + forms)

    def entry(self, text, objects, relations=(), tags=(), place_share=0.5, sky_share=0.45):
        """One entry of the file; ground and sky are added in words in a share of them."""
        rng = self.rng
        made = {"text": text, "objects": objects, "relations": [list(r) for r in relations]}
        ground = rng.choice(GROUNDS) if rng.random() < place_share else None
        sky = rng.choice(SKIES) if rng.random() < sky_share else None
        on = rng.choice(GROUND_PHRASES[ground]) if ground else ""
        under = rng.choice(SKY_PHRASES[sky]) if sky else ""
        form = rng.random()
        if form < 0.65:
            words = " ".join(filter(None, [text, on, under]))
        elif form < 0.85:
            words = ", ".join(filter(None, [text, on, under]))
        else:
            words = ", ".join(filter(None, [under, text + (" " + on if on else "")]))
        if form < 0.65 and rng.random() < 0.12:
            words = rng.choice(["a picture of ", "a photo of ", "a render of "]) + words
        made["text"] = words[0].upper() + words[1:] if rng.random() < 0.2 else words
        made.update({key: value for key, value in (("ground", ground), ("sky", sky)) if value})
        made["tags"] = list(tags)
        if made["text"].lower() in self.seen:
            return None
        self.seen.add(made["text"].lower())
        return made


def held_out_thing(writer, index):
    colour, kind = HELD_OUT_PAIRS[index % len(HELD_OUT_PAIRS)]
    return writer.thing(kind, colour, finish_share=0.2)


def one_object(writer, index):
    if index < 6:
        thing = held_out_thing(writer, index)
        tags = ["unseen pair"]
    else:
        thing, tags = writer.thing(KINDS[index % len(KINDS)], finish_share=0.4), []
    if index % 5 == 0:
        return writer.entry(writer.noun(thing), [thing], (), [*tags, "short"], 0, 0)
    return writer.entry(writer.name(thing), [thing], (), tags, 0.6, 0.55)


def two_objects(writer, index):
    if index < 12:
        a, relation, b = HELD_OUT_RELATIONS[index % len(HELD_OUT_RELATIONS)]
        first, second = writer.things(a, b)
        text = writer.related(first, relation, second)
        return writer.entry(text, [first, second], [(0, relation, 1)], ["unseen relation"])
    if index < 66:
        relation = RELATIONS[index % len(RELATIONS)]
        kinds, tags = writer.pair(relation), []
        first, second = writer.things(*kinds)
        if index < 18:
            relation = RELATIONS[index % 4]
            first, tags = held_out_thing(writer, index), ["unseen pair"]
            second = writer.thing("cube")
            if (first["kind"], relation, "cube") in HELD_OUT_RELATIONS:
                second = writer.thing("sphere")
        text = writer.related(first, relation, second)
        return writer.entry(text, [first, second], [(0, relation, 1)], tags)
    if index < 74:
        first, second = writer.things(None, None)
        return writer.entry(f"{writer.name(first)} and {writer.name(second)}", [first, second], (), ["list"])
    thing = writer.thing()
    return writer.entry(f"two {writer.noun(thing, plural=True)}", [thing, dict(thing)], (), ["plural"])


def three_objects(writer, index):
    rng = writer.rng
    if index < 8:
        a, relation, b = HELD_OUT_RELATIONS[index]
        objects = writer.things(a, b, rng.choice(KINDS))
        text = f"{writer.related(objects[0], relation, objects[1])} and {writer.name(objects[2])}"
        return writer.entry(text, objects, [(0, relation, 1)], ["unseen relation"])
    if index < 12:
        first, tags = held_out_thing(writer, index), ["unseen pair"]
        second, third = writer.things("sphere" if first["kind"] == "torus" else "cube", None)
        text = f"{writer.related(first, 'left of', second)} and {writer.name(third)}"
        return writer.entry(text, [first, second, third], [(0, "left of", 1)], tags)
    if index < 32:
        relation = RELATIONS[index % len(RELATIONS)]
        objects = writer.things(*writer.pair(relation), None)
        text = writer.related(objects[0], relation, objects[1]) + rng.choice([" and ", ", and ", ", "])
        text += writer.name(objects[2])
        return writer.entry(text, objects, [(0, relation, 1)])
    if index < 44:
        return _two_relations(writer, "on top of" if index % 2 else RELATIONS[index % 4])
    if index < 52:
        objects = writer.things(None, None, None)
        names = [writer.name(thing) for thing in objects]
        return writer.entry(f"{names[0]}, {names[1]} and {names[2]}", objects, (), ["list"])
    if index < 56:
        thing = writer.thing()
        objects = [thing, dict(thing), dict(thing)]
        return writer.entry(f"three {writer.noun(thing, plural=True)}", objects, (), ["plural"])
    first, second = writer.things(None, None)
    text = f"two {writer.noun(first, plural=True)} and {writer.name(second)}"
    return writer.entry(text, [first, dict(first), second], (), ["plural"])


def _two_relations(writer, relation):
    """`a` in a relation to `b`, and `c` beside or behind them."""
    while True:
        a, b = writer.pair(relation)
        other = writer.rng.choice(SECOND_RELATIONS[relation])
        c = writer.rng.choice(KINDS)
        if (c, other, b) not in HELD_OUT_RELATIONS:
            break
    objects = writer.things(a, b, c)
    text = writer.related(objects[0], relation, objects[1])
    text += f", and {writer.name(objects[2])} {other} {_the(writer, objects[1])}"
    return writer.entry(text, objects, [(0, relation, 1), (2, other, 1)], ["two relations"], 0.4, 0.4)


def _the(writer, thing):
    return f"the {thing['colour']} {writer.rng.choice(NOUNS.get(thing['kind'], [thing['kind']]))}"


def write_all(writer, write, count):
    made = []
    while len(made) < count:
        entry = write(writer, len(made))
        if entry:
            made.append(entry)
    writer.rng.shuffle(made)
    return made


def prompts(seed, first):
    """The entries, one, two and three objects evenly mixed; `first`: the seed of the first one's picture."""
    writer = Writer(seed)
    plan = (one_object, 60), (two_objects, 80), (three_objects, 60)
    groups = [write_all(writer, write, count) for write, count in plan]
    placed = [((i + 0.5) / len(group), g, entry) for g, group in enumerate(groups) for i, entry in enumerate(group)]
    entries = [entry for _, _, entry in sorted(placed, key=lambda p: p[:2])]
    return [{"seed": seed, **entry} for seed, entry in enumerate(entries, first)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--first", type=int, default=0, help="seed of the first picture; the others' follow")
    parser.add_argument("--out", type=Path, default=PROMPTS)
    args = parser.parse_args()
    lines = ",\n".join(" " + json.dumps(entry) for entry in prompts(args.seed, args.first))
    args.out.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
