"""The public notice: what a site's signed policy says, for those who pass its cameras."""
