import { describe, expect, test } from "@jest/globals";
import type { HttpRoute, MeshConfig, VirtualService } from "../../../sandbox/mesh/config.ts";
import type { KubeObject } from "../../../sandbox/api/types.ts";
import { roundRobin } from "../../../sandbox/mesh/balancer.ts";
import { routesOfIngresses } from "../../../sandbox/mesh/ingresses.ts";
import type { MeshRequest } from "../../../sandbox/mesh/match.ts";
import { routesOfMesh } from "../../../sandbox/mesh/meshroutes.ts";
import { pickRoute } from "../../../sandbox/mesh/pickroute.ts";
import { seriesRegistry, textFormat } from "../../../sandbox/mesh/series.ts";
import { virtualServices } from "../../../sandbox/mesh/view.ts";
import type { Service } from "../../../sandbox/workloads/objects.ts";
import { answer, behaviourOf, imageParts } from "../../../sandbox/workloads/behaviour.ts";
import { deploymentOf, namespace, scene, seededRandom, serviceOf, virtualServiceOf } from "./scene.ts";

const to = (host: string, weight?: number) => ({ destination: { host }, ...(weight === undefined ? {} : { weight }) });

function configOf(specs: Record<string, VirtualService["spec"]>, gateways: string[] = ["test/public"]): MeshConfig {
  const names = ["app", "app-primary", "app-canary"];
  return {
    virtualServices: Object.entries(specs).map(([name, spec]) => virtualServiceOf(name, spec) as VirtualService),
    gateways: new Set(gateways),
    services: new Map(names.map((name) => [`${namespace}/${name}`, serviceOf(name) as Service])),
    upstreams: new Map(),
  };
}

const request = (over: Partial<MeshRequest> = {}): MeshRequest => ({ host: "app.test", method: "GET", path: "/", headers: {}, ...over });

function goesTo(config: MeshConfig, over: Partial<MeshRequest> = {}, random = () => 0): string {
  const decision = pickRoute(request(over), config, random);
  return decision === undefined ? "404" : `${decision.target.namespace}/${decision.target.service}`;
}

describe("which VirtualService a host belongs to", () => {
  const spec = (over: Partial<VirtualService["spec"]> = {}): VirtualService["spec"] => ({ hosts: ["app"], http: [{ route: [to("app-primary")] }], ...over });
  test.each<[string, Record<string, VirtualService["spec"]>, string, string]>([
    ["a short host means the VirtualService's namespace", { vs: spec() }, "app.test", "test/app-primary"],
    ["by its full name", { vs: spec() }, "app.test.svc.cluster.local", "test/app-primary"],
    ["as written, with a port", { vs: spec() }, "app:8080", "test/app-primary"],
    ["whatever the case", { vs: spec({ hosts: ["App.Example.com"] }) }, "app.EXAMPLE.com", "test/app-primary"],
    ["a full host is found by a shorter name", { vs: spec({ hosts: ["app.test.svc.cluster.local"] }) }, "app.test", "test/app-primary"],
    ["a wildcard", { vs: spec({ hosts: ["*.example.com"] }) }, "app.example.com", "test/app-primary"],
    ["an exact host before a wildcard", { any: spec({ hosts: ["*"] }), vs: spec({ http: [{ route: [to("app-canary")] }] }) }, "app.test", "test/app-canary"],
    ["another namespace's Service is not meant", { vs: spec() }, "app.other", "404"],
    ["bound to a gateway that exists", { vs: spec({ gateways: ["public"], hosts: ["app.example.com"] }) }, "app.example.com", "test/app-primary"],
    ["bound by namespace and name", { vs: spec({ gateways: ["test/public"], hosts: ["app.example.com"] }) }, "app.example.com", "test/app-primary"],
    ["bound to the mesh beside a missing gateway", { vs: spec({ gateways: ["lost", "mesh"] }) }, "app.test", "test/app-primary"],
    ["bound to a missing gateway alone it has no say: straight to the Service", { vs: spec({ gateways: ["lost"] }) }, "app.test", "test/app"],
    ["none names it: straight to the Service", {}, "app-canary.test.svc.cluster.local", "test/app-canary"],
    ["none names it, no such Service", {}, "nothing.test", "404"],
    ["an address is no Service", {}, "127.0.0.1:80", "404"],
    ["a route that does not match is no route, although the Service exists", { vs: spec({ http: [{ match: [{ uri: { prefix: "/api" } }], route: [to("app-primary")] }] }) }, "app.test", "404"],
    ["a destination elsewhere", { vs: spec({ http: [{ route: [to("app-primary.other.svc.cluster.local")] }] }) }, "app.test", "other/app-primary"],
  ])("%s", (_because, specs, host, expected) => {
    expect(goesTo(configOf(specs), { host })).toBe(expected);
  });

  test("a delegate's routes are followed", () => {
    const config = configOf({
      root: { hosts: ["app"], http: [{ match: [{ uri: { prefix: "/a" } }], delegate: { name: "leaf" } }, { route: [to("app")] }] },
      leaf: { http: [{ route: [to("app-canary")] }] },
    });
    expect([goesTo(config, { path: "/a/b" }), goesTo(config, { path: "/c" })]).toEqual(["test/app-canary", "test/app"]);
  });
});

