"use strict";

const docs = document.getElementById("docs");

SwaggerUIBundle({
  url: docs.dataset.schema,
  domNode: docs,
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  requestInterceptor: (request) => {
    // Only to this server: the token of a session must not travel.
    if (new URL(request.url, location.href).origin === location.origin) {
      request.headers[docs.dataset.csrfHeader] = docs.dataset.csrfToken;
    }
    return request;
  },
});
