// The story of two shoppers, told with @segment/analytics-node.

import { Analytics } from "@segment/analytics-node";

const [host, writeKey, who] = process.argv.slice(2);
const analytics = new Analytics({ host, writeKey });
analytics.on("error", (error) => {
  console.error(error);
  process.exitCode = 1;
});
const [ada, bob, device] = [`${who}-ada`, `${who}-bob`, `${who}-device`];

analytics.page({ anonymousId: device, name: "Pricing", properties: { path: "/pricing" } });
analytics.track({ anonymousId: device, event: "Product Viewed", properties: { sku: "T-1" } });
analytics.identify({
  userId: ada,
  anonymousId: device,
  traits: { email: `${ada}@example.com`, plan: "pro" },
  context: { consent: { categoryPreferences: { Advertising: true, Functional: false } } },
});
const order = { order_id: "o-1", revenue: 51.2 };
analytics.track({ userId: ada, event: "Order Completed", properties: order });
analytics.group({ userId: ada, groupId: `${who}-acme`, traits: { name: "Acme" } });
analytics.alias({ userId: ada, previousId: `${ada}-lead` });
analytics.alias({ userId: `${ada}-countess`, previousId: ada });
analytics.track({ userId: `${ada}-countess`, event: "Article Read" });
const other = { email: `${bob}@example.com` };
analytics.identify({ userId: bob, anonymousId: `${device}-2`, traits: other });
analytics.track({ userId: bob, event: "Product Viewed", properties: { sku: "T-2" } });
await analytics.closeAndFlush();
