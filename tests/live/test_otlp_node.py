"""The official exporters of OpenTelemetry for Node, unchanged, from npm."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from flask import Flask

from tests.callers import new_caller
from tests.servers import RunningService

pytestmark = pytest.mark.long
PACKAGES = (
    "@opentelemetry/api",
    "@opentelemetry/sdk-trace-base",
    "@opentelemetry/exporter-trace-otlp-http",
    "@opentelemetry/exporter-trace-otlp-proto",
)
PROGRAM = """
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { OTLPTraceExporter as Json } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as Protobuf } from "@opentelemetry/exporter-trace-otlp-proto";

const { URL_OF_TRACES: url, KEY: key } = process.env;
for (const Exporter of [Json, Protobuf]) {
  const exporter = new Exporter({ url, headers: { Authorization: `Bearer ${key}` } });
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const span = provider.getTracer("agent").startSpan("chat", {
    attributes: {
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "openai",
      "gen_ai.request.model": "gpt-4o",
      "gen_ai.usage.input_tokens": 12,
      "gen_ai.usage.output_tokens": 3,
      "gen_ai.agent.name": Exporter === Json ? "by-json" : "by-protobuf",
    },
  });
  span.end();
  await provider.forceFlush();
  await provider.shutdown();
}
"""


def test_both_exporters_for_node_record_their_calls(
    common_service: tuple[RunningService, Flask], tmp_path: Path
) -> None:
    service, app = common_service
    caller = new_caller(app, "free", turns=10)
    (tmp_path / "package.json").write_text(json.dumps({"type": "module"}))
    (tmp_path / "agent.js").write_text(PROGRAM)
    install = ["npm", "install", "--no-audit", "--no-fund", "--silent", *PACKAGES]
    subprocess.run(install, cwd=tmp_path, check=True, timeout=180)
    environ = {"URL_OF_TRACES": f"{service.base_url}/v1/traces", "KEY": caller.token}
    done = subprocess.run(
        ["node", "agent.js"],
        cwd=tmp_path,
        env={**os.environ, **environ},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    items = caller.list_all()
    assert {item["personality_id"] for item in items} == {"by-json", "by-protobuf"}
    assert {item["usage"]["output_tokens"] for item in items} == {3}
