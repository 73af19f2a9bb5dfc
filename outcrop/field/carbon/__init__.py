"""What the minerals of a map could take up of carbon dioxide: screening, never a creditable removal."""
