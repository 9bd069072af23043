"""Projects: the tenants that everything else belongs to."""
