"""FastAPI as its tutorial shows it: a pydantic model, a path operation in the thread pool."""

import numpy as np
import predictor
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
predict_rows = predictor.load()


class Request(BaseModel):
    instances: list


@app.post("/predict")
def predict(request: Request):
    return {"predictions": predict_rows(np.asarray(request.instances, np.float32)).tolist()}
