"""Runs diffusers' FluxPipeline and keeps every intermediate result that Steadyflux is compared with.

Names and shapes (T text tokens, S image tokens, D joint width, d inner width, C packed channels; k counts steps from 0):
  clip_token_ids [L], t5_token_ids [T]        int64; with `negative_` in front for the negative prompt, as below
  clip.layer.i [L, width], t5.block.i [T, D]  output of each text-encoder layer
  prompt_embeds [T, D], pooled_prompt_embeds [P]
  sigmas [steps + 1], timesteps [steps], tau [steps] (what the sinusoid sees), guidance_in [steps] likewise
  rope.cos, rope.sin [T + S, head_dim]
  temb, temb_neg [steps, d]
  mod.double0.img, mod.double0.txt [steps, 6d]: shift, scale, gate of attention, then of the mlp
  mod.single0 [steps, 3d]: shift, scale, gate;  mod.final [steps, 2d]: scale, then shift
  embed.img [S, d], embed.txt [T, d], double.i.img, double.i.txt, single.i [T + S, d]: first pass of step 0
  velocity.k, velocity_neg.k, velocity_cfg.k [S, C]: positive pass, negative pass, what the scheduler is given
  latents.init, latents.k [S, C]: packed noise, packed latents after step k
  decode.input [c, h, w], decode.mid, image [3, H, W] before the clamp, image_u8 [H, W, 3]
"""

import numpy as np
import torch


def run(pipe, request):
    """Runs `request` (a dict of FluxPipeline arguments) on the CPU; returns (PIL image, {name: tensor})."""
    recorder = Recorder(pipe)
    try:
        with torch.no_grad():
            image = pipe(**request).images[0]
    finally:
        recorder.remove()
    tensors = recorder.result()
    tensors["image_u8"] = torch.from_numpy(np.array(image))
    return image, tensors


def stored(tensor):
    """A copy to save: f32 unless it is integer."""
    tensor = tensor.detach().to(torch.float32) if tensor.is_floating_point() else tensor.detach()
    return tensor.clone().contiguous()