describe("which route a request meets", () => {
  const matched = (match: NonNullable<HttpRoute["match"]>[number], over: Partial<MeshRequest>) =>
    goesTo(configOf({ vs: { hosts: ["app"], http: [{ match: [match], route: [to("app-canary")] }, { route: [to("app-primary")] }] } }), over) === "test/app-canary";
  test.each<[string, Parameters<typeof matched>[0], Partial<MeshRequest>, boolean]>([
    ["prefix", { uri: { prefix: "/api" } }, { path: "/api/v1?x=1" }, true],
    ["not the prefix", { uri: { prefix: "/api" } }, { path: "/web" }, false],
    ["exact, without the query", { uri: { exact: "/api" } }, { path: "/api?x=1" }, true],
    ["not exact", { uri: { exact: "/api" } }, { path: "/api/" }, false],
    ["a regex matches the whole", { uri: { regex: "/v[0-9]" } }, { path: "/v1" }, true],
    ["a regex does not match a part", { uri: { regex: "/v[0-9]" } }, { path: "/v10" }, false],
    ["a broken regex matches nothing", { uri: { regex: "(" } }, { path: "(" }, false],
    ["case ignored when asked for", { uri: { prefix: "/API" }, ignoreUriCase: true }, { path: "/api" }, true],
    ["header exact", { headers: { "X-Canary": { exact: "insider" } } }, { headers: { "x-canary": "insider" } }, true],
    ["header missing", { headers: { "x-canary": { exact: "insider" } } }, {}, false],
    ["header present with any value", { headers: { "x-canary": {} } }, { headers: { "x-canary": "" } }, true],
    ["cookie regex", { headers: { cookie: { regex: "^(.*?;)?(canary=always)(;.*)?$" } } }, { headers: { cookie: "a=b;canary=always;c=d" } }, true],
    ["without a header", { withoutHeaders: { "x-canary": {} } }, { headers: { "x-canary": "yes" } }, false],
    ["method", { method: { exact: "POST" } }, { method: "POST" }, true],
    ["query parameter", { queryParams: { v: { exact: "2" } } }, { path: "/?v=2" }, true],
    ["all conditions of one match", { uri: { prefix: "/" }, headers: { a: { exact: "1" } } }, { headers: { a: "2" } }, false],
    ["the gateway has no labels", { sourceLabels: { app: "x" } }, {}, false],
  ])("%s", (_because, match, over, expected) => {
    expect(matched(match, over)).toBe(expected);
  });

  test("one match of several is enough, and the first route wins", () => {
    const config = configOf({ vs: { hosts: ["app"], http: [
      { match: [{ uri: { exact: "/a" } }, { uri: { exact: "/b" } }], route: [to("app-canary")] },
      { match: [{ uri: { prefix: "/b" } }], route: [to("app")] },
    ] } });
    expect([goesTo(config, { path: "/b" }), goesTo(config, { path: "/bc" })]).toEqual(["test/app-canary", "test/app"]);
  });

  test("rewrites, timeouts, retries and header edits are handed on", () => {
    const config = configOf({ vs: { hosts: ["app"], http: [{
      match: [{ uri: { prefix: "/old" } }], rewrite: { uri: "/new" }, timeout: "1m2.5s", retries: { attempts: 0 },
      headers: { request: { set: { a: "b" } } }, route: [{ ...to("app"), headers: { response: { remove: ["server"] } } }],
    }] } });
    expect(pickRoute(request({ path: "/old/page?x=1" }), config, Math.random)).toMatchObject({
      path: "/new/page?x=1", timeoutMs: 62_500, retries: 0, requestHeaders: [{ set: { a: "b" } }], responseHeaders: [{ remove: ["server"] }],
    });
  });

  test("mirrors go where they are told, and as often", () => {
    const config = configOf({ vs: { hosts: ["app"], http: [{ route: [to("app-primary")], mirror: { host: "app-canary" }, mirrorPercentage: { value: 30 } }] } });
    const random = seededRandom(3);
    const mirrored = Array.from({ length: 2000 }, () => pickRoute(request(), config, random)?.mirror).filter((target) => target !== undefined);
    expect(new Set(mirrored.map(({ service }) => service))).toEqual(new Set(["app-canary"]));
    expect(Math.abs(mirrored.length - 600)).toBeLessThan(80);
  });
});

