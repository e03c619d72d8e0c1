// The page in Chromium: every view, empty, live and broken; by keyboard; asking nobody but its coordinator.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { demo, waiting } from "./federation.mjs";

const AXE = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const VIEWS = ["", "rounds", "participants", "weights", "rewards", "ledger", "model", "feedback"];
/** Rounds of the demo: some seconds, so that it is seen running. */
const ROUNDS = 30;
const PATIENCE = 120_000;

let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
});
after(() => browser?.close());

/** A page that notes what it asked whom, and every complaint. */
async function open(url, { colorScheme = "light" } = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, colorScheme, viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const seen = { requests: [], complaints: [] };
  page.on("request", (request) => seen.requests.push(request.url()));
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) seen.complaints.push(message.text()); });
  page.on("pageerror", (error) => seen.complaints.push(String(error)));
  const go = async (view) => {
    await page.goto(`${url}/#/${view}`);
    await page.waitForSelector("main h1");
  };
  return { page, go, seen, text: () => page.innerText("main"), close: () => context.close() };
}

/** Nothing asked of anybody else, nothing to complain about. */
function assertQuiet(seen, url) {
  assert.deepEqual(seen.requests.filter((asked) => !asked.startsWith(`${url}/`)), [], "asked somebody else");
  assert.deepEqual(seen.complaints, []);
}

async function assertAccessible(page, what) {
  // By the debugger, not by a script element: the page's policy refuses those.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] }));
  const found = violations.map(({ id, nodes }) => `${what}: ${id}: ${nodes.map((node) => node.target.join(" ")).slice(0, 3).join("; ")}`);
  assert.deepEqual(found, []);
}

const HEADINGS = { rounds: "Rounds", participants: "Participants", weights: "Weights", rewards: "Rewards", ledger: "Ledger", model: "Use the model", feedback: "Feedback" };

describe("a federation that nobody has joined", () => {
  const EMPTY = {
    "": "No round is over yet.", rounds: "No round is over yet.", participants: "Nobody yet.", weights: "No round has been weighed yet.",
    rewards: "Nothing has been paid yet.", ledger: "The ledger is empty.", model: "There is no model yet", feedback: "Say something",
  };
  let federation;
  before(async () => { federation = await waiting(); federation.start(); await answers(federation.url); });
  after(() => federation?.end());

  test("every view says that and why it is empty, in words that markup in a name does not change", async () => {
    const { page, go, seen, text, close } = await open(federation.url);
    for (const view of VIEWS) {
      await go(view);
      await page.waitForFunction((words) => document.querySelector("main").innerText.includes(words), EMPTY[view]);
      await assertAccessible(page, view);
      assert.equal(await page.locator("header b").count(), 0);
    }
    assert.equal(await page.innerText("#name"), "A <b>federation</b> & \"friends\"");
    assert.match(await text(), /Feedback/);
    assertQuiet(seen, federation.url);
    await close();
  });

  test("an entry that is not there is said to be missing", async () => {
    const { go, page, close } = await open(federation.url);
    await go("ledger/7");
    await page.waitForFunction(() => document.querySelector("main").innerText.includes("there is no entry 7 yet"));
    await close();
  });

  test("what the holder of a token says reaches the admin, and the answer comes back, as text", async () => {
    const { page, go, seen, close } = await open(federation.url);
    await go("feedback");
    await page.fill("#token", "unsilo_0011223344556677_00");
    await page.fill("#text", "x");
    await page.click("#say button");
    await page.waitForFunction(() => document.querySelector("#filed").innerText.includes("Authorization: "));
    seen.complaints.length = 0; // The browser itself reports the refused request.
    const { token } = federation.admin("token", "create", "DIR", "Clerk");
    const words = "The <b>model</b> is\nslow";
    await page.fill("#token", token);
    await page.selectOption("#kind", "idea");
    await page.fill("#text", words);
    await page.click("#say button");
    await page.waitForFunction(() => document.querySelector("#own").innerText.includes("No answer yet."));
    const [piece] = federation.admin("feedback", "list", "DIR").feedback;
    assert.deepEqual([piece.author, piece.kind, piece.text], ["Clerk", "idea", words]);
    assert.match(await page.innerText("#filed"), new RegExp(piece.id));
    const receipt = await get(page, await page.getAttribute("#filed a", "href"));
    assert.equal(receipt.request, piece.hash);
    federation.admin("feedback", "answer", "DIR", piece.id, "We look into it.");
    await page.click("#answers");
    await page.waitForFunction(() => document.querySelector("#own").innerText.includes("We look into it."));
    assert.equal(await page.locator("#own b").count(), 0);
    assert.equal(await page.innerText("#own .said >> nth=0"), words);
    await assertAccessible(page, "feedback");
    assertQuiet(seen, federation.url);
    await close();
  });

  test("a coordinator that is gone is said to be, what was seen stays, and the page goes on when it is back", async () => {
    const { page, go, close } = await open(federation.url);
    await go("rounds");
    await federation.stop();
    await page.waitForSelector("#gone:not([hidden])");
    assert.match(await page.innerText("#gone"), /does not answer/);
    assert.match(await page.innerText("main"), /No round is over yet/);
    await assertAccessible(page, "gone");
    federation.start();
    await page.waitForSelector("#gone", { state: "hidden" });
    await close();
  });
});