class Recorder:
    """Hooks on a pipeline. Holds the pipeline only while it runs; `remove` puts everything back."""

    def __init__(self, pipe):
        self.pipe = pipe
        self.single = {}  # name -> tensor
        self.rows = {}  # name -> one row for each step
        self.handles = []
        self.wrapped = []
        self.num_prompts = 0
        self.num_steps = 0
        self.passes = []  # of the current step: "" for the positive pass, "_neg" for the negative one
        self.hook_text()
        self.hook_transformer()
        self.hook_decoder()

    def remove(self):
        for handle in self.handles:
            handle.remove()
        for owner, name in self.wrapped:
            delattr(owner, name)

    def result(self):
        rows = {name: torch.stack(values) for name, values in self.rows.items()}
        schedule = {"sigmas": self.pipe.scheduler.sigmas, "timesteps": self.pipe.scheduler.timesteps}
        return {name: stored(t) for name, t in sorted({**self.single, **rows, **schedule}.items())}

    def after(self, module, action):
        self.handles.append(module.register_forward_hook(lambda _, args, output: action(args, output)))

    def wrap(self, owner, name, action):
        """Like `after`, for a method that is no module's forward."""
        original = getattr(owner, name)

        def wrapped(*args, **kwargs):
            output = original(*args, **kwargs)
            action(args, output)
            return output

        setattr(owner, name, wrapped)
        self.wrapped.append((owner, name))

    # Text

    def side(self):
        return "negative_" if self.num_prompts else ""

    def end_prompt(self, _, output):
        embeds, pooled, _ids = output
        self.single[self.side() + "prompt_embeds"] = embeds[0]
        self.single[self.side() + "pooled_prompt_embeds"] = pooled[0]
        self.num_prompts += 1

    def keep_text(self, name):
        def keep(_, output):
            self.single[self.side() + name] = parts_of(output)[0][0]

        return keep

    def keep_ids(self, name):
        def keep(_, args):
            self.single[self.side() + name] = args[0][0]

        return keep

    def hook_text(self):
        clip, t5 = self.pipe.text_encoder, self.pipe.text_encoder_2
        self.handles.append(clip.register_forward_pre_hook(self.keep_ids("clip_token_ids")))
        self.handles.append(t5.register_forward_pre_hook(self.keep_ids("t5_token_ids")))
        for i, layer in enumerate(clip.encoder.layers):
            self.after(layer, self.keep_text(f"clip.layer.{i}"))
        for i, block in enumerate(t5.encoder.block):
            self.after(block, self.keep_text(f"t5.block.{i}"))
        self.wrap(self.pipe, "encode_prompt", self.end_prompt)

    # Transformer

    def keep_row(self, name):
        """Keeps one row for each step, of the positive pass only."""

        def keep(_, output):
            if self.passes[-1] == "":
                self.rows.setdefault(name, []).append(output[0])

        return keep

    def keep_once(self, *names):
        """Keeps the outputs of the first pass of all: one for each name, or all joined along the tokens."""

        def keep(_, output):
            if self.num_steps or self.passes != [""]:
                return
            parts = [part[0] if part.dim() == 3 else part for part in parts_of(output)]
            parts = parts if len(names) == len(parts) else [torch.cat(parts)]
            self.single.update(zip(names, parts))

        return keep

    def begin_pass(self, _, args, kwargs):
        self.passes.append("_neg" if self.passes else "")
        self.single.setdefault("latents.init", kwargs["hidden_states"][0])

    def end_pass(self, _, output):
        self.single[f"velocity{self.passes[-1]}.{self.num_steps}"] = output[0][0]

    def keep_temb(self, args, output):
        self.rows.setdefault("temb" + self.passes[-1], []).append(output[0])
        if self.passes == [""]:
            self.rows.setdefault("tau", []).append(args[0][0])
            if len(args) == 3:
                self.rows.setdefault("guidance_in", []).append(args[1][0])

    def end_step(self, args, output):
        self.single[f"latents.{self.num_steps}"] = output[0][0]
        if len(self.passes) == 2:
            self.single[f"velocity_cfg.{self.num_steps}"] = args[0][0]
        self.num_steps += 1
        self.passes = []

    def hook_transformer(self):
        net = self.pipe.transformer
        self.handles.append(net.register_forward_pre_hook(self.begin_pass, with_kwargs=True))
        self.after(net, self.end_pass)
        self.after(net.time_text_embed, self.keep_temb)
        self.after(net.pos_embed, self.keep_once("rope.cos", "rope.sin"))
        self.after(net.x_embedder, self.keep_once("embed.img"))
        self.after(net.context_embedder, self.keep_once("embed.txt"))
        for i, block in enumerate(net.transformer_blocks):
            self.after(block, self.keep_once(f"double.{i}.txt", f"double.{i}.img"))
        for i, block in enumerate(net.single_transformer_blocks):
            self.after(block, self.keep_once(f"single.{i}"))
        for block in net.transformer_blocks[:1]:
            self.after(block.norm1.linear, self.keep_row("mod.double0.img"))
            self.after(block.norm1_context.linear, self.keep_row("mod.double0.txt"))
        for block in net.single_transformer_blocks[:1]:
            self.after(block.norm.linear, self.keep_row("mod.single0"))
        self.after(net.norm_out.linear, self.keep_row("mod.final"))

        self.wrap(self.pipe.scheduler, "step", self.end_step)

    # Decoder

    def hook_decoder(self):
        self.after(self.pipe.vae.decoder.mid_block, self.keep_decoder("decode.mid"))
        self.wrap(self.pipe.vae, "decode", self.end_decode)

    def keep_decoder(self, name):
        def keep(_, output):
            self.single[name] = output[0]

        return keep

    def end_decode(self, args, output):
        self.single["decode.input"] = args[0][0]
        self.single["image"] = output[0][0]


def parts_of(output):
    return output if isinstance(output, tuple) else (output,)
