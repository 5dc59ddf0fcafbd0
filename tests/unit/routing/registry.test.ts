// Every router of the registry keeps the shared promises; a name that is not there means no router.
import { describe, expect, test } from "@jest/globals";
import { PROVIDERS } from "../../../crds/canary.ts";
import { deadProvider, ROUTERS, routerFor } from "../../../routing/registry.ts";
import { conforms, intentOf, type Samples } from "./conformance.ts";
import { apisixSamples } from "./apisix.samples.ts";
import { contourSamples } from "./contour.samples.ts";
import { gatewaySamples, grpcSamples } from "./gateway.samples.ts";
import { istioSamples } from "./istio.samples.ts";
import { knativeSamples } from "./knative.samples.ts";
import { kumaSamples } from "./kuma.samples.ts";
import { glooSamples, linkerdSamples } from "./linkerd.samples.ts";
import { nginxSamples } from "./nginx.samples.ts";
import { skipperSamples } from "./skipper.samples.ts";
import { traefikSamples } from "./traefik.samples.ts";

const SAMPLES: Record<string, Samples> = {
  istio: istioSamples,
  "gatewayapi:v1": gatewaySamples,
  "gatewayapi:v1beta1": gatewaySamples,
  nginx: nginxSamples,
  kuma: kumaSamples,
  traefik: traefikSamples,
  linkerd: linkerdSamples,
  contour: contourSamples,
  gloo: glooSamples,
  apisix: apisixSamples,
  skipper: skipperSamples,
  knative: knativeSamples,
};

/** Whatever objects of the user's a router may want to be told of. */
const EVERYTHING = { ...gatewaySamples.spec, ingressRef: nginxSamples.spec.ingressRef, routeRef: apisixSamples.spec.routeRef };

describe("routerFor", () => {
  test.each(["istio", "gatewayapi:v1", "gatewayapi:v1beta1", "kubernetes", "nginx", "kuma", "traefik", "linkerd", "contour", "gloo", "apisix", "skipper", "knative"])("knows %s", (name) => {
    expect(routerFor(name)?.name).toBe(name);
  });

  test.each(["", "Istio", "istio ", "istio:v1", "gloo:v1", "constructor"])("does not guess what %j means", (name) => {
    expect(routerFor(name)).toBeUndefined();
  });

  test.each(["appmesh", "appmesh:v1beta2", "osm", "smi:v1alpha1", "smi:v1alpha2:osm", "smi:v1alpha3"])("says what to use in place of %s", (name) => {
    expect(routerFor(name)).toBeUndefined();
    expect(deadProvider(name)).toMatch(/^.+ stands for .+\. Use .+\.$/);
  });

  test("of the contract's providers each is a router, or dead and said to be so", () => {
    expect(PROVIDERS.filter((name) => routerFor(name) === undefined && deadProvider(name) === undefined)).toEqual([]);
    expect(ROUTERS.filter(({ name }) => deadProvider(name) !== undefined)).toEqual([]);
  });

  test("has samples for every router that has a route object", () => {
    const routed = ROUTERS.filter((router) => router.keys(intentOf(EVERYTHING, 0)).route !== undefined);
    expect(Object.keys(SAMPLES).sort()).toEqual(routed.map((router) => router.name).sort());
  });
});

for (const router of ROUTERS) {
  const samples = SAMPLES[router.name];
  if (samples !== undefined) conforms(router, samples);
  if (samples === gatewaySamples) describe("GRPCRoute", () => conforms(router, grpcSamples));
}
