"""What a network is: layers, shapes, modules."""
