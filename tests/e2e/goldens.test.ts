// Would a real API server take what routers render, field by field? Sent to it without being stored: the golden manifests of each kind that the cluster serves. What
// is sent for products that it does not have is looked at in tests/unit/routing/schemas.test.ts.
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { parseAllDocuments } from "yaml";
import { kubectl, namespace, said } from "./support/cluster.ts";
import type { KubeObject } from "../../engine/ports.ts";

const NS = "e2e-goldens";
const SERVED = ["gateway.networking.k8s.io/v1", "networking.istio.io/v1", "networking.k8s.io/v1"];
const goldens = "tests/unit/routing/goldens";
const files = readdirSync(goldens, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".yaml") && !file.endsWith(".canary.yaml"));
const rendered = files.flatMap((file) => parseAllDocuments(readFileSync(`${goldens}/${file}`, "utf8")).map((document) => [file, document.toJS() as KubeObject] as const));
const sent = rendered.filter(([, { apiVersion }]) => SERVED.includes(apiVersion));

beforeAll(() => namespace(NS));
afterAll(async () => {
  await kubectl("delete", "namespace", NS, "--wait=false");
});

async function refused({ metadata: { name, labels, annotations }, ...object }: KubeObject): Promise<string> {
  const { stderr } = await said("kubectl", ["create", "--dry-run=server", "--validate=strict", "-f", "-"], JSON.stringify({ ...object, metadata: { name, namespace: NS, labels, annotations } }));
  // Skipper reads a class from the annotation that Kubernetes calls deprecated.
  return stderr.split("\n").filter((line) => !line.startsWith("Warning: annotation \"kubernetes.io/ingress.class\" is deprecated")).join("\n").trim();
}

test.each(sent.map(([file, object]) => [file, object.kind, object.metadata.name, object] as const))("%s: %s %s is accepted", async (_file, _kind, _name, object) => {
  expect(await refused(object)).toBe("");
});

test.each(SERVED)("a field that %s does not have is refused", async (group) => {
  const found = sent.find(([, { apiVersion }]) => apiVersion === group)?.[1];
  if (found === undefined) throw new Error(`no golden of ${group}`);
  expect(await refused({ ...found, spec: { ...(found.spec as object), nonsense: 1 } })).toMatch(/nonsense/);
});
