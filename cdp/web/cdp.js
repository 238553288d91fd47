// Content for the slots of a page, what becomes of it, and push messages. It never breaks the page:
// whatever fails is told as a "cdp" event on the document, and nothing waits for it.
(function (doc, win) {
  "use strict";
  var tag = doc.currentScript || doc.querySelector("script[data-write-key]");
  if (!tag || win.cdp) return;
  var at = tag.dataset;
  var base = (at.url || new URL(tag.src).origin).replace(/\/$/, "");
  var timeout = +at.timeout || 3000;
  var user = at.userId || "";
  var consent = kept("cdp_consent") || {};
  var blocks = new WeakMap();
  var told = {};
  var watcher, policy;

  function tell(type, detail) {
    try {
      doc.dispatchEvent(new CustomEvent("cdp", { detail: Object.assign({ type: type }, detail) }));
    } catch (ignored) {}
  }
  function safely(work) {
    return function () {
      var given = arguments;
      return Promise.resolve()
        .then(function () {
          return work.apply(null, given);
        })
        .catch(function (error) {
          tell("error", { message: String((error && error.message) || error) });
          return false;
        });
    };
  }
  function kept(name) {
    try {
      return JSON.parse(win.localStorage.getItem(name));
    } catch (ignored) {}
  }
  function keep(name, value) {
    try {
      win.localStorage.setItem(name, JSON.stringify(value));
    } catch (ignored) {}
  }
  function id() {
    return win.crypto.randomUUID
      ? win.crypto.randomUUID()
      : Array.from(win.crypto.getRandomValues(new Uint8Array(16)), function (each) {
          return each.toString(16).padStart(2, "0");
        }).join("");
  }
  // An id that another SDK keeps, else one of our own, which takes consent.
  function anonymous() {
    var cookie = /(?:^|; )ajs_anonymous_id=([^;]+)/.exec(doc.cookie);
    var known = at.anonymousId || kept("ajs_anonymous_id") || kept("cdp_anonymous_id");
    if (!known && cookie) known = decodeURIComponent(cookie[1]).replace(/"/g, "");
    if (!known && (consent.analytics || consent.personalization)) {
      known = id();
      keep("cdp_anonymous_id", known);
    }
    return known || "";
  }
  function personal() {
    return kept("cdp_personalized") !== false && consent.personalization !== false;
  }
  function ask(path, options) {
    var stop = new AbortController();
    var timer = setTimeout(function () {
      stop.abort();
    }, timeout);
    return fetch(base + path, Object.assign({ signal: stop.signal, credentials: "omit" }, options))
      .then(function (answer) {
        if (!answer.ok) throw new Error(path.split("?")[0] + " was answered " + answer.status);
        return answer.json();
      })
      .finally(function () {
        clearTimeout(timer);
      });
  }
  function post(path, body) {
    var who = anonymous();
    if (user) body.userId = user;
    if (who) body.anonymousId = who;
    if (!user && !who) return false; // nobody to speak of, and nothing is stored
    body.writeKey = at.writeKey;
    body.context = {
      consent: { categoryPreferences: consent },
      page: { url: win.location.href, path: win.location.pathname, title: doc.title },
    };
    return ask(path, { method: "POST", body: JSON.stringify(body), keepalive: true }).then(
      function () {
        return true;
      }
    );
  }
  function track(name, properties) {
    return post("/v1/t", {
      type: "track",
      event: name,
      properties: properties || {},
      messageId: id(),
      timestamp: new Date().toISOString(),
    });
  }
  function report(name, element, more) {
    var block = blocks.get(element);
    if (!block || told[name + block.decision_id]) return;
    if (!more) told[name + block.decision_id] = 1;
    var about = { slot: element.dataset.cdpSlot, decision_id: block.decision_id };
    about.content = block.content;
    about.variant = block.variant;
    tell(name, about);
    return track("Content " + name, Object.assign({}, more, about));
  }
  function watch(element) {
    if (!win.IntersectionObserver) return;
    watcher =
      watcher ||
      new IntersectionObserver(
        function (entries) {
          entries.forEach(function (each) {
            if (!each.isIntersecting) return;
            watcher.unobserve(each.target);
            safely(report)("Viewed", each.target);
          });
        },
        { threshold: 0.5 }
      );
    watcher.unobserve(element);
    watcher.observe(element);
  }
  function same(text) {
    return text;
  }
  function trusted(how, text) {
    if (!policy)
      policy = win.trustedTypes
        ? win.trustedTypes.createPolicy("cdp", { createHTML: same, createScriptURL: same })
        : { createHTML: same, createScriptURL: same };
    return policy[how](text);
  }
  function show(element, block) {
    if (!block || !block.content) return;
    blocks.set(element, block);
    if (typeof block.html === "string") element.innerHTML = trusted("createHTML", block.html);
    element.dataset.cdpContent = block.content;
    tell("content", { slot: element.dataset.cdpSlot, block: block, element: element });
    watch(element);
  }
  function load() {
    var found = Array.from(doc.querySelectorAll("[data-cdp-slot]"));
    if (!found.length) return {};
    var query = new URLSearchParams({ writeKey: at.writeKey });
    found.forEach(function (each) {
      if (!query.getAll("slot").includes(each.dataset.cdpSlot))
        query.append("slot", each.dataset.cdpSlot);
    });
    if (doc.documentElement.lang) query.append("locale", doc.documentElement.lang);
    if (!personal()) query.append("personalized", "false");
    else {
      if (user) query.append("user_id", user);
      if (anonymous()) query.append("anonymous_id", anonymous());
    }
    return ask("/personalize/content?" + query).then(function (answer) {
      found.forEach(function (each) {
        safely(show)(each, answer.blocks[each.dataset.cdpSlot]);
      });
      return answer.blocks;
    });
  }
  function push(options) {
    options = options || {};
    var workers = win.navigator.serviceWorker;
    if (!workers || !win.PushManager) return false;
    return Notification.requestPermission().then(function (said) {
      if (said !== "granted") return false;
      var key;
      return Promise.resolve(options.key || ask("/push/key?writeKey=" + at.writeKey))
        .then(function (found) {
          key = found.key || found;
          return workers.register(trusted("createScriptURL", options.worker || "/cdp-sw.js"));
        })
        .then(function () {
          return workers.ready;
        })
        .then(function (ready) {
          return ready.pushManager.subscribe({
            userVisibleOnly: true,
            applicationServerKey: key,
          });
        })
        .then(function (made) {
          return post("/push/subscriptions", { subscription: made.toJSON() });
        });
    });
  }
  doc.addEventListener("click", function (event) {
    var element = event.target.closest && event.target.closest("[data-cdp-content]");
    if (!element) return;
    if (event.target.closest("[data-cdp-dismiss]")) {
      element.hidden = true;
      safely(report)("Dismissed", element);
    } else {
      var link = event.target.closest("a,button");
      if (link) safely(report)("Clicked", element, link.href ? { href: link.href } : {});
    }
  });
  win.cdp = {
    load: safely(load),
    track: safely(track),
    push: safely(push),
    identify: safely(function (userId, traits) {
      user = userId;
      var said = { type: "identify", traits: traits || {}, messageId: id() };
      return Promise.resolve(post("/v1/i", said)).then(load);
    }),
    consent: safely(function (given) {
      consent = Object.assign({}, consent, given);
      keep("cdp_consent", consent);
      return Promise.resolve(track("Consent Preference Updated")).then(load);
    }),
    personalize: safely(function (wanted) {
      keep("cdp_personalized", wanted !== false);
      return load();
    }),
  };
  if (doc.readyState === "loading") doc.addEventListener("DOMContentLoaded", win.cdp.load);
  else win.cdp.load();
})(document, window);
