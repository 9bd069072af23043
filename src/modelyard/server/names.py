"""The names of the three applications, for programs that must not import them."""

APPLICATIONS = ("registry", "jobs", "operations")
