// What every router has to keep, run for each entry of the registry: a new one gets this suite for its line there.
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { CanarySpec } from "../../../crds/canary.ts";
import { map } from "../../../crds/json.ts";
import { CANARY_LABEL, EPOCH, MARKS, ORIGINAL_SPEC, OWNER } from "../../../crds/marks.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import { keyOf, type FoundObjects, type RouteIntent, type Router } from "../../../routing/router.ts";

export interface Samples {
  /** The smallest spec, and others whose parts the router has to carry. */
  spec: CanarySpec;
  others: CanarySpec[];
  /** The route object as a user may have made it, at the key of the route. */
  users: KubeObject;
  /** The user's objects beside which the route is made: the route is then the engine's alone, what is at its key already is in the way, and it is deleted in the end. */
  given?: KubeObject[];
  /** What `users` records when it is taken over; its spec when absent. */
  recorded?: object;
  /** The user's object is the target itself, so that it is always there and never made. */
  itself?: boolean;
  /** Weights of chosen users that the router can do; all of them when absent. */
  matched?: [number, number];
  /** Ways to make a rendered route object unreadable. */
  mangled: [string, (spec: Record<string, unknown>, object: KubeObject) => Record<string, unknown>][];
  /** Folder of golden manifests: NAME.canary.yaml holds the Canary, NAME.yaml what is rendered at weight 40, or as its annotation test/intent says. */
  goldens: string;
}

const percent = fc.integer({ min: 0, max: 100 });

export function intentOf(spec: CanarySpec, canaryWeight: number): RouteIntent {
  const owner = { apiVersion: "rollout.kurator.dev/v1beta1", name: "podinfo", uid: "c1" };
  return { namespace: "test", apex: spec.service?.name ?? spec.targetRef.name, spec, owner, primaryWeight: 100 - canaryWeight, canaryWeight, revisions: { primary: "podinfo-00001", canary: "podinfo-00002" } };
}

/** What a route can say beside weights, and what the manifest asks for then. `weights` limits the canary's weight. */
export const STATES: { what: string; needs: keyof Router["can"]; analysis: object; intent: Partial<RouteIntent>; weights?: [number, number] }[] = [
  { what: "a mirror", needs: "mirror", analysis: { mirror: true }, intent: { mirror: true } },
  { what: "chosen users", needs: "match", analysis: { iterations: 2, match: [{ headers: { "x-user": { exact: "tester" } } }, { headers: { "x-user": { regex: "qa-.*" } } }] }, intent: { scope: "matched" } },
  { what: "cookies of the canary", needs: "sessionAffinity", analysis: { sessionAffinity: { cookieName: "c" } }, intent: { affinity: { canary: "c=r-1" } }, weights: [1, 100] },
  {
    what: "cookies of both",
    needs: "sessionAffinity",
    analysis: { sessionAffinity: { cookieName: "c", primaryCookieName: "p", maxAge: 60, secure: true } },
    intent: { affinity: { canary: "c=r-2", primary: "p=r-2", primarySeconds: 10 } },
    weights: [1, 100],
  },
  { what: "a cookie that is over", needs: "sessionAffinity", analysis: { sessionAffinity: { cookieName: "c" } }, intent: { affinity: { expired: "c=r-1" } }, weights: [0, 0] },
  { what: "no cookie yet", needs: "sessionAffinity", analysis: { sessionAffinity: { cookieName: "c" } }, intent: { affinity: {} }, weights: [0, 0] },
];

export function version(): string {
  return "v1";
}

export function foundOf(router: Router, objects: readonly KubeObject[]): FoundObjects {
  return new Map(objects.map((object) => [keyOfObject(router, object), object]));
}

function withGiven(router: Router, { given = [], itself = false, users }: Samples, found: FoundObjects = new Map()): FoundObjects {
  return new Map([...foundOf(router, itself ? [users] : given), ...found]);
}

