"""LitServe with its batching. Usage: litserve_app.py PORT"""

import sys

import litserve
import numpy as np
import predictor


class Api(litserve.LitAPI):
    def setup(self, device):
        del device
        self.predict_rows = predictor.load()

    def decode_request(self, request):
        return np.asarray(request["instances"], np.float32)

    def batch(self, inputs):
        self.sizes = [len(rows) for rows in inputs]
        return np.concatenate(inputs)

    def predict(self, rows):
        return self.predict_rows(rows)

    def unbatch(self, output):
        return np.split(output, np.cumsum(self.sizes)[:-1])

    def encode_response(self, output):
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Api(max_batch_size=64, batch_timeout=0.002), accelerator="cpu")
    server.run(port=int(sys.argv[1]), host="127.0.0.1", generate_client_file=False, log_level="warning")
