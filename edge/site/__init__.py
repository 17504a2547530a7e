"""The site folder: `site.yaml` (technical settings), read together with the policy and lists."""
