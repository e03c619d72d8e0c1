// Running the program for the browser's tests: a demo, or a coordinator that waits for its founders.

import { spawn, spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PROGRAM = process.env.UNSILO ?? new URL("../../target/release/unsilo", import.meta.url).pathname;
const MODEL = new URL("../../data/digits.model.toml", import.meta.url).pathname;

const freePort = () => new Promise((done, fail) => {
  const server = createServer().once("error", fail).listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => done(port));
  });
});

/** A running program with its output, ended with the test. */
class Running {
  constructor(args) {
    this.output = "";
    this.child = spawn(PROGRAM, args, { stdio: ["ignore", "pipe", "pipe"] });
    const hear = (bytes) => { this.output += bytes; };
    this.child.stdout.on("data", hear);
    this.child.stderr.on("data", hear);
    this.ended = new Promise((done) => this.child.once("exit", done));
  }

  async stop(signal = "SIGTERM") {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    await this.ended;
  }
}

/** A demo of so many rounds; it goes on serving afterwards. */
export async function demo(rounds) {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), "unsilo-page-"));
  const running = new Running(["demo", "--rounds", String(rounds), "--port", String(port), "--quiet", "--device", "cpu", "--dir", join(dir, "demo")]);
  return {
    url: `https://127.0.0.1:${port}`, running,
    /** A company's own copy of the ledger, replayed and verified by the program. */
    ledger() {
      const ran = spawnSync(PROGRAM, ["ledger", "show", join(dir, "demo", "company-1"), "--json"], { encoding: "utf8", maxBuffer: 1 << 26 });
      if (ran.status !== 0) throw new Error(ran.stderr);
      return JSON.parse(ran.stdout).entries;
    },
    async stop() { await running.stop("SIGINT"); rmSync(dir, { recursive: true, force: true }); },
  };
}

/** A federation whose founders have not joined; it can be stopped and started. */
export async function waiting() {
  const dir = mkdtempSync(join(tmpdir(), "unsilo-page-"));
  const port = await freePort();
  const federation = join(dir, "federation");
  const founders = ["Aster Labs", "Birch Post", "Cedar Bank"].flatMap((name) => ["--founder", name]);
  const made = spawnSync(PROGRAM, ["coordinator", "init", federation, "--name", "A <b>federation</b> & \"friends\"", "--model", MODEL, "--address", `127.0.0.1:${port}`, "--listen", `127.0.0.1:${port}`, ...founders], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(made.stderr);
  let running = null;
  return {
    url: `https://127.0.0.1:${port}`,
    start() { running = new Running(["coordinator", "serve", federation]); },
    stop: () => running?.stop("SIGKILL"),
    /** What an admin's command prints as JSON. */
    admin(...args) {
      const ran = spawnSync(PROGRAM, ["coordinator", "--json", ...args.map((arg) => (arg === "DIR" ? federation : arg))], { encoding: "utf8" });
      if (ran.status !== 0) throw new Error(ran.stderr);
      return JSON.parse(ran.stdout);
    },
    async end() { await running?.stop("SIGKILL"); rmSync(dir, { recursive: true, force: true }); },
  };
}
