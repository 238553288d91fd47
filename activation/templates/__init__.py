"""What messages say: templates in a small, bounded part of Jinja."""
