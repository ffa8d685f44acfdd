// Print the environment it was given, then a heartbeat, until SIGTERM.
"use strict";

process.on("SIGTERM", () => {
  console.log("Received SIGTERM, shutting down");
  process.exit(0);
});

console.log(`Simple script started, pid ${process.pid}`);
console.log(`arguments: ${process.argv.slice(2).join(" ")}`);
for (const name of ["PB_PORT", "PB_DATA_DIR", "TEST_VAR"]) {
  console.log(`${name}=${process.env[name] ?? ""}`);
}
console.error("this line goes to stderr");
console.log("ready");

let count = 0;
setInterval(() => console.log(`heartbeat ${++count}`), 100);
