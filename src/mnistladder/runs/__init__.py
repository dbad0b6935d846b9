"""Everything that lies in a runs folder."""
