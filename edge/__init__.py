"""Privacy-by-design ANPR on the device."""
