// Chromium as a person uses it: does what it reads, a line of JSON at a time, and says what came of
// it. The first argument is Chromium, the second how to begin it: script or none, how wide, how dark.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [executablePath, options] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const browser = await chromium.launch({
  executablePath,
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
});
const context = await browser.newContext(JSON.parse(options));
const page = await context.newPage();
const asked = [];
const problems = [];
page.on("request", (request) => asked.push(request.url()));
page.on("pageerror", (error) => problems.push(String(error)));
page.on("console", (message) => message.type() === "error" && problems.push(message.text()));

const focused = () =>
  page.evaluate(() => {
    const at = document.activeElement;
    const seen = getComputedStyle(at);
    return {
      tag: at.tagName.toLowerCase(),
      name: at.id || at.value || at.textContent.trim(),
      outlined: seen.outlineStyle !== "none" && parseFloat(seen.outlineWidth) >= 2,
    };
  });

const does = {
  async goto({ url }) {
    const answer = await page.goto(url);
    return { status: answer.status() };
  },
  async axe() {
    await page.evaluate(axe);
    const found = await page.evaluate(
      (values) => window.axe.run(document, { runOnly: { type: "tag", values } }),
      RULES,
    );
    const told = (each) => `${each.id}: ${each.nodes.map((node) => node.html).join(" | ")}`;
    return { passed: found.passes.length, violations: found.violations.map(told) };
  },
  async press({ key }) {
    await page.keyboard.press(key);
    return {};
  },
  async submit() {
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    return {};
  },
  async focused() {
    return focused();
  },
  async click({ on }) {
    await page.click(on);
    await page.waitForLoadState();
    return {};
  },
  async state() {
    return page.evaluate(() => ({
      url: location.href,
      lang: document.documentElement.lang,
      heading: document.querySelector("h1").textContent,
      status: document.querySelector("[role=status]")?.textContent.trim() ?? "",
      on: [...document.querySelectorAll("input:checked")].map((each) => each.value),
      wide: document.documentElement.scrollWidth,
      small: [...document.querySelectorAll("a, button, input:not([type=hidden]), summary")]
        .filter((each) => each.getClientRects().length && each.type !== "radio")
        .filter((each) => {
          const { width, height } = each.getBoundingClientRect();
          return width < 24 || height < 24;
        })
        .map((each) => each.outerHTML),
    }));
  },
  async wait({ on }) {
    await page.locator(on).first().waitFor({ state: "attached", timeout: 30_000 });
    return {};
  },
  async see({ on }) {
    return page.evaluate((selector) => {
      const at = document.querySelector(selector);
      return { text: at.textContent.trim(), html: at.innerHTML, hidden: at.hidden };
    }, on);
  },
  async call({ name, given }) {
    const call = ([each, values]) => window.cdp[each](...values);
    return { value: await page.evaluate(call, [name, given]) };
  },
  async noted() {
    return { noted: await page.evaluate(() => window.noted) };
  },
  async stored() {
    return { stored: await page.evaluate(() => Object.keys(localStorage).sort()) };
  },
  async pushed({ data }) {
    await page.evaluate(async () => {
      await navigator.serviceWorker.ready;
    });
    const session = await context.newCDPSession(page);
    const found = new Promise((resolve) => {
      session.on("ServiceWorker.workerVersionUpdated", ({ versions }) =>
        versions
          .filter((each) => each.status === "activated")
          .forEach((each) => resolve(each.registrationId)),
      );
    });
    await session.send("ServiceWorker.enable");
    const message = { origin: new URL(page.url()).origin, registrationId: await found, data };
    const shown = async () => {
      const ready = await navigator.serviceWorker.ready;
      const all = await ready.getNotifications();
      return all.map((one) => ({ title: one.title, body: one.body, data: one.data }));
    };
    // What a push service does, too: a browser with much else to do is told again, later and later.
    // Of pushes with one tag, one is shown.
    for (let wait = 250; wait <= 8000; wait *= 2) {
      await session.send("ServiceWorker.deliverPushMessage", message);
      for (const end = Date.now() + wait; Date.now() < end; await page.waitForTimeout(50)) {
        const found = await page.evaluate(shown);
        if (found.length) return { shown: found };
      }
    }
    return { shown: [] };
  },
  async shot({ path }) {
    await page.screenshot({ path, fullPage: true });
    return {};
  },
  async end() {
    await browser.close();
    return { asked, problems };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const wish = JSON.parse(line);
  console.log(JSON.stringify(await does[wish.do](wish)));
  if (wish.do === "end") {
    process.exit(0);
  }
}
await browser.close();
