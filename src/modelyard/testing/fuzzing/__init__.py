"""What must hold for any bytes whatever that reach the data plane, one function a parser."""
