#!/bin/sh
# The whole life of a model, on the command line. Start a platform first: `modelyard up`.
set -eu
python=${PYTHON:-python}  # one with modelyard installed
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# Four files: to train on, ordinary traffic, and worn traffic (moved right by a pixel, with noise) in two parts.
$python - <<'PYTHON'
import numpy as np
from sklearn.datasets import load_digits

rng = np.random.default_rng(0)
digits = load_digits()
order = rng.permutation(len(digits.target))
images, labels = digits.images[order].astype(np.float32), digits.target[order]
for name, part, is_worn in (("training", slice(0, 900), False), ("clean", slice(900, 1100), False),
                            ("worn", slice(1100, 1580), True), ("later", slice(1580, None), True)):
    seen = images[part]
    if is_worn:
        seen = np.clip(np.roll(seen, 1, axis=2) + rng.normal(0, 1, seen.shape), 0, 16).astype(np.float32)
    np.savez(name, images=seen, labels=labels[part])
PYTHON

classify() {  # NAME: ask for all images of NAME.npz, say how many were right, send the truth
    modelyard predict digits "$1.npz" --json >"$1.json"
    $python - "$1" <<'PYTHON'
import json, sys
import numpy as np

name = sys.argv[1]
answer, truth = json.load(open(f"{name}.json")), np.load(f"{name}.npz")["labels"].tolist()
right = sum(row["value"] == label for row, label in zip(answer["predictions"], truth, strict=True))
json.dump({answer["inference_id"]: truth}, open(f"{name}.truth.json", "w"))
print(f"{name}: {answer['model']} had {right / len(truth):.3f} right")
PYTHON
    modelyard feedback digits --file "$1.truth.json"
}

field() { $python -c 'import json, sys; found = json.load(sys.stdin); print(eval(sys.argv[1], {"found": found}))' "$1"; }

modelyard datasets upload digits training.npz --description "Handwritten digits from scikit-learn"
modelyard train image-classification --data digits --model digits \
    --set layers=256,128 --set epochs=25 --set learning_rate=0.002 --set mini_batch_size=32
modelyard models search "image classification with accuracy above 0.95"
modelyard deploy digits --endpoint digits --wait
classify clean

modelyard monitors create digits-drift --endpoint digits --interval 5 --minimum-rows 150 --window-rows 480
modelyard retraining create digits-retraining --endpoint digits --monitor digits-drift \
    --minimum-new-labels 240 --minimum-gain 0.05 --maximum-loss 0.06 --rollout all_at_once
classify worn

# The monitor sees the drift and the policy starts a run by itself; wait until it has ended.
until status=$(modelyard retraining runs digits-retraining --json | field 'found[0]["status"] if found else ""')
    [ "$status" = PROMOTED ] || [ "$status" = REJECTED ] || [ "$status" = FAILED ]; do sleep 1; done
modelyard monitors reports digits-drift
modelyard retraining runs digits-retraining
[ "$status" = PROMOTED ]
classify later
modelyard endpoints metrics digits
