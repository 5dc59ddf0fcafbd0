// What the shared suite needs to know of Linkerd and Gloo: the routes are those of the Gateway API, on a Service and on a Gateway.
import { join } from "node:path";
import type { CanarySpec } from "../../../crds/canary.ts";
import { map } from "../../../crds/json.ts";
import type { Samples } from "./conformance.ts";
import { gatewaySamples, gatewaySpec } from "./gateway.samples.ts";

export function linkerdSpec(service: object = {}, analysis: object = {}): CanarySpec {
  return gatewaySpec({ gatewayRefs: undefined, ...service }, analysis);
}

export const linkerdSamples: Samples = {
  ...gatewaySamples,
  spec: linkerdSpec(),
  others: [linkerdSpec({ timeout: "5s", match: [{ uri: { prefix: "/api" }, headers: { "x-lane": { exact: "blue" } } }] }), linkerdSpec({ gatewayRefs: [{ name: "public" }], hosts: ["app.example.com"] })],
  users: { ...gatewaySamples.users, spec: { ...map(gatewaySamples.users.spec), hostnames: undefined, parentRefs: [{ group: "core", kind: "Service", name: "podinfo", port: 9898 }] } },
  goldens: join(import.meta.dirname, "goldens", "linkerd"),
};

export const glooSamples: Samples = { ...gatewaySamples, goldens: join(import.meta.dirname, "goldens", "gloo") };
