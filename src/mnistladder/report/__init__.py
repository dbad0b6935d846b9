"""Results become numbers, tables, figures and a page. No torch."""
