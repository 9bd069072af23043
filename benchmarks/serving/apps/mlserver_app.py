"""MLServer's custom runtime, for the ONNX file: it has no runtime of its own for that."""

import numpy as np
import predictor
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class OnnxModel(MLModel):
    async def load(self):
        self.predict_rows = predictor.load(self.settings.parameters.uri)
        return True

    async def predict(self, payload):
        rows = NumpyCodec.decode_input(payload.inputs[0])
        labels = NumpyCodec.encode_output("predict", np.asarray(self.predict_rows(rows)))
        return InferenceResponse(model_name=self.name, outputs=[labels])
