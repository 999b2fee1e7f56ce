"""Name the provider of a client, by the names that OpenTelemetry uses."""

from __future__ import annotations

FAMILIES = ("openai", "anthropic")
OTHER = "openai_compatible"
_BY_CLASS = {
    "AzureOpenAI": "azure.ai.openai",
    "AsyncAzureOpenAI": "azure.ai.openai",
    "Bedrock": "aws.bedrock",
    "Vertex": "gcp.vertex_ai",
    "Foundry": "azure.ai.inference",
}
_BY_HOST = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.mistral.ai": "mistral_ai",
    "api.x.ai": "x_ai",
    "api.perplexity.ai": "perplexity",
    "api.cohere.ai": "cohere",
    "generativelanguage.googleapis.com": "gcp.gemini",
}


def provider_of(client: object, family: str) -> str:
    """Return the provider of a client of `family` (`openai` or `anthropic`)."""
    names = names_of(client)
    for part, provider in _BY_CLASS.items():
        if any(part in name for name in names):
            return provider
    host = host_of(client)
    if host.endswith(".openai.azure.com"):
        return "azure.ai.openai"
    return _BY_HOST.get(host, "anthropic" if family == "anthropic" else OTHER)


def names_of(client: object) -> list[str]:
    """Return the names of a client's classes; a program may derive its own, with any name."""
    kinds = type(client).__mro__
    return [kind.__name__ for kind in kinds if kind.__module__.partition(".")[0] in FAMILIES]


def host_of(client: object) -> str:
    """Return the host of a client's base URL; "" if it has none."""
    return str(getattr(getattr(client, "base_url", None), "host", ""))
