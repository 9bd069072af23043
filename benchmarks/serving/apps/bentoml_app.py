"""BentoML with its adaptive batching."""

import bentoml
import numpy as np
import predictor


@bentoml.service(traffic={"timeout": 30})
class Predictor:
    def __init__(self):
        self.predict_rows = predictor.load()

    @bentoml.api(batchable=True, max_batch_size=256, max_latency_ms=1000)
    def predict(self, instances: np.ndarray) -> np.ndarray:
        return np.asarray(self.predict_rows(instances.astype(np.float32)))
