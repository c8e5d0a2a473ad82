"""A ported tree on newer releases of upstream's, with the edits that were made by hand."""
