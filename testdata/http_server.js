// Serve GET /, /health and /env/NAME as JSON; the port comes from --port or PORT, 0 lets the system choose.
"use strict";
const http = require("node:http");

function port() {
  const at = process.argv.indexOf("--port");
  return Number(at > 0 ? process.argv[at + 1] : process.env.PORT ?? "0");
}

function answer(response, status, body) {
  const data = JSON.stringify(body);
  response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(data) });
  response.end(data);
}

const server = http.createServer((request, response) => {
  console.log(`${request.method} ${request.url}`);
  if (request.url === "/") {
    answer(response, 200, { message: "Hello from Node", pid: process.pid });
  } else if (request.url === "/health") {
    answer(response, 200, { status: "ok" });
  } else if (request.url.startsWith("/env/")) {
    answer(response, 200, { value: process.env[request.url.slice("/env/".length)] ?? null });
  } else {
    answer(response, 404, { error: "not found" });
  }
});

process.on("SIGTERM", () => {
  console.log("shutting down");
  process.exit(0);
});

server.listen(port(), "127.0.0.1", () => console.log(`listening on 127.0.0.1:${server.address().port}`));
