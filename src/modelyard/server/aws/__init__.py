"""The AWS APIs in the control process: what stands at the door, and what is joined behind it."""
