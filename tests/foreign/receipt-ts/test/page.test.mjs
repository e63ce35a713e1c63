// The cases once more, by a page in a real browser: Chromium, where it is installed.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { gunzipSync } from "node:zlib";

const DEADLINE_MS = 120_000;
// Root may not start Chromium in its sandbox; the page is this test's own. It asks nobody but it.
const QUIET = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

const names = ["chromium", "chromium-browser", "google-chrome"];
const browser = names.find((name) => spawnSync(name, ["--version"]).status === 0);
const skip = browser === undefined && "NOT RUN: no Chromium";

const cases = gunzipSync(readFileSync(new URL("cases.json.gz", import.meta.url)));

/** Serves the page, the package and its libraries, and takes one answer. */
function serve(answered) {
  const types = { html: "text/html", js: "text/javascript", json: "application/json" };
  const fileOf = (path) => {
    if (path === "/") return readFileSync(new URL("page.html", import.meta.url));
    if (path === "/cases.json") return cases;
    if (!/^\/(dist|node_modules\/@noble)\/[\w/-]+\.js$/.test(path)) return undefined;
    return readFileSync(new URL(`..${path}`, import.meta.url));
  };
  return createServer(async (request, response) => {
    if (request.method === "POST") {
      const parts = await request.toArray();
      response.end();
      return answered(JSON.parse(Buffer.concat(parts).toString()));
    }
    const body = fileOf(request.url);
    const type = types[request.url === "/" ? "html" : request.url.split(".").pop()];
    response.writeHead(body ? 200 : 404, { "content-type": type ?? "text/plain" }).end(body);
  });
}

test("a page says of every case what Node says", { skip, timeout: DEADLINE_MS }, async (t) => {
  const answers = new EventEmitter();
  const answered = once(answers, "answer").then(([answer]) => answer);
  const server = serve((answer) => answers.emit("answer", answer)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const folder = mkdtempSync(join(tmpdir(), "credlog-page-"));
  const address = `http://127.0.0.1:${server.address().port}/`;
  const child = spawn(browser, [...QUIET, `--user-data-dir=${folder}`, address], {
    stdio: "ignore",
    detached: true,
  });
  t.after(async () => {
    const ended = child.exitCode === null && child.signalCode === null && once(child, "exit");
    // Its own group: the browser with the processes it started.
    if (ended) process.kill(-child.pid, "SIGKILL");
    await ended;
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });
  const ended = once(child, "exit").then(([code]) => ({ error: `the browser ended: ${code}` }));
  const answer = await Promise.race([answered, ended]);
  assert.equal(answer.error, undefined);
  assert.match(answer.agent, /Chrome/);
  const rows = JSON.parse(cases.toString()).cases;
  assert.equal(answer.results.length, rows.length);
  rows.forEach((row, place) => {
    const { outcome, code, statuses } = answer.results[place];
    assert.deepEqual([outcome, code], [row.outcome, row.code], row.name);
    if (row.statuses) assert.deepEqual(statuses, row.statuses, row.name);
  });
});
