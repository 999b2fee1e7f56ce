"use strict";

// Swagger UI has a dark theme of its own, chosen by a class; the page's styles follow the system.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// Swagger UI puts a link into the button of each operation, which screen readers cannot use; the
// button itself writes the address of the operation. A button and two kinds of choices lack a name.
const accessible = () => ({
  wrapComponents: {
    DeepLink: (_original, { React }) => ({ text }) => React.createElement("span", null, text),
    CloseIcon: (Original, { React }) => (given) =>
      React.createElement(
        React.Fragment,
        null,
        React.createElement(Original, given),
        React.createElement("span", { className: "vh" }, "Close"),
      ),
    JsonSchema_string: (Original, { React }) => (given) =>
      given.schema?.get?.("enum")
        ? React.createElement(
            "label",
            null,
            React.createElement("span", { className: "vh" }, given.description),
            React.createElement(Original, given),
          )
        : React.createElement(Original, given),
    ExamplesSelect: (Original, { React }) => (given) =>
      React.createElement(
        "label",
        null,
        React.createElement("span", { className: "vh" }, "Example"),
        React.createElement(Original, given),
      ),
  },
});

window.addEventListener("DOMContentLoaded", () => {
  SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#swagger-ui",
    presets: [SwaggerUIBundle.presets.apis],
    plugins: [accessible],
    // Plain text on the page's colours; colours of its own lack contrast.
    syntaxHighlight: { activated: false },
    layout: "BaseLayout",
    // No request leaves this host.
    validatorUrl: "none",
    queryConfigEnabled: false,
    deepLinking: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    docExpansion: "list",
    filter: true,
    tryItOutEnabled: false,
    // A key is forgotten when the page is closed.
    persistAuthorization: false,
  });
});
