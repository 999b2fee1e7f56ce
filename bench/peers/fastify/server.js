// The page of `GET /v1/interactions` as a Node service would have it: Fastify, its rate limit on
// Redis with headers, the same query by MongoDB's driver, the same bytes of answer. It knows one
// key, and leaves out what else the service does: scopes, quota, log, metrics.
import cluster from "node:cluster";
import { createHash, createHmac } from "node:crypto";

import rateLimit from "@fastify/rate-limit";
import Fastify from "fastify";
import { Redis } from "ioredis";
import { MongoClient } from "mongodb";

const { MONGODB_URI, REDIS_URL, PORT, WORKERS, ACCOUNT, AUTHORIZATION, CURSOR_SECRETS } = process.env;
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RETENTION_MS = 180 * 86_400_000;
const HIDDEN = {
  account: 0, turn_key: 0, quota_period: 0, charged: 0, uncharged: 0, key_id: 0, day: 0, open: 0, expires_at: 0, degraded: 0,
};
const QUERY = {
  type: "object",
  properties: { limit: { type: "integer", minimum: 1, maximum: 100, default: 20 } },
};

function firstUlid(instantMs) {
  let text = "";
  for (let rest = instantMs, digit = 0; digit < 10; digit += 1, rest = Math.floor(rest / 32)) {
    text = ALPHABET[rest % 32] + text;
  }
  return text + "0".repeat(16);
}

function instantOf(ulid) {
  let instantMs = 0;
  for (let digit = 0; digit < 10; digit += 1) {
    instantMs = instantMs * 32 + ALPHABET.indexOf(ulid[digit]);
  }
  return new Date(instantMs).toISOString();
}

function itemOf({ _id, recorded_at, ...content }) {
  return { interaction_id: `int_${_id}`, created_at: instantOf(_id), ...content };
}

function cursorAfter(row, startedUs) {
  const filters = JSON.stringify([ACCOUNT, null, null, null, null]);
  const binding = createHash("sha256").update(filters).digest("hex").slice(0, 16);
  const state = JSON.stringify([1, binding, row._id, startedUs, startedUs]);
  const told = Buffer.from(state).toString("base64url");
  return `${told}.${createHmac("sha256", CURSOR_SECRETS).update(told).digest("base64url")}`;
}

async function serve() {
  const client = new MongoClient(MONGODB_URI, { maxPoolSize: 32 });
  await client.connect();
  const rows = client.db().collection("interactions", { readConcern: { level: "majority" } });
  const app = Fastify();
  await app.register(rateLimit, {
    max: 1_000_000_000, // never reached
    timeWindow: "1 minute",
    redis: new Redis(REDIS_URL),
    keyGenerator: (request) => request.headers.authorization,
  });
  app.get("/v1/interactions", { schema: { querystring: QUERY } }, async (request, reply) => {
    if (request.headers.authorization !== AUTHORIZATION) {
      return reply.code(401).send({ error: "unknown key" });
    }
    const { limit } = request.query;
    const nowMs = Date.now();
    const found = await rows
      .find({ account: ACCOUNT, _id: { $gte: firstUlid(nowMs - RETENTION_MS) } }, { projection: HIDDEN })
      .sort({ _id: -1 })
      .limit(limit + 1)
      .hint("list")
      .toArray();
    const shown = found.slice(0, limit);
    const next_cursor = found.length > limit ? cursorAfter(shown[limit - 1], nowMs * 1_000) : null;
    return { data: shown.map(itemOf), next_cursor };
  });
  await app.listen({ host: "127.0.0.1", port: Number(PORT) });
}

if (cluster.isPrimary) {
  for (let worker = 0; worker < Number(WORKERS); worker += 1) cluster.fork();
} else {
  await serve();
}
