"""ECR: the names of images that mean something here."""
