// Drive a running service by the client that openapi-typescript and openapi-fetch give.
import createClient from "openapi-fetch";
import type { components, paths } from "./types.js";

declare const process: { env: Record<string, string | undefined>; exit(code: number): never };

type Turn = components["schemas"]["Turn"];

// Of the list only pages, and not the exports in NDJSON and CSV.
const client = createClient<paths, "application/json">({
  baseUrl: process.env.TURNLEDGER_URL ?? "",
  headers: { Authorization: `Bearer ${process.env.TURNLEDGER_KEY}` },
});
let checks = 0;

function check(name: string, holds: boolean): void {
  checks += 1;
  if (!holds) {
    console.log(`TypeScript client: ${name} is not as expected`);
    process.exit(1);
  }
}

const turn: Turn = {
  turn_id: `ts-${Date.now()}`,
  occurred_at: new Date().toISOString(),
  mode: "stateful",
  status: "completed",
  user_id: "u_42",
  relationship_id: "rel_42",
  personality_id: "pers_ada",
  usage: { llm_provider: "openai", llm_model: "gpt-4o", input_tokens: 374, output_tokens: 44 },
  latency_ms: 1840,
};

async function record(): Promise<string> {
  const first = await client.POST("/v1/interactions", { body: turn });
  check("a recording", first.response.status === 201 && first.data?.usage.turns_consumed === 1);
  check("its request id", first.response.headers.get("X-Request-Id")?.length === 26);
  const again = await client.POST("/v1/interactions", { body: turn });
  const id = first.data?.interaction_id ?? "";
  check("a repetition", again.response.status === 200 && again.data?.interaction_id === id);
  const results = await client.POST("/v1/interactions/batch", { body: { interactions: [turn] } });
  check("a batch", results.data?.results[0]?.status === "duplicate");
  return id;
}

async function read(id: string): Promise<void> {
  const page = await client.GET("/v1/interactions", { params: { query: { limit: 1 } } });
  check("a page", page.data?.data[0]?.interaction_id === id && page.data.next_cursor === null);
  const path = { interaction_id: id };
  const item = await client.GET("/v1/interactions/{interaction_id}", { params: { path } });
  check("a turn", item.data?.created_at === turn.occurred_at && item.data.memory === null);
}

async function sumUp(): Promise<void> {
  const query = { group_by: "day", breakdown: "model" } as const;
  const sums = await client.GET("/v1/interactions/aggregates", { params: { query } });
  const today = sums.data?.data.at(-1);
  check("aggregates", today?.total_turns === 1 && today.input_tokens === 374);
  check("a breakdown", today?.breakdown?.[0]?.key === "openai/gpt-4o");
  const usage = await client.GET("/v1/usage/turns", { params: { query } });
  check("usage", usage.data?.quota.turns_used === 1 && usage.data.quota.turns_limit === null);
  const relationships = await client.GET("/v1/usage/active-relationships");
  check("relationships", relationships.data?.active_relationships === 1);
}

async function reserve(): Promise<void> {
  const wanted = { mode: "stateless", personality_id: "pers_ada" } as const;
  const first = { ...wanted, turn_id: `${turn.turn_id}-a` };
  const held = await client.POST("/v1/turns", { body: first });
  check("a reservation", held.response.status === 201 && held.data?.quota?.turns_reserved === 1);
  const params = { path: { interaction_id: held.data?.interaction_id ?? "" } };
  const body = { ...first, status: "completed", latency_ms: 12.5 } as const;
  const completed = await client.PUT("/v1/turns/{interaction_id}", { params, body });
  check("a completion", completed.response.status === 201 && completed.data?.latency_ms === 13);
  const completions = [{ ...body, interaction_id: params.path.interaction_id }];
  const results = await client.POST("/v1/turns/completions", { body: { completions } });
  check("a batch of completions", results.data?.results[0]?.status === "duplicate");
  const second = { ...wanted, turn_id: `${turn.turn_id}-b`, hold_seconds: 30 };
  const other = await client.POST("/v1/turns", { body: second });
  const path = { interaction_id: other.data?.interaction_id ?? "" };
  const cancelled = await client.DELETE("/v1/turns/{interaction_id}", { params: { path } });
  check("a cancel", cancelled.response.status === 204);
}

async function fail(): Promise<void> {
  const beyond = await client.GET("/v1/interactions", { params: { query: { limit: 1000 } } });
  check("a 400", beyond.response.status === 400 && beyond.error?.error.code === "validation_error");
  const path = { interaction_id: "int_00000000000000000000000000" };
  const unknown = await client.GET("/v1/interactions/{interaction_id}", { params: { path } });
  check("a 404", unknown.response.status === 404 && unknown.error?.error.type === "not_found");
  // @ts-expect-error The types refuse a field that the API refuses.
  const withText: Turn = { ...turn, message: "Hello" };
  const text = await client.POST("/v1/interactions", { body: withText });
  check("a text", text.response.status === 400);
  const conflict = await client.POST("/v1/interactions", { body: { ...turn, latency_ms: 1 } });
  check("a 409", conflict.response.status === 409 && conflict.error?.error.code === "conflict");
}

const id = await record();
await read(id);
await sumUp();
await reserve();
await fail();
console.log(`${checks} checks hold`);
