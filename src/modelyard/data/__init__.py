"""Reading datasets: what a file is, what is in it, its rows and images. Trusts no byte of an upload; knows no storage.

Heavy libraries (pyarrow, Pillow) are imported inside the functions, because the control process imports this package
at its start and most of its requests touch no data.
"""
