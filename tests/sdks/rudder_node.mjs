// The story of two shoppers, told with @rudderstack/rudder-sdk-node.

import RudderAnalytics from "@rudderstack/rudder-sdk-node";

const [dataPlaneUrl, writeKey, who] = process.argv.slice(2);
const analytics = new RudderAnalytics(writeKey, { dataPlaneUrl, flushInterval: 200 });
const [ada, bob, device] = [`${who}-ada`, `${who}-bob`, `${who}-device`];

analytics.page({ anonymousId: device, name: "Pricing", properties: { path: "/pricing" } });
analytics.track({ anonymousId: device, event: "Product Viewed", properties: { sku: "T-1" } });
const consent = { allowedConsentIds: ["Advertising"], deniedConsentIds: ["Functional"] };
analytics.identify({
  userId: ada,
  anonymousId: device,
  traits: { email: `${ada}@example.com`, plan: "pro" },
  context: { consentManagement: consent },
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
await analytics.flush();
