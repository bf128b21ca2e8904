// Publish one event to Tocsin with the official NATS client:
//
//     npm install @nats-io/transport-node @nats-io/jetstream
//     node examples/publish.mjs nats://127.0.0.1:4222 acme stack.redeploy.ok resource.json
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { connect, headers } from "@nats-io/transport-node";
import { jetstream } from "@nats-io/jetstream";
const [servers, account, type, file] = process.argv.slice(2);
if (!file) {
  console.error("usage: publish.mjs SERVER ACCOUNT TYPE FILE");
  process.exit(2);
}
// A CloudEvent in binary mode: the attributes are headers, the resource is the body.
const event = { specversion: "1.0", id: randomUUID(), source: "examples/publish.mjs", type, account };
const attributes = headers();
for (const [name, value] of Object.entries(event)) attributes.set(`ce-${name}`, value);
attributes.set("content-type", "application/json");
let nats;
try {
  const resource = await readFile(file);
  nats = await connect({ servers });
  const ack = await jetstream(nats).publish(`tocsin.events.${type}`, resource, { headers: attributes, msgID: event.id });
  console.log(`published ${type} as ${event.id}, message ${ack.seq} of ${ack.stream}`);
} catch (error) {
  console.error(`publish.mjs: ${error.message}`);
  process.exitCode = 1;
} finally {
  await nats?.close();
}
