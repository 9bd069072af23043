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
    "randomcutforest": "random-cut-forest",
    "blazingtext": "blazingtext",
    "forecasting-deepar": "deepar",
    **{
        f"{prefix}{library}{suffix}": f"{library}{kind}"
        for library in ("lightgbm", "catboost")
        for prefix, suffix, kind in (
            ("", "", ""),
            ("sagemaker-", "", ""),
            ("", "-classification-model", "-classification"),
            ("", "-regression-model", "-regression"),
        )
    },
}
"""Repository -> name of the algorithm here."""
