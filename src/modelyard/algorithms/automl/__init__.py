"""AutoML for tables: profile, estimate, search within a time, the winner as a bundle and as a script."""
