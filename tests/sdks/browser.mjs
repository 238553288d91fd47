// Chromium on a leash: visits each address it reads, a line at a time, and answers when the page
// there has told its story, or shows what the line's second word selects. At the end of its input it says what went wrong in the pages, and
// which addresses outside this machine they wanted.

import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [executablePath, profile] = process.argv.slice(2);
const TOLD_MILLISECONDS = 30_000;
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
const outside = [];
const problems = [];

const browser = await chromium.launchPersistentContext(profile, {
  executablePath,
  headless: true,
  args: [...flags, ...quiet, "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
});
browser.on("request", (request) => {
  const { protocol, hostname } = new URL(request.url());
  if (protocol.startsWith("http") && hostname !== "127.0.0.1") {
    outside.push(request.url());
  }
});
const page = browser.pages()[0] ?? (await browser.newPage());
page.on("pageerror", (error) => problems.push(String(error)));
page.on("console", (message) => {
  if (message.type() === "error") {
    problems.push(message.text());
  }
});
try {
  for await (const line of createInterface({ input: process.stdin })) {
    const [address, shown] = line.split(" ");
    await page.goto(address);
    if (shown) {
      await page.locator(shown).first().waitFor({ timeout: TOLD_MILLISECONDS });
    } else {
      await page.waitForFunction(() => window.told, null, { timeout: TOLD_MILLISECONDS });
    }
    console.log(JSON.stringify({ visited: address }));
  }
} catch (error) {
  console.error(error.message, { outside, problems });
  process.exit(1);
}
await browser.close();
console.log(JSON.stringify({ outside, problems }));
