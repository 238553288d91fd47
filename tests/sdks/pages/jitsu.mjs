// A page with @jitsu/js.

import { jitsuAnalytics } from "@jitsu/js";
import { key, tell, url } from "./story.mjs";

const consentCategories = { Advertising: true, Functional: false };
await tell(jitsuAnalytics({ host: url, writeKey: key, privacy: { consentCategories } }));