describe("other products", () => {
  const config = (objects: { ingresses?: KubeObject[]; routes?: KubeObject[] }): MeshConfig => ({ ...configOf({}), virtualServices: [...routesOfIngresses(objects.ingresses ?? []), ...routesOfMesh(objects.routes ?? [])] });
  const backend = (name: string) => ({ service: { name, port: { number: 8080 } } });
  const ingress = (name: string, service: string, annotations: Record<string, string> = {}, spec: object = {}): KubeObject => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { name, namespace, annotations: Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`nginx.ingress.kubernetes.io/canary${key}`, value])) },
    spec: { ingressClassName: "nginx", rules: [{ host: "shop.com", http: { paths: [{ path: "/", pathType: "Prefix", backend: backend(service) }] } }], ...spec },
  });
  const pair = (annotations: Record<string, string>) => config({ ingresses: [ingress("app", "app"), ingress("app-canary", "app-canary", { "": "true", ...annotations })] });
  const share = (config: MeshConfig, over: Partial<MeshRequest> = {}): number => {
    const random = seededRandom(5);
    return Array.from({ length: 1000 }, () => goesTo(config, { host: "shop.com", ...over }, random)).filter((target) => target === "test/app-canary").length / 10;
  };

  test("an Ingress of nginx leads its host, and one of another class or a canary alone leads nobody", () => {
    expect(goesTo(config({ ingresses: [ingress("app", "app")] }), { host: "shop.com" })).toBe("test/app");
    expect(goesTo(config({ ingresses: [ingress("app", "app", {}, { ingressClassName: "traefik" })] }), { host: "shop.com" })).toBe("404");
    expect(goesTo(config({ ingresses: [ingress("app-canary", "app-canary", { "": "true", "-weight": "100" })] }), { host: "shop.com" })).toBe("404");
  });

  test("its canary gets its percents, and whole segments of paths count", () => {
    expect(share(pair({ "-weight": "0" }))).toBe(0);
    expect(share(pair({ "-weight": "100" }))).toBe(100);
    expect(Math.abs(share(pair({ "-weight": "30" })) - 30)).toBeLessThan(5);
    const api = ingress("app", "app", {}, { rules: [{ host: "shop.com", http: { paths: [{ path: "/api", pathType: "Prefix", backend: backend("app") }] } }] });
    expect(["/api", "/api/1", "/apis"].map((path) => goesTo(config({ ingresses: [api] }), { host: "shop.com", path }))).toEqual(["test/app", "test/app", "404"]);
  });

  test("a header goes before a cookie and both before the weight", () => {
    const chosen = pair({ "-weight": "0", "-by-header": "X-User", "-by-header-pattern": "^(?:qa-.*)$", "-by-cookie": "insider" });
    expect(share(chosen)).toBe(0);
    expect(share(chosen, { headers: { "x-user": "qa-1" } })).toBe(100);
    expect(share(chosen, { headers: { "x-user": "no-qa-1" } })).toBe(0);
    expect(share(chosen, { headers: { cookie: "a=b; insider=always" } })).toBe(100);
    expect(share(chosen, { headers: { cookie: "insider=yes" } })).toBe(0);
    expect(share(pair({ "-weight": "100", "-by-cookie": "insider" }), { headers: { cookie: "insider=never" } })).toBe(0);
  });

  test("a MeshHTTPRoute leads who calls its MeshService, by what they send and by weights", () => {
    const ref = (name: string, weight: number) => ({ kind: "MeshService", name, port: 8080, weight });
    const rules = [
      { matches: [{ path: { type: "PathPrefix", value: "/" }, headers: [{ type: "Exact", name: "x-user", value: "tester" }] }], default: { backendRefs: [ref("app-canary", 1)] } },
      { matches: [{ path: { type: "PathPrefix", value: "/" } }], default: { backendRefs: [ref("app-primary", 70), ref("app-canary", 30)] } },
    ];
    const led = config({ routes: [{ apiVersion: "kuma.io/v1alpha1", kind: "MeshHTTPRoute", metadata: { name: "app", namespace }, spec: { to: [{ targetRef: { kind: "MeshService", name: "app" }, rules }] } }] });
    expect(Math.abs(share(led, { host: "app.test" }) - 30)).toBeLessThan(5);
    expect(share(led, { host: "app.test", headers: { "x-user": "tester" } })).toBe(100);
    expect(goesTo(led, { host: "app-primary.test" })).toBe("test/app-primary");
  });
});

