"""Teaches the text encoders what captions say, before any picture: which objects, how finished, how large, and where.

A flow model alone learns this late, because little of its loss depends on it. Small heads ask each encoder about pairs
of kind and colour, some of them swapped between the scene's objects; the heads are thrown away.
"""

import torch
import torch.nn.functional as F
from torch import nn

from networks import WIDTH, ready_masks
from solids import COLOUR_NAMES, FINISHES, GROUNDS, KINDS, MOST_OBJECTS, SIZES, SKIES, boxes
from stage import Stage, mixed_precision

# What is asked about a pair of kind and colour, and about the whole scene: how many numbers answer it.
ABOUT_PAIR = {"count": MOST_OBJECTS + 1, "finish": len(FINISHES), "size": len(SIZES), "place": 2}
ABOUT_SCENE = {"ground": len(GROUNDS), "sky": len(SKIES)}
ANSWERS = {**ABOUT_PAIR, **ABOUT_SCENE}


class Head(nn.Module):
    """Answers questions, [n, asked, WIDTH], from what an encoder gives, [n, tokens, WIDTH]."""

    def __init__(self):
        super().__init__()
        self.look = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        self.think = nn.Sequential(nn.Linear(2 * WIDTH, 2 * WIDTH), nn.GELU())
        self.say = nn.Linear(2 * WIDTH, sum(ANSWERS.values()))

    def forward(self, questions, text):
        seen = self.look(questions, text, text, need_weights=False)[0]
        answers = self.say(self.think(torch.cat([questions, seen], dim=-1)))
        return dict(zip(ANSWERS, answers.split(list(ANSWERS.values()), dim=-1)))


class Reader(nn.Module):
    """Both text encoders, the questions and a head for each."""

    def __init__(self, text_encoder, text_encoder_2):
        super().__init__()
        self.text_encoder, self.text_encoder_2 = text_encoder, text_encoder_2
        self.kind, self.colour = nn.Embedding(len(KINDS), WIDTH), nn.Embedding(len(COLOUR_NAMES), WIDTH)
        self.whole = nn.Parameter(torch.randn(WIDTH))
        self.heads = nn.ModuleList([Head(), Head()])

    def forward(self, clip_ids, t5_ids, kinds, colours):
        """Answers about pairs [n, asked] and, last, about the whole scene, of each encoder."""
        causal, everything = ready_masks(clip_ids, t5_ids)
        pooled = self.text_encoder(clip_ids, attention_mask=causal).pooler_output
        tokens = self.text_encoder_2(t5_ids, attention_mask=everything)[0]
        pairs = self.kind(kinds) + self.colour(colours)
        questions = torch.cat([pairs, self.whole.expand(len(pairs), 1, -1)], dim=1)
        return [head(questions, text) for head, text in zip(self.heads, (pooled[:, None], tokens))]


def make_facts(scenes, device):
    """What the questions are about, as tensors on the device."""
    edges = boxes(scenes)
    place = torch.stack([edges[..., :2].mean(-1), scenes.z / 2], dim=-1)
    names = ("kind", "colour", "finish", "size_class", "present", "ground", "sky")
    return {"place": place.to(device)} | {name: getattr(scenes, name).to(device) for name in names}


def choose_pairs(facts):
    """The scene's own pairs, the same kinds with another object's colour, and as many kinds with any colour."""
    kind, colour = facts["kind"], facts["colour"]
    anything = torch.randint(len(COLOUR_NAMES), colour.shape, device=colour.device)
    return kind.repeat(1, 3), torch.cat([colour, colour.roll(1, dims=1), anything], dim=1)


def answer_loss(answers, facts, kinds, colours):
    """How wrong the answers are; finish, size and place are asked only of pairs that the scene has."""
    own = facts["present"][:, None] & (kinds[..., None] == facts["kind"][:, None])
    own = own & (colours[..., None] == facts["colour"][:, None])
    count, first = own.sum(-1), own.float().argmax(-1)
    there = (count > 0).float()

    def of_pairs(name):
        return answers[name][:, :-1].float()

    def classed(name, target, weight):
        each = F.cross_entropy(of_pairs(name).transpose(1, 2), target, reduction="none")
        return (each * weight).sum() / weight.sum().clamp(min=1)

    loss = 3 * classed("count", count, torch.ones_like(there))
    loss = loss + classed("finish", facts["finish"].gather(1, first), there)
    loss = loss + classed("size", facts["size_class"].gather(1, first), there)
    place = facts["place"].gather(1, first[..., None].expand(-1, -1, 2))
    missed = (of_pairs("place") - place).pow(2).sum(-1)
    loss = loss + (missed * there).sum() / there.sum().clamp(min=1)
    for name in ABOUT_SCENE:
        loss = loss + F.cross_entropy(answers[name][:, -1].float(), facts[name])
    return loss


def train_reading(text_encoder, text_encoder_2, scenes, tokens, device, plan):
    """Trains both encoders in place on scenes and their captions' tokens, [scenes, each, 2, length]."""
    model = Reader(text_encoder, text_encoder_2).to(device)
    facts, tokens = make_facts(scenes, device), tokens.to(device)

    def loss():
        rows = torch.randint(len(tokens), (plan.batch,), device=device)
        ids = tokens[rows, torch.randint(tokens.shape[1], (plan.batch,), device=device)].long()
        chosen = {name: values[rows] for name, values in facts.items()}
        kinds, colours = choose_pairs(chosen)
        with mixed_precision(device):
            answers = model(*ids.unbind(1), kinds, colours)
        value = sum(answer_loss(each, chosen, kinds, colours) for each in answers)
        return value, value

    average = Stage("reading", model, plan, peak_rate=1e-3, average_decay=0.995).run([loss], device)
    return average.text_encoder, average.text_encoder_2
