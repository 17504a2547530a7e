"""The site folder: policy.yaml (people's rights), site.yaml (technique) and lists."""