function keyOfObject(router: Router, object: KubeObject): string {
  const resource = router.kinds.flat().find((known) => known.kind === object.kind && object.apiVersion.startsWith(`${known.group}/`));
  if (resource === undefined) throw new Error(`${router.name} rendered a kind that it does not name: ${object.apiVersion} ${object.kind}`);
  return keyOf(resource, object.metadata.namespace ?? "", object.metadata.name);
}

/** As the shell and the API server leave an object behind. */
function lived(object: KubeObject): KubeObject {
  const { metadata } = object;
  return {
    ...object,
    metadata: {
      ...metadata,
      uid: `uid-${metadata.name}`,
      resourceVersion: "12",
      generation: 2,
      labels: { ...metadata.labels, [CANARY_LABEL]: "podinfo", foreign: "label" },
      annotations: { ...metadata.annotations, [OWNER]: "rollout.kurator.dev/podinfo", [EPOCH]: "3", foreign: "annotation" },
      ownerReferences: [{ apiVersion: "rollout.kurator.dev/v1beta1", kind: "Canary", name: "podinfo", uid: "c1", controller: true }],
    },
  };
}

export function conforms(router: Router, samples: Samples): void {
  const specs = [samples.spec, ...samples.others];
  const { route: routeKey = "", others } = router.keys(intentOf(samples.spec, 0));
  const keys = { route: routeKey, others };
  const render = (spec: CanarySpec, weight: number, found: FoundObjects = new Map()): KubeObject[] => router.render(intentOf(spec, weight), withGiven(router, samples, found), version);
  const routeOf = (objects: readonly KubeObject[]): KubeObject => {
    const route = foundOf(router, objects).get(keys.route);
    if (route === undefined) throw new Error(`nothing was rendered at ${keys.route}`);
    return route;
  };

  describe(`the router ${router.name}`, () => {
    test("renders exactly the objects that it names", () => {
      expect([...foundOf(router, render(samples.spec, 10)).keys()].sort()).toEqual([keys.route, ...keys.others].sort());
    });

    test("reads back every weight that it renders", () => {
      fc.assert(
        fc.property(fc.constantFrom(...specs), percent, (spec, weight) => {
          const reading = router.read(intentOf(spec, 0), foundOf(router, render(spec, weight)));
          expect(reading).toEqual({ kind: "known", primaryWeight: 100 - weight, canaryWeight: weight, scope: "all", mirror: false });
        }),
      );
    });

    test("renders over what it rendered without a difference, whatever the shell and others added to it", () => {
      fc.assert(
        fc.property(fc.constantFrom(...specs), percent, (spec, weight) => {
          const live = render(spec, weight).map(lived);
          expect(render(spec, weight, foundOf(router, live))).toEqual(live);
        }),
      );
    });

    test("goes from any weight to any other, and from any spec to any other, as if there had been nothing before", () => {
      fc.assert(
        fc.property(fc.constantFrom(...specs), fc.constantFrom(...specs), percent, percent, (before, after, from, to) => {
          const again = render(after, to, foundOf(router, render(before, from)));
          const fresh = render(after, to);
          expect(again.map((object) => object.spec)).toEqual(fresh.map((object) => object.spec));
        }),
      );
    });

    test("a spec edited at weight 40 renders at weight 40", () => {
      for (const spec of samples.others) {
        const edited = render(spec, 40, foundOf(router, render(samples.spec, 40)));
        expect(router.read(intentOf(spec, 0), foundOf(router, edited))).toMatchObject({ kind: "known", canaryWeight: 40 });
      }
    });

    test("changes nothing that it was given", () => {
      const live = foundOf(router, [...render(samples.spec, 10), samples.users]);
      const before = structuredClone(live);
      render(samples.spec, 40, live);
      router.read(intentOf(samples.spec, 0), live);
      router.restore(intentOf(samples.spec, 0), live);
      router.check(intentOf(samples.spec, 0), live);
      expect(live).toEqual(before);
    });

    test("tells absent from unreadable", () => {
      expect(router.read(intentOf(samples.spec, 0), new Map())).toEqual({ kind: "absent" });
    });

    test.each(samples.mangled)("reads as unknown: %s", (_what, mangle) => {
      const objects = render(samples.spec, 30);
      const route = routeOf(objects);
      const found = new Map(foundOf(router, objects)).set(keys.route, mangledObject(route, mangle));
      const reading = router.read(intentOf(samples.spec, 0), found);
      expect(reading.kind).toBe("unknown");
      expect(render(samples.spec, 30, found).map((object) => object.spec)).toEqual(objects.map((object) => object.spec));
      expect(router.read(intentOf(samples.spec, 0), foundOf(router, render(samples.spec, 30, found)))).toMatchObject({ kind: "known", canaryWeight: 30 });
    });

    test("a route object without a spec, or with one of another shape, is unknown", () => {
      fc.assert(
        fc.property(fc.jsonValue(), (spec) => {
          const found = new Map([[keys.route, { ...samples.users, spec }]]);
          expect(router.read(intentOf(samples.spec, 0), found).kind).toBe("unknown");
        }),
      );
    });

    states(router, samples, keys.route);
    if (samples.given === undefined) adoption(router, samples, keys.route, render);
    else beside(router, samples, keys.route, render);
    ownership(router, samples, keys.route);
    goldens(router, samples);
  });
}

