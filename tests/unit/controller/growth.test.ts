// Does a manifest that is four times as long cost about four times the work? Counted in looks at it, and not in time, so that a busy machine says the same.
import { expect, test } from "@jest/globals";
import { parseCanary } from "../../../crds/canary.ts";
import { settingsOf } from "../../../engine/machine/settings.ts";
import { canonicalJson } from "../../../engine/workload/canonical.ts";
import { mergePatch } from "../../../engine/workload/mergepatch.ts";
import { istio } from "../../../routing/istio.ts";
import { canaryOf } from "../../../sandbox/simulation/furniture.ts";
import { foundOf, intentOf, version } from "../routing/conformance.ts";

interface Looks {
  count: number;
}

/** A copy that counts whenever a member, or the list of them, is asked for. */
function watched<T extends object>(value: T, looks: Looks): T {
  const wrap = (inner: unknown): unknown =>
    typeof inner !== "object" || inner === null
      ? inner
      : new Proxy(Array.isArray(inner) ? inner.map(wrap) : Object.fromEntries(Object.entries(inner).map(([key, member]) => [key, wrap(member)])), {
          get: (target, key, self) => ((looks.count += 1), Reflect.get(target, key, self) as unknown),
          ownKeys: (target) => ((looks.count += 1), Reflect.ownKeys(target)),
        });
  return wrap(JSON.parse(JSON.stringify(value))) as T;
}

type Spec = Record<string, unknown> & { service: Record<string, unknown>; analysis: Record<string, unknown> };

/** What it takes to read the manifest, to render its routes, to read those, and to compare each with itself and with one of another weight. */
function looksAt(group: "own" | "flagger", change: (spec: Spec) => void): number {
  const looks = { count: 0 };
  const object = JSON.parse(JSON.stringify(canaryOf({ service: { port: 8080 } }))) as { apiVersion: string; spec: Spec };
  change(object.spec);
  if (group === "flagger") object.apiVersion = "flagger.app/v1beta1";
  const parsed = parseCanary(watched(object, looks));
  if (!parsed.ok) return looks.count;
  const spec = watched(parsed.canary.spec, looks);
  settingsOf(object.apiVersion.split("/")[0] ?? "", spec);
  const rendered = istio.render(intentOf(spec, 40), new Map(), version).map((route) => watched(route, looks));
  istio.read(intentOf(spec, 40), foundOf(istio, rendered));
  const again = istio.render(intentOf(spec, 60), foundOf(istio, rendered), version);
  for (const [index, route] of rendered.entries()) {
    mergePatch(route, watched(route, looks));
    mergePatch(route, watched(again[index] ?? route, looks));
    canonicalJson(route);
  }
  return looks.count;
}

const nested = (depth: number): object => JSON.parse(`${'{"a":'.repeat(depth)}"b"${"}".repeat(depth)}`) as object;
const many = <T>(count: number, one: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => one(index));
const keyed = (count: number, one: (index: number) => unknown): object => Object.fromEntries(many(count, (index) => [`k${index}`, one(index)]));

/** What grows, and how large its smaller one is. */
const GROWING: [string, "own" | "flagger", number, (spec: Spec, size: number) => void][] = [
  ["levels that a mesh may have", "own", 15, (spec, size) => Object.assign(spec.service, { trafficPolicy: { tls: nested(size) } })],
  ["members for the mesh", "own", 500, (spec, size) => Object.assign(spec.service, { trafficPolicy: { tls: keyed(size, (index) => ({ index })) } })],
  ["hosts", "own", 500, (spec, size) => Object.assign(spec.service, { hosts: many(size, (index) => `host-${index}.evil.example.com`) })],
  ["headers", "own", 100, (spec, size) => Object.assign(spec.service, { headers: { request: { set: keyed(size, String) } } })],
  ["matches", "own", 4, (spec, size) => Object.assign(spec.service, { match: many(size, (index) => ({ uri: { prefix: `/${index}` } })) })],
  ["chosen users", "own", 4, (spec, size) => Object.assign(spec.analysis, { stepWeight: undefined, maxWeight: undefined, iterations: 2, match: many(size, (index) => ({ headers: { "x-user": { exact: `${index}` } } })) })],
  ["metrics", "flagger", 60, (spec, size) => Object.assign(spec.analysis, { metrics: many(size, (index) => ({ name: `m${index}`, query: "vector(1)", thresholdRange: { min: 0 } })) })],
  ["metrics that are refused", "flagger", 1000, (spec, size) => Object.assign(spec.analysis, { metrics: many(size, (index) => ({ name: `m${index}`, query: "vector(1)", thresholdRange: { min: 0 } })) })],
  ["webhooks", "flagger", 60, (spec, size) => Object.assign(spec.analysis, { webhooks: many(size, (index) => ({ name: `w${index}`, url: "http://hook/", type: "event" })) })],
  ["steps", "flagger", 60, (spec, size) => Object.assign(spec.analysis, { stepWeight: undefined, stepWeights: many(size, (index) => index) })],
];

test.each(GROWING)("%s", (_name, group, size, change) => {
  const least = looksAt(group, (spec) => void change(spec, 1));
  const [once = 0, four = 0] = [size, 4 * size].map((count) => looksAt(group, (spec) => void change(spec, count)) - least);
  expect(once).toBeGreaterThanOrEqual(size - 1);
  // With its square it would grow sixteenfold.
  expect(four / once).toBeLessThan(6);
});
