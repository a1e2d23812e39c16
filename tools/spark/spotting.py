"""A second task for the flow: to say, half way through the transformer, which object each patch will show.

Next to nothing of the flow's loss depends on which object a caption gives which colour. A small head asks for it
directly: while noise still hides the objects only the caption can answer. The head is thrown away.
"""

import torch
import torch.nn.functional as F
from torch import nn

from networks import WIDTH
from pool import nearest_objects
from solids import COLOUR_NAMES, FINISHES, KINDS

ANSWERS = {"kind": len(KINDS), "colour": len(COLOUR_NAMES), "finish": len(FINISHES)}


class Spotter(nn.Module):
    """From what patches hold, [n, patches, WIDTH], to logits: is there an object, its kind, colour and finish."""

    def __init__(self):
        super().__init__()
        self.think = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2 * WIDTH), nn.GELU())
        self.say = nn.Linear(2 * WIDTH, 1 + sum(ANSWERS.values()))

    def forward(self, patches):
        there, *heads = self.say(self.think(patches)).float().split([1, *ANSWERS.values()], dim=-1)
        return there[..., 0], dict(zip(ANSWERS, heads))


def make_answers(scenes, rows, columns):
    """What a Spotter is to say of rows x columns patches: bytes [n, 1 + attributes, patches], 255 where nothing is."""
    owner = nearest_objects(scenes, rows, columns).flatten(1)
    there = owner >= 0
    told = [torch.where(there, getattr(scenes, name).gather(1, owner.clamp(min=0)), 255) for name in ANSWERS]
    return torch.stack([there.long(), *told], dim=1).to(torch.uint8)


def spotting_loss(said, answers):
    """Cross-entropies, averaged over all patches for whether something is there, over objects' patches for the rest."""
    there, heads = said
    known, *told = answers.long().unbind(1)
    loss = F.binary_cross_entropy_with_logits(there, known.float())
    for (name, logits), target in zip(heads.items(), told):
        wrong = F.cross_entropy(logits.transpose(1, 2), target.clamp(max=ANSWERS[name] - 1), reduction="none")
        loss = loss + (wrong * known).sum() / known.sum().clamp(min=1)
    return loss
