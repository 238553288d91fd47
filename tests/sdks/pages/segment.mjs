// A page with @segment/analytics-next, and consent stamped on every message as Segment's wrapper
// for consent tools stamps it.

import { AnalyticsBrowser } from "@segment/analytics-next";
import { key, options, tell, url } from "./story.mjs";

const [analytics] = await AnalyticsBrowser.load({ writeKey: key, cdnURL: url }, options);
await analytics.addSourceMiddleware(({ payload, next }) => {
  const categoryPreferences = { Advertising: true, Functional: false };
  payload.obj.context.consent = { categoryPreferences };
  next(payload);
});
await tell(analytics);
