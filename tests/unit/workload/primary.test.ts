// The copy is what was analysed, it rolls only for a cause, and it never fights over what others put on it.
import { describe, expect, test } from "@jest/globals";
import { map } from "../../../crds/json.ts";
import { REVISION } from "../../../crds/marks.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import { renderPrimary, revisionOfPrimary, type PrimaryIntent } from "../../../engine/workload/primary.ts";
import { readRevision, renderRevision, revisionOf } from "../../../engine/workload/revisions.ts";
import { deployment, specOf, template } from "./objects.ts";

const label = { key: "app", value: "podinfo" };

function intent(over: Partial<PrimaryIntent> = {}): PrimaryIntent {
  const target = deployment();
  return { target, label, revision: revisionOf(target), copies: new Map(), replicas: undefined, found: undefined, includeLabelPrefixes: [], ...over };
}

function podSpecOf(object: KubeObject): Record<string, unknown> {
  return map(map(specOf(object).template).spec);
}

describe("renderPrimary", () => {
  test("is the stored revision under the primary's label", () => {
    const primary = renderPrimary(intent({ replicas: 2 }));
    expect(primary.metadata).toMatchObject({ name: "podinfo-primary", namespace: "test", labels: { app: "podinfo-primary" } });
    expect(primary.metadata.annotations).toMatchObject({ [REVISION]: intent().revision.hash, "kustomize.toolkit.fluxcd.io/reconcile": "disabled" });
    expect(primary.metadata.uid).toBeUndefined();
    expect(specOf(primary)).toMatchObject({
      replicas: 2,
      selector: { matchLabels: { app: "podinfo-primary" } },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: 0 } },
      minReadySeconds: 3,
      progressDeadlineSeconds: 60,
      revisionHistoryLimit: 5,
      template: { metadata: { labels: { app: "podinfo-primary", tier: "front" }, annotations: { "prometheus.io/scrape": "true" } } },
    });
    expect(specOf(primary).selector).toEqual({ matchLabels: { app: "podinfo-primary" } });
  });

  test("is rendered from the stored revision, whatever the live target has become", () => {
    const live = deployment({ template: template({ containers: [{ name: "podinfo", image: "podinfo:broken" }] }), minReadySeconds: 99 });
    const primary = renderPrimary(intent({ target: live }));
    expect(podSpecOf(primary).containers).toMatchObject([{ image: "podinfo:6.0.0" }]);
    expect(specOf(primary).minReadySeconds).toBe(3);
  });

  test("rendered again is the same", () => {
    const once = renderPrimary(intent());
    expect(renderPrimary(intent({ found: once }))).toEqual(once);
  });

  test("keeps replicas as found, unless a number is given, and 1 when there is nothing", () => {
    const found = { ...renderPrimary(intent()), spec: { ...specOf(renderPrimary(intent())), replicas: 7 } };
    expect(specOf(renderPrimary(intent({ found }))).replicas).toBe(7);
    expect(specOf(renderPrimary(intent({ found, replicas: 3 }))).replicas).toBe(3);
    expect(specOf(renderPrimary(intent())).replicas).toBe(1);
  });

  test("keeps foreign labels, annotations and fields of what is found", () => {
    const first = renderPrimary(intent());
    const found: KubeObject = {
      ...first,
      metadata: { ...first.metadata, uid: "p1", resourceVersion: "9", labels: { ...first.metadata.labels, foreign: "a" }, annotations: { ...first.metadata.annotations, foreign: "b" } },
      spec: { ...specOf(first), paused: true },
      status: { replicas: 1 },
    };
    expect(renderPrimary(intent({ found }))).toEqual(found);
  });

  test("leaves keys alone that the API server or a webhook added to the revision's template", () => {
    const first = renderPrimary(intent());
    const found = { ...first, spec: { ...specOf(first), template: { ...map(specOf(first).template), spec: { ...podSpecOf(first), dnsPolicy: "ClusterFirst", newInNextVersion: 1 } } } };
    expect(renderPrimary(intent({ found }))).toEqual(found);
  });

  test.each([
    ["a changed image", { containers: [{ name: "podinfo", image: "podinfo:hotfix", ports: [{ name: "http", containerPort: 9898 }] }] }],
    ["a container more", { containers: [...(podSpecOf(renderPrimary(intent())).containers as unknown[]), { name: "extra", image: "x" }] }],
  ])("repairs %s", (_what, podSpec) => {
    const first = renderPrimary(intent());
    const found = { ...first, spec: { ...specOf(first), template: { ...map(specOf(first).template), spec: podSpec } } };
    expect(podSpecOf(renderPrimary(intent({ found })))).toEqual(podSpecOf(first));
  });

  test("a new revision drops what it no longer has", () => {
    const found = renderPrimary(intent({ revision: revisionOf(deployment({ template: template({ hostNetwork: true }) })) }));
    const next = renderPrimary(intent({ found, revision: revisionOf(deployment({ minReadySeconds: undefined })) }));
    expect(podSpecOf(next)).not.toHaveProperty("hostNetwork");
    expect(specOf(next)).not.toHaveProperty("minReadySeconds");
  });

  test("does not roll a primary that another engine made of the same template", () => {
    const first = renderPrimary(intent());
    const pod = map(specOf(first).template);
    const made = { ...pod, metadata: { ...map(pod.metadata), annotations: { "prometheus.io/scrape": "true", "flagger-id": "5d2f" } } };
    const found = { ...first, metadata: { name: "podinfo-primary", namespace: "test" }, spec: { ...specOf(first), template: made } };
    const adopted = renderPrimary(intent({ found }));
    expect(specOf(adopted).template).toEqual(made);
    expect(revisionOfPrimary(found, label).hash).toBe(revisionOf(deployment()).hash);
    expect(specOf(renderPrimary(intent({ found: adopted }))).template).toEqual(made);
  });

  test("copies labels by prefix, and never what marks an object as a GitOps tool's own", () => {
    const target = deployment();
    target.metadata.labels = { "app.kubernetes.io/part-of": "shop", team: "web", "kustomize.toolkit.fluxcd.io/name": "apps", "argocd.argoproj.io/instance": "shop" };
    target.metadata.annotations = { "reloader/auto": "true", "kubectl.kubernetes.io/last-applied-configuration": "{}", "deployment.kubernetes.io/revision": "4" };
    expect(renderPrimary(intent({ target })).metadata.labels).toEqual({ app: "podinfo-primary" });
    expect(renderPrimary(intent({ target, includeLabelPrefixes: ["app.kubernetes.io"] })).metadata.labels).toEqual({ app: "podinfo-primary", "app.kubernetes.io/part-of": "shop" });
    const all = renderPrimary(intent({ target, includeLabelPrefixes: ["*"] }));
    expect(all.metadata.labels).toEqual({ app: "podinfo-primary", "app.kubernetes.io/part-of": "shop", team: "web" });
    expect(Object.keys(all.metadata.annotations ?? {})).toEqual(expect.arrayContaining(["reloader/auto"]));
    expect(all.metadata.annotations).not.toHaveProperty(["kubectl.kubernetes.io/last-applied-configuration"]);
    expect(all.metadata.annotations).not.toHaveProperty(["deployment.kubernetes.io/revision"]);
  });

  test("keeps its pods apart from each other, not from those of the target", () => {
    const byApp = { labelSelector: { matchLabels: { app: "podinfo", tier: "front" } }, topologyKey: "zone" };
    const byExpression = { labelSelector: { matchExpressions: [{ key: "app", operator: "In", values: ["podinfo", "other"] }, { key: "app", operator: "Exists" }] } };
    const byOther = { labelSelector: { matchLabels: { "app.kubernetes.io/name": "podinfo" } } };
    const podSpec = {
      topologySpreadConstraints: [byApp, byOther],
      affinity: {
        podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [byApp] },
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [byExpression],
          preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: byApp }],
        },
      },
    };
    const target = deployment({ template: template(podSpec) });
    const primary = renderPrimary(intent({ target, revision: revisionOf(target) }));
    const rewritten = { labelSelector: { matchLabels: { app: "podinfo-primary", tier: "front" } }, topologyKey: "zone" };
    expect(podSpecOf(primary)).toMatchObject({
      topologySpreadConstraints: [rewritten, byOther],
      affinity: {
        podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [byApp] },
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            { labelSelector: { matchExpressions: [{ key: "app", operator: "In", values: ["podinfo-primary", "other"] }, { key: "app", operator: "Exists" }] } },
          ],
          preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: rewritten }],
        },
      },
    });
    expect(revisionOfPrimary(primary, label).hash).toBe(revisionOf(target).hash);
  });

  test("changes nothing it was given", () => {
    const given = intent({ found: renderPrimary(intent()) });
    const before = structuredClone(given);
    renderPrimary(given);
    expect(given).toEqual(before);
  });
});

describe("stored revisions", () => {
  test("read back as they were stored", () => {
    const revision = revisionOf(deployment());
    const object = renderRevision("test", "podinfo", revision, 4);
    expect(object.metadata).toEqual({ name: `podinfo-${revision.hash}`, namespace: "test" });
    expect(object.revision).toBe(4);
    expect(readRevision(structuredClone(object), "podinfo")).toEqual(revision);
  });

  test("a revision of something else, or one that is mangled, is none", () => {
    const object = renderRevision("test", "podinfo", revisionOf(deployment()), 1);
    expect(readRevision(object, "backend")).toBeUndefined();
    expect(readRevision({ ...object, data: {} }, "podinfo")).toBeUndefined();
  });
});
