"""Values for the templates: plain texts in one language, made from the signed policy."""