describe("a demo that runs", () => {
  let running;
  before(async () => { running = await demo(ROUNDS); await answers(running.url); });
  after(() => running?.stop());

  test("the overview follows the rounds by itself, and each company's gain appears", async () => {
    const { page, go, seen, text, close } = await open(running.url);
    await go("");
    const published = async () => Number(await page.getAttribute("main progress", "value"));
    await page.waitForFunction(() => Number(document.querySelector("main progress")?.value) > 0);
    // The companies leave when all rounds are done.
    await page.waitForFunction(() => document.querySelector("main").innerText.includes("5 of 5"));
    const first = await published();
    await page.waitForFunction((than) => Number(document.querySelector("main progress")?.value) > than, first);
    await page.waitForFunction((all) => Number(document.querySelector("main progress")?.value) === all, ROUNDS);
    await page.waitForFunction(() => document.querySelector("#phase").textContent === "finished");
    await page.waitForFunction((all) => document.querySelector("main").innerText.includes(`after round ${all}`), ROUNDS);
    assert.match(await text(), /gained by training together/);
    for (const company of ["Aster Labs", "Birch Post", "Cedar Bank", "Dahlia Health", "Elm Courier"]) assert.ok((await text()).includes(company));
    // What the page shows is what the companies published.
    const last = await get(page, `/v1/evaluations/pages/${Math.floor(ROUNDS / 64)}`);
    const figures = last.items.at(-1).evaluations;
    assert.equal(figures.length, 5);
    const best = Math.max(...figures.map((one) => one.alone_accuracy));
    assert.ok((await text()).includes(`${(100 * best).toFixed(1)} %`));
    assert.equal(await page.locator("svg.chart path.shared").count(), 1);
    assertQuiet(seen, running.url);
    await close();
  });

  for (const colorScheme of ["light", "dark"]) {
    test(`every view shows what happened, accessibly, in ${colorScheme} colours`, async () => {
      const { page, go, seen, text, close } = await open(running.url, { colorScheme });
      for (const view of VIEWS) {
        await go(view);
        if (HEADINGS[view]) await page.waitForFunction((heading) => document.querySelector("main h1")?.innerText === heading, HEADINGS[view]);
        await page.waitForFunction(() => !document.querySelector("#loading"));
        await assertAccessible(page, `${view} ${colorScheme}`);
        if (view === "rounds") {
          assert.equal(await page.locator("tbody tr").count(), 25);
          await page.click("#more");
          await page.waitForFunction((all) => document.querySelectorAll("tbody tr").length === all, ROUNDS);
        }
        if (view === "participants") assert.equal(await page.locator("tbody tr").count(), 5);
        if (view === "weights") assert.equal(await page.locator("table.heat").first().locator("tbody tr").count(), 5);
        if (view === "rewards") assert.match(await text(), /Epochs settled/);
        if (view === "ledger") {
          const newest = await page.innerText("tbody tr:first-child th");
          await page.click("#older");
          await page.waitForFunction((than) => document.querySelector("tbody tr:first-child th").innerText !== than, newest);
        }
      }
      assertQuiet(seen, running.url);
      await close();
    });
  }

  test("weights, pay and entries on the page are those of a company's own copy of the ledger", async () => {
    const { page, go, close } = await open(running.url);
    const entries = running.ledger();
    const rows = (selector) => page.$$eval(`${selector} tr`, (all) => all.map((row) => [...row.children].map((cell) => cell.innerText.trim())));
    const whole = (text) => Number(text.replaceAll(",", ""));

    // "round 3 weighed: Aster Labs 256, Birch Post 0, …": the share of each in the sum.
    const weighed = new Map();
    for (const words of entries.flatMap((entry) => entry.follows)) {
      const [, round, list] = /^round (\d+) weighed: (.*)$/.exec(words) ?? [];
      if (round) weighed.set(round, new Map(list.split(", ").map((one) => { const [, name, weight] = /^(.*) (\d+)$/.exec(one); return [name, Number(weight)]; })));
    }
    assert.equal(weighed.size, ROUNDS);
    await go("weights");
    await page.waitForSelector("table.heat");
    const [[, ...rounds]] = await rows("table.heat >> nth=0 >> thead");
    const shares = await rows("table.heat >> nth=0 >> tbody");
    assert.equal(shares.length, 5);
    assert.deepEqual(rounds, [...weighed.keys()].slice(-rounds.length));
    for (const [company, ...cells] of shares) {
      cells.forEach((cell, i) => {
        const of = weighed.get(rounds[i]);
        const total = [...of.values()].reduce((sum, weight) => sum + weight, 0);
        const weight = of.get(company);
        // Who was left out has a dash, and not a small part.
        const expected = weight ? `${(100 * weight / total).toFixed(0)} %` : "–";
        assert.equal(cell, expected, `${company}, round ${rounds[i]}`);
      });
    }

    // "epoch 1 settled: 9 of 10 paid: Aster Labs 4, Birch Post 5": the bars, their numbers, and who earned what.
    const paid = [];
    for (const words of entries.flatMap((entry) => entry.follows)) {
      const [, epoch, sum, list] = /^epoch (\d+) settled: (\d+) of \d+ paid: ([^;]*)/.exec(words) ?? [];
      if (epoch) paid.push({ epoch, sum: Number(sum), to: new Map(list === "nobody" ? [] : list.split(", ").map((one) => { const [, name, value] = /^(.*) (\d+)$/.exec(one); return [name, Number(value)]; })) });
    }
    const earned = new Map();
    for (const { to } of paid) for (const [company, value] of to) earned.set(company, (earned.get(company) ?? 0) + value);
    assert.ok(earned.size > 0, "the demo's raters pay somebody");
    await go("rewards");
    await page.waitForSelector("svg.chart rect");
    await page.click("details[id^=numbers] summary");
    const [[, , , ...names]] = await rows("details[id^=numbers] thead");
    const epochs = (await rows("details[id^=numbers] tbody")).filter(([label]) => label.startsWith("epoch"));
    assert.equal(epochs.length, paid.length);
    epochs.forEach(([label, sum, , ...values], i) => {
      assert.equal(label, `epoch ${paid[i].epoch}`);
      assert.equal(whole(sum), paid[i].sum);
      names.forEach((company, j) => assert.equal(whole(values[j]), paid[i].to.get(company) ?? 0, `${label}, ${company}`));
    });
    const drawn = await page.$$eval("svg.chart rect title", (all) => all.map((title) => title.textContent));
    const expected = paid.flatMap(({ epoch, to }) => [...to].map(([company, value]) => `epoch ${epoch}, ${company}: ${value.toLocaleString("en")}`));
    assert.deepEqual(drawn.filter((title) => title.startsWith("epoch")).sort(), expected.sort());
    const heights = await page.$$eval("svg.chart rect", (all) => all.map((rect) => [Number(rect.querySelector("title")?.textContent.split(": ").at(-1).replaceAll(",", "")), Number(rect.getAttribute("height"))]).filter(([value]) => value));
    const scale = heights[0][1] / heights[0][0];
    for (const [value, height] of heights) assert.ok(Math.abs(height - scale * value) < 0.01, "as high as it is worth");
    const totals = (await rows("section.card:last-of-type table tbody")).map(([company, ...cells]) => [company, whole(cells.at(-1))]);
    assert.deepEqual(new Map(totals), earned);

    // The explorer: every entry of its newest page, word for word.
    await go("ledger");
    await page.waitForSelector("tbody tr");
    for (const [index, says] of await rows("tbody")) {
      const own = entries[Number(index)];
      assert.ok(own.description.startsWith(says), `entry ${index}: ${says} / ${own.description}`);
    }
    await close();
  });

  test("the browser proves an entry by itself, and refuses each part that was altered", async () => {
    const { page, go, seen, close } = await open(running.url);
    const { ledger_entries: entries } = await get(page, "/v1/progress", running.url);
    for (const index of [0, 1, Math.floor(entries / 2), entries - 1]) {
      await go(`ledger/${index}`);
      await page.waitForFunction((number) => document.querySelector("main h1").innerText === `Entry ${number}`, index);
      assert.match(await page.innerText("#verdict"), /checked in this browser/);
      assert.match(await page.innerText("ol.steps"), /Which the coordinator signed \(Ed25519\)/);
    }
    assertQuiet(seen, running.url);
    const flip = (text) => (text[4] === "A" ? "B" : "A");
    const spoilt = {
      "an entry": (answer) => ({ ...answer, entry: answer.entry.slice(0, 4) + flip(answer.entry) + answer.entry.slice(5) }),
      "a hash on the path": (answer) => ({ ...answer, path: answer.path.map((hash, i) => (i ? hash : hash.slice(0, 4) + flip(hash) + hash.slice(5))) }),
      "the place in the log": (answer) => ({ ...answer, index: answer.index - 1 }),
      "the checkpoint's state root": (answer) => ({ ...answer, checkpoint: answer.checkpoint.replace(/\nstate (....)./, (_, kept) => `\nstate ${kept}${flip(answer.checkpoint.match(/\nstate (.*)/)[1])}`) }),
    };
    for (const [what, spoil] of Object.entries(spoilt)) {
      await page.route("**/v1/ledger/entries/9", async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, json: spoil(await response.json()) });
      });
      await go("ledger");
      await go("ledger/9");
      await page.waitForSelector("#verdict");
      assert.match(await page.innerText("#verdict"), /does NOT hold/, what);
      await page.unroute("**/v1/ledger/entries/9");
    }
    await close();
  });

  test("by keyboard alone: over the skip link, through the views, to a prediction", async () => {
    const { page, go, seen, close } = await open(running.url);
    await go("");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    const hrefs = [];
    for (let i = 0; i <= VIEWS.length; i += 1) {
      await page.keyboard.press("Tab");
      hrefs.push(await page.evaluate(() => document.activeElement.getAttribute("href")));
    }
    assert.deepEqual(hrefs, ["#/", ...VIEWS.map((view) => `#/${view}`)]);
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector("main h1")?.innerText === "Use the model");
    assert.equal(await page.getAttribute("nav a[aria-current]", "href"), "#/model");
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.id), "row");
    await page.keyboard.type("1,2");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector("#answer").innerText.includes("2 values, the model takes 64"));
    seen.complaints.length = 0; // The browser itself reports the refused request.
    await page.fill("#row", Array.from({ length: 64 }, (_, i) => i % 17).join(","));
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForFunction((round) => document.querySelector("#answer").innerText.includes(`model of round ${round}`), ROUNDS);
    assertQuiet(seen, running.url);
    await close();
  });

  test("the page's policy allows nothing but the coordinator's own files", async () => {
    const { page, go, close } = await open(running.url);
    await go("");
    const response = await page.request.get(`${running.url}/`);
    const policy = response.headers()["content-security-policy"];
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    assert.equal((await page.request.get(`${running.url}/assets/passwords`)).status(), 404);
    const wrong = await page.request.get(`${running.url}/v1/rounds/pages/first`);
    assert.equal(wrong.status(), 400);
    assert.equal(wrong.headers()["content-type"], "application/problem+json");
    await close();
  });
});

/** Waits until a coordinator answers. */
async function answers(url) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const until = Date.now() + PATIENCE;
  for (;;) {
    try {
      if ((await context.request.get(`${url}/healthz`, { timeout: 2000 })).ok()) break;
    } catch { /* not yet */ }
    assert.ok(Date.now() < until, `${url} does not answer`);
    await new Promise((done) => setTimeout(done, 100));
  }
  await context.close();
}

async function get(page, path, base = new URL(page.url()).origin) {
  return (await page.request.get(`${base}${path}`)).json();
}
