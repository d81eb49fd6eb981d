// Looks at the pages as a person does: in Airflow's own frame, light and dark, wide and narrow.
// Reads one JSON object from stdin, writes one line of JSON for each look to stdout.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const puppeteer = require("puppeteer-core");

const AXE = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const SERIOUS = new Set(["serious", "critical"]);
const SIZES = { 1280: 900, 390: 844 };

async function main(asked) {
  const browser = await puppeteer.launch({
    executablePath: asked.chromium,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    userDataDir: asked.profile,
  });
  try {
    for (const theme of ["light", "dark"])
      for (const width of [1280, 390]) await lookAtAll(browser, asked, theme, width);
  } finally {
    await browser.close();
  }
}

async function lookAtAll(browser, asked, theme, width) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  await page.setViewport({ width, height: SIZES[width] });
  // the system wants the other one: Airflow's switch must win
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme === "dark" ? "light" : "dark" }]);
  await context.setCookie({ name: "_token", value: asked.token, domain: new URL(asked.base).hostname, path: "/" });
  await page.evaluateOnNewDocument((told) => localStorage.setItem("theme", told), theme);
  const said = [];
  page.on("console", (line) => line.type() === "error" && said.push(line.text()));
  page.on("dialog", (dialog) => { said.push(`dialog ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(`${asked.base}/plugin/lakehouse`, { waitUntil: "domcontentloaded" });
  const frame = await ours(page);
  for (const place of asked.places) {
    said.length = 0;
    const answer = await frame.goto(`${asked.base}/lakehouse${place.path}`, { waitUntil: "load" });
    const seen = await judge(frame);
    const file = `${place.name}-${theme}-${width}.png`;
    if (asked.out) await page.screenshot({ path: path.join(asked.out, file) });
    const told = { name: place.name, path: place.path, theme, width, status: answer.status(), ...seen, said: [...said] };
    process.stdout.write(`${JSON.stringify(told)}\n`);
  }
  await context.close();
}

async function ours(page) {
  for (let turn = 0; turn < 300; turn += 1) {
    const found = page.frames().find((frame) => frame !== page.mainFrame() && frame.url().includes("/lakehouse/"));
    if (found && (await found.$("main").catch(() => null))) return found;
    await new Promise((wake) => setTimeout(wake, 100));
  }
  throw new Error("the pages do not show in Airflow");
}

async function judge(frame) {
  const seen = await frame.evaluate(() => ({
    shown: document.documentElement.dataset.theme,
    ground: getComputedStyle(document.body).backgroundColor,
    ran: Boolean(window.ran || window.parent.ran),
    wide: document.documentElement.scrollWidth > document.documentElement.clientWidth + 1,
  }));
  await frame.evaluate(AXE);
  const found = await frame.evaluate(() => axe.run(document));
  const faults = found.violations
    .filter((fault) => SERIOUS.has(fault.impact))
    .map((fault) => ({ id: fault.id, impact: fault.impact, where: fault.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)) }));
  return { ...seen, faults };
}

main(JSON.parse(fs.readFileSync(0, "utf8"))).catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
