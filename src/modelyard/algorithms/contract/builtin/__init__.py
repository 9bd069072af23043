"""AWS's built-in algorithms under their names and hyper-parameters, one file each.

Each writes `model.onnx`, whose outputs are named as AWS's answers name them; XGBoost writes its own file.
"""
