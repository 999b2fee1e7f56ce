// Over real sockets: redirects, answers without end, and the example of the README.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { test } from "node:test";

import { Ledger, ServerError, NetworkError } from "turnledger";

const key = "uniq_test_00000000";
const turn = { status: "completed", latency_ms: 1, personality_id: "pers_a" };

/** Run `use(url, paths)` with a server on loopback. */
async function serve(answer, use) {
  const paths = [];
  const server = createServer((request, response) => {
    paths.push(`${request.method} ${request.url}`);
    request.resume().on("end", () => answer(request, response));
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  try {
    await use(`http://127.0.0.1:${server.address().port}`, paths);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("a redirect is no answer, and no turn follows it", async () => {
  const redirect = (_, response) => response.writeHead(307, { location: "/elsewhere" }).end();
  await serve(redirect, async (url, paths) => {
    const ledger = new Ledger({ url, key, sleep: async () => {} });
    await assert.rejects(ledger.record(turn), ServerError);
    assert.deepEqual(new Set(paths), new Set(["POST /v1/interactions"]));
  });
});

test("an answer without end takes no memory without end", async () => {
  const flood = (_, response) => {
    const chunk = Buffer.alloc(1024 * 1024);
    const more = () => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on("drain", more).writeHead(200);
    more();
  };
  await serve(flood, async (url) => {
    const ledger = new Ledger({ url, key, sleep: async () => {} });
    await assert.rejects(ledger.reserve({ personalityId: "pers_a" }), NetworkError);
  });
});

test("the example of the README runs", async () => {
  const answers = {
    "POST /v1/turns": { interaction_id: "int_1", expires_at: "2999-01-01T00:00:00Z", quota: null },
    "POST /v1/turns/completions": { results: [{ status: "created", interaction_id: "int_1" }] },
  };
  const answer = ({ method, url }, response) =>
    response.writeHead(200).end(JSON.stringify(answers[`${method} ${url}`]));
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const [, example] = /```js\n(.*?)```/s.exec(readme);
  const program = example.replace('"turnledger"', JSON.stringify(import.meta.resolve("turnledger")));
  await serve(answer, async (url, paths) => {
    Object.assign(process.env, { TURNLEDGER_URL: url, TURNLEDGER_KEY: key });
    globalThis.askTheModel = async () => "an answer";
    await import(`data:text/javascript,${encodeURIComponent(program)}`);
    assert.deepEqual(paths, Object.keys(answers));
  });
});
