"""Clinical Lakehouse: governed, traced Delta tables from the sources of a hospital."""
