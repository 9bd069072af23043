"""AWS's built-in algorithms under their names and hyper-parameters, one file each.

Each writes `model.onnx`; XGBoost writes its own file.
"""
