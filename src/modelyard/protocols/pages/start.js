// Reads the endpoint's description with the token that is typed in; the token stays in this page.
const value = (id) => document.getElementById(id).value.trim();
document.getElementById("access").addEventListener("submit", async (event) => {
  event.preventDefault();
  const problem = document.getElementById("problem");
  const headers = { Authorization: `Bearer ${value("token")}` };
  if (value("project")) headers["X-Modelyard-Project"] = value("project");
  problem.textContent = "";
  const answer = await fetch("openapi.json", { headers });
  const body = await answer.json();
  problem.classList.toggle("refused", !answer.ok);
  if (!answer.ok) {
    problem.textContent = `${body.message}. ${body.hint}`;
    return;
  }
  SwaggerUIBundle({
    spec: body, dom_id: "#swagger-ui", validatorUrl: null, defaultModelsExpandDepth: 0, tryItOutEnabled: true,
    presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout",
    requestInterceptor: (request) => ({ ...request, headers: { ...request.headers, ...headers } }),
  });
});
