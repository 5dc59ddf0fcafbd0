// Is every ConfigMap and Secret of a pod found, and does a change of what one holds make another revision, and nothing else?
import { describe, expect, test } from "@jest/globals";
import type { KubeObject } from "../../../engine/ports.ts";
import { templateHash } from "../../../engine/workload/canonical.ts";
import { configChecksum, configRefs, configsDigest, copyNames, isCopied, renamedConfigs, revisionHash, snapshotName } from "../../../engine/workload/configs.ts";
import { revisionOfPrimary, renderPrimary } from "../../../engine/workload/primary.ts";
import { readRevision, renderRevision, revisionOf } from "../../../engine/workload/revisions.ts";
import { deployment, template } from "./objects.ts";

const everyReference = {
  volumes: [
    { name: "a", configMap: { name: "volume", items: [{ key: "k", path: "p" }] } },
    { name: "b", secret: { secretName: "volume-secret", optional: true } },
    { name: "c", projected: { sources: [{ configMap: { name: "projected" } }, { secret: { name: "projected-secret" } }, { serviceAccountToken: { path: "t" } }] } },
    { name: "d", emptyDir: {} },
    { name: "e", csi: { driver: "x", nodePublishSecretRef: { name: "never" } } },
  ],
  imagePullSecrets: [{ name: "registry" }],
  containers: [
    {
      name: "podinfo",
      image: "podinfo:6.0.0",
      envFrom: [{ configMapRef: { name: "env-from" } }, { prefix: "X_", secretRef: { name: "env-from-secret", optional: true } }],
      env: [{ name: "A", value: "1" }, { name: "B", valueFrom: { configMapKeyRef: { name: "env", key: "k", optional: true } } }, { name: "C", valueFrom: { secretKeyRef: { name: "env-secret", key: "k" } } }, { name: "D", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }],
    },
  ],
  initContainers: [{ name: "init", image: "init:1", env: [{ name: "B", valueFrom: { configMapKeyRef: { name: "env", key: "k" } } }], envFrom: [{ secretRef: { name: "init-secret" } }] }],
};

const object = (kind: string, more: object): KubeObject => ({ apiVersion: "v1", kind, metadata: { name: "x" }, ...more });

describe("references", () => {
  test("of volumes, projections, env and envFrom, of init containers too, and of nothing else", () => {
    expect(configRefs(template(everyReference)).map(({ kind, name, optional }) => `${kind}/${name}${optional ? "?" : ""}`)).toEqual([
      "configmap/env",
      "configmap/env-from",
      "configmap/projected",
      "configmap/volume",
      "secret/env-from-secret?",
      "secret/env-secret",
      "secret/init-secret",
      "secret/projected-secret",
      "secret/volume-secret?",
    ]);
  });

  test("are renamed one by one, and nothing else is", () => {
    const renamed = renamedConfigs(everyReference, (key) => (key === "configmap/env" ? "env-primary" : undefined));
    expect(JSON.stringify(renamed).match(/env-primary/g)).toHaveLength(2);
    expect(JSON.stringify(renamed).replaceAll("env-primary", "env")).toBe(JSON.stringify(everyReference));
  });

  test("a broken pod spec has none", () => {
    expect(configRefs({ spec: { containers: [{ env: "x", envFrom: [null] }], volumes: [7, { configMap: { name: 3 } }] } })).toEqual([]);
    expect(configRefs(undefined)).toEqual([]);
  });
});

describe("checksums", () => {
  // echo -n '{"a":"1","b":"<&>"}' with Go's escapes, by sha256sum.
  test("are Flagger's for plain data", () => {
    expect(configChecksum(object("ConfigMap", { data: { a: "1" } }))).toBe("9afeb0f2b203f254");
    expect(configChecksum(object("ConfigMap", { data: { b: "<&>", a: "1" } }))).toBe("6bb210b123ce2372");
  });

  test("see binary data, and not the order of keys or anything beside the content", () => {
    const one = object("ConfigMap", { data: { a: "1" }, binaryData: { b: "AA==" } });
    expect(configChecksum(one)).not.toBe(configChecksum(object("ConfigMap", { data: { a: "1" } })));
    expect(configChecksum(one)).not.toBe(configChecksum(object("ConfigMap", { data: { a: "1" }, binaryData: { b: "AQ==" } })));
    expect(configChecksum({ ...one, immutable: true })).toBe(configChecksum(one));
  });

  test("an empty content has one as well", () => {
    expect(configChecksum(object("ConfigMap", {}))).toBe(configChecksum(object("ConfigMap", { data: {} })));
  });
});