/** In its spec, or as a whole where the weights are in annotations. */
function mangledObject(route: KubeObject, mangle: Samples["mangled"][number][1]): KubeObject {
  const object = structuredClone(route);
  const spec = mangle(map(object.spec), object);
  return { ...object, spec };
}

type Render = (spec: CanarySpec, weight: number, found?: FoundObjects) => KubeObject[];

/** Every state of a route, at every weight that it may have, on every sample that the router can do it for. */
function states(router: Router, samples: Samples, routeKey: string): void {
  const plain = { what: "weights", needs: "weights" as const, analysis: {}, intent: {}, weights: undefined };
  const all = [plain, ...STATES.filter(({ needs }) => router.can[needs])].flatMap((state) =>
    [samples.spec, ...samples.others].flatMap((sample) => {
      const spec = { ...sample, analysis: { ...sample.analysis, ...state.analysis } } as CanarySpec;
      const possible = router.check(intentOf(spec, 0), withGiven(router, samples)).every(({ reason }) => reason !== "Unsupported");
      const weights = state.needs === "match" ? samples.matched : undefined;
      return possible ? [{ ...state, ...(weights === undefined ? {} : { weights }), spec }] : [];
    }),
  );
  const intents = fc.constantFrom(...all).chain(({ spec, intent, weights: [min, max] = [0, 100] }) => fc.integer({ min, max }).map((weight): RouteIntent => ({ ...intentOf(spec, weight), ...intent })));
  const render = (intent: RouteIntent, found: FoundObjects = new Map()): KubeObject[] => router.render(intent, withGiven(router, samples, found), version);
  const specs = (objects: readonly KubeObject[]): unknown[] => objects.map(({ spec, metadata }) => [spec, samples.given === undefined ? undefined : metadata.annotations]);
  const users: FoundObjects = samples.given === undefined ? new Map([[routeKey, samples.users]]) : new Map();

  for (const { what, analysis } of STATES.filter(({ needs }) => router.can[needs])) {
    test(`can do ${what}`, () => {
      expect(all.filter((state) => state.analysis === analysis)).not.toEqual([]);
    });
  }

  test("reads back weights, users and mirror in every state, on its own route and on the user's", () => {
    fc.assert(
      fc.property(intents, fc.constantFrom(users, new Map()), (intent, before) => {
        const { primaryWeight, canaryWeight, scope = "all", mirror = false } = intent;
        expect(router.read(intent, foundOf(router, render(intent, before)))).toEqual({ kind: "known", primaryWeight, canaryWeight, scope, mirror });
      }),
    );
  });

  test("renders every state over itself without a difference", () => {
    fc.assert(
      fc.property(intents, fc.constantFrom(users, new Map()), (intent, before) => {
        const live = render(intent, before).map(lived);
        expect(render(intent, foundOf(router, live))).toEqual(live);
      }),
    );
  });

  test("goes from any state to any other as if there had been nothing before, and leaves nothing of any on the user's", () => {
    fc.assert(
      fc.property(intents, intents, (before, after) => {
        expect(specs(render(after, foundOf(router, render(before))))).toEqual(specs(render(after)));
        const taken = foundOf(router, render(before, users));
        expect(specs(render(after, taken))).toEqual(specs(render(after, users)));
        expect(router.restore(after, taken).restored).toEqual([...users.values()]);
      }),
    );
  });

  test("in no state does a route that is given back lead to what is about to go", () => {
    fc.assert(
      fc.property(intents, (intent) => {
        const { restored, deleted } = router.restore(intent, foundOf(router, render(intent)));
        expect([...restored, ...deleted].map((object) => keyOfObject(router, object))).toContain(routeKey);
        expect(restored).toHaveLength(samples.given === undefined ? 1 : 0);
        expect(JSON.stringify(restored.map(({ spec }) => spec))).not.toMatch(/-primary|-canary|Set-Cookie/);
      }),
    );
  });
}