describe("weights", () => {
  const split = (primary: number, canary: number) => configOf({ vs: { hosts: ["app"], http: [{ route: [to("app-primary", primary), to("app-canary", canary)] }] } });

  test.each([[100, 0], [0, 100], [90, 10], [50, 50], [99, 1]])("%i to %i are kept", (primary, canary) => {
    const random = seededRandom(7);
    const config = split(primary, canary);
    const hits = Array.from({ length: 5000 }, () => goesTo(config, {}, random)).filter((target) => target === "test/app-canary").length;
    expect(Math.abs(hits / 50 - canary)).toBeLessThan(canary === 0 || canary === 100 ? 0.001 : 2);
  });

  test("a single destination gets everything, whatever its weight", () => {
    expect(goesTo(configOf({ vs: { hosts: ["app"], http: [{ route: [to("app", 0)] }] } }))).toBe("test/app");
  });
});

describe("in the world", () => {
  function twoVersions() {
    const it = scene();
    for (const name of ["app", "app-primary"]) {
      it.store.create("services", serviceOf(name));
      it.store.create("deployments.apps", deploymentOf(name === "app" ? "sandbox/app:2.0.0" : "sandbox/app:1.0.0", {}, name));
    }
    it.store.create(virtualServices, virtualServiceOf("app", { hosts: ["app.example.com"], gateways: ["mesh"], http: [{ route: [to("app-primary", 100), to("app", 0)] }] }));
    it.clock.advance(2000);
    return it;
  }
  const ask = (it: ReturnType<typeof scene>) => it.world.send({ host: "app.example.com" });
  const shift = (it: ReturnType<typeof scene>, canary: number) => it.edit(virtualServices, "app", (object) => ({
    ...object, spec: { ...(object.spec as object), http: [{ route: [to("app-primary", 100 - canary), to("app", canary)] }] },
  }));

  test("a changed route applies after the propagation delay, not before", () => {
    const it = twoVersions();
    expect(ask(it).version).toBe("1.0.0");
    shift(it, 100);
    it.clock.advance(49);
    expect(ask(it).version).toBe("1.0.0");
    it.clock.advance(1);
    expect(ask(it).version).toBe("2.0.0");
  });

  test("changes arrive in order also when the delay is shortened in between", () => {
    const it = twoVersions();
    it.world.mesh.propagationDelayMs = 1000;
    shift(it, 100);
    it.world.mesh.propagationDelayMs = 10;
    shift(it, 0);
    for (let elapsed = 0; elapsed < 1100; elapsed += 10) {
      expect(ask(it).version).toBe("1.0.0");
      it.clock.advance(10);
    }
  });

  test("requests take turns among the ready pods", () => {
    const it = twoVersions();
    const answered = Array.from({ length: 10 }, () => ask(it).pod);
    expect(new Set(answered).size).toBe(2);
    expect(answered.filter((pod) => pod === answered[0])).toHaveLength(5);
  });

  test("no endpoint, an unknown Service and a wrong port are 503, no route is 404", () => {
    const it = twoVersions();
    const route = (destination: object) => {
      it.edit(virtualServices, "app", (object) => ({ ...object, spec: { ...(object.spec as object), http: [{ route: [{ destination }] }] } }));
      it.clock.advance(100);
      return ask(it).status;
    };
    expect(route({ host: "app" })).toBe(200);
    expect(route({ host: "app", port: { number: 80 } })).toBe(200);
    expect(route({ host: "app", port: { number: 81 } })).toBe(503);
    expect(route({ host: "lost" })).toBe(503);
    it.editDeployment((spec) => (spec.replicas = 0));
    it.clock.advance(5000);
    expect(route({ host: "app" })).toBe(503);
    expect(it.world.send({ host: "elsewhere.example.com" }).status).toBe(404);
  });

  test("metrics tell the workloads apart and add up", () => {
    const it = twoVersions();
    shift(it, 40);
    it.editDeployment((spec) => (spec.template.spec.containers = [{ name: "app", image: "sandbox/app:3.0.0", env: [{ name: "ERROR_RATE", value: "0.5" }, { name: "LATENCY_MS", value: "60" }] }]));
    it.clock.advance(5000);
    for (let count = 0; count < 1200; count += 1) {
      ask(it);
      it.clock.advance(50);
    }
    const value = (query: string) => {
      const result = it.world.query(query);
      return result.type === "vector" ? result.samples[0]?.value ?? NaN : NaN;
    };
    const filter = 'reporter="destination",destination_workload_namespace="test",destination_workload=~"app"';
    const share = (good: string, all: string) => `sum(rate(istio_requests_total{${good}}[30s])) / sum(rate(istio_requests_total{${all}}[30s])) * 100`;
    expect(Math.abs(value(share(`${filter},response_code!~"5.*"`, filter)) - 50)).toBeLessThan(10);
    expect(Math.abs(value(share(filter, 'reporter="destination"')) - 40)).toBeLessThan(8);
    expect(value('sum(rate(istio_requests_total{reporter="destination",destination_workload="app-primary",response_code=~"5.."}[30s])) or vector(0)')).toBe(0);
    expect(value(`histogram_quantile(0.99, sum(rate(istio_request_duration_milliseconds_bucket{${filter}}[30s])) by (le))`)).toBeGreaterThan(50);
    expect(value('sum(rate(istio_requests_total{reporter="destination"}[30s]))')).toBeCloseTo(20, 0);
    expect(value('count(count(http_request_duration_seconds_count{kubernetes_pod_name=~"app-[0-9a-z]+-[0-9a-z]+"}) by (kubernetes_pod_name))')).toBe(2);
  });

  test("a late answer is a timeout", () => {
    const it = twoVersions();
    it.edit(virtualServices, "app", (object) => ({ ...object, spec: { ...(object.spec as object), http: [{ timeout: "2s", route: [to("app")] }] } }));
    it.clock.advance(100);
    expect(it.world.send({ host: "app.example.com", path: "/delay/3" })).toMatchObject({ status: 504, durationMs: 2000 });
    expect(it.world.send({ host: "app.example.com", path: "/delay/1" })).toMatchObject({ status: 200, durationMs: 1000 });
  });

  test("stopped it leaves nothing on the clock", () => {
    const it = twoVersions();
    ask(it);
    it.editDeployment((spec) => (spec.replicas = 0));
    it.clock.advance(10);
    shift(it, 10);
    it.world.stop();
    it.clock.advance(0);
    expect(it.clock.nextDueAt()).toBeUndefined();
  });
});

