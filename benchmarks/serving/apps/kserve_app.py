"""KServe's SDK server, with the model in a class of its own: what its sklearnserver is. Usage: kserve_app.py PORT"""

import sys

import kserve
import numpy as np
import predictor


class Model(kserve.Model):
    def load(self):
        self.predict_rows = predictor.load()
        self.ready = True
        return self.ready

    def predict(self, payload, headers=None):
        del headers
        labels = np.asarray(self.predict_rows(payload.inputs[0].as_numpy())).astype(np.int64)
        output = kserve.InferOutput(name="predict", shape=list(labels.shape), datatype="INT64")
        output.set_data_from_numpy(labels, binary_data=False)
        return kserve.InferResponse(response_id=payload.id or "0", model_name=self.name, infer_outputs=[output])


if __name__ == "__main__":
    model = Model("model")
    model.load()
    kserve.ModelServer(http_port=int(sys.argv[1]), enable_grpc=False, workers=1).start([model])