function adoption(router: Router, samples: Samples, routeKey: string, render: Render): void {
  const before = new Map([[routeKey, samples.users]]);

  test("what somebody else made keeps labels, annotations and its record, and is given back as it was", () => {
    const first = render(samples.spec, 10, before);
    const later = render(samples.spec, 60, foundOf(router, first));
    const taken = foundOf(router, later).get(routeKey);
    expect(taken?.metadata.labels).toMatchObject(samples.users.metadata.labels ?? {});
    expect(taken?.metadata.annotations).toMatchObject(samples.users.metadata.annotations ?? {});
    expect(JSON.parse(taken?.metadata.annotations?.[ORIGINAL_SPEC] ?? "")).toEqual(samples.recorded ?? samples.users.spec);

    const stamped = later.map((object) => ({ ...object, metadata: { ...object.metadata, labels: { ...object.metadata.labels, [CANARY_LABEL]: "podinfo" } } }));
    const { restored, deleted } = router.restore(intentOf(samples.spec, 0), foundOf(router, stamped));
    expect(restored).toEqual([samples.users]);
    expect(deleted.map((object) => keyOfObject(router, object)).sort()).toEqual([...router.keys(intentOf(samples.spec, 0)).others].sort());
  });

  test("what lost its record leads nowhere that is about to go, and carries no mark", () => {
    const objects = render(samples.spec, 10, before);
    const taken = foundOf(router, objects).get(routeKey);
    if (taken === undefined) throw new Error("nothing was rendered");
    const mangled: KubeObject = { ...taken, metadata: { ...taken.metadata, annotations: { ...taken.metadata.annotations, [ORIGINAL_SPEC]: "?" } } };
    const { restored } = router.restore(intentOf(samples.spec, 0), new Map([[routeKey, mangled]]));
    expect(restored).toHaveLength(1);
    expect(JSON.stringify(restored)).not.toContain(MARKS);
    expect(JSON.stringify(restored[0]?.spec)).not.toMatch(/podinfo-(primary|canary)/);
  });

  test("a route that the engine made goes on leading to the app, the rest of what it made is deleted, and what nobody's engine touched is left alone", () => {
    const created = render(samples.spec, 10);
    const { restored, deleted } = router.restore(intentOf(samples.spec, 0), foundOf(router, created));
    const { route } = router.keys(intentOf(samples.spec, 0));
    expect(restored.map((object) => keyOfObject(router, object))).toEqual([route]);
    expect(JSON.stringify(restored)).not.toMatch(/-primary|-canary|rollout\.kurator\.dev/);
    expect(deleted).toEqual(created.filter((object) => keyOfObject(router, object) !== route));
    expect(router.restore(intentOf(samples.spec, 0), before)).toEqual({ restored: [], deleted: [] });
  });
}

