"""Classification of texts: words and characters counted, weighed, and a linear model of them."""