describe("the balancer", () => {
  test("prefers a pod that has not failed yet, and takes one again rather than none", () => {
    const upstream = (uid: string) => ({ namespace, pod: uid, uid, port: 1, workload: "app", app: "app", versionLabel: "unknown", version: "1", behaviour: behaviourOf({ containers: [] }) });
    const config = { ...configOf({}), upstreams: new Map([[`${namespace}/app`, [upstream("a"), upstream("b")]]]) };
    const pick = (tried: string[]) => roundRobin().pick({ namespace, service: "app" }, config, new Set(tried))?.uid;
    expect([pick(["a"]), pick(["b"])]).toEqual(["b", "a"]);
    expect(["a", "b"]).toContain(pick(["a", "b"]));
  });
});

describe("a pod's behaviour", () => {
  const of = (image: string, env: Record<string, string> = {}) => behaviourOf(deploymentOf(image, {}, "app", env).spec.template.spec);
  test.each([
    ["sandbox/app:1.0.0", {}, { version: "1.0.0", errorRate: 0, latencyMs: 0, startupMs: 300, crash: false, neverReady: false }],
    ["localhost:5000/sandbox/app:2.0.0-errors@sha256:aa", {}, { version: "2.0.0-errors", errorRate: 0.5 }],
    ["sandbox/app:2.0.0-slow", { LATENCY_MS: "20" }, { latencyMs: 20 }],
    ["sandbox/app:2.0.0-crash", {}, { crash: true }],
    ["sandbox/app:2.0.0-unready", { NEVER_READY: "0" }, { neverReady: false }],
    ["sandbox/app:1", { ERROR_RATE: "7", STARTUP_MS: "soon", CRASH: "1" }, { errorRate: 1, startupMs: 300, crash: true }],
    ["stefanprodan/podinfo:6.0.1", { ERROR_RATE: "1", CRASH: "1" }, { version: "6.0.1", errorRate: 0, crash: false }],
    ["localhost:5000/plain", {}, { version: "latest" }],
  ])("%s %j", (image, env, expected) => {
    expect(of(image, env)).toMatchObject(expected);
  });

  test.each([
    ["/", { status: 200, body: { version: "1.0.0", pod: "p", hostname: "p" } }],
    ["/version?x=1", { status: 200, body: { version: "1.0.0" } }],
    ["/healthz", { status: 200 }],
    ["/readyz", { status: 200 }],
    ["/status/404", { status: 404 }],
    ["/status/999", { status: 200 }],
    ["/delay/1.5", { status: 200, delayMs: 1500 }],
    ["/delay/9999", { status: 200, delayMs: 60_000 }],
  ])("answers %s", (path, expected) => {
    expect(answer(of("sandbox/app:1.0.0"), { namespace, pod: "p", uid: "u" }, { method: "GET", path }, () => 0.5)).toMatchObject(expected);
  });

  test("fails as often as it is told, but never its probes", () => {
    const behaviour = of("sandbox/app:1", { ERROR_RATE: "0.3" });
    const random = seededRandom(5);
    const failures = (path: string) => Array.from({ length: 2000 }, () => answer(behaviour, { namespace, pod: "p", uid: "u" }, { method: "GET", path }, random))
      .filter(({ status }) => status === 500).length;
    expect(Math.abs(failures("/") - 600)).toBeLessThan(80);
    expect([failures("/healthz"), failures("/status/201")]).toEqual([0, 0]);
  });

  test("image names come apart", () => {
    expect(imageParts("r:5000/a/b:t@sha256:0")).toEqual({ repository: "r:5000/a/b", tag: "t" });
    expect(imageParts("r:5000/a/b")).toEqual({ repository: "r:5000/a/b", tag: "latest" });
  });
});

describe("the metrics page", () => {
  test("groups by name and escapes label values", () => {
    const series = seriesRegistry();
    series.count("a_total", { path: 'x"\\\n' });
    series.observe("b", { c: "1" }, [1, 5], 2);
    series.count("a_total", { path: "y" });
    expect(textFormat(series.all())).toBe([
      "# TYPE a_total untyped", 'a_total{path="x\\"\\\\\\n"} 1', 'a_total{path="y"} 1',
      "# TYPE b_bucket untyped", 'b_bucket{c="1",le="1"} 0', 'b_bucket{c="1",le="5"} 1', 'b_bucket{c="1",le="+Inf"} 1',
      "# TYPE b_sum untyped", 'b_sum{c="1"} 2', "# TYPE b_count untyped", 'b_count{c="1"} 1', "",
    ].join("\n"));
    series.drop({ c: "1" });
    expect([...series.all()].map(({ name }) => name)).toEqual(["a_total", "a_total"]);
  });
});
