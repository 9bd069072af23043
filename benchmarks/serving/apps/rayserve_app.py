"""Ray Serve with its dynamic batching. A file DEPLOY in RAY_FOLDER names the next model. Usage: rayserve_app.py PORT"""

import os
import pathlib
import sys
import time

import numpy as np
import predictor
import ray
from ray import serve
from starlette.requests import Request


@serve.deployment(max_ongoing_requests=100)
class Model:
    def __init__(self, file):
        self.predict_rows = predictor.load(file)

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.002)
    async def predict(self, inputs):
        labels = self.predict_rows(np.concatenate(inputs))
        return [part.tolist() for part in np.split(labels, np.cumsum([len(rows) for rows in inputs])[:-1])]

    async def __call__(self, request: Request):
        message = await request.json()
        return {"predictions": await self.predict(np.asarray(message["instances"], np.float32))}


if __name__ == "__main__":
    folder = pathlib.Path(os.environ["RAY_FOLDER"])
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=200_000_000,
        _temp_dir=str(folder),
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Model.bind(os.environ["MODEL_FILE"]), route_prefix="/")
    wish = folder / "DEPLOY"
    while True:
        time.sleep(0.02)
        if wish.exists():
            file = wish.read_text()
            wish.unlink()
            serve.run(Model.bind(file), route_prefix="/")
