"""Names of the GenAI semantic conventions: the current ones, and those of earlier releases.

https://opentelemetry.io/docs/specs/semconv/gen-ai/
"""

from collections.abc import Mapping, Sequence

OPERATION = "gen_ai.operation.name"
MODEL_CALLS = frozenset({"chat", "generate_content", "text_completion", "embeddings"})
PARENTS = frozenset({"invoke_agent", "invoke_workflow"})

# The first name with a value is taken.
PROVIDER = ("gen_ai.provider.name", "gen_ai.system")
MODEL = ("gen_ai.response.model", "gen_ai.request.model")
INPUT_TOKENS = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
OUTPUT_TOKENS = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
FIRST_CHUNK_S = ("gen_ai.response.time_to_first_chunk",)
FINISH_REASONS = ("gen_ai.response.finish_reasons",)
ERROR_TYPE = ("error.type",)
NAMES: Sequence[str] = (
    OPERATION,
    *PROVIDER,
    *MODEL,
    *INPUT_TOKENS,
    *OUTPUT_TOKENS,
    *FIRST_CHUNK_S,
    *FINISH_REASONS,
    *ERROR_TYPE,
)

FILTERED = "content_filter"
# Names of `gen_ai.system` that are others as names of a provider.
PROVIDERS: Mapping[str, str] = {
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "vertex_ai": "gcp.vertex_ai",
    "xai": "x_ai",
}
