// Would the products take what their routers render? The golden manifests against the schemas of their own CRDs, where a package has them; those that a cluster
// of the tests serves are sent to it (tests/e2e/goldens.test.ts). Contour, Kuma and APISIX have neither.
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { parseAllDocuments } from "yaml";
import type { KubeObject } from "../../../engine/ports.ts";

type Model = new (object: KubeObject) => { validate(): void };

const PACKAGES: Readonly<Record<string, () => Promise<unknown>>> = {
  "serving.knative.dev/v1": () => import("@kubernetes-models/knative/serving.knative.dev/v1"),
  "traefik.io/v1alpha1": () => import("@kubernetes-models/traefik/traefik.io/v1alpha1"),
};
/** Others are sent to a cluster, or have no schema here: a new one is not passed over unseen. */
const ELSEWHERE = ["gateway.networking.k8s.io/v1", "networking.istio.io/v1", "networking.k8s.io/v1", "projectcontour.io/v1", "kuma.io/v1alpha1", "apisix.apache.org/v2"];

const goldens = new URL("./goldens", import.meta.url).pathname;
/** What is rendered; beside each is the Canary that it is rendered for. */
const files = readdirSync(goldens, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".yaml") && !file.endsWith(".canary.yaml"));
const rendered = files.flatMap((file) => parseAllDocuments(readFileSync(`${goldens}/${file}`, "utf8")).map((document) => [file, document.toJS() as KubeObject] as const));

/** @returns what the schema has against it */
async function refused(object: KubeObject): Promise<string | undefined> {
  const models = (await PACKAGES[object.apiVersion]?.()) as Record<string, Model> | undefined;
  const Kind = models?.[object.kind];
  if (Kind === undefined) return `no schema of ${object.apiVersion} ${object.kind}`;
  try {
    new Kind(object).validate();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

test("every golden is of a group that has a schema here, or is known to have none", () => {
  const groups = new Set(rendered.map(([, { apiVersion }]) => apiVersion));
  expect([...groups].filter((group) => !(group in PACKAGES) && !ELSEWHERE.includes(group))).toEqual([]);
  expect(Object.keys(PACKAGES).filter((group) => !groups.has(group))).toEqual([]);
});

test.each(rendered.filter(([, { apiVersion }]) => apiVersion in PACKAGES).map(([file, object]) => [file, object.kind, object.metadata.name, object] as const))("%s: %s %s is accepted", async (_file, _kind, _name, object) => {
  expect(await refused(object)).toBeUndefined();
});

test.each(Object.keys(PACKAGES))("a wrong type is refused by the schema of %s", async (group) => {
  const found = rendered.find(([, { apiVersion }]) => apiVersion === group)?.[1];
  expect(await refused({ ...found, spec: "nonsense" } as KubeObject)).toMatch(/spec/);
});
