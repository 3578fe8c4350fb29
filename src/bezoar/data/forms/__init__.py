"""One reader per form a data set comes in."""
