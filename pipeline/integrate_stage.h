// Stage "integrate": an alias (core/alias_registry.h) leads to the finetuned model, whole or for a
// share of the requests. After "index", so that what the model needs is there when it is asked.
#pragma once

#include <string>

#include "core/json.h"
#include "pipeline/run_config.h"
#include "pipeline/stage_record.h"

namespace attune {

// Copies the artifact to `folder`, whole or not at all; one that is there already stays.
void keep_model(const std::string& artifact, const std::string& folder);

// Of evaluation.json: whether the finetuned model's NDCG is better than the base's, the whole 95 %
// interval above zero. Error{kData} where it does not say.
bool is_shown_better(const Json& evaluation);

// Whether integrate.if_better keeps the model out of use, so that it is neither indexed nor
// integrated. False before the evaluation.
bool is_kept_out(const RunConfig& config);

StageInputs integrate_inputs(const RunConfig& config);

// Why the alias is not what the stage left: it is not there, or the copy that it leads to is gone.
// "" where all is well, also where it was led elsewhere or rolled back since: that stays.
std::string integrate_damage(const RunConfig& config, const StageRecord& record);

// Needs the artifact, and with integrate.if_better the evaluation. The alias leads to a copy of the
// artifact, OUTPUT/integrated/FINGERPRINT: the next training replaces the artifact, and must not
// change what is in use; and `attune alias rollback` finds the old one. Returns a sentence for the
// user.
std::string integrate_stage(const RunConfig& config);

}  // namespace attune
