"""Every rule against every release: where it holds, where it might, where it does not."""
