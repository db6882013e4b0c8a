"""What people write, as typed models; CRD schemas made from them."""
