"""What people allow: decisions as facts, purposes, and the gates that obey them."""
