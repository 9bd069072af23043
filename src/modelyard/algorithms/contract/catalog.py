"""Built-in algorithms by the repositories of AWS's images. Imports no machine-learning library."""

from collections.abc import Mapping

ALGORITHMS: Mapping[str, str] = {
    "xgboost": "xgboost",
    "sagemaker-xgboost": "xgboost",
    "linear-learner": "linear-learner",
    "image-classification": "image-classification",
    "kmeans": "k-means",
    "pca": "pca",
    "knn": "knn",
    "factorization-machines": "factorization-machines",
}
"""Repository -> name of the algorithm here."""
