"""The two folders of a model host: its own, which it writes, and that of its bundles, which it only reads.

<folder>/control    socket for orders
<folder>/report     what it says of itself (hosting.report)
<folder>/marker     which model is at work at this moment (hosting.signs)
<folder>/models     socket for gateways, over which all models are reached
<folder>/<place>    socket of one model
<bundles>/<place>   a copy of that model's bundle, made by control: it can read no other
"""

CONTROL = "control"
REPORT = "report"
MARKER = "marker"
MODELS = "models"
