// The story of two shoppers who use one browser, a page for each, as every web SDK is told it.
// The address says whose turn it is, where the platform is, and what else the SDK gets at start.

const asked = Object.fromEntries(new URLSearchParams(location.search));
export const { url, key, who } = asked;
export const options = JSON.parse(asked.options ?? "{}");
const [ada, bob] = [`${who}-ada`, `${who}-bob`];
const shoppers = { ada: adaShops, bob: bobShops };

export async function tell(analytics) {
  await shoppers[asked.shopper]?.(analytics); // nobody: a visit without a word
  window.told = true;
}

async function adaShops(analytics) {
  await analytics.page("Pricing");
  await analytics.track("Product Viewed", { sku: "T-1" });
  await analytics.identify(ada, { email: `${ada}@example.com`, plan: "pro" });
  await analytics.track("Order Completed", { order_id: "o-1", revenue: 51.2 });
  await analytics.group(`${who}-acme`, { name: "Acme" });
  if (analytics.alias) {
    await analytics.alias(ada, `${ada}-lead`);
    await analytics.alias(`${ada}-countess`, ada);
  }
  await analytics.track("Article Read");
}

async function bobShops(analytics) {
  await analytics.reset();
  await analytics.identify(bob, { email: `${bob}@example.com` });
  await analytics.track("Product Viewed", { sku: "T-2" });
}
