"""Processing jobs: people's own code that makes datasets of data. They are script jobs in all but what they promise."""
