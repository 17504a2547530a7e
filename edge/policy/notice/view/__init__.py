"""What the templates lay out: plain values, in one language, made from the signed policy."""
