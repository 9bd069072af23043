"""scikit-learn pipelines that were trained on data frames: columns by name, texts beside numbers."""
