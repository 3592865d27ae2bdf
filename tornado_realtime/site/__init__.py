"""The web server around the plugin: Caddyfile sites, matchers, files, PHP, proxying."""
