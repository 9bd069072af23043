"""TorchServe's custom handler: one call is one batch."""

import json
import pathlib

import numpy as np
import predictor


class Handler:
    def initialize(self, context):
        folder = pathlib.Path(context.system_properties["model_dir"])
        self.predict_rows = predictor.load(str(next(folder.glob("model.*"))))
        self.initialized = True

    def handle(self, data, context):
        del context
        messages = [item.get("body") or item.get("data") for item in data]
        parsed = [json.loads(each) if isinstance(each, bytes | bytearray) else each for each in messages]
        inputs = [np.asarray(each["instances"], np.float32) for each in parsed]
        labels = self.predict_rows(np.concatenate(inputs))
        parts = np.split(labels, np.cumsum([len(rows) for rows in inputs])[:-1])
        return [{"predictions": part.tolist()} for part in parts]
