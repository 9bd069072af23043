"""What steps do, one file a kind; `catalog` names them all."""
