"""What a registered version can be compiled to later: files for other hardware, or a bundle to register."""
