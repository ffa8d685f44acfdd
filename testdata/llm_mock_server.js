// Pretend to be an OpenAI-compatible server: /v1/chat/completions (also streamed), /v1/models, /health.
// The port comes from --port or PORT; 0 lets the system choose.
"use strict";
const http = require("node:http");

const MODELS = ["mock-gpt", "mock-gpt-mini"];

function port() {
  const at = process.argv.indexOf("--port");
  return Number(at > 0 ? process.argv[at + 1] : process.env.PORT ?? "0");
}

function now() {
  return Math.floor(Date.now() / 1000);
}

function words(text) {
  return String(text).split(/\s+/).filter(Boolean).length;
}

function replyTo(messages) {
  const asked = messages.filter((message) => message.role === "user");
  return asked.length ? `Mock reply to: ${asked.at(-1).content}` : "Mock reply to nothing";
}

function completion(model, messages) {
  const reply = replyTo(messages);
  const sent = messages.reduce((sum, message) => sum + words(message.content ?? ""), 0);
  return {
    id: "chatcmpl-mock", object: "chat.completion", created: now(), model,
    choices: [{ index: 0, message: { role: "assistant", content: reply }, finish_reason: "stop" }],
    usage: { prompt_tokens: sent, completion_tokens: words(reply), total_tokens: sent + words(reply) },
  };
}

function* chunks(model, messages) {
  const chunk = (delta, finish = null) => ({
    id: "chatcmpl-mock", object: "chat.completion.chunk", created: now(), model,
    choices: [{ index: 0, delta, finish_reason: finish }],
  });
  yield chunk({ role: "assistant", content: "" });
  for (const [number, word] of replyTo(messages).split(" ").entries()) {
    yield chunk({ content: number === 0 ? word : " " + word });
  }
  yield chunk({}, "stop");
}

function answer(response, status, body) {
  const data = JSON.stringify(body);
  response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(data) });
  response.end(data);
}

function refuse(response, status, message) {
  answer(response, status, { error: { message, type: "invalid_request_error" } });
}

function stream(response, events) {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
  for (const event of events) {
    response.write(`data: ${JSON.stringify(event)}\n\n`);
  }
  response.end("data: [DONE]\n\n");
}

function complete(response, body) {
  let asked;
  try {
    asked = JSON.parse(body);
    replyTo(asked.messages);
  } catch {
    return refuse(response, 400, "a JSON object with messages is needed");
  }
  const model = String(asked.model ?? MODELS[0]);
  if (asked.stream) {
    return stream(response, chunks(model, asked.messages));
  }
  return answer(response, 200, completion(model, asked.messages));
}

const server = http.createServer((request, response) => {
  console.log(`${request.method} ${request.url}`);
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    const route = `${request.method} ${request.url}`;
    if (route === "GET /health") {
      answer(response, 200, { status: "ok" });
    } else if (route === "GET /v1/models") {
      const data = MODELS.map((id) => ({ id, object: "model", owned_by: "mock" }));
      answer(response, 200, { object: "list", data });
    } else if (route === "POST /v1/chat/completions") {
      complete(response, body);
    } else {
      refuse(response, 404, "unknown path");
    }
  });
});

process.on("SIGTERM", () => {
  console.log("shutting down");
  process.exit(0);
});

server.listen(port(), "127.0.0.1", () => console.log(`listening on 127.0.0.1:${server.address().port}`));