describe("which are copied", () => {
  test.each([
    [{}, true],
    [{ annotations: { "flagger.app/config-tracking": "disabled" } }, false],
    [{ annotations: { "flagger.app/config-tracking": "disable" } }, false],
    [{ annotations: { "rollout.kurator.dev/config-tracking": "live" } }, false],
    [{ annotations: { "rollout.kurator.dev/config-tracking": "snapshot", "flagger.app/config-tracking": "disabled" } }, true],
    [{ ownerReferences: [{ apiVersion: "external-secrets.io/v1", kind: "ExternalSecret", name: "x", uid: "1" }] }, false],
    [{ annotations: { "cert-manager.io/certificate-name": "tls" } }, false],
    [{ annotations: { "cert-manager.io/certificate-name": "tls", "rollout.kurator.dev/config-tracking": "snapshot" } }, true],
    [{ ownerReferences: [{ apiVersion: "apps/v1", kind: "Deployment", name: "x", uid: "1" }] }, true],
  ])("%j: %p", (metadata, copied) => {
    expect(isCopied({ name: "x", ...metadata })).toBe(copied);
  });
});

describe("revisions", () => {
  const target = deployment({ template: template({ containers: [{ name: "podinfo", image: "podinfo:6.0.0", envFrom: [{ configMapRef: { name: "settings" } }] }] }) });

  test("without tracked configs a revision has its template's name", () => {
    expect(revisionOf(target).hash).toBe(templateHash((target.spec as { template: object }).template));
    expect(revisionHash("abc", {})).toBe("abc");
  });

  test("another content is another revision, and is stored with it", () => {
    const [one, two] = [{ "configmap/settings": "aa" }, { "configmap/settings": "bb" }].map((configs) => revisionOf(target, configs));
    expect(one?.hash).not.toBe(two?.hash);
    if (one === undefined) throw new Error("no revision");
    expect(readRevision(structuredClone(renderRevision("test", "podinfo", one, 1)), "podinfo")).toEqual(one);
  });

  test("the primary reads the copy, is made anew for another content, and reads back as what it was made of", () => {
    const label = { key: "app", value: "podinfo" };
    const copies = new Map([["configmap/settings", "settings-primary"]]);
    const render = (checksum: string, found?: KubeObject): KubeObject => renderPrimary({ target, label, revision: revisionOf(target, { "configmap/settings": checksum }), copies, replicas: undefined, found, includeLabelPrefixes: [] });
    const first = render("aa");
    const second = render("bb", first);
    const templateOf = (workload: KubeObject): unknown => (workload.spec as { template: unknown }).template;
    expect(JSON.stringify(templateOf(first))).toContain('"configMapRef":{"name":"settings-primary"}');
    expect(templateOf(second)).not.toEqual(templateOf(first));
    expect(templateOf(render("bb", second))).toEqual(templateOf(second));
    const originals = new Map([["configmap/settings-primary", "settings"]]);
    expect(revisionOfPrimary(first, label, originals, { "configmap/settings": "aa" }).hash).toBe(revisionOf(target, { "configmap/settings": "aa" }).hash);
  });

  test("a primary that another engine rendered with the same content keeps its pods", () => {
    const label = { key: "app", value: "podinfo" };
    const revision = revisionOf(target, { "configmap/settings": "aa" });
    const copies = new Map([["configmap/settings", "settings-primary"]]);
    const rendered = renderPrimary({ target, label, revision, copies, replicas: undefined, found: undefined, includeLabelPrefixes: [] });
    const theirs = structuredClone(rendered);
    const pod = (theirs.spec as { template: { metadata: { annotations: Record<string, string> } } }).template;
    delete theirs.metadata.annotations;
    pod.metadata.annotations = { "flagger-id": "0b0c", "prometheus.io/scrape": "true" };
    expect((renderPrimary({ target, label, revision, copies, replicas: undefined, found: theirs, includeLabelPrefixes: [] }).spec as { template: unknown }).template).toEqual(pod);
  });
});

describe("names", () => {
  test("stay within what Kubernetes allows, and apart", () => {
    const long = "x".repeat(250);
    for (const name of [...copyNames(long, "podinfo"), snapshotName(long, "podinfo", "aa")]) expect(name.length).toBeLessThanOrEqual(253);
    expect(snapshotName(long, "podinfo", "aa")).not.toBe(snapshotName(long, "podinfo", "bb"));
    expect(copyNames("settings", "podinfo")).toEqual(["settings-primary", "settings-podinfo-primary"]);
  });

  test("a digest does not depend on the order", () => {
    expect(configsDigest({ a: "1", b: "2" })).toBe(configsDigest({ b: "2", a: "1" }));
  });
});
