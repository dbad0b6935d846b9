"""One network learns or answers. Knows no runs folder."""
