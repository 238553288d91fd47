"""What browsers load from the platform: `cdp.js`, its service worker, its types."""
