// Pictures of the page for the documentation, of a real demo: node shots.mjs [directory]

import { chromium } from "playwright-core";
import { demo } from "./federation.mjs";

const to = process.argv[2] ?? new URL("../../docs/page", import.meta.url).pathname;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const running = await demo(25);
try {
  for (const colorScheme of ["light", "dark"]) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, colorScheme, viewport: { width: 1200, height: 900 } });
    const page = await context.newPage();
    for (let tries = 0; tries < 200; tries += 1) {
      if (await page.goto(running.url).then(() => true, () => false)) break;
      await new Promise((done) => setTimeout(done, 100));
    }
    await page.waitForFunction(() => document.querySelector("#phase").textContent === "finished", null, { timeout: 120_000 });
    const entries = (await (await page.request.get(`${running.url}/v1/progress`)).json()).ledger_entries;
    for (const [name, view] of [["overview", ""], ["rounds", "rounds"], ["participants", "participants"], ["weights", "weights"], ["rewards", "rewards"], ["ledger", "ledger"], ["proof", `ledger/${Math.floor(entries / 2)}`], ["model", "model"]]) {
      await page.goto(`${running.url}/#/${view}`);
      await page.waitForTimeout(1500);
      await page.screenshot({ path: `${to}/${name}-${colorScheme}.png`, fullPage: false });
    }
    await context.close();
  }
} finally {
  await browser.close();
  await running.stop();
}
