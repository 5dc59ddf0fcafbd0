// Do the examples of Applications do what they say? Each as it stands, for the sandbox's app and at its pace, in two members; a release ends `Succeeded` in both.
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { parseAllDocuments } from "yaml";
import type { Resource } from "../../engine/ports.ts";
import type { KubeObject } from "../../sandbox/api/types.ts";
import { FleetScene } from "../../sandbox/simulation/fleetscene.ts";
import { furnish, serve, setImage } from "../../sandbox/simulation/furniture.ts";
import { member } from "./fleetscenes.ts";

const folder = new URL("../../examples/", import.meta.url);
const files = readdirSync(folder).filter((file) => file.startsWith("application-"));

function objects(file: string): KubeObject[] {
  const text = readFileSync(new URL(file, folder), "utf8")
    .replace(/namespace: default/g, "namespace: fleet")
    .replace(/\bbackend\b/g, "app")
    .replace(/\bwebapp\b/g, "test")
    .replace(/9898/g, "8080")
    .replace(/address: http:.*/, "address: http://prometheus.istio-system:9090")
    .replace(/checkIntervalSeconds: 90/, "checkIntervalSeconds: 5")
    .replace(/intervalSeconds: 90/g, "intervalSeconds: 20")
    .replace(/bakeSeconds: 3600/, "bakeSeconds: 30");
  return parseAllDocuments(text).map((document) => document.toJS() as KubeObject);
}

function release(scene: FleetScene, tag: string): void {
  for (const name of ["kurator-member1", "kurator-member2"]) setImage(member(scene, name), tag);
}

/** What the users of each are led by, beside the mesh of Istio that is there in any case. */
const PROVIDERS: Record<string, { host: string; insider?: string; kind?: Resource }> = {
  istio: { host: "app.test", insider: "type=insider" },
  nginx: { host: "app.example.com", insider: "a=b; canary=always" },
  kuma: { host: "app.test", kind: { group: "kuma.io", version: "v1alpha1", plural: "meshhttproutes", kind: "MeshHTTPRoute" } },
};

test("all of Kurator's examples are there, and waves", () => {
  const own = ["application-ab-testing.yaml", "application-blue-green.yaml", "application-canary.yaml", "application-custom-metric.yaml"];
  expect(files).toEqual([...own, "application-kuma-canary.yaml", "application-nginx-ab-testing.yaml", "application-nginx-blue-green.yaml", "application-nginx-canary.yaml", "application-waves.yaml"]);
});

test.each(files)("%s", async (file) => {
  const scene = new FleetScene(77);
  const [application] = objects(file);
  if (application === undefined) throw new Error("no Application");
  const [, provider = ""] = /trafficRoutingProvider: (\w+)/.exec(readFileSync(new URL(file, folder), "utf8")) ?? [];
  const { host, insider, kind } = PROVIDERS[provider] ?? { host: "" };
  for (const name of ["kurator-member1", "kurator-member2"]) {
    const one = scene.member(name);
    await furnish(one, "1.0.0");
    if (provider !== "istio") one.store.delete("virtualservices.networking.istio.io", "test", "app");
    if (kind !== undefined) serve(one, kind);
  }
  for (const object of objects("fleet.yaml")) {
    if (object.kind === "AttachedCluster") {
      scene.host.create("secrets", { apiVersion: "v1", kind: "Secret", metadata: { name: object.metadata.name, namespace: "fleet" }, data: { [`${object.metadata.name}.config`]: Buffer.from(object.metadata.name).toString("base64") } });
      scene.host.create("attachedclusters.cluster.kurator.dev", object);
    } else scene.host.create("fleets.fleet.kurator.dev", object);
  }
  scene.start("one");
  scene.host.create("applications.apps.kurator.dev", application);
  // What the load tester's command asks, and whom the manifests choose.
  const ask = (): void => {
    for (const { world } of scene.members.values()) {
      world.send({ host: "app-canary.test" });
      world.send({ host, headers: { cookie: insider } });
    }
  };
  const summary = (): string | undefined => scene.status(application.metadata.name).summary;
  const begun = await scene.until(() => summary() === "2 Initialized", 120);
  expect(begun ? "" : JSON.stringify([scene.status(application.metadata.name), member(scene, "kurator-member1").status()])).toBe("");
  // Before that nothing leads the users of an Ingress anywhere.
  for (const one of scene.members.values()) one.host = host;
  release(scene, "2.0.0");
  expect(await scene.until(() => (ask(), summary() === "2 Succeeded"), 400)).toBe(true);
  for (const one of scene.members.values()) expect([one.lost, (one.versions.get("2.0.0") ?? 0) > 0]).toEqual([[], true]);
  release(scene, "3.0.0-errors");
  expect(await scene.until(() => (ask(), (summary() ?? "").includes("Failed") && !(summary() ?? "").includes("Progressing")), 400)).toBe(true);
  expect(member(scene, "kurator-member1").status().run).toMatchObject({ outcome: "RolledBack", reason: "ChecksFailed" });
  await scene.end();
});
