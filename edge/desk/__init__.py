"""The officer's desk: the store of an authority that people with accounts and rights work on."""