function beside(router: Router, samples: Samples, routeKey: string, render: Render): void {
  test("what somebody else made at its key is in the way: a problem, never believed, written or deleted", () => {
    const found = withGiven(router, samples, new Map([[routeKey, samples.users]]));
    const intent = intentOf(samples.spec, 10);
    expect(router.check(intent, found)).toMatchObject([{ reason: "NameTaken" }]);
    expect(router.read(intent, found).kind).toBe("unknown");
    expect(router.render(intent, found, version)).toEqual([]);
    expect(router.restore(intent, found)).toEqual({ restored: [], deleted: [] });
  });

  test("what is the user's is never written, whoever else controls it, and goes on leading where it led", () => {
    const ownerReferences = [{ apiVersion: "apps.example.com/v1", kind: "Shop", name: "shop", uid: "s1", controller: true }];
    const given = (samples.given ?? []).map((object) => ({ ...object, metadata: { ...object.metadata, ownerReferences } }));
    const found = foundOf(router, given);
    expect(router.check(intentOf(samples.spec, 10), found)).toEqual([]);
    const rendered = render(samples.spec, 40, found);
    expect(rendered.map((object) => keyOfObject(router, object))).toEqual([routeKey]);
    expect(router.restore(intentOf(samples.spec, 0), new Map([...found, ...foundOf(router, rendered)]))).toEqual({ restored: [], deleted: rendered });
  });

  test("where the user's object is gone, what was made beside it can still be led back", () => {
    const made = foundOf(router, render(samples.spec, 40));
    const led = router.render(intentOf(samples.spec, 0), made, version);
    expect(router.read(intentOf(samples.spec, 0), foundOf(router, led))).toMatchObject({ kind: "known", canaryWeight: 0 });
    expect(router.check(intentOf(samples.spec, 0), made)).toMatchObject([{ reason: "GatewayMissing" }]);
    expect(router.render(intentOf(samples.spec, 0), new Map(), version)).toEqual([]);
  });
}

function ownership(router: Router, samples: Samples, routeKey: string): void {
  test("an object that another controller writes is a problem, and one of the Canary's own is not", () => {
    const controlled = (uid: string): FoundObjects => {
      const ownerReferences = [{ apiVersion: "flagger.app/v1beta1", kind: "Canary", name: "podinfo", uid, controller: true }];
      return withGiven(router, samples, new Map([[routeKey, { ...samples.users, metadata: { ...samples.users.metadata, ownerReferences } }]]));
    };
    expect(router.check(intentOf(samples.spec, 0), controlled("c2"))).toMatchObject([{ reason: "ForeignController" }]);
    expect(router.check(intentOf(samples.spec, 0), controlled("c1")).filter(({ reason }) => reason !== "GatewayMissing")).toEqual([]);
  });
}

function goldens(router: Router, samples: Samples): void {
  const names = readdirSync(samples.goldens).flatMap((file) => (file.endsWith(".canary.yaml") ? [file.slice(0, -".canary.yaml".length)] : []));

  test("has goldens", () => {
    expect(names).not.toEqual([]);
  });

  for (const name of names) test(`renders the golden manifests ${name}`, () => {
    const [canary] = documents(join(samples.goldens, `${name}.canary.yaml`));
    const spec = canary?.spec as CanarySpec;
    const said = JSON.parse(canary?.metadata.annotations?.["test/intent"] ?? "{}") as Partial<RouteIntent>;
    const given = withGiven(router, samples);
    expect(router.render({ ...intentOf(spec, 40), ...said }, given, version)).toEqual(documents(join(samples.goldens, `${name}.yaml`)));
    expect(router.check(intentOf(spec, 40), given).filter(({ reason }) => reason !== "GatewayMissing")).toEqual([]);
  });
}

function documents(file: string): KubeObject[] {
  return parseAllDocuments(readFileSync(file, "utf8")).map((document) => document.toJS() as KubeObject);
}
