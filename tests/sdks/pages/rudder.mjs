// A page with @rudderstack/analytics-js; the bundled entry fetches no plugins from its vendor.

import { RudderAnalytics } from "@rudderstack/analytics-js/bundled";
import { key, options, tell, url } from "./story.mjs";

const analytics = new RudderAnalytics();
const choice = { allowedConsentIds: ["Advertising"], deniedConsentIds: ["Functional"] };
const consentManagement = { enabled: true, provider: "custom", ...choice };
analytics.load(key, url, { configUrl: url, consentManagement, ...options });
await new Promise((resolve) => analytics.ready(resolve));
await tell(analytics);
