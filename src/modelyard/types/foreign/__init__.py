"""What clients of other systems bring and expect back: credentials in their form, and what we have no word for."""
