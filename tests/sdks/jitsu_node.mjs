// The story of two shoppers, told with @jitsu/js on a server. It has no alias call.

import { jitsuAnalytics } from "@jitsu/js";

const [host, writeKey, who] = process.argv.slice(2);
const consentCategories = { Advertising: true, Functional: false };
const options = { host, writeKey, fetch, s2s: true, errorPolicy: "rethrow" };
const analytics = jitsuAnalytics({ ...options, privacy: { consentCategories } });
const [ada, bob, device] = [`${who}-ada`, `${who}-bob`, `${who}-device`];

analytics.setAnonymousId(device);
await analytics.page("Pricing", { path: "/pricing" });
await analytics.track("Product Viewed", { sku: "T-1" });
await analytics.identify(ada, { email: `${ada}@example.com`, plan: "pro" });
await analytics.track("Order Completed", { order_id: "o-1", revenue: 51.2 });
await analytics.group(`${who}-acme`, { name: "Acme" });
await analytics.track("Article Read");
await analytics.reset();
await analytics.identify(bob, { email: `${bob}@example.com` });
await analytics.track("Product Viewed", { sku: "T-2" });
