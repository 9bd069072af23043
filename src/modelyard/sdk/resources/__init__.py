"""The calls of the clients, one module per noun; each call is described once for both clients."""
