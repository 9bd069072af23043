"""Flask as its quickstart shows it."""

import flask
import numpy as np
import predictor

app = flask.Flask(__name__)
predict_rows = predictor.load()


@app.post("/predict")
def predict():
    rows = np.asarray(flask.request.get_json()["instances"], np.float32)
    return {"predictions": predict_rows(rows).tolist()}
