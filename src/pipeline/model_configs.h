// The config.json of each component as the plain struct its model takes.
#pragma once

#include "format/config.h"
#include "model/autoencoder/autoencoder.h"
#include "model/clip/clip.h"
#include "model/flux/flux.h"
#include "model/t5/t5.h"

namespace steadyflux {

// Each reads `config` and checks it. Keys that are absent have the reference libraries' defaults; keys that this
// engine does not know are not looked at. Throws Error, naming file and key: kNotFound for a needed key, kInvalidFile
// for a value that makes no sense, kUnsupported for a variant that this engine does not run.
FluxConfig flux_config(const Config& config);
ClipConfig clip_config(const Config& config);
T5Config t5_config(const Config& config);
AutoencoderConfig autoencoder_config(const Config& config);

}  // namespace steadyflux
