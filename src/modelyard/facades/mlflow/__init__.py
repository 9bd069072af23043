"""The plug-ins that MLflow's server finds by the package's entry points. They run in its process, and only there.

Each request that reaches that server has passed the proxy at `/mlflow`, which says in it who calls, in which project.
"""
