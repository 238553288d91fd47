"""The story of two shoppers, told with segment-analytics-python."""

import sys

from segment.analytics import Client

url, key, who = sys.argv[1:]
failures: list[Exception] = []
analytics = Client(key, host=url, on_error=lambda error, batch: failures.append(error))
ada, bob, device = f"{who}-ada", f"{who}-bob", f"{who}-device"

analytics.page(anonymous_id=device, name="Pricing", properties={"path": "/pricing"})
analytics.track(anonymous_id=device, event="Product Viewed", properties={"sku": "T-1"})
consent = {"categoryPreferences": {"Advertising": True, "Functional": False}}
traits = {"email": f"{ada}@example.com", "plan": "pro"}
analytics.identify(ada, traits, {"consent": consent}, anonymous_id=device)
analytics.track(ada, "Order Completed", {"order_id": "o-1", "revenue": 51.2})
analytics.group(ada, f"{who}-acme", {"name": "Acme"})
analytics.alias(f"{ada}-lead", ada)
analytics.alias(ada, f"{ada}-countess")
analytics.track(f"{ada}-countess", "Article Read")
analytics.identify(bob, {"email": f"{bob}@example.com"}, anonymous_id=f"{device}-2")
analytics.track(bob, "Product Viewed", {"sku": "T-2"})
analytics.shutdown()
sys.exit(f"not delivered: {failures}" if failures else 0)
