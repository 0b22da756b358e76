"use strict";

// A proxy may have put the service below a path; this file is two levels below the service.
const description = new URL("../../openapi.json", document.currentScript.src).href;

// Swagger UI's online validator is of another host, so it is left out.
window.SwaggerUIBundle({
  url: description,
  dom_id: "#docs",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
